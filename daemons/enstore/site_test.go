package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

// newSite makes a site of two drives and three volumes, and makes it the one that commands mean.
func newSite(t testing.TB) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "site")
	is.New(t).Equal(good(t, "init", dir, "--volumes", "3", "--capacity", "100 MB"), "site "+dir+"/site.toml: 2 drives, 3 volumes\n")
	t.Setenv("ENSTORE_SITE", dir)
	return dir
}

// write makes a file of this machine.
func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	is := is.New(t)
	is.NoErr(os.MkdirAll(filepath.Dir(name), 0o755))
	is.NoErr(os.WriteFile(name, data, 0o640))
	return name
}

// tree lists a directory of this machine: content by name, "dir" for directories.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	is := is.New(t)
	all := map[string]string{}
	is.NoErr(filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		is.NoErr(err)
		rel, err := filepath.Rel(dir, name)
		is.NoErr(err)
		if d.IsDir() {
			all[rel] = "dir"
			return nil
		}
		st, err := d.Info()
		is.NoErr(err)
		b, err := os.ReadFile(name)
		is.NoErr(err)
		all[rel] = fmt.Sprintf("%v %d %08x", st.Mode(), len(b), crc.Adler(crc.Seed1, b))
		return nil
	}))
	return all
}

// A tree with unpleasant names goes to tape and comes back.
func TestRoundTrip(t *testing.T) {
	is := is.New(t)
	site := newSite(t)
	src, back := filepath.Join(t.TempDir(), "run 42"), t.TempDir()
	names := []string{"plain", "with blank", "*", "[a-z]?", "-rf", "--help", "new\nline", "\x1b[2J", "ünï", "raw\xff", "sub/deep/er/file", ".hidden", `back\slash`}
	for i, n := range names {
		write(t, filepath.Join(src, n), wrappertest.Data(int64(i)*1000+int64(i%3)))
	}
	write(t, filepath.Join(src, "large"), wrappertest.Data(1_000_001))
	write(t, filepath.Join(src, "empty"), nil)
	is.NoErr(os.MkdirAll(filepath.Join(src, "empty dir"), 0o755))
	is.NoErr(os.Chmod(filepath.Join(src, "plain"), 0o755))

	out := good(t, "put", "-r", src, "/raw") // /raw is made: it becomes the directory
	is.True(strings.HasPrefix(out, "stored 15 files, 1.1 MB in "))
	good(t, "get", "-r", "/raw", filepath.Join(back, "a"))
	is.Equal(tree(t, filepath.Join(back, "a")), tree(t, src))
	good(t, "get", "-r", "/raw", back) // it is there: it takes the directory
	is.Equal(tree(t, filepath.Join(back, "raw")), tree(t, src))

	list := good(t, "ls", "-R", "/")
	is.True(strings.HasPrefix(list, "/raw/\n"))
	is.Equal(strings.Count(list, "\n"), 20) // one line a name, whatever it holds
	for _, want := range []string{`"/raw/new\nline"`, `"/raw/\x1b[2J"`, `"/raw/raw\xff"`, "\n/raw/*\n", "\n/raw/sub/deep/er/file\n", "\n/raw/empty dir/\n"} {
		is.True(strings.Contains(list, want))
	}
	var bytesOf []any
	for _, o := range objects(t, good(t, "--json", "ls", "/raw")) {
		if o["key"] == "/raw/raw\uFFFD" {
			bytesOf = append(bytesOf, o["keyBytes"])
		}
	}
	is.Equal(bytesOf, []any{"L3Jhdy9yYXf/"})

	// Names are taken as they are.
	good(t, "rm", "/raw/*")
	is.Equal(strings.Count(good(t, "ls", "-R", "/"), "\n"), 19)
	good(t, "get", "--", "/raw/-rf", filepath.Join(back, "rf"))

	// What is stored already is not stored again.
	before := good(t, "volume", "ls")
	is.True(strings.Contains(before, "main.data.cpio_odc"))
	files := func() (n float64) {
		for _, v := range objects(t, good(t, "--json", "volume", "ls")) {
			n += v["files"].(float64)
		}
		return n
	}
	n := files()
	out = good(t, "put", "-r", src+"/.", "/raw") // what is in it
	is.Equal(files(), n+1)                       // only the one that was removed
	is.True(strings.HasPrefix(out, "stored 1 file, "))
	is.True(strings.HasSuffix(out, "; 14 files already\n"))
	is.True(strings.HasPrefix(good(t, "put", "-r", src+"/.", "/raw"), "stored already: 15 files, "))

	good(t, "rm", "-r", "/raw")
	is.Equal(good(t, "ls"), "")

	// The tapes say the same as the catalogue.
	for _, v := range []string{"VO0001", "VO0002", "VO0003"} {
		good(t, "tape", "verify", filepath.Join(site, "tapes", "volumes", v+".tap"))
	}
}

func TestOneFile(t *testing.T) {
	is := is.New(t)
	newSite(t)
	dir := t.TempDir()
	data := wrappertest.Data(300_000)
	sum := fmt.Sprintf("%08x", crc.Adler(crc.Seed1, data))
	src := write(t, filepath.Join(dir, "run42.dat"), data)

	is.Equal(good(t, "put", "--adler32", sum, src, "/run42.dat"), "stored /run42.dat: 300 kB, adler32 "+sum+", on tape, volume VO0001 file 1\n")
	good(t, "mkdir", "/raw", "/raw/a")
	good(t, "put", src, "/raw") // into the directory, under its own name
	bad(t, 3, []string{"/raw/b"}, "put", src, "/raw/b/")
	good(t, "put", "-p", src, "/x/y/z")
	is.Equal(good(t, "ls", "-R"), "/raw/\n/raw/a/\n/raw/run42.dat\n/run42.dat\n/x/\n/x/y/\n/x/y/z\n")
}

// process starts the command as a process of its own.
func process(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	is.New(t).NoErr(err)
	c := exec.CommandContext(t.Context(), self, args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	return c
}

// A file that this site wrote is unpacked by GNU cpio, without any of our code but the image's.
func TestGNUCpioReadsTheSitesTapes(t *testing.T) {
	is := is.New(t)
	cpio := wrappertest.Judge(t, "cpio")
	site := newSite(t)
	data := wrappertest.Data(777_777)
	src := write(t, filepath.Join(t.TempDir(), "data"), data)
	good(t, "put", src, "/data")
	unpack := exec.Command(cpio, "-i", "--quiet", "--to-stdout")
	var err error
	cat := process(t, "tape", "cat", "--raw", filepath.Join(site, "tapes", "volumes", "VO0001.tap"), "1")
	unpack.Stdin, err = cat.StdoutPipe()
	is.NoErr(err)
	is.NoErr(cat.Start())
	got, err := unpack.Output()
	is.NoErr(err)
	is.NoErr(cat.Wait())
	is.True(bytes.Equal(got, data))
}

func TestStreams(t *testing.T) {
	is := is.New(t)
	newSite(t)
	data := wrappertest.Data(2_000_003)
	r := piped(t, bytes.NewReader(data), "put", "-", "/unknown")
	is.Equal(r.code, 0)
	r = piped(t, bytes.NewReader(data), "put", "--size", "2000003", "-", "/known")
	is.Equal(r.code, 0)
	is.Equal(good(t, "get", "/unknown", "-"), string(data))
	is.Equal(good(t, "get", "/known", "-"), string(data))

	// Promises that are not kept: nothing is stored.
	sum := fmt.Sprintf("%08x", crc.Adler(crc.Seed1, data))
	for _, c := range []struct {
		args string
		in   io.Reader
		code int
		say  string
	}{
		{"put --size 2000002 - /x", bytes.NewReader(data), 6, "longer"},
		{"put --size 2000004 - /x", bytes.NewReader(data), 6, "2000003 bytes"},
		{"put --adler32 " + sum + " - /x", bytes.NewReader(data[1:]), 6, "expected"},
		{"put - /x", io.MultiReader(bytes.NewReader(data), broken{}), 1, "the source broke"},
		{"put - /", bytes.NewReader(data), 2, "no name of its own"},
	} {
		r := piped(t, c.in, strings.Fields(c.args)...)
		is.Equal(r.code, c.code)
		is.True(strings.Contains(r.err, c.say))
		is.Equal(command(t, "stat", "/x").code, 3)
	}
	is.Equal(good(t, "ls"), "known\nunknown\n")
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, fmt.Errorf("the source broke") }

func TestGet(t *testing.T) {
	is := is.New(t)
	newSite(t)
	dir := t.TempDir()
	a, b := write(t, filepath.Join(dir, "a"), []byte("content of a")), write(t, filepath.Join(dir, "b"), []byte("content of b"))
	good(t, "put", a, b, "/")
	to := filepath.Join(dir, "to")
	bad(t, 3, []string{"no such file", "get -p"}, "get", "/a", "/b", to)
	is.True(strings.HasPrefix(good(t, "get", "-p", "/a", "/b", to), "fetched 2 files, 24 B in "))

	// What is there stays, unless told.
	write(t, filepath.Join(to, "a"), []byte("mine"))
	bad(t, 4, []string{"to/a", "--force"}, "get", "/a", to)
	is.Equal(read(t, filepath.Join(to, "a")), "mine")
	good(t, "get", "--force", "/a", to)
	is.Equal(read(t, filepath.Join(to, "a")), "content of a")

	// By BFID, under any name.
	bfid := objects(t, good(t, "--json", "stat", "/b"))[0]["bfid"].(string)
	good(t, "get", bfid, filepath.Join(dir, "by bfid"))
	is.Equal(read(t, filepath.Join(dir, "by bfid")), "content of b")
	is.Equal(good(t, "get", bfid, "-"), "content of b")

	// What is in a directory, without its name.
	good(t, "mkdir", "/d")
	good(t, "put", a, "/d/c")
	good(t, "get", "-rp", "/d/.", filepath.Join(dir, "inside"))
	good(t, "get", "-r", "/.", filepath.Join(dir, "inside"))
	all := tree(t, filepath.Join(dir, "inside"))
	is.Equal(len(all), 6) // itself, c, a, b, d, d/c
	is.Equal(read(t, filepath.Join(dir, "inside", "c")), "content of a")

	bad(t, 2, []string{"say -r"}, "get", "/", to)
	bad(t, 3, []string{"/none"}, "get", "/none", to)
	bad(t, 3, []string{"no such file"}, "get", "/a", filepath.Join(dir, "none", "a"))
	bad(t, 2, []string{"not a directory"}, "get", "/a", "/b", a)

	// One of many: the others come.
	r := command(t, "get", "/a", "/b", to)
	is.Equal(r.code, 4)
	is.True(strings.Contains(r.err, "2 of 2 files failed"))
	is.NoErr(os.Remove(filepath.Join(to, "b")))
	r = command(t, "get", "/a", "/b", to)
	is.Equal(r.code, 4)
	is.True(strings.Contains(r.err, "1 of 2 files failed"))
	is.Equal(read(t, filepath.Join(to, "b")), "content of b")
	es, err := os.ReadDir(to)
	is.NoErr(err)
	is.Equal(len(es), 2) // and nothing else is left
}

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	is.New(t).NoErr(err)
	return string(b)
}

// A removed file is said to be so, and one path that is wrong keeps no other from being removed.
func TestRemoved(t *testing.T) {
	is := is.New(t)
	newSite(t)
	name := write(t, filepath.Join(t.TempDir(), "f"), []byte("content"))
	good(t, "put", name, "/f")
	bfid := objects(t, good(t, "--json", "stat", "/f"))[0]["bfid"].(string)
	bad(t, 3, []string{"/none: not found", "/nor: not found"}, "rm", "/none", "/f", "/nor")
	is.Equal(good(t, "ls"), "")
	is.True(strings.Contains(good(t, "stat", bfid), "deleted, was on tape"))
	is.Equal(objects(t, good(t, "--json", "stat", bfid))[0]["deleted"], true)
	bad(t, 3, []string{"deleted"}, "get", bfid, "-")
}

// A volume that is kept from being used, and allowed again.
func TestInhibit(t *testing.T) {
	is := is.New(t)
	newSite(t)
	name := write(t, filepath.Join(t.TempDir(), "f"), []byte("content"))
	for _, v := range []string{"VO0001", "VO0002", "VO0003"} {
		good(t, "volume", "inhibit", v, "readonly", "--why", "edge damage")
	}
	is.True(strings.Contains(good(t, "volume", "show", "VO0002"), "edge damage"))
	bad(t, 7, []string{"no volume"}, "put", name, "/f")
	is.Equal(good(t, "volume", "inhibit", "VO0002", "none", "--why", "it was dust"), "volume VO0002 is writable\n")
	good(t, "put", name, "/f")
	good(t, "volume", "inhibit", "VO0002", "notallowed", "--why", "lent")
	bad(t, 8, []string{"VO0002", "notallowed"}, "get", "/f", "-")
	good(t, "volume", "inhibit", "VO0002", "none", "--why", "it is back")
	is.Equal(good(t, "get", "/f", "-"), "content")
	bad(t, 2, []string{"--why"}, "volume", "inhibit", "VO0002", "none")
	bad(t, 3, []string{"VO0009"}, "volume", "inhibit", "VO0009", "none", "--why", "x")
}

// A set-up that was cut short is done again.
func TestVolumesAddedAgain(t *testing.T) {
	is := is.New(t)
	newSite(t)
	bad(t, 4, []string{"VO0001", "VO0009"}, "volume", "add", "VO0008", "VO0001", "VO0009", "VO0009", "VO0010")
	is.Equal(strings.Count(good(t, "volume", "ls"), "VO00"), 6)
}

// Who wants copies is not given fewer.
func TestCopiesAreRefused(t *testing.T) {
	newSite(t)
	good(t, "tag", "set", "/", "library=tapes,second")
	bad(t, 8, []string{"copies are not made yet"}, "put", write(t, filepath.Join(t.TempDir(), "f"), []byte("content")), "/f")
}
