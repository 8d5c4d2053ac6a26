package site_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/hashicorp/go-hclog"
	"github.com/matryer/is"
)

// These tests do to a whole site, with plugin processes and tape images, what users and machines do
// to it. Whatever happens, the client gets an error with a kind and a sentence, what was
// acknowledged is there, what was not cannot be seen, nothing hangs and no process is left over.

// faulty is a site that a test does harm to.
type faulty struct {
	t   *testing.T
	is  *is.I
	ctx context.Context // bounds every wait
	dir string
	s   *site.Site
	c   *enstore.Client
}

// shape says what sort of site a test wants. The zero value is one drive and two volumes of 64 MiB.
type shape struct {
	drives   int
	volumes  int // -1: none
	capacity int64
	config   string              // appended to the site file
	edit     func(string) string // changes the site file
	prepare  func(dir string)    // before the site is opened
}

// patience bounds a test's waits.
const patience = 100 * time.Second

func newFaulty(t *testing.T, sh shape) *faulty {
	t.Helper()
	if testing.Short() {
		t.Skip("long: sites with plugin processes")
	}
	t.Parallel()
	f := &faulty{t: t, is: is.New(t), dir: filepath.Join(t.TempDir(), "site")}
	var cancel context.CancelFunc
	f.ctx, cancel = context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	if sh.drives == 0 {
		sh.drives = 1
	}
	if sh.volumes == 0 {
		sh.volumes = 2
	}
	if sh.capacity == 0 {
		sh.capacity = 64 << 20
	}
	f.is.NoErr(site.Init(f.ctx, f.dir, site.InitOptions{Drives: sh.drives, Slots: 8}))
	f.edit(func(text string) string {
		text += "\n[flush]\nage = \"1s\"\n[transfer]\nclient = \"2s\"\nstall = \"2s\"\nclose = \"5s\"\n" + sh.config
		if sh.edit != nil {
			text = sh.edit(text)
		}
		return text
	})
	if sh.prepare != nil {
		sh.prepare(f.dir)
	}
	f.open()
	t.Cleanup(func() { f.close() })
	if sh.volumes > 0 {
		f.is.NoErr(f.s.AddVolumes(f.ctx, labels(sh.volumes), site.VolumeOptions{Capacity: sh.capacity}))
	}
	return f
}

func labels(n int) (ls []catalog.Label) {
	for i := range n {
		ls = append(ls, catalog.Label(fmt.Sprintf("FA%04d", i+1)))
	}
	return ls
}

// edit changes the site file.
func (f *faulty) edit(change func(string) string) {
	f.t.Helper()
	name := filepath.Join(f.dir, site.FileName)
	b, err := os.ReadFile(name)
	f.is.NoErr(err)
	f.is.NoErr(os.WriteFile(name, []byte(change(string(b))), 0o640))
}

func (f *faulty) open() {
	f.t.Helper()
	log := hclog.New(&hclog.LoggerOptions{Output: testLog{f.t}, Level: hclog.Warn, DisableTime: true})
	s, err := site.Open(f.ctx, f.dir, &site.Options{Logger: log})
	f.is.NoErr(err)
	f.s, f.c = s, s.Client()
}

// close closes the site in bounded time and looks for what it left behind.
func (f *faulty) close() {
	f.t.Helper()
	if f.s == nil {
		return
	}
	err := f.within(patience, "Close of the site", f.s.Close)
	f.s = nil
	f.is.NoErr(err)
	if left := processes(f.dir); len(left) > 0 {
		f.t.Errorf("processes are left over: %v", left)
	}
}

// reopen closes the site, lets a saboteur work on its files, and opens it again.
func (f *faulty) reopen(saboteur func()) {
	f.t.Helper()
	f.close()
	if saboteur != nil {
		saboteur()
	}
	f.open()
}

// within runs something that must come back.
func (f *faulty) within(limit time.Duration, what string, do func() error) error {
	f.t.Helper()
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		stacks := make([]byte, 1<<20)
		f.t.Fatalf("%s hangs for %v\n%s", what, limit, stacks[:runtime.Stack(stacks, true)])
		return nil
	}
}

// testLog writes a site's log into the test's.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	if l.t.Context().Err() == nil {
		l.t.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

// processes lists the processes that run in a site's directory: its plugins.
func processes(dir string) (pids []int) {
	procs, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, p := range procs {
		pid, _ := strconv.Atoi(strings.Split(p, "/")[2])
		if at, err := os.Readlink(p); err == nil && at == dir && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// stuff is n bytes unlike those of any other seed.
func stuff(seed string, n int) []byte {
	var key [32]byte
	copy(key[:], seed)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// source is a file of a user.
func (f *faulty) source(b []byte) string {
	f.t.Helper()
	name := filepath.Join(f.t.TempDir(), "source")
	f.is.NoErr(os.WriteFile(name, b, 0o600))
	return name
}

// put stores b from a file.
func (f *faulty) put(key string, b []byte) (enstore.Record, error) {
	f.t.Helper()
	return f.c.PutFile(f.ctx, key, f.source(b), enstore.PutOptions{})
}

// stream stores b as a stream, a piece at a time; between is called before each piece.
func (f *faulty) stream(key string, b []byte, size int64, between func(sent int)) (enstore.Record, error) {
	f.t.Helper()
	w, err := f.c.Put(f.ctx, key, enstore.PutOptions{Size: size})
	if err != nil {
		return enstore.Record{}, err
	}
	defer w.Abort()
	const piece = 256 << 10
	for sent := 0; sent < len(b); sent += piece {
		if between != nil {
			between(sent)
		}
		if _, err := w.Write(b[sent:min(sent+piece, len(b))]); err != nil {
			return enstore.Record{}, err
		}
	}
	if between != nil {
		between(len(b))
	}
	return w.Commit(f.ctx)
}

// get reads a file.
func (f *faulty) get(key string) ([]byte, error) {
	f.t.Helper()
	r, err := f.c.Get(f.ctx, key, enstore.GetOptions{})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// wants checks that err is of the kind and that its sentence names everything that it should.
func (f *faulty) wants(err error, kind error, names ...string) {
	f.t.Helper()
	if !errors.Is(err, kind) {
		f.t.Fatalf("error is %q (kind %v), want kind %q", err, enstore.KindOf(err), kind)
	}
	for _, n := range names {
		if !strings.Contains(err.Error(), n) {
			f.t.Fatalf("error is %q: it does not say %q", err, n)
		}
	}
	f.t.Log(err)
}

// holds checks that the site has exactly these files, that they can be read, and that catalogue and tapes
// agree. The site is closed then.
func (f *faulty) holds(files map[string][]byte) {
	f.t.Helper()
	var have, want []string
	f.walk("", &have)
	for k := range files {
		want = append(want, k)
	}
	slices.Sort(want)
	f.is.Equal(have, want) // what is listed is what was acknowledged
	for k, b := range files {
		got, err := f.get(k)
		f.is.NoErr(err)
		f.is.True(bytes.Equal(got, b)) // read as written
	}
	f.is.NoErr(f.within(patience, "Close of the site", func() error { return agree(f.ctx, f.s, f.dir) }))
	f.close()
}

func (f *faulty) walk(dir string, keys *[]string) {
	f.t.Helper()
	for e, err := range f.c.List(f.ctx, cmp.Or(dir, "/")) {
		f.is.NoErr(err)
		if e.Dir {
			f.walk(dir+"/"+e.Name, keys)
			continue
		}
		*keys = append(*keys, dir+"/"+e.Name)
	}
	slices.Sort(*keys)
}

func (f *faulty) volume(l catalog.Label) *catalog.Volume {
	f.t.Helper()
	v, err := f.s.Catalog().Volume(f.ctx, l)
	f.is.NoErr(err)
	return &v
}
