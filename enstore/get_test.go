package enstore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"github.com/enstore-go/sdk/enstore"
	"github.com/matryer/is"
)

func TestGet(t *testing.T) {
	data := bytesOf(1 << 20)
	for _, c := range []struct {
		name string
		acts []act
		want error
		safe int64
	}{
		{"plain", []act{serve}, nil, 0},
		{"trouble before any byte", []act{noShow, cutAtOnce, refuse, serve}, nil, 0},
		{"turned away more often than it may fail", []act{refuse, refuse, refuse, refuse, refuse, refuse, serve}, nil, 0},
		{"cut inside", []act{cutInside, cutInside, serve}, nil, 0},
		{"cut inside, and settled", []act{cutInsideLost, serve}, nil, 0},
		{"always cut inside", []act{cutInside}, enstore.ErrRestart, 1 << 19},
		{"media error", []act{media, serve}, enstore.ErrMedia, 0},
		{"flipped bit", []act{bitRot}, enstore.ErrChecksum, 0},
		{"flipped bit after a restart", []act{cutInside, bitRot}, enstore.ErrChecksum, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			s := newSite(t, c.acts...)
			want := s.add("/raw/f", data)
			s.flaky = 1
			cl := enstore.New(s, &enstore.Options{Attempts: 4})
			defer cl.Close()
			for _, name := range []string{"/raw/f", string(want.BFID)} {
				r, err := cl.Get(t.Context(), name, enstore.GetOptions{})
				is.NoErr(err)
				is.Equal(r.Record(), want)
				got, err := io.ReadAll(iotest.DataErrReader(r))
				is.NoErr(r.Close())
				is.NoErr(r.Close())
				if c.want != nil {
					is.True(errors.Is(err, c.want))
					if e, ok := errors.AsType[*enstore.Error](err); ok {
						is.Equal(e.SafeBytes, c.safe)
					}
					return
				}
				is.NoErr(err)
				is.True(bytes.Equal(got, data)) // no byte twice, none missing
			}
			s.work.Wait()
			is.Equal(s.unsettled(), 0) // the site knows that it arrived
		})
	}
}

func TestGetOfNothing(t *testing.T) {
	is := is.New(t)
	c := client(t, newSite(t, serve))
	_, err := c.Get(t.Context(), "/raw/f", enstore.GetOptions{})
	is.True(errors.Is(err, enstore.ErrNotFound))
	_, err = c.Get(t.Context(), "raw", enstore.GetOptions{})
	is.True(errors.Is(err, enstore.ErrInvalid))
}

func TestGetThatIsGivenUp(t *testing.T) {
	is := is.New(t)
	s := newSite(t, serve)
	s.add("/raw/f", bytesOf(64<<20)) // more than the sockets hold
	c := client(t, s)
	r, err := c.Get(t.Context(), "/raw/f", enstore.GetOptions{})
	is.NoErr(err)
	_, err = io.ReadFull(r, make([]byte, 1000))
	is.NoErr(err)
	is.NoErr(r.Close())
	is.Equal(s.unsettled(), 0)

	ctx, cancel := context.WithCancel(t.Context())
	r, err = c.Get(ctx, "/raw/f", enstore.GetOptions{})
	is.NoErr(err)
	_, err = io.ReadFull(r, make([]byte, 1000))
	is.NoErr(err)
	cancel()
	_, err = io.Copy(io.Discard, r)
	is.True(errors.Is(err, enstore.ErrCancelled))
	r.Close()
	is.Equal(s.unsettled(), 0)
}

func TestGetFile(t *testing.T) {
	is := is.New(t)
	data := bytesOf(1 << 20)
	s := newSite(t, cutInside, serve)
	want := s.add("/raw/f", data)
	c := client(t, s)
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	rec, err := c.GetFile(t.Context(), "/raw/f", path, enstore.GetOptions{})
	is.NoErr(err)
	is.Equal(rec, want)
	got, err := os.ReadFile(path)
	is.NoErr(err)
	is.True(bytes.Equal(got, data))
	info, err := os.Stat(path)
	is.NoErr(err)
	is.Equal(info.Mode().Perm(), os.FileMode(0o640))
	is.True(info.ModTime().Equal(time.Unix(1e9, 0)))

	begun := len(s.begun())
	_, err = c.GetFile(t.Context(), "/raw/f", path, enstore.GetOptions{})
	is.True(errors.Is(err, enstore.ErrExists))
	is.Equal(len(s.begun()), begun) // no drive was troubled
	_, err = c.GetFile(t.Context(), "/raw/f", path, enstore.GetOptions{Overwrite: true})
	is.NoErr(err)
	es, err := os.ReadDir(dir)
	is.NoErr(err)
	is.Equal(len(es), 1) // no temporary file is left

	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Skip("no symbolic links here")
	}
	_, err = c.GetFile(t.Context(), "/raw/f", link, enstore.GetOptions{Overwrite: true})
	is.True(errors.Is(err, enstore.ErrInvalid)) // it could be /dev/stdout, or /dev/null itself
	got, err = os.ReadFile(link)
	is.NoErr(err)
	is.True(bytes.Equal(got, data))
}

func TestGetFileLeavesNothingBehind(t *testing.T) {
	is := is.New(t)
	s := newSite(t, bitRot)
	s.add("/raw/f", bytesOf(1<<20))
	c := client(t, s)
	dir := t.TempDir()
	_, err := c.GetFile(t.Context(), "/raw/f", filepath.Join(dir, "f"), enstore.GetOptions{})
	is.True(errors.Is(err, enstore.ErrChecksum))
	_, err = c.GetFile(t.Context(), "/raw/none", filepath.Join(dir, "f"), enstore.GetOptions{})
	is.True(errors.Is(err, enstore.ErrNotFound))
	es, err := os.ReadDir(dir)
	is.NoErr(err)
	is.Equal(len(es), 0)
	_, err = c.GetFile(t.Context(), "/raw/f", filepath.Join(dir, "none", "f"), enstore.GetOptions{})
	is.True(errors.Is(err, enstore.ErrNotFound))
	is.True(errors.Is(err, os.ErrNotExist))
}

func TestGetFileDoesNotReplaceALateComer(t *testing.T) {
	is := is.New(t)
	s := newSite(t, serve)
	s.add("/raw/f", bytesOf(1<<20))
	path := filepath.Join(t.TempDir(), "f")
	_, err := client(t, s).GetFile(t.Context(), "/raw/f", path, enstore.GetOptions{Progress: func(enstore.Progress) {
		os.WriteFile(path, []byte("mine"), 0o600)
	}})
	is.True(errors.Is(err, enstore.ErrExists))
	got, err := os.ReadFile(path)
	is.NoErr(err)
	is.Equal(string(got), "mine")
}
