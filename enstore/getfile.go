package enstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"

	"github.com/enstore-go/sdk/enstore/wire"
)

// GetFile reads a file, by key or by BFID, into a file of this machine. The content is written to a temporary
// file in the same directory, checked, synced, and only then gets its name: under path there is never
// half a file. Mode and time of change are those of the stored file. An existing file is
// Exists, unless o.Overwrite; a device, link or directory is never replaced.
func (c *Client) GetFile(ctx context.Context, key, path string, o GetOptions) (Record, error) {
	// Asked again when the file gets its name; this spares the drive.
	switch i, err := os.Lstat(path); {
	case err != nil: // nothing is there
	case !o.Overwrite:
		return Record{}, wire.Errorf(wire.Exists, path, "file exists")
	case !i.Mode().IsRegular():
		return Record{}, wire.Errorf(wire.Invalid, path, "is no regular file, and would be replaced by one")
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+shortened(filepath.Base(path))+".*.part")
	if err != nil {
		return Record{}, unwritable(path, err)
	}
	defer os.Remove(tmp.Name()) // fails when all went well
	defer tmp.Close()
	r, err := c.Get(ctx, key, o)
	if err != nil {
		return Record{}, err
	}
	defer r.Close()
	if _, err := r.WriteTo(tmp); err != nil {
		return Record{}, unwritable(path, err)
	}
	rec := r.Record()
	if err := finish(tmp, rec); err != nil {
		return Record{}, unwritable(path, err)
	}
	if err := place(tmp.Name(), path, o.Overwrite); err != nil {
		return Record{}, unwritable(path, err)
	}
	return rec, nil
}

// shortened keeps the temporary name within what file systems allow.
func shortened(name string) string { return name[:min(len(name), 200)] }

// unwritable names the path in errors of the file system; others are left alone.
func unwritable(path string, err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return wire.Errorf(KindOf(err), path, "%s: %w", le.Op, le.Err)
	}
	return unreadable(path, err)
}

// finish makes a complete temporary file durable.
func finish(f *os.File, rec Record) error {
	if rec.Mode != 0 {
		if err := f.Chmod(os.FileMode(rec.Mode).Perm()); err != nil && runtime.GOOS != "windows" {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if rec.MTime.IsZero() {
		return nil
	}
	return os.Chtimes(f.Name(), rec.MTime, rec.MTime)
}

// place gives a temporary file its name, durably. Without overwrite a file that has come into
// being meanwhile stays.
func place(tmp, path string, overwrite bool) error {
	if overwrite {
		if err := os.Rename(tmp, path); err != nil {
			return err
		}
		return syncDir(filepath.Dir(path))
	}
	err := os.Link(tmp, path) // unlike rename it never replaces
	switch {
	case err == nil:
		return syncDir(filepath.Dir(path))
	case errors.Is(err, os.ErrExist):
		return err
	}
	// No hard links here: what remains is to look and then rename.
	if _, err := os.Lstat(path); err == nil {
		return &os.PathError{Op: "get", Path: path, Err: os.ErrExist}
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a new name durable where directories can be synced.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
