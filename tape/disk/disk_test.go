package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/matryer/is"
)

// both runs a test on a temporary directory of the machine and on a Forgetful.
func both(t *testing.T, test func(t *testing.T, fsys FS, dir string)) {
	t.Run("os", func(t *testing.T) { test(t, OS(), t.TempDir()) })
	t.Run("forgetful", func(t *testing.T) {
		f := NewForgetful()
		if err := f.MkdirAll("/work", 0o777); err != nil {
			t.Fatal(err)
		}
		test(t, f, "/work")
	})
}

func TestWriteFileAtomicReplaces(t *testing.T) {
	both(t, func(t *testing.T, fsys FS, dir string) {
		is := is.New(t)
		name := filepath.Join(dir, "robot.json")
		is.NoErr(WriteFileAtomic(fsys, name, []byte("old"), 0o666))
		is.NoErr(WriteFileAtomic(fsys, name, []byte("new one"), 0o666))
		data, err := ReadFile(fsys, name, 7)
		is.NoErr(err)
		is.Equal(string(data), "new one")
		_, err = ReadFile(fsys, name, 6)
		is.True(errors.Is(err, ErrTooLarge))
		list, err := fsys.ReadDir(dir)
		is.NoErr(err)
		is.Equal(len(list), 1) // no temporary file is left
	})
}

func TestWriteFileAtomicReplacesLeftover(t *testing.T) {
	both(t, func(t *testing.T, fsys FS, dir string) {
		is := is.New(t)
		name := filepath.Join(dir, "index")
		f, err := fsys.OpenFile(name+TempSuffix, os.O_WRONLY|os.O_CREATE, 0o400)
		is.NoErr(err)
		_, err = f.Write([]byte("much longer than what comes"))
		is.NoErr(err)
		is.NoErr(f.Close())
		is.NoErr(WriteFileAtomic(fsys, name, []byte("short"), 0o666))
		data, err := ReadFile(fsys, name, 100)
		is.NoErr(err)
		is.Equal(string(data), "short")
		_, err = fsys.Stat(name + TempSuffix)
		is.True(errors.Is(err, fs.ErrNotExist))
	})
}

func TestLockExcludes(t *testing.T) {
	both(t, func(t *testing.T, fsys FS, dir string) {
		is := is.New(t)
		name := filepath.Join(dir, "drive0")
		lock, err := TryLock(fsys, name)
		is.NoErr(err)
		_, err = TryLock(fsys, name)
		is.True(errors.Is(err, ErrLocked))
		held, ok := errors.AsType[*LockedError](err)
		is.True(ok)
		is.Equal(held.Holder, Self()) // the error names who holds it
		is.NoErr(lock.Close())
		h, err := ReadHolder(fsys, name)
		is.NoErr(err)
		is.Equal(h, Holder{}) // nobody, after the lock was given back
		again, err := TryLock(fsys, name)
		is.NoErr(err)
		is.NoErr(again.Close())
	})
}
