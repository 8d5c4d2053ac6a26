package enstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/matryer/is"
	"golang.org/x/sync/errgroup"
)

func bytesOf(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return b
}

func client(t testing.TB, s *site) *enstore.Client {
	c := enstore.New(s, &enstore.Options{User: "ann"})
	t.Cleanup(func() { c.Close() })
	return c
}

func sumOf(b []byte) *uint32 { return new(crc.Adler(crc.Seed1, b)) }

func TestPutStream(t *testing.T) {
	data := bytesOf(1 << 20)
	for _, c := range []struct {
		name string
		acts []act
		o    enstore.PutOptions
		want error
	}{
		{"plain", []act{serve}, enstore.PutOptions{}, nil},
		{"all declared", []act{serve}, enstore.PutOptions{Size: 1 << 20, Expect: sumOf(data), Rate: 1e9, Class: "raw", Mode: 0o400}, nil},
		{"refused before any byte", []act{refuse, refuse, refuse, serve}, enstore.PutOptions{}, nil},
		{"turn that comes to nothing", []act{noShow, cutAtOnce, serve}, enstore.PutOptions{}, nil},
		{"connection lost before the result", []act{cutAfterEnd}, enstore.PutOptions{}, nil},
		{"cached first", []act{cached}, enstore.PutOptions{}, nil},
		{"cached is enough", []act{stuckCached}, enstore.PutOptions{Commit: enstore.Cached}, nil},
		{"cut inside", []act{cutInside, serve}, enstore.PutOptions{}, enstore.ErrRestart},
		{"media error", []act{media, serve}, enstore.PutOptions{}, enstore.ErrMedia},
		{"longer than declared", []act{serve}, enstore.PutOptions{Size: 1<<20 - 1}, enstore.ErrChanged},
		{"shorter than declared", []act{serve}, enstore.PutOptions{Size: 1<<20 + 1}, enstore.ErrChanged},
		{"other checksum", []act{serve}, enstore.PutOptions{Expect: new(uint32(1))}, enstore.ErrChecksum},
		{"not as safe as asked", []act{stuckCached}, enstore.PutOptions{}, enstore.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			s := newSite(t, c.acts...)
			w, err := client(t, s).Put(t.Context(), "/raw/f", c.o)
			is.NoErr(err)
			defer w.Abort()
			_, err = io.Copy(w, bytes.NewReader(data))
			if err == nil {
				var rec enstore.Record
				rec, err = w.Commit(t.Context())
				if c.want == nil {
					is.NoErr(err)
					is.Equal(rec.Adler, *sumOf(data))
					is.Equal(rec.Request, w.Request())
					is.True(rec.Level >= max(c.o.Commit, enstore.Cached))
					is.True(bytes.Equal(s.content("/raw/f"), data))
					again, err := w.Commit(t.Context())
					is.NoErr(err)
					is.Equal(again, rec)
					w.Abort() // harmless
					_, err = w.Write([]byte("x"))
					is.True(errors.Is(err, enstore.ErrInvalid))
					s.work.Wait()
					is.Equal(s.unsettled(), 0)
					return
				}
			}
			is.True(errors.Is(err, c.want))
			_, again := w.Write([]byte("x"))
			is.Equal(again, err) // kept
			_, again = w.Commit(t.Context())
			is.Equal(again, err)
			if c.want != enstore.ErrUnavailable {
				is.Equal(len(s.content("/raw/f")), 0) // nothing of it is there
			}
			w.Abort()
			is.Equal(s.unsettled(), 0) // and the site does not wait for anything
		})
	}
}

func TestPutOfAnEmptyStream(t *testing.T) {
	is := is.New(t)
	s := newSite(t, serve)
	w, err := client(t, s).Put(t.Context(), "/empty", enstore.PutOptions{})
	is.NoErr(err)
	rec, err := w.Commit(t.Context())
	is.NoErr(err)
	is.Equal(rec.Size, int64(0))
	is.Equal(rec.Adler, uint32(1))
}

func TestPutIsRefusedAtOnce(t *testing.T) {
	is := is.New(t)
	s := newSite(t, serve)
	s.refuse = &enstore.Error{Kind: wire.Busy, Subject: "library LTO8", Text: "draining", RetryAfter: time.Minute}
	_, err := client(t, s).Put(t.Context(), "/raw/f", enstore.PutOptions{})
	is.True(errors.Is(err, enstore.ErrBusy))
	e, ok := errors.AsType[*enstore.Error](err)
	is.True(ok)
	is.Equal(e.RetryAfter, time.Minute)
	is.Equal(e.Op, "put")
	is.Equal(err.Error(), "library LTO8: draining")
}

func TestBadKeys(t *testing.T) {
	is := is.New(t)
	c := client(t, newSite(t, serve))
	for _, key := range []string{"", "a", "/a/../b", "/a/./b", "//", "/a//b", "/a/", "/a\x00b", "/", "/" + strings.Repeat("x", 256), strings.Repeat("/abcdefg", 513)} {
		_, err := c.Put(t.Context(), key, enstore.PutOptions{})
		is.True(errors.Is(err, enstore.ErrInvalid))
		is.True(strings.HasPrefix(err.Error(), "key "))
	}
	_, err := c.Put(t.Context(), "/\xff;= ok", enstore.PutOptions{Rate: -1})
	is.True(errors.Is(err, enstore.ErrInvalid))
	_, err = c.Put(t.Context(), "/ok", enstore.PutOptions{Commit: 9})
	is.True(errors.Is(err, enstore.ErrInvalid))
}

func TestPutOfWhatIsStored(t *testing.T) {
	data := bytesOf(300_000)
	other := bytes.Clone(data)
	other[7] ^= 1
	for _, c := range []struct {
		name string
		data []byte
		o    enstore.PutOptions
		want error
	}{
		{"same", data, enstore.PutOptions{}, nil},
		{"same, declared", data, enstore.PutOptions{Size: 300_000, Expect: sumOf(data)}, nil},
		{"other bytes", other, enstore.PutOptions{}, enstore.ErrExists},
		{"longer", append(bytes.Clone(data), 1), enstore.PutOptions{}, enstore.ErrExists},
		{"shorter", data[1:], enstore.PutOptions{}, enstore.ErrExists},
		{"other size declared", data, enstore.PutOptions{Size: 5}, enstore.ErrExists},
		{"not what was promised", other, enstore.PutOptions{Expect: sumOf(data)}, enstore.ErrChecksum},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			s := newSite(t, serve)
			old := s.add("/raw/f", data)
			cl := client(t, s)
			stream := func() (enstore.Record, error) {
				w, err := cl.Put(t.Context(), "/raw/f", c.o)
				if err != nil {
					return enstore.Record{}, err
				}
				defer w.Abort()
				if _, err := io.Copy(w, bytes.NewReader(c.data)); err != nil {
					return enstore.Record{}, err
				}
				return w.Commit(t.Context())
			}
			path := filepath.Join(t.TempDir(), "f")
			is.NoErr(os.WriteFile(path, c.data, 0o600))
			file := func() (enstore.Record, error) {
				o := c.o
				o.Size = 0 // a file has the size it has
				return cl.PutFile(t.Context(), "/raw/f", path, o)
			}
			for _, put := range []func() (enstore.Record, error){stream, file} {
				rec, err := put()
				if c.want == nil {
					is.NoErr(err)
					is.Equal(rec, old)
				} else if c.o.Size != 5 || err != nil {
					is.True(errors.Is(err, c.want))
				}
			}
			is.Equal(len(s.begun()), 0) // nobody connected
			is.True(bytes.Equal(s.content("/raw/f"), data))
		})
	}
}

func TestAbort(t *testing.T) {
	is := is.New(t)
	s := newSite(t, serve)
	c := client(t, s)
	w, err := c.Put(t.Context(), "/raw/f", enstore.PutOptions{})
	is.NoErr(err)
	_, err = w.Write(bytesOf(1 << 20))
	is.NoErr(err)
	w.Abort()
	w.Abort()
	_, err = w.Write([]byte("x"))
	is.True(errors.Is(err, enstore.ErrCancelled))
	_, err = w.Commit(t.Context())
	is.True(errors.Is(err, enstore.ErrCancelled))
	is.Equal(s.unsettled(), 0)
	is.Equal(len(s.content("/raw/f")), 0)
}

func TestContextAbortsTheFile(t *testing.T) {
	is := is.New(t)
	s := newSite(t, serve)
	c := client(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	w, err := c.Put(ctx, "/raw/f", enstore.PutOptions{})
	is.NoErr(err)
	_, err = w.Write(bytesOf(1 << 20))
	is.NoErr(err)
	cancel()
	for err == nil { // blocked or not, it ends
		_, err = w.Write(bytesOf(1 << 20))
	}
	is.True(errors.Is(err, enstore.ErrCancelled))
	w.Abort()
	is.Equal(s.unsettled(), 0)
}

// Of a stream of unknown size nobody but the caller knows where it ends: what was written before the context
// ended is not the file. Many rounds, because the end races with the connection.
func TestCommitAfterTheContextsEndStoresNothing(t *testing.T) {
	is := is.New(t)
	s := newSite(t, serve)
	c := client(t, s)
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		w, err := c.Put(ctx, "/raw/half", enstore.PutOptions{})
		is.NoErr(err)
		_, err = w.Write(bytesOf(1 << 20))
		is.NoErr(err)
		cancel()
		_, err = w.Commit(t.Context())
		is.True(errors.Is(err, enstore.ErrCancelled))
		w.Abort()
		_, err = c.Stat(t.Context(), "/raw/half")
		is.True(errors.Is(err, enstore.ErrNotFound))
	}
}

func TestCommitMayBeAskedAgain(t *testing.T) {
	is := is.New(t)
	s := newSite(t, cutAfterEnd)
	s.flaky = 0
	c := client(t, s)
	w, err := c.Put(t.Context(), "/raw/f", enstore.PutOptions{})
	is.NoErr(err)
	defer w.Abort()
	_, err = w.Write([]byte("hello"))
	is.NoErr(err)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.Commit(gone)
	is.True(errors.Is(err, enstore.ErrCancelled))
	_, err = w.Commit(t.Context())
	is.NoErr(err)
}

func TestClientClose(t *testing.T) {
	is := is.New(t)
	s := newSite(t, serve)
	c := client(t, s)
	w, err := c.Put(t.Context(), "/raw/f", enstore.PutOptions{})
	is.NoErr(err)
	s.add("/raw/g", bytesOf(10))
	r, err := c.Get(t.Context(), "/raw/g", enstore.GetOptions{})
	is.NoErr(err)
	is.NoErr(c.Close())
	_, err = w.Commit(t.Context())
	is.True(errors.Is(err, enstore.ErrCancelled))
	_, err = io.ReadAll(r)
	is.True(errors.Is(err, enstore.ErrCancelled))
	is.Equal(s.unsettled(), 0)
	_, err = c.Put(t.Context(), "/raw/f", enstore.PutOptions{})
	is.True(errors.Is(err, enstore.ErrUnavailable))
	is.NoErr(c.Close())
}

func TestPutFile(t *testing.T) {
	data := bytesOf(1<<20 + 17)
	for _, c := range []struct {
		name string
		acts []act
		o    enstore.PutOptions
		want error
	}{
		{"plain", []act{serve}, enstore.PutOptions{}, nil},
		{"with promises", []act{serve}, enstore.PutOptions{Size: 1<<20 + 17, Expect: sumOf(data)}, nil},
		{"everything goes wrong first", []act{noShow, refuse, cutAtOnce, cutInside, cutInside, cutInsideLost, serve}, enstore.PutOptions{}, nil},
		{"connection lost before the result", []act{cutAfterEnd}, enstore.PutOptions{}, nil},
		{"cached first", []act{cached}, enstore.PutOptions{}, nil},
		{"media error", []act{media, serve}, enstore.PutOptions{}, enstore.ErrMedia},
		{"never", []act{cutInside}, enstore.PutOptions{}, enstore.ErrUnavailable},
		{"never, and settled each time", []act{cutInsideLost}, enstore.PutOptions{}, enstore.ErrUnavailable},
		{"other size", []act{serve}, enstore.PutOptions{Size: 3}, enstore.ErrChanged},
		{"other checksum", []act{serve}, enstore.PutOptions{Expect: new(uint32(1))}, enstore.ErrChecksum},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			s := newSite(t, c.acts...)
			s.flaky = 1
			path := filepath.Join(t.TempDir(), "f")
			is.NoErr(os.WriteFile(path, data, 0o600))
			cl := enstore.New(s, &enstore.Options{Attempts: 5})
			defer cl.Close()
			rec, err := cl.PutFile(t.Context(), "/raw/f", path, c.o)
			is.Equal(s.unsettled(), 0)
			if c.want != nil {
				is.True(errors.Is(err, c.want))
				is.Equal(len(s.content("/raw/f")), 0)
				return
			}
			is.NoErr(err)
			is.Equal(rec.Size, int64(len(data)))
			is.True(bytes.Equal(s.content("/raw/f"), data))
		})
	}
}

// changing is a Progress function that changes the source while it is read.
func changing(is *is.I, path string, how func(f *os.File) error) func(enstore.Progress) {
	done := false
	return func(p enstore.Progress) {
		if p.State != enstore.Streaming || done {
			return
		}
		done = true
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		is.NoErr(err)
		is.NoErr(how(f))
		is.NoErr(f.Close())
	}
}

func TestPutFileThatChanges(t *testing.T) {
	for name, how := range map[string]func(*os.File) error{
		"grows":   func(f *os.File) error { _, err := f.WriteAt([]byte("more"), 3<<20); return err },
		"shrinks": func(f *os.File) error { return f.Truncate(1 << 20) },
		"is rewritten": func(f *os.File) error {
			if _, err := f.WriteAt([]byte("other"), 0); err != nil {
				return err
			}
			return os.Chtimes(f.Name(), time.Time{}, time.Unix(1e9, 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			s := newSite(t, serve)
			path := filepath.Join(t.TempDir(), "f")
			is.NoErr(os.WriteFile(path, bytesOf(3<<20), 0o600))
			_, err := client(t, s).PutFile(t.Context(), "/raw/f", path, enstore.PutOptions{Progress: changing(is, path, how)})
			is.True(errors.Is(err, enstore.ErrChanged))
			is.Equal(len(s.content("/raw/f")), 0)
			is.Equal(s.unsettled(), 0)
		})
	}
}

func TestPutFileOfBadSources(t *testing.T) {
	is := is.New(t)
	c := client(t, newSite(t, serve))
	dir := t.TempDir()
	_, err := c.PutFile(t.Context(), "/raw/f", filepath.Join(dir, "none"), enstore.PutOptions{})
	is.True(errors.Is(err, enstore.ErrNotFound))
	is.True(errors.Is(err, os.ErrNotExist))
	is.True(strings.HasPrefix(err.Error(), dir)) // names the file
	_, err = c.PutFile(t.Context(), "/raw/f", dir, enstore.PutOptions{})
	is.True(errors.Is(err, enstore.ErrInvalid))
	secret := filepath.Join(dir, "secret")
	is.NoErr(os.WriteFile(secret, []byte("x"), 0))
	if os.Getuid() != 0 {
		_, err = c.PutFile(t.Context(), "/raw/f", secret, enstore.PutOptions{})
		is.True(errors.Is(err, enstore.ErrNotAllowed))
	}
	is.NoErr(os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600))
	rec, err := c.PutFile(t.Context(), "/raw/e", filepath.Join(dir, "empty"), enstore.PutOptions{})
	is.NoErr(err)
	is.Equal(rec.Size, int64(0))
}

func TestManyFilesAtOnce(t *testing.T) {
	is := is.New(t)
	r := rand.New(rand.NewPCG(1, 2))
	var acts []act
	for range 150 {
		acts = append(acts, []act{serve, refuse, noShow, cutAtOnce, cutInside, cutInsideLost, cutAfterEnd, cached}[r.IntN(8)])
	}
	s := newSite(t, append(acts, serve)...)
	c := enstore.New(s, &enstore.Options{Attempts: 100})
	defer c.Close()
	dir := t.TempDir()
	var g errgroup.Group
	for i := range 40 {
		data := bytesOf(1000 * (i + 1))
		key, path := fmt.Sprintf("/raw/f%d", i), filepath.Join(dir, fmt.Sprint(i))
		is.NoErr(os.WriteFile(path, data, 0o600))
		g.Go(func() error {
			if _, err := c.PutFile(t.Context(), key, path, enstore.PutOptions{}); err != nil {
				return err
			}
			if !bytes.Equal(s.content(key), data) {
				return fmt.Errorf("%s is stored wrong", key)
			}
			back := path + ".back"
			if _, err := c.GetFile(t.Context(), key, back, enstore.GetOptions{}); err != nil {
				return err
			}
			got, err := os.ReadFile(back)
			if err == nil && !bytes.Equal(got, data) {
				return fmt.Errorf("%s came back wrong", key)
			}
			return err
		})
	}
	is.NoErr(g.Wait())
}

func TestPutFileIsCancelled(t *testing.T) {
	is := is.New(t)
	s := newSite(t, serve)
	path := filepath.Join(t.TempDir(), "f")
	is.NoErr(os.WriteFile(path, bytesOf(1<<20), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := client(t, s).PutFile(ctx, "/raw/f", path, enstore.PutOptions{Progress: func(p enstore.Progress) {
		if p.State == enstore.Streaming {
			cancel()
		}
	}})
	is.True(errors.Is(err, enstore.ErrCancelled))
	is.Equal(s.unsettled(), 0)
}

func TestSourceThatFails(t *testing.T) {
	is := is.New(t)
	s := newSite(t, serve)
	w, err := client(t, s).Put(t.Context(), "/raw/f", enstore.PutOptions{})
	is.NoErr(err)
	defer w.Abort()
	_, err = io.Copy(w, iotest.TimeoutReader(bytes.NewReader(bytesOf(1<<20))))
	is.Equal(err, iotest.ErrTimeout) // the source's own error
}
