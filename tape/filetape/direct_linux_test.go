package filetape

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/matryer/is"
)

// picky is a file of a file system that refuses direct writes only when they come.
type picky struct {
	*os.File
	refused int
}

func (p *picky) WriteAt(b []byte, off int64) (int, error) {
	if p.refused == 0 {
		p.refused++
		return 0, &os.PathError{Op: "write", Path: p.Name(), Err: syscall.EINVAL}
	}
	return p.File.WriteAt(b, off)
}

func TestDirectRefusedLate(t *testing.T) {
	is := is.New(t)
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	is.NoErr(err)
	defer f.Close()
	if setDirect(f, true) != nil {
		t.Skip("the file system of temporary directories refuses at once")
	}
	p := &picky{File: f}
	w := newWriter(p, true)
	is.NoErr(w.begin(t.Context(), 0, nil))
	is.NoErr(w.append(t.Context(), []byte("one")))
	is.NoErr(w.flush(t.Context(), func() error { return nil }))
	w.stop()
	is.Equal(p.refused, 1)
	is.True(!w.direct)
	b, err := os.ReadFile(f.Name())
	is.NoErr(err)
	is.Equal(len(b), align)
	is.Equal(string(b[:3]), "one")
	_, err = f.WriteAt([]byte("x"), 1) // through the page cache again
	is.NoErr(err)
}
