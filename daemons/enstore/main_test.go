package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/plugins"
	"github.com/enstore-go/sdk/tape/command/commandtest"
)

// asCommand in the environment makes the test binary the command itself.
const asCommand = "ENSTORE_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	commandtest.Main()
	plugins.Main(plugins.Builtin...)
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Unsetenv("ENSTORE_SITE")
	os.Setenv("GORACE", "atexit_sleep_ms=0") // under the race detector each plugin would take a second to end
	os.Exit(m.Run())
}

// result is what a command did.
type result struct {
	code     int
	out, err string
}

// command runs a command line in this process.
func command(t testing.TB, args ...string) result {
	t.Helper()
	return piped(t, strings.NewReader(""), args...)
}

func piped(t testing.TB, in io.Reader, args ...string) result {
	t.Helper()
	var out, err bytes.Buffer
	code := run(t.Context(), args, in, &out, &err)
	return result{code, out.String(), err.String()}
}

// good runs a command that has to succeed, silently on standard error, and returns its output.
func good(t testing.TB, args ...string) string {
	t.Helper()
	r := command(t, args...)
	if r.code != 0 || r.err != "" {
		t.Fatalf("enstore %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	return r.out
}

// bad runs a command that has to fail with the code, and an error that says all of the words.
func bad(t testing.TB, code int, words []string, args ...string) {
	t.Helper()
	r := command(t, args...)
	if r.code != code {
		t.Errorf("enstore %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.out, r.err)
	}
	for _, w := range words {
		if !strings.Contains(r.err, w) {
			t.Errorf("enstore %s: the error does not say %q:\n%s", strings.Join(args, " "), w, r.err)
		}
	}
}

// objects are the lines of JSON output.
func objects(t testing.TB, out string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(out) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all = append(all, o)
	}
	return all
}

func TestHelp(t *testing.T) {
	is := is.New(t)
	is.True(strings.Contains(good(t), "Usage: enstore <command>")) // without arguments
	for _, c := range []string{
		"init", "put", "get", "ls", "stat", "rm", "mkdir", "tag", "tag show", "tag set", "tag rm",
		"volume add", "volume ls", "volume show", "volume label", "volume inhibit", "tape ls", "tape cat", "tape verify", "drive ls", "drive show", "drive discover", "drive check",
		"robot inventory", "robot requests", "robot done", "robot refuse", "robot add", "robot remove", "robot show", "robot move", "robot check", "version",
	} {
		out := good(t, append(strings.Fields(c), "--help")...)
		is.True(strings.Contains(out, "Usage: enstore "+c)) // help of the command
		_, example, ok := strings.Cut(out, "Example:\n\n    ")
		is.True(ok && strings.Contains(example, "enstore ")) // with an example
	}
}

// Example lines in the help of commands are understood by the parser; what they name does not
// exist, so that any answer but wrong usage will do.
func TestUsage(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args string
		code int
		say  string
	}{
		{"bogus", 2, "Try: enstore --help"},
		{"put", 2, "Try: enstore put --help"},
		{"put a", 2, "a source and a target"},
		{"put - a /b", 2, "goes alone"},
		{"put --adler32 xyz a /b", 2, "8 hexadecimal digits"},
		{"put --adler32 0000000g a /b", 2, "8 hexadecimal digits"},
		{"put --size 5 a /b", 2, "for standard input"},
		{"put --level gone a /b", 2, "--level"},
		{"get /a", 2, "a source and a target"},
		{"get /a /b -", 2, "one file at a time"},
		{"tag set /a width", 2, "there is no tag width"},
		{"tag set /a file_family=", 2, "tag rm"},
		{"tag rm /a foo", 2, "there is no tag foo"},
		{"tape cat x.tap 0", 2, "counted from 1"},
		{"tape cat x.tap one", 2, "file"},
		{"tape ls nothing.tap", 3, "nothing.tap: no such file"},
		{"tape ls --wrapper tar x.tap", 2, "--wrapper"},
		{"init x --volumes=-1", 2, "-1 volumes"},
		{"init x --volumes 101", 2, "100 slots"},
		{"init x --capacity 12XB", 2, "--capacity"},
		{"init x --volumes 1 --capacity 10", 2, "unit missing"},
		{"--site " + dir + " ls", 3, "no site here"},
		{"--site " + dir + "/none ls", 3, "enstore init"},
		{"volume label bad", 2, "bad"},
		{"drive show", 2, "a drive's name"},
		{"drive show x --plugin y", 2, "a drive's name"},
		{"drive discover --no-kernel --portal ,x", 2, "HOST:PORT"},
		{"robot requests --plugin robot-file", 2, "only robot-operator"},
		{"robot requests --plugin robot-operator", 2, "no dir"},
		{"robot requests --plugin robot-operator --config {", 2, "--config"},
		{"robot done x", 2, "id"},
		{"robot refuse 7", 2, "why"},
	} {
		t.Run(c.args, func(t *testing.T) { bad(t, c.code, []string{"enstore: ", c.say}, strings.Fields(c.args)...) })
	}
}

func TestErrorsInJSON(t *testing.T) {
	is := is.New(t)
	r := command(t, "--json", "tape", "cat", "x.tap", "0")
	is.Equal(r, result{2, "", `{"error":"file 0: files are counted from 1","kind":"invalid","exit":2}` + "\n"})
	is.Equal(objects(t, command(t, "bogus", "--json").err)[0]["kind"], "invalid") // the parser, too
	r = command(t, "--json", "--site", t.TempDir(), "ls")
	is.Equal(r.code, 3)
	o := objects(t, r.err)
	is.Equal(o[0]["kind"], "not-found")
	is.True(strings.Contains(o[0]["hint"].(string), "enstore init"))
}

func TestVersion(t *testing.T) {
	is := is.New(t)
	is.True(strings.HasPrefix(good(t, "version"), "enstore "))
	o := objects(t, good(t, "--json", "version"))
	is.True(strings.HasPrefix(o[0]["go"].(string), "go1."))
}

func TestInterrupted(t *testing.T) {
	is := is.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errOut bytes.Buffer
	is.Equal(run(ctx, []string{"tape", "ls", "../../enstore/scan/testdata/TST002.tap.gz"}, nil, io.Discard, &errOut), 130)
	is.True(strings.Contains(errOut.String(), "interrupted"))
}
