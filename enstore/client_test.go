package enstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/enstore-go/sdk/enstore"
	"github.com/matryer/is"
)

func TestList(t *testing.T) {
	is := is.New(t)
	s := newSite(t, serve)
	for i := range 1201 { // more than two pages
		s.add(fmt.Sprintf("/raw/f%05d", i), nil)
	}
	s.add("/other/x", nil)
	c := client(t, s)
	n := 0
	for e, err := range c.List(t.Context(), "/raw") {
		is.NoErr(err)
		is.Equal(e.Name, fmt.Sprintf("f%05d", n))
		n++
	}
	is.Equal(n, 1201)
	for range c.List(t.Context(), "/raw") {
		break // is allowed
	}
	for _, err := range c.List(t.Context(), "raw") {
		is.True(errors.Is(err, enstore.ErrInvalid))
	}
}

func TestNames(t *testing.T) {
	is := is.New(t)
	ctx := t.Context()
	s := newSite(t, serve)
	c := client(t, s)
	rec := s.add("/raw/f", []byte("x"))
	got, err := c.Stat(ctx, "/raw/f")
	is.NoErr(err)
	is.Equal(got, rec)
	got, err = c.Stat(ctx, string(rec.BFID))
	is.NoErr(err)
	is.Equal(got, rec)
	_, err = c.Stat(ctx, "/none")
	is.True(errors.Is(err, enstore.ErrNotFound))
	is.NoErr(c.Mkdir(ctx, "/a"))
	is.NoErr(c.MkdirAll(ctx, "/b/c"))
	is.Equal(s.dirs, []string{"/afalse", "/b/ctrue"})
	is.NoErr(c.SetTag(ctx, "/a", enstore.TagWrapper, "cern"))
	tags, err := c.Tags(ctx, "/a")
	is.NoErr(err)
	is.Equal(tags.Wrapper, "cern")
	is.NoErr(c.Remove(ctx, "/raw/f"))
	is.True(errors.Is(c.Remove(ctx, "/raw/f"), enstore.ErrNotFound))
	for _, f := range []func(string) error{
		func(k string) error { return c.Mkdir(ctx, k) },
		func(k string) error { return c.MkdirAll(ctx, k) },
		func(k string) error { return c.Remove(ctx, k) },
		func(k string) error { return c.SetTag(ctx, k, enstore.TagWidth, "1") },
		func(k string) error { _, err := c.Tags(ctx, k); return err },
		func(k string) error { _, err := c.Stat(ctx, k); return err },
	} {
		is.True(errors.Is(f("/a/../b"), enstore.ErrInvalid))
	}
}

func TestWaitFor(t *testing.T) {
	is := is.New(t)
	s := newSite(t, cached)
	c := client(t, s)
	w, err := c.Put(t.Context(), "/raw/f", enstore.PutOptions{Commit: enstore.Cached})
	is.NoErr(err)
	defer w.Abort()
	io.Copy(w, strings.NewReader("hello"))
	rec, err := w.Commit(t.Context())
	is.NoErr(err)
	is.Equal(rec.Level, enstore.Cached)
	rec, err = c.WaitFor(t.Context(), "/raw/f", enstore.OnTape)
	is.NoErr(err)
	is.Equal(rec.Level, enstore.OnTape)
}

func TestEvents(t *testing.T) {
	is := is.New(t)
	s := newSite(t, serve)
	for i := range 1100 {
		s.events = append(s.events, enstore.Event{Seq: uint64(3 * (i + 1)), Kind: "file.stored"})
	}
	c := client(t, s)
	last := uint64(0)
	n := 0
	for e, err := range c.Events(t.Context(), 0) {
		is.NoErr(err)
		last = e.Seq
		if n++; n == 700 {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	for e, err := range c.Events(ctx, last) { // resumes
		if err != nil {
			is.True(errors.Is(err, enstore.ErrCancelled))
			break
		}
		is.Equal(e.Seq, last+3)
		last = e.Seq
		if n++; n == 1100 {
			cancel() // it was waiting for more
		}
	}
	cancel()
	is.Equal(n, 1100)
}
