package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/filetape"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

func TestRefusals(t *testing.T) {
	is := is.New(t)
	site := newSite(t)
	dir := t.TempDir()
	src := write(t, filepath.Join(dir, "src"), []byte("content"))
	other := write(t, filepath.Join(dir, "other"), []byte("other content"))
	good(t, "put", src, "/file")
	for _, c := range []struct {
		code int
		say  string
		args []string
	}{
		{4, "exists with other content", []string{"put", other, "/file"}},
		{2, `name ".."`, []string{"put", src, "/a/../b"}},
		{2, "", []string{"put", src, "/nul\x00"}},
		{2, "not absolute", []string{"put", src, "relative"}},
		{2, "255", []string{"put", src, "/" + strings.Repeat("x", 256)}},
		{3, "no such file", []string{"put", filepath.Join(dir, "none"), "/x"}},
		{3, "mkdir -p", []string{"put", src, "/none/"}},
		{3, "put -p", []string{"put", src, "/none/x"}},
		{2, "not a directory", []string{"put", src, other, "/file"}},
		{2, "say -r", []string{"put", dir, "/x"}},
		{2, "neither a file nor a directory", []string{"put", os.DevNull, "/x"}},
		{2, "would both become", []string{"put", src, src, "/"}},
		{2, "contains the site itself", []string{"put", "-r", filepath.Dir(site), "/x"}},
		{6, "00000001 was expected", []string{"put", "--adler32", "00000001", src, "/x"}},
		{3, "/none", []string{"stat", "/none"}},
		{2, "neither an absolute path nor a BFID", []string{"stat", "none"}},
		{3, "ENST123", []string{"stat", "ENST123400000000"}},
		{3, "/none", []string{"ls", "/none"}},
		{3, "/none", []string{"rm", "/none"}},
		{2, "root", []string{"rm", "-r", "/"}},
		{4, "/file", []string{"mkdir", "/file"}},
		{3, "/none", []string{"mkdir", "/none/x"}},
		{2, "width", []string{"tag", "set", "/", "file_family_width=-1"}},
		{2, "", []string{"tag", "set", "/file", "file_family=x"}},
		{3, "/none", []string{"tag", "show", "/none"}},
		{4, "VO0001", []string{"volume", "add", "VO0001"}},
		{2, `"bad label"`, []string{"volume", "add", "bad label"}},
		{3, "VO0009", []string{"volume", "show", "VO0009"}},
		{8, "not blank", []string{"volume", "label", "VO0001"}},
		{3, "VO0009", []string{"volume", "label", "VO0009"}},
		{4, "there is a site already", []string{"init", site}},
	} {
		t.Run(strings.Join(c.args[:2], " "), func(t *testing.T) { bad(t, c.code, []string{"enstore: ", c.say}, c.args...) })
	}
	is.Equal(good(t, "ls", "-R"), "/file\n") // nothing of all this is there
	good(t, "rm", "-f", "/none")
	good(t, "mkdir", "-p", "/dir", "/dir")
}

// What cannot be stored as a file is told, not passed over in silence.
func TestOddFiles(t *testing.T) {
	is := is.New(t)
	newSite(t)
	dir := filepath.Join(t.TempDir(), "dir")
	target := write(t, filepath.Join(dir, "file"), []byte("content"))
	is.NoErr(os.Symlink(target, filepath.Join(dir, "link")))
	r := command(t, "put", "-r", dir, "/")
	is.Equal(r.code, 1)
	is.True(strings.Contains(r.err, "dir/link: skipped"))
	is.Equal(good(t, "ls", "-R"), "/dir/\n/dir/file\n")
	is.NoErr(os.Symlink(dir, dir+"-link")) // but what was named is followed
	is.Equal(command(t, "put", "-r", dir+"-link", "/").code, 1)
	is.Equal(good(t, "ls", "/dir-link"), "file\n")

	if os.Geteuid() != 0 { // root may read everything
		is.NoErr(os.Remove(filepath.Join(dir, "link")))
		is.NoErr(os.Chmod(target, 0))
		bad(t, 8, []string{"permission denied"}, "put", target, "/x")
	}
}

func TestSiteFile(t *testing.T) {
	is := is.New(t)
	site := newSite(t)
	name := filepath.Join(site, "site.toml")
	whole := read(t, name)
	is.NoErr(os.WriteFile(name, []byte(whole+"colour = \"red\"\n"), 0o640))
	bad(t, 2, []string{"line ", "colour"}, "ls")
	is.NoErr(os.WriteFile(name, []byte("width = = 1\n"), 0o640))
	bad(t, 2, []string{"site.toml", "line 1"}, "ls")
	is.NoErr(os.WriteFile(name, []byte(whole), 0o640))
	good(t, "--site", name, "ls") // the file may be named, too
}

// While a process has the site open no other one has; an interrupt ends it, and leaves nothing half
// done, whether the stream went to the disk first or straight to tape.
func TestInUseAndInterrupted(t *testing.T) {
	for _, args := range [][]string{{"put", "-", "/stream"}, {"put", "--size", "10000000", "-", "/stream"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			is := is.New(t)
			site := newSite(t)
			c := process(t, args...)
			in, err := c.StdinPipe()
			is.NoErr(err)
			var errOut bytes.Buffer
			c.Stderr = &errOut
			is.NoErr(c.Start())
			_, err = io.Copy(in, bytes.NewReader(wrappertest.Data(3_000_000))) // so much fits in no pipe: it is being stored
			is.NoErr(err)
			bad(t, 5, []string{"in use", "wait"}, "ls")

			is.NoErr(c.Process.Signal(os.Interrupt))
			is.True(c.Wait() != nil)
			is.Equal(c.ProcessState.ExitCode(), 130)
			is.True(strings.Contains(errOut.String(), "interrupted"))
			is.Equal(good(t, "ls"), "")
			good(t, "put", write(t, filepath.Join(t.TempDir(), "src"), []byte("x")), "/after")
			good(t, "tape", "verify", filepath.Join(site, "tapes", "volumes", "VO0001.tap"))
		})
	}
}

func TestNoVolumes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	good(t, "init", dir)
	t.Setenv("ENSTORE_SITE", dir)
	src := write(t, filepath.Join(t.TempDir(), "src"), []byte("content"))
	bad(t, 7, []string{"volume add"}, "put", src, "/x")
	good(t, "volume", "add", "VO0001", "--capacity", "10 MB")
	bad(t, 7, []string{"largest volume"}, "put", write(t, src, wrappertest.Data(11_000_000)), "/x")
}

// A flipped bit on the tape is found on the way back, and leaves no file behind.
func TestDamagedTape(t *testing.T) {
	is := is.New(t)
	site := newSite(t)
	dir := t.TempDir()
	good(t, "put", write(t, filepath.Join(dir, "src"), bytes.Repeat([]byte("needle "), 1000)), "/x")
	name := filepath.Join(site, "tapes", "volumes", "VO0001.tap")
	image := []byte(read(t, name))
	at := bytes.Index(image, []byte("needle "))
	is.True(at > 0)
	image[at+3] ^= 1
	is.NoErr(os.WriteFile(name, image, 0o640))
	bad(t, 6, []string{"/x"}, "get", "/x", filepath.Join(dir, "back"))
	_, err := os.Stat(filepath.Join(dir, "back"))
	is.True(os.IsNotExist(err))
	es, err := os.ReadDir(dir)
	is.NoErr(err)
	is.Equal(len(es), 1)
	is.Equal(command(t, "get", "/x", "-").code, 6)
}

func TestWriteProtectedVolumes(t *testing.T) {
	is := is.New(t)
	site := newSite(t)
	for _, v := range []string{"VO0001", "VO0002"} {
		is.NoErr(filetape.SetWriteProtect(disk.OS(), filepath.Join(site, "tapes"), v, true))
	}
	good(t, "put", write(t, filepath.Join(t.TempDir(), "src"), []byte("content")), "/x")
	is.Equal(objects(t, good(t, "--json", "stat", "/x"))[0]["volume"], "VO0003") // the one that can be written
	is.True(strings.Contains(good(t, "volume", "show", "VO0001"), "readonly"))
}
