package site_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/filetape"
	"golang.org/x/sync/errgroup"
)

// others stores small files all the time and fails the test if that takes too long: nobody who misbehaves
// holds the others up for good.
func (f *faulty) others(files map[string][]byte, n int) {
	f.t.Helper()
	for i := range n {
		key := fmt.Sprintf("/other%d", i)
		files[key] = stuff(key, 10_000)
		_, err := f.put(key, files[key])
		f.is.NoErr(err)
	}
}

func TestClientThatGoesAwayInTheMiddleOfAPut(t *testing.T) {
	f := newFaulty(t, shape{})
	files := map[string][]byte{"/a": stuff("a", 1<<20)}
	_, err := f.put("/a", files["/a"])
	f.is.NoErr(err)
	b := stuff("b", 8<<20)
	for _, size := range []int64{int64(len(b)), -1} { // straight to tape, and over the spool
		ctx, cancel := context.WithCancel(f.ctx)
		w, err := f.c.Put(ctx, "/b", enstore.PutOptions{Size: size})
		f.is.NoErr(err)
		_, err = w.Write(b[:4<<20])
		f.is.NoErr(err)
		cancel()
		_, err = w.Commit(f.ctx)
		f.wants(err, enstore.ErrCancelled, "/b")
		w.Abort()
		_, err = f.c.Stat(f.ctx, "/b")
		f.wants(err, enstore.ErrNotFound)
	}
	f.others(files, 2)
	f.holds(files)
}

func TestClientThatGoesAwayInTheMiddleOfAGet(t *testing.T) {
	f := newFaulty(t, shape{})
	b := stuff("b", 16<<20)
	files := map[string][]byte{"/b": b}
	_, err := f.put("/b", b)
	f.is.NoErr(err)
	for range 3 {
		r, err := f.c.Get(f.ctx, "/b", enstore.GetOptions{})
		f.is.NoErr(err)
		_, err = io.ReadFull(r, make([]byte, 1<<20))
		f.is.NoErr(err)
		f.is.NoErr(r.Close())
	}
	f.others(files, 2)
	f.holds(files)
}

// Clients that do nothing: each holds the only drive up for the times that the site file gives, and no longer.
func TestClientsThatDoNothing(t *testing.T) {
	f := newFaulty(t, shape{})
	files := map[string][]byte{"/a": stuff("a", 8<<20)}
	_, err := f.put("/a", files["/a"])
	f.is.NoErr(err)
	control := f.s.Control()
	put := func(key string) wire.Put {
		return wire.Put{ID: catalog.NewRequestID(), Key: key, Size: 1000, Mode: 0o644, MTime: time.Now()}
	}

	never := put("/never") // asks for its turn and does not connect
	_, err = control.Accept(f.ctx, never)
	f.is.NoErr(err)
	_, err = control.Await(f.ctx, never.ID)
	f.is.NoErr(err)

	mute, err := f.c.Put(f.ctx, "/mute", enstore.PutOptions{Size: 1000}) // connects and says nothing
	f.is.NoErr(err)
	defer mute.Abort()

	half, err := f.c.Put(f.ctx, "/half", enstore.PutOptions{Size: 1 << 20}) // stops in the middle
	f.is.NoErr(err)
	defer half.Abort()
	_, err = half.Write(make([]byte, 300<<10))
	f.is.NoErr(err)

	deaf, err := f.c.Get(f.ctx, "/a", enstore.GetOptions{}) // does not read
	f.is.NoErr(err)
	defer deaf.Close()
	_, err = deaf.Read(make([]byte, 10))
	f.is.NoErr(err)

	f.others(files, 3)
	_, err = control.Outcome(f.ctx, never.ID, enstore.OnTape)
	f.wants(err, enstore.ErrTimeout)
	_, err = mute.Commit(f.ctx)
	f.is.True(err != nil)
	t.Log(err)
	_, err = half.Commit(f.ctx)
	f.is.True(err != nil)
	t.Log(err)
	f.holds(files)
}

func TestCloseWithWorkInProgress(t *testing.T) {
	f := newFaulty(t, shape{drives: 2, volumes: 4})
	files := map[string][]byte{"/a": stuff("a", 12<<20)}
	_, err := f.put("/a", files["/a"])
	f.is.NoErr(err)
	f.is.NoErr(f.c.Mkdir(f.ctx, "/d"))
	f.is.NoErr(f.c.SetTag(f.ctx, "/d", enstore.TagFamily, "other"))

	cached := stuff("cached", 1<<20)
	w, err := f.c.Put(f.ctx, "/d/cached", enstore.PutOptions{Commit: enstore.Cached})
	f.is.NoErr(err)
	_, err = w.Write(cached)
	f.is.NoErr(err)
	_, err = w.Commit(f.ctx)
	f.is.NoErr(err)
	files["/d/cached"] = cached // acknowledged: it must be there

	stream, err := f.c.Put(f.ctx, "/stream", enstore.PutOptions{Size: 8 << 20})
	f.is.NoErr(err)
	_, err = stream.Write(stuff("stream", 4<<20))
	f.is.NoErr(err)
	r, err := f.c.Get(f.ctx, "/a", enstore.GetOptions{})
	f.is.NoErr(err)
	defer r.Close()
	var g errgroup.Group
	var mu sync.Mutex
	for i := range 6 {
		g.Go(func() error {
			key := fmt.Sprintf("/d/p%d", i)
			b := stuff(key, 3<<20)
			_, err := f.c.PutFile(f.ctx, key, f.source(b), enstore.PutOptions{})
			if err == nil {
				mu.Lock()
				files[key] = b
				mu.Unlock()
				return nil
			}
			if k := enstore.KindOf(err); k != enstore.KindOf(enstore.ErrUnavailable) && k != enstore.KindOf(enstore.ErrCancelled) && k != enstore.KindOf(enstore.ErrLocked) && k != enstore.KindOf(enstore.ErrRestart) {
				return fmt.Errorf("kind %v: %w", k, err)
			}
			return nil
		})
	}
	f.close()
	f.is.NoErr(g.Wait())
	_, err = stream.Commit(f.ctx)
	f.is.True(err != nil)
	_, err = io.Copy(io.Discard, r)
	f.is.True(err != nil)
	_, err = f.c.Stat(f.ctx, "/a")
	f.wants(err, enstore.ErrUnavailable)
	_, err = f.put("/late", nil)
	f.wants(err, enstore.ErrUnavailable)
	f.open()
	rec, err := f.c.WaitFor(f.ctx, "/d/cached", enstore.OnTape)
	f.is.NoErr(err)
	f.is.Equal(rec.Level, enstore.OnTape)
	f.holds(files)
}

func TestContextOfOpenIsNotTheSitesLife(t *testing.T) {
	f := newFaulty(t, shape{})
	f.close()
	ctx, cancel := context.WithCancel(f.ctx)
	var err error
	f.s, err = site.Open(ctx, f.dir, nil)
	f.is.NoErr(err)
	f.c = f.s.Client()
	cancel()
	a := stuff("a", 1000)
	_, err = f.put("/a", a)
	f.is.NoErr(err)
	f.holds(map[string][]byte{"/a": a})
}

// mount gives a directory a small disk of its own.
func mount(t *testing.T, dir string, size int) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", size)); err != nil {
		t.Skipf("no small disk can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
}

// fill takes what is left of the disk of a directory, but for about leave bytes; the function frees it.
func fill(t *testing.T, dir string, leave int) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "filler")
	w, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for piece := make([]byte, 64<<10); ; {
		m, err := w.Write(piece)
		n += m
		if err != nil {
			break
		}
	}
	if err := w.Truncate(int64(max(n-leave, 0))); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	return sync.OnceFunc(func() { _ = os.Remove(name) })
}

func TestFullDiskUnderTheTapes(t *testing.T) {
	f := newFaulty(t, shape{prepare: func(dir string) {
		tapes := filepath.Join(dir, "tapes")
		mount(t, tapes, 32<<20)
		if err := filetape.Create(disk.OS(), tapes, filetape.Options{Drives: 1, Slots: 8}); err != nil {
			t.Fatal(err)
		}
	}})
	a, b := stuff("a", 1<<20), stuff("b", 12<<20)
	_, err := f.put("/a", a)
	f.is.NoErr(err)
	free := fill(t, filepath.Join(f.dir, "tapes"), 4<<20)
	_, err = f.stream("/b", b, int64(len(b)), nil)
	f.wants(err, enstore.ErrRestart, "no space left")
	for _, l := range labels(2) {
		f.is.NoErr(f.volume(l).Writable()) // no volume is to blame
	}
	got, err := f.get("/a")
	f.is.NoErr(err) // what is there can be read
	f.is.True(bytes.Equal(got, a))
	time.AfterFunc(2*time.Second, free)
	_, err = f.put("/b", b)
	f.is.NoErr(err) // as soon as there is room
	f.holds(map[string][]byte{"/a": a, "/b": b})
}

func TestFullDiskUnderEverythingElse(t *testing.T) {
	f := newFaulty(t, shape{prepare: func(dir string) {
		for _, sub := range []string{"rest"} {
			if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
				t.Fatal(err)
			}
			mount(t, filepath.Join(dir, sub), 24<<20)
		}
	}, edit: func(text string) string {
		return "catalog = \"rest/catalog.db\"\njournal = \"rest/journal\"\n" + text + "\n[spool]\ndir = \"rest/spool\"\nsize = \"8 MiB\"\n"
	}})
	files := map[string][]byte{"/a": stuff("a", 1<<20)}
	_, err := f.put("/a", files["/a"])
	f.is.NoErr(err)
	free := fill(t, filepath.Join(f.dir, "rest"), 0)
	defer free()
	b := stuff("b", 1<<20)
	for _, size := range []int64{int64(len(b)), -1} {
		// A catalogue that cannot be written is waited for, as long as the client likes.
		ctx, cancel := context.WithTimeout(f.ctx, 2*time.Second)
		w, err := f.c.Put(ctx, "/b", enstore.PutOptions{Size: size})
		if err == nil {
			_, _ = w.Write(b)
			_, err = w.Commit(ctx)
			w.Abort()
		}
		cancel()
		if !errors.Is(err, enstore.ErrTimeout) {
			f.wants(err, enstore.ErrNoSpace)
		}
		_, err = f.c.Stat(f.ctx, "/b")
		f.wants(err, enstore.ErrNotFound)
	}
	free()
	f.is.NoErr(f.within(patience, "the site's recovery", func() error {
		for {
			_, err := f.put("/b", b)
			if err == nil || f.ctx.Err() != nil {
				return err
			}
			time.Sleep(100 * time.Millisecond) // a user who tries again
		}
	}))
	files["/b"] = b
	f.holds(files)
}

func TestStreamThatTheSpoolCannotHold(t *testing.T) {
	f := newFaulty(t, shape{config: "[spool]\nsize = \"4 MiB\"\n"})
	b := stuff("b", 6<<20)
	_, err := f.stream("/b", b, -1, nil)
	f.wants(err, enstore.ErrNoSpace, "/b", "spool")
	small := stuff("small", 1<<20)
	_, err = f.stream("/small", small, -1, nil)
	f.is.NoErr(err) // what was taken is free again
	_, err = f.stream("/b", b, int64(len(b)), nil)
	f.is.NoErr(err) // whose size is known needs no spool
	f.holds(map[string][]byte{"/b": b, "/small": small})
}

func TestSiteInADeepDirectory(t *testing.T) {
	f := newFaulty(t, shape{})
	f.close()
	deep := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30))
	f.is.NoErr(os.MkdirAll(deep, 0o700))
	f.dir = filepath.Join(deep, "site")
	err := site.Init(f.ctx, f.dir, site.InitOptions{Drives: 1})
	f.is.NoErr(err)
	f.open()
	f.is.NoErr(f.s.AddVolumes(f.ctx, labels(1), site.VolumeOptions{Capacity: 8 << 20}))
	a := stuff("a", 1000)
	_, err = f.put("/a", a)
	f.is.NoErr(err)
	f.holds(map[string][]byte{"/a": a})
}
