package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/matryer/is"
)

func newRand(seed int) *rand.Rand { return rand.New(rand.NewPCG(uint64(seed), 7)) }

// put writes a file, and syncs it if asked to; never its directory.
func put(t testing.TB, fsys FS, name, content string, synced bool) {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
	if err == nil {
		_, err = f.Write([]byte(content))
	}
	if err == nil && synced {
		err = f.Sync()
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// get is the content of a file, or "-" if there is none.
func get(t testing.TB, fsys FS, name string) string {
	t.Helper()
	data, err := ReadFile(fsys, name, 1<<30)
	if errors.Is(err, fs.ErrNotExist) {
		return "-"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// category is what a caller may ask of an error.
func category(err error) string {
	for _, kind := range []error{fs.ErrNotExist, fs.ErrExist, fs.ErrClosed, io.EOF} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	if err != nil {
		return "other"
	}
	return "good"
}

// TestForgetfulActsLikeTheMachine does the same random calls on both file systems.
func TestForgetfulActsLikeTheMachine(t *testing.T) {
	for seed := range 60 {
		r := newRand(seed)
		a, b := &player{fsys: OS(), root: t.TempDir()}, &player{fsys: NewForgetful(), root: "/"}
		for step := range 150 {
			do := r.Uint64()
			got, want := b.play(do), a.play(do)
			if got != want {
				t.Fatalf("seed %d, step %d: %s, but the machine gives %s", seed, step, got, want)
			}
		}
		a.close()
		b.close()
	}
}

// player does one call after the other, each described by a number.
type player struct {
	fsys  FS
	root  string
	files []File
}

func (p *player) play(do uint64) string {
	r := rand.New(rand.NewPCG(do, 3))
	names := []string{"a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "a/b", ""}
	name := func() string { return filepath.Join(p.root, names[r.IntN(len(names))]) }
	flags := []int{0, os.O_CREATE, os.O_TRUNC, os.O_CREATE | os.O_EXCL, os.O_CREATE | os.O_TRUNC, os.O_APPEND | os.O_CREATE}
	modes := []int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR}
	switch r.IntN(8) {
	case 0:
		n := name()
		return "mkdir " + p.short(n) + category(p.fsys.MkdirAll(n, 0o777))
	case 1:
		from, to := name(), name()
		if root := filepath.Clean(p.root); from == root || to == root {
			return "the root stays"
		}
		return "rename " + category(p.fsys.Rename(from, to))
	case 2:
		n := name()
		if n == filepath.Clean(p.root) {
			return "the root stays"
		}
		err := p.fsys.Remove(n)
		return "remove " + category(err)
	case 3:
		n := name()
		list, err := p.fsys.ReadDir(n)
		s := "readdir " + category(err)
		for _, e := range list {
			s += fmt.Sprint(" ", e.Name(), e.IsDir())
		}
		info, err := p.fsys.Stat(n)
		s += " stat " + category(err)
		if err == nil {
			s += fmt.Sprint(info.IsDir(), info.IsDir() || info.Name() == filepath.Base(n))
		}
		return s + " sync " + category(p.fsys.SyncDir(n))[:4]
	case 4, 5:
		flag := flags[r.IntN(len(flags))] | modes[r.IntN(len(modes))]
		n := name()
		if flag&3 == os.O_RDONLY && flag&os.O_TRUNC != 0 {
			return "what this does is not specified"
		}
		f, err := p.fsys.OpenFile(n, flag, 0o666)
		if err == nil {
			p.files = append(p.files, f)
			if f.Name() != n {
				return "name " + f.Name()
			}
		}
		return fmt.Sprintf("open %s%x ", p.short(n), flag) + category(err)
	}
	if len(p.files) == 0 {
		return "no files"
	}
	return p.use(r, p.files[r.IntN(len(p.files))])
}

// short is a name without the root, which the two players do not share.
func (p *player) short(name string) string {
	return strings.Trim(strings.TrimPrefix(name, p.root), "/") + " "
}

// use calls an open file.
func (p *player) use(r *rand.Rand, f File) string {
	data := make([]byte, r.IntN(9000))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	off := r.Int64N(20000)
	switch r.IntN(8) {
	case 0, 1:
		n, err := f.Write(data)
		return fmt.Sprint("write ", n, category(err))
	case 2:
		n, err := f.WriteAt(data, off)
		return fmt.Sprint("writeat ", n, category(err))
	case 3:
		n, err := f.Read(data)
		return fmt.Sprint("read ", n, category(err), bytes.Clone(data[:n]))
	case 4:
		n, err := f.ReadAt(data, off)
		return fmt.Sprint("readat ", n, category(err), bytes.Clone(data[:n]))
	case 5:
		return "truncate " + category(f.Truncate(off))
	case 6:
		info, err := f.Stat()
		if err != nil || info.IsDir() {
			return "stat " + category(err)
		}
		n, err := f.Seek(off-10000, r.IntN(3))
		return fmt.Sprint("seek ", n, category(err), info.Size())
	}
	if r.IntN(4) == 0 {
		return "close " + category(f.Close())
	}
	return "sync " + category(f.Sync())
}

func (p *player) close() {
	for _, f := range p.files {
		f.Close()
	}
}

func TestCallsAreCountedAndMayFail(t *testing.T) {
	is := is.New(t)
	f := NewForgetful()
	var seen []string
	f.Inject(func(c Call) error {
		seen = append(seen, fmt.Sprintf("%d %d %s %s", c.N, c.Change, c.Op, c.Name))
		return nil
	})
	must(t, WriteFileAtomic(f, "/x", []byte("1"), 0o666))
	is.Equal(get(t, f, "/x"), "1")
	is.Equal(seen, []string{
		"1 1 remove /x.tmp", "2 2 create /x.tmp", "3 3 write /x.tmp", "4 4 sync /x.tmp", "5 5 rename /x", "6 6 syncdir /",
		"7 0 open /x", "8 0 stat /x", "9 0 read /x", "10 0 read /x",
	})
	is.Equal(f.Changes(), int64(6))

	broken := errors.New("broken")
	f.FailChange(2, broken)
	must(t, f.MkdirAll("/d", 0o777))
	is.True(errors.Is(f.SyncDir("/"), broken))
	must(t, f.SyncDir("/")) // once only
}

func TestWriteFileAtomicLeavesOldAfterAnyError(t *testing.T) {
	is := is.New(t)
	broken := errors.New("broken")
	for k := int64(1); ; k++ {
		f := NewForgetful()
		must(t, WriteFileAtomic(f, "/x", []byte("old"), 0o666))
		f.FailChange(k, broken)
		err := WriteFileAtomic(f, "/x", []byte("new"), 0o666)
		if err == nil {
			is.Equal(k, int64(7)) // six changes, each may fail
			break
		}
		is.True(errors.Is(err, broken))
		want := "old"
		if k == 6 { // the last is SyncDir: the name has changed already, durable or not
			want = "new"
		}
		is.Equal(get(t, f, "/x"), want)
		is.Equal(get(t, f, "/x"+TempSuffix), "-")
	}
}

func TestNoSpace(t *testing.T) {
	is := is.New(t)
	f := NewForgetful()
	f.Limit(10000)
	put(t, f, "/a", string(make([]byte, 9000)), false)
	h, err := f.OpenFile("/b", os.O_RDWR|os.O_CREATE, 0o666)
	must(t, err)
	n, err := h.Write(make([]byte, 4096))
	is.Equal(n, 1000) // as much as there is space for
	is.True(errors.Is(err, syscall.ENOSPC))
	is.Equal(f.Used(), int64(10000))
	_, err = h.WriteAt(make([]byte, 1000), 0) // what is there may be overwritten
	is.NoErr(err)
	is.True(errors.Is(h.Truncate(1001), syscall.ENOSPC))
	n, err = h.WriteAt([]byte("x"), 5000)
	is.Equal(n, 0)
	is.True(errors.Is(err, syscall.ENOSPC))

	open, err := f.OpenFile("/a", os.O_RDONLY, 0)
	must(t, err)
	must(t, f.Remove("/a"))
	is.Equal(f.Used(), int64(10000)) // still open
	must(t, open.Close())
	is.Equal(f.Used(), int64(1000))
	must(t, h.Truncate(0))
	is.Equal(f.Used(), int64(0))
	put(t, f, "/b", string(make([]byte, 500)), true)
	put(t, f, "/c", string(make([]byte, 400)), true)
	must(t, f.Rename("/b", "/c")) // what is replaced is free
	is.Equal(f.Used(), int64(500))
	must(t, f.SyncDir("/"))
	is.Equal(f.Kill().Crash(nil).Used(), int64(500))
}

func TestOneHandleOneOffset(t *testing.T) {
	is := is.New(t)
	f := NewForgetful()
	put(t, f, "/a", "0123456789", false)
	h, err := f.OpenFile("/a", os.O_RDWR, 0)
	must(t, err)
	p := make([]byte, 4)
	_, err = io.ReadFull(h, p)
	is.NoErr(err)
	_, err = h.ReadAt(p, 8)
	is.Equal(err, io.EOF)
	_, err = h.Write([]byte("XY")) // ReadAt has not moved the offset
	is.NoErr(err)
	is.Equal(get(t, f, "/a"), "0123XY6789")
	must(t, h.Close())
	_, err = h.Write(nil)
	is.True(errors.Is(err, fs.ErrClosed))
	is.True(errors.Is(h.Sync(), fs.ErrClosed))
	is.True(errors.Is(h.Close(), fs.ErrClosed))
}

func TestManyAtOnce(t *testing.T) {
	f := NewForgetful()
	must(t, f.MkdirAll("/d", 0o777))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			name := fmt.Sprintf("/d/%d", g)
			for i := range 50 {
				want := []byte(fmt.Sprint(g, i))
				if err := WriteFileAtomic(f, name, want, 0o666); err != nil {
					t.Error(err)
					return
				}
				got, err := ReadFile(f, name, 100)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %q, %v; want %q", name, got, err, want)
				}
				f.Writeback(newRand(i))
				f.ReadDir("/d")
			}
		})
	}
	wg.Wait()
	left := f.Crash(newRand(1))
	for g := range 8 {
		if got, want := get(t, left, fmt.Sprintf("/d/%d", g)), fmt.Sprint(g, 49); got != want {
			// The directory /d itself was never synced into the root: it may be gone, all or nothing.
			if _, err := left.Stat("/d"); err == nil {
				t.Errorf("file %d: %q, want %q", g, got, want)
			}
		}
	}
}

func TestCrashUnderWork(t *testing.T) {
	f := NewForgetful()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				err := WriteFileAtomic(f, fmt.Sprint("/", g), []byte{byte(i)}, 0o666)
				if errors.Is(err, ErrCrashed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for f.Changes() < 2000 {
		f.Writeback(newRand(1))
	}
	left := f.Crash(newRand(2))
	wg.Wait()
	for g := range 4 {
		if n := len(get(t, left, fmt.Sprint("/", g))); n != 1 {
			t.Errorf("file %d has %d bytes", g, n)
		}
	}
}

// BenchmarkImage writes an image of 16 MiB in blocks with a sync every megabyte, and crashes.
func BenchmarkImage(b *testing.B) {
	block := bytes.Repeat([]byte{0xa5}, 256<<10)
	b.SetBytes(16 << 20)
	for b.Loop() {
		f := NewForgetful()
		h, err := f.OpenFile("/image", os.O_RDWR|os.O_CREATE, 0o666)
		must(b, err)
		for i := range 64 {
			_, err := h.Write(block)
			must(b, err)
			if i%4 == 3 {
				must(b, h.Sync())
			}
		}
		must(b, f.SyncDir("/"))
		must(b, h.Truncate(15<<20))
		f.Crash(newRand(b.N))
	}
}
