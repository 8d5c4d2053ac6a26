//go:build unix

package disk

import (
	"errors"
	"os"
	"syscall"
)

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	info, err := d.Stat()
	if err == nil && !info.IsDir() {
		err = &os.PathError{Op: "sync", Path: dir, Err: errNotDir}
	}
	if err == nil {
		err = d.Sync()
	}
	if errors.Is(err, syscall.EINVAL) {
		err = nil // a file system that has no sync of directories, and says so in this way
	}
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// lockFile opens a file that no other open of this kind, here or in another process, holds.
// The lock belongs to the open file, so it ends with the process however that ends.
func lockFile(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			break
		}
	}
	if err == nil {
		err = stillNamed(f, name)
	}
	if err != nil {
		f.Close()
		if err == syscall.EWOULDBLOCK {
			return nil, errHeld
		}
		return nil, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	return f, nil
}

// stillNamed refuses a lock on a file that somebody has replaced or removed meanwhile:
// the next one would lock another file of the same name.
func stillNamed(f *os.File, name string) error {
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !os.SameFile(mine, there) {
		return errHeld
	}
	return nil
}
