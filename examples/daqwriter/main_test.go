package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/plugins"
)

func TestMain(m *testing.M) {
	plugins.Main(plugins.Builtin...)
	os.Setenv("GORACE", "atexit_sleep_ms=0") // under the race detector each plugin would take a second to end
	os.Exit(m.Run())
}

// lines is a terminal that several goroutines write to.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Every file that was told to be safe reads back as it was taken, whether the drive's process was
// killed or not.
func TestFilesAreSafe(t *testing.T) {
	for _, kill := range []bool{false, true} {
		t.Run(map[bool]string{false: "undisturbed", true: "killed"}[kill], func(t *testing.T) {
			is := is.New(t)
			home := t.TempDir()
			d := detector{files: 6, events: 500, size: 4096}
			var out lines
			records, err := run(t.Context(), &out, home, d, kill)
			is.NoErr(err)
			t.Log("\n" + out.b.String())
			is.Equal(strings.Count(out.b.String(), "  is safe: "), d.files)
			is.Equal(strings.Contains(out.b.String(), "killing the drive's process: done"), kill)
			is.Equal(strings.Contains(out.b.String(), "was cut"), kill)

			s, err := site.Open(t.Context(), home, nil)
			is.NoErr(err)
			defer s.Close()
			for i, rec := range records {
				is.Equal(rec.Level, enstore.OnTape)
				var want bytes.Buffer
				is.NoErr(d.take(t.Context(), i, nopCloser{&want}))
				r, err := s.Client().Get(t.Context(), rec.Key, enstore.GetOptions{})
				is.NoErr(err)
				got, err := io.ReadAll(r)
				is.NoErr(err)
				is.NoErr(r.Close())
				is.True(bytes.Equal(got, want.Bytes()))
			}
		})
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func TestOwnCopy(t *testing.T) {
	is := is.New(t)
	o := newCopy()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for range 100 {
			_, _ = o.Write([]byte("event "))
		}
		_ = o.Close()
	}()
	var got []byte
	for {
		b, err := o.next(ctx, len(got))
		if err == io.EOF {
			break
		}
		is.NoErr(err)
		got = append(got, b...)
	}
	is.Equal(string(got), strings.Repeat("event ", 100))
	b, err := o.next(ctx, 0) // from the beginning again
	is.NoErr(err)
	is.Equal(b, got)

	safe := enstore.Record{Key: "/x", Level: enstore.OnTape, Copies: 1, Size: 600, Adler: o.sum}
	is.NoErr(o.matches(safe))
	for _, change := range []func(*enstore.Record){
		func(r *enstore.Record) { r.Level = enstore.Cached },
		func(r *enstore.Record) { r.Copies = 0 },
		func(r *enstore.Record) { r.Size-- },
		func(r *enstore.Record) { r.Adler++ },
	} {
		rec := safe
		change(&rec)
		is.True(o.matches(rec) != nil) // the copy stays
	}

	waiting := newCopy()
	cancel()
	_, err = waiting.next(ctx, 0)
	is.True(errors.Is(err, context.Canceled)) // nobody waits for a detector for ever
}
