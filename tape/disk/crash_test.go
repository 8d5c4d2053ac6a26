package disk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"
)

func TestNothingUnsyncedIsCertain(t *testing.T) {
	is := is.New(t)
	f := NewForgetful()
	put(t, f, "/named", "content", true)
	must(t, f.SyncDir("/"))
	put(t, f, "/unnamed", "content", true) // content synced, name not
	must(t, f.MkdirAll("/d", 0o777))
	put(t, f, "/d/in", "content", true)
	must(t, f.SyncDir("/d")) // the entry in /d is durable, /d is not
	h, err := f.OpenFile("/named", os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	_, err = h.Write([]byte(" and more"))
	must(t, err)
	is.Equal(get(t, f, "/named"), "content and more")

	left := f.Crash(nil)
	is.Equal(get(t, left, "/named"), "content")
	is.Equal(tree(t, left, "/"), "/named")
}

func TestNameWithoutContent(t *testing.T) {
	is := is.New(t)
	f := NewForgetful()
	put(t, f, "/x", "content", false)
	must(t, f.SyncDir("/"))
	is.Equal(get(t, f.Crash(nil), "/x"), "") // the name is durable, the content never was
}

func TestOldHandlesAndLocksDie(t *testing.T) {
	for name, end := range map[string]func(*Forgetful) *Forgetful{
		"crash": func(f *Forgetful) *Forgetful { return f.Crash(nil) },
		"kill":  (*Forgetful).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			f := NewForgetful()
			must(t, WriteFileAtomic(f, "/x", []byte("content"), 0o666))
			h, err := f.OpenFile("/x", os.O_RDWR, 0)
			must(t, err)
			lock, err := TryLock(f, "/lock")
			must(t, err)
			must(t, f.SyncDir("/"))

			left := end(f)
			_, err = h.Write([]byte("late"))
			is.True(errors.Is(err, ErrCrashed))
			_, err = h.ReadAt(make([]byte, 1), 0)
			is.True(errors.Is(err, ErrCrashed))
			_, err = h.Seek(0, 0)
			is.True(errors.Is(err, ErrCrashed))
			_, err = h.Stat()
			is.True(errors.Is(err, ErrCrashed))
			is.True(errors.Is(h.Truncate(0), ErrCrashed))
			is.True(errors.Is(h.Sync(), ErrCrashed))
			is.True(errors.Is(h.Close(), ErrCrashed))
			_, err = f.OpenFile("/x", os.O_RDONLY, 0)
			is.True(errors.Is(err, ErrCrashed))
			is.True(errors.Is(f.SyncDir("/"), ErrCrashed))
			is.True(lock.Close() != nil)

			again, err := TryLock(left, "/lock") // the dead hold nothing
			is.NoErr(err)
			is.NoErr(again.Close())
			is.Equal(get(t, left, "/x"), "content")
		})
	}
}

func TestKillKeepsWhatWasWrittenAndCrashForgetsItAfterwards(t *testing.T) {
	is := is.New(t)
	f := NewForgetful()
	put(t, f, "/x", "old", true)
	must(t, f.SyncDir("/"))
	put(t, f, "/x", "new one", false)
	put(t, f, "/y", "y", true)
	f = f.Kill()
	is.Equal(get(t, f, "/x"), "new one")
	is.Equal(get(t, f, "/y"), "y")
	is.Equal(f.Used(), int64(8))
	f = f.Kill().Crash(nil)
	is.Equal(get(t, f, "/x"), "old")
	is.Equal(get(t, f, "/y"), "-")
}

func TestMkdirSyncAfterSomebodyWasKilledInIt(t *testing.T) {
	is := is.New(t)
	for k := int64(0); k < 8; k++ {
		f := NewForgetful()
		f.StopAfter(k)
		MkdirSync(f, "/a/b/c", 0o777)
		f = f.Kill()
		must(t, MkdirSync(f, "/a/b/c", 0o777))
		info, err := f.Crash(nil).Stat("/a/b/c")
		is.NoErr(err)
		is.True(info.IsDir())
	}
	f := NewForgetful()
	put(t, f, "/a", "", false)
	is.True(MkdirSync(f, "/a/b", 0o777) != nil)
}

// TestWriteFileAtomicAtEveryMoment cuts the power after every change on the way.
func TestWriteFileAtomicAtEveryMoment(t *testing.T) {
	outcomes := map[string]int{}
	for k := int64(0); k <= 6; k++ {
		for seed := range 100 {
			f := NewForgetful()
			must(t, WriteFileAtomic(f, "/x", []byte("old"), 0o666))
			f.StopAfter(k)
			err := WriteFileAtomic(f, "/x", []byte("new"), 0o666)
			if (err == nil) != (k == 6) || err != nil && !errors.Is(err, ErrCrashed) {
				t.Fatalf("after %d changes: %v", k, err)
			}
			got := get(t, f.Crash(newRand(seed)), "/x")
			if got != "new" && (got != "old" || k == 6) {
				t.Fatalf("after %d changes, seed %d: %q", k, seed, got)
			}
			outcomes[fmt.Sprint(k, got)]++
		}
	}
	if outcomes["5old"] == 0 || outcomes["5new"] == 0 {
		t.Errorf("a rename that was not synced must be lost at times and kept at times: %v", outcomes)
	}
}

func TestRenameBetweenDirectoriesNeverLosesTheFile(t *testing.T) {
	for _, c := range []struct {
		synced string
		places int // where the file may be after a crash
	}{{"", 2}, {"/from", 2}, {"/to", 2}, {"/from /to", 1}, {"/to /from", 1}} {
		seen := map[string]bool{}
		for seed := range 100 {
			f := NewForgetful()
			must(t, MkdirSync(f, "/from", 0o777))
			must(t, MkdirSync(f, "/to", 0o777))
			must(t, WriteFileAtomic(f, "/from/x", []byte("x"), 0o666))
			must(t, f.Rename("/from/x", "/to/y"))
			for _, dir := range strings.Fields(c.synced) {
				must(t, f.SyncDir(dir))
			}
			left := f.Crash(newRand(seed))
			where := strings.ReplaceAll(tree(t, left, "/"), "/from/ ", "")
			if n := strings.Count(where, "/x") + strings.Count(where, "/y"); n != 1 {
				t.Fatalf("synced %q, seed %d: %s", c.synced, seed, where)
			}
			seen[where] = true
		}
		if len(seen) != c.places {
			t.Errorf("synced %q: file seen at %v, expected %d places", c.synced, seen, c.places)
		}
	}
}

func TestMoveIntoDirectoryWithoutDurableName(t *testing.T) {
	is := is.New(t)
	for _, synced := range []bool{false, true} {
		f := NewForgetful()
		must(t, WriteFileAtomic(f, "/x", []byte("x"), 0o666))
		must(t, MkdirSync(f, "/up", 0o777))
		must(t, f.MkdirAll("/up/new", 0o777))
		must(t, f.Rename("/x", "/up/new/x"))
		must(t, f.SyncDir("/"))
		must(t, f.SyncDir("/up/new"))
		want := "/up/ /x" // it has not moved for certain, and is not lost
		if synced {
			must(t, f.SyncDir("/up"))
			want = "/up/ /up/new/ /up/new/x"
		}
		is.Equal(tree(t, f.Crash(nil), "/"), want)
	}
}

func TestRemovedFilesMayComeBackWhole(t *testing.T) {
	is := is.New(t)
	seen := map[string]int{}
	for seed := range 50 {
		f := NewForgetful()
		must(t, WriteFileAtomic(f, "/x", []byte("x"), 0o666))
		must(t, f.Remove("/x"))
		is.Equal(get(t, f, "/x"), "-")
		if seed%2 == 1 {
			must(t, f.SyncDir("/"))
		}
		seen[fmt.Sprint(seed%2, get(t, f.Crash(newRand(seed)), "/x"))]++
	}
	is.True(seen["0x"] > 0)
	is.True(seen["0-"] > 0)
	is.Equal(seen["1-"], 25) // synced: gone for good
}

func TestFailedSyncLosesWhatItShouldHaveWritten(t *testing.T) {
	is := is.New(t)
	f := NewForgetful()
	put(t, f, "/x", strings.Repeat("a", 2048), true)
	must(t, f.SyncDir("/"))
	h, err := f.OpenFile("/x", os.O_RDWR, 0)
	must(t, err)
	write := func(off int64, c string) {
		_, err := h.WriteAt(bytes.Repeat([]byte(c), SectorSize), off)
		must(t, err)
	}
	write(0, "b")
	write(512, "b")
	f.FailChange(1, errors.New("broken"))
	is.True(h.Sync() != nil)
	write(512, "c") // written again: it counts
	write(1024, "c")
	must(t, h.Sync())
	write(1536, "d")
	must(t, h.Sync())
	is.Equal(letters(get(t, f, "/x")), "bccd")
	is.Equal(letters(get(t, f.Crash(nil), "/x")), "accd") // the second Sync did not save the first sector
}

// letters names each sector by its first byte.
func letters(content string) string {
	var s strings.Builder
	for i := 0; i < len(content); i += SectorSize {
		s.WriteByte(content[i])
	}
	return s.String()
}

func TestSectorsAreKeptInAnyOrder(t *testing.T) {
	seen := map[string]int{}
	for seed := range 300 {
		f := NewForgetful()
		put(t, f, "/x", strings.Repeat("o", 4*SectorSize), true)
		must(t, f.SyncDir("/"))
		h, err := f.OpenFile("/x", os.O_RDWR, 0)
		must(t, err)
		_, err = h.Write([]byte(strings.Repeat("n", 4*SectorSize)))
		must(t, err)
		seen[letters(get(t, f.Crash(newRand(seed)), "/x"))]++
	}
	if len(seen) != 16 {
		t.Errorf("%d of the 16 mixtures of four sectors: %v", len(seen), seen)
	}
	if seen["oooo"] < 30 || seen["nnnn"] < 30 {
		t.Errorf("nothing and everything must be frequent: %v", seen)
	}
}

func TestAppendedDataMayBeShortOrZero(t *testing.T) {
	short, zeros, whole, none := 0, 0, 0, 0
	for seed := range 300 {
		f := NewForgetful()
		put(t, f, "/x", strings.Repeat("o", 100), true)
		must(t, f.SyncDir("/"))
		h, err := f.OpenFile("/x", os.O_WRONLY|os.O_APPEND, 0)
		must(t, err)
		_, err = h.Write([]byte(strings.Repeat("n", 3000)))
		must(t, err)
		got := get(t, f.Crash(newRand(seed)), "/x")
		if !strings.HasPrefix(got, strings.Repeat("o", 100)) || strings.Trim(got[100:], "n\x00") != "" {
			t.Fatalf("seed %d: %q", seed, got)
		}
		switch {
		case len(got) == 100:
			none++
		case strings.Contains(got, "\x00"):
			zeros++
		case len(got) < 3100:
			short++
		default:
			whole++
		}
	}
	if short == 0 || zeros == 0 || whole == 0 || none == 0 {
		t.Errorf("short %d, with zeros %d, whole %d, none %d", short, zeros, whole, none)
	}
}

func TestTruncationMayBeUndone(t *testing.T) {
	seen := map[string]int{}
	for seed := range 400 {
		f := NewForgetful()
		put(t, f, "/x", strings.Repeat("o", 2*SectorSize), true)
		must(t, f.SyncDir("/"))
		put(t, f, "/x", strings.Repeat("n", SectorSize), false) // O_TRUNC, then shorter
		got := letters(get(t, f.Crash(newRand(seed)), "/x"))
		seen[strings.ReplaceAll(got, "\x00", "0")]++
	}
	for _, want := range []string{"oo", "n", "no", "o", "0", "00"} {
		if seen[want] == 0 {
			t.Errorf("never %q: %v", want, seen)
		}
	}
}

// tree lists all files and directories, the latter with a slash behind.
func tree(t *testing.T, fsys FS, dir string) string {
	t.Helper()
	list, err := fsys.ReadDir(dir)
	must(t, err)
	var all []string
	for _, e := range list {
		name := filepath.ToSlash(filepath.Join(dir, e.Name()))
		if !e.IsDir() {
			all = append(all, name)
			continue
		}
		all = append(all, name+"/")
		if below := tree(t, fsys, name); below != "" {
			all = append(all, below)
		}
	}
	return strings.Join(all, " ")
}

func TestTheSameNumbersGiveTheSameCrash(t *testing.T) {
	is := is.New(t)
	run := func() string {
		r := newRand(42)
		f := NewForgetful()
		for i := range 40 {
			must(t, f.MkdirAll(fmt.Sprint("/d", i%3), 0o777))
			put(t, f, fmt.Sprintf("/d%d/%d", i%3, i), strings.Repeat("x", 100*i), false)
		}
		f.Writeback(r)
		must(t, f.SyncDir("/"))
		f = f.Crash(r)
		s := tree(t, f, "/")
		for _, name := range strings.Fields(s) {
			if !strings.HasSuffix(name, "/") {
				s += get(t, f, name)
			}
		}
		return s
	}
	is.Equal(run(), run())
}
