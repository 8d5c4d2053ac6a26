package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
)

// A site at work, in this process, is looked at and told what to do by commands.
func TestQueueOfASiteAtWork(t *testing.T) {
	is := is.New(t)
	dir := newSite(t)
	is.Equal(good(t, "queue", "ls"), "Nothing is on its way.\n")
	is.Equal(good(t, "library", "pause", "--reason", "door open"), "library tapes: paused\n")
	s, err := site.Open(t.Context(), dir, nil)
	is.NoErr(err)
	defer s.Close()
	w, err := s.Client().Put(t.Context(), "/raw", enstore.PutOptions{Size: 5, User: "anna", Dataset: "run1"})
	is.NoErr(err)

	var r struct {
		ID, Subject, User, Dataset, Reason string
	}
	is.NoErr(json.Unmarshal([]byte(good(t, "queue", "ls", "--json")), &r))
	is.Equal([]string{r.Subject, r.User, r.Dataset}, []string{"/raw", "anna", "run1"})
	is.True(strings.HasPrefix(r.Reason, "the library is held: tapes: door open"))
	out := good(t, "queue", "explain", r.ID[:13])
	for _, part := range []string{"/raw", "anna", "run1", " 1. the library is held: tapes: door open", "frees it: open the library", "nobody knows"} {
		is.True(strings.Contains(out, part))
	}
	is.True(strings.Contains(good(t, "queue", "ls", "--dataset", "run1"), "/raw"))
	is.Equal(good(t, "queue", "ls", "--user", "otto"), "Nothing is on its way.\n")
	is.Equal(good(t, "queue", "hold", r.ID), "1 request: held\n")
	is.True(strings.Contains(good(t, "queue", "ls"), "the request is held"))
	is.Equal(good(t, "queue", "release", "--user", "anna"), "1 request: released\n")
	is.Equal(good(t, "queue", "priority", "7", r.ID), "1 request: priority 7\n")
	is.True(strings.Contains(good(t, "queue", "estimate"), "nobody knows"))
	is.True(strings.Contains(good(t, "library", "show"), "door open"))
	is.True(strings.Contains(good(t, "queue", "shares"), "all"))
	is.Equal(good(t, "queue", "strikes"), "Nothing has failed lately.\n")

	file := filepath.Join(dir, "site.toml")
	text, err := os.ReadFile(file)
	is.NoErr(err)
	is.NoErr(os.WriteFile(file, append(text, "\n[[queue.limit]]\nname = \"none\"\ndrives = 0\n"...), 0o600))
	is.Equal(good(t, "queue", "reload"), "rules read anew\n")
	is.True(strings.Contains(good(t, "queue", "explain", r.ID), "a limit is reached: none (0 of 0)"))
	is.NoErr(os.WriteFile(file, append(text, "\n[[queue.limit]]\nname = \"none\"\ndrives = -1\n"...), 0o600))
	code, _, errOut := call(t, "queue", "reload")
	is.Equal(code, 2)
	is.True(strings.Contains(errOut, `limit "none": drives = -1`))
	is.NoErr(os.WriteFile(file, text, 0o600))
	good(t, "queue", "reload")

	is.Equal(good(t, "library", "open"), "library tapes: open\n")
	_, err = w.Write([]byte("hello"))
	is.NoErr(err)
	_, err = w.Commit(t.Context())
	is.NoErr(err)
	is.Equal(good(t, "library", "drain", "-q"), "library tapes: drained\n")
	code, _, errOut = call(t, "queue", "cancel", r.ID)
	is.Equal(code, 3)
	is.True(strings.Contains(errOut, "is not on its way"))
	code, _, _ = call(t, "queue", "cancel")
	is.Equal(code, 2) // of what?
	is.NoErr(s.Close())
	code, _, errOut = call(t, "put", file, "/b")
	is.Equal(code, 5)
	is.True(strings.Contains(errOut, "is draining"))
	is.True(strings.HasSuffix(good(t, "simulate", "--replay"), "the same decisions again\n"))
}

func TestSimulate(t *testing.T) {
	is := is.New(t)
	dir := newSite(t)
	streams := write(t, filepath.Join(dir, "streams.toml"), []byte("[[stream]]\nname = \"recall\"\nkind = \"read\"\nbursts = 50\nfiles = 20\nsize = 2000000000\n"))
	picture, saved := filepath.Join(dir, "day.svg"), filepath.Join(dir, "day.jsonl")
	out := good(t, "simulate", "--streams", streams, "--with", "enstore", "--with", "cta", "--picture", picture, "--save", saved)
	for _, part := range []string{"enstore", "cta", "GB a mount", "waiting, 95 %"} {
		is.True(strings.Contains(out, part))
	}
	svg, err := os.ReadFile(picture)
	is.NoErr(err)
	is.True(strings.HasPrefix(string(svg), "<svg"))
	other := write(t, filepath.Join(dir, "other.toml"), nil)
	text, err := os.ReadFile(filepath.Join(dir, "site.toml"))
	is.NoErr(err)
	write(t, other, append(text, "\n[queue]\nmin_age = \"30m\"\n"...))
	out = good(t, "simulate", "--workload", saved, filepath.Join(dir, "site.toml"), other)
	is.True(strings.Contains(out, "other"))

	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"simulate"}, 2, "what is to be played?"},
		{[]string{"simulate", "--streams", write(t, filepath.Join(dir, "bad.toml"), []byte("[[stream]]\ncolour = 1\n"))}, 2, "line 2: unknown key"},
		{[]string{"simulate", "--workload", write(t, filepath.Join(dir, "bad.jsonl"), []byte("{"))}, 2, "line 1"},
		{[]string{"simulate", "--workload", filepath.Join(dir, "nowhere")}, 3, "nowhere"},
	} {
		code, _, errOut := call(t, c.args...)
		is.Equal(code, c.code)
		is.True(strings.Contains(errOut, c.says))
	}
}

func TestRulesThatMakeNoSense(t *testing.T) {
	is := is.New(t)
	dir := newSite(t)
	text, err := os.ReadFile(filepath.Join(dir, "site.toml"))
	is.NoErr(err)
	for rules, says := range map[string]string{
		"[[queue.share]]\nname = \"a\"\nleast = 3\n":                                 "guaranteed 3 drives, the site has 2",
		"[[queue.priority]]\nname = \"a\"\nadd = 1\nmatch = { library = \"LTO\" }\n": "never matches: no library of the site",
		"[[queue.priority]]\nname = \"a\"\nadd = 1\nmatch = { colour = \"red\" }\n":  `no field "colour"`,
		"[[queue.limit]]\nname = \"a\"\nrobot = \"R2\"\ndrives = 1\n":                `no robot "R2"`,
		"[queue]\nbatch = -1\n": "queue.batch = -1",
		"[queue]\ncolour = 1\n": "unknown key",
		"[[queue.priority]]\nname=\"a\"\nadd=1\n[[queue.priority]]\nname=\"b\"\nadd=2\n": "never reached",
	} {
		write(t, filepath.Join(dir, "site.toml"), append(text[:len(text):len(text)], "\n"+rules...))
		code, _, errOut := call(t, "queue", "ls")
		is.Equal(code, 2)
		if !strings.Contains(errOut, says) {
			t.Errorf("%q does not say %q", errOut, says)
		}
	}
}

// call runs a command that may fail.
func call(t testing.TB, args ...string) (code int, out, errOut string) {
	t.Helper()
	r := command(t, args...)
	return r.code, r.out, r.err
}
