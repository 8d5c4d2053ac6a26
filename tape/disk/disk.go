// Package disk is the file layer under tape images, journals and spools: the few
// operations on files that durability rests on, behind an interface, so that
// code that must survive kills and power cuts can be run on a disk that forgets.
//
// Its nouns: an [FS] holds files and directories; a [File] is one open file. [OS] is the
// machine's own file system. [Forgetful] is one in memory that keeps, at
// [Forgetful.Crash], only what was synced for certain, and of the rest a random part.
//
// What is durable, on both:
//
//   - the bytes and the size of a file as of its last successful Sync;
//   - the entries of a directory (files and directories created, renamed, removed in it) as of the
//     last successful SyncDir of that directory. Sync of a new file does not make its
//     name durable, and SyncDir does not make the content of files durable.
//
// A process that starts after another was killed sees what that one wrote, synced or not. Before
// it promises anything on the strength of it, it syncs it: the power may go next.
//
// The usual way of use:
//
//	fsys := disk.OS()
//	lock, err := disk.TryLock(fsys, "/srv/tape/locks/robot")
//	if errors.Is(err, disk.ErrLocked) {
//		return err // the text names the process that holds it
//	}
//	defer lock.Close()
//	err = disk.MkdirSync(fsys, "/srv/tape/volumes", 0o777)
//	err = disk.WriteFileAtomic(fsys, "/srv/tape/robot.json", state, 0o666)
//	state, err = disk.ReadFile(fsys, "/srv/tape/robot.json", 1<<20)
//
// The package does not retry, cache or check content, has no links and no
// permissions of its own, and does not watch for changes.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// FS holds files and directories. Names are paths as package path/filepath has them.
// Errors are those of package os: [*fs.PathError] or [*os.LinkError], and [errors.Is] knows
// [fs.ErrNotExist], [fs.ErrExist], [fs.ErrClosed] and the like.
// All methods may be called from several goroutines at once.
type FS interface {
	// OpenFile opens a file with the flags of [os.OpenFile]. A file it creates
	// is durable by name only after SyncDir of its directory.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Rename moves a file or directory and replaces a file of the new name at one
	// stroke: after a crash the new name means the old file or the new one. It is certain to be the
	// new one after SyncDir of the directory (of both, if they differ).
	Rename(oldname, newname string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// MkdirAll makes a directory and those above it. See [MkdirSync].
	MkdirAll(dir string, perm fs.FileMode) error
	// ReadDir gives the entries of a directory sorted by name.
	ReadDir(dir string) ([]fs.DirEntry, error)
	// Stat tells about a file or directory.
	Stat(name string) (fs.FileInfo, error)
	// SyncDir makes created, renamed and removed entries of a directory durable.
	SyncDir(dir string) error
}

// File is one open file. ReadAt and WriteAt may be used from several
// goroutines at once; the others share one offset.
type File interface {
	io.Reader
	io.Writer
	io.ReaderAt
	io.WriterAt
	io.Seeker
	io.Closer
	// Sync makes the content and the size durable. After an error nobody knows which bytes
	// since the last good Sync are durable, and a second Sync that succeeds does not
	// tell either: write them again or give the file up.
	Sync() error
	// Truncate changes the size; bytes added read as zero.
	Truncate(size int64) error
	Stat() (fs.FileInfo, error)
	// Name is the name the file was opened with.
	Name() string
}

// ErrTooLarge means a file is longer than its reader is ready to hold.
var ErrTooLarge = errors.New("file too large")

// ReadFile gives the content of a file of at most max bytes, or [ErrTooLarge].
func ReadFile(fsys FS, name string, max int64) ([]byte, error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > max {
		return nil, fmt.Errorf("%s: %d bytes, %d allowed: %w", name, info.Size(), max, ErrTooLarge)
	}
	// One byte more than allowed tells a file that has grown since.
	data, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > max {
		return nil, fmt.Errorf("%s: more than the %d bytes allowed: %w", name, max, ErrTooLarge)
	}
	return data, nil
}

// TempSuffix is what [WriteFileAtomic] appends to a name for the file it writes
// first. After a crash such a file may be left; it means nothing, and the next
// WriteFileAtomic of the name replaces it.
const TempSuffix = ".tmp"

// WriteFileAtomic gives a file new content, durably: when it returns nil the content survives a
// power cut, and at no moment, crash or not, does the name mean anything but the whole
// old content or the whole new one. After an error it is one of the two.
//
// It writes name+[TempSuffix] and renames that; two writers of one name at the same time are
// the caller's to prevent.
func WriteFileAtomic(fsys FS, name string, data []byte, perm fs.FileMode) error {
	tmp := name + TempSuffix
	if err := writeTemp(fsys, tmp, data, perm); err != nil {
		return err
	}
	if err := fsys.Rename(tmp, name); err != nil {
		fsys.Remove(tmp)
		return err
	}
	return fsys.SyncDir(filepath.Dir(name))
}

// writeTemp makes a new file with synced content, or none.
func writeTemp(fsys FS, tmp string, data []byte, perm fs.FileMode) error {
	// A leftover may have other permissions, so it goes first.
	if err := fsys.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := fsys.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		fsys.Remove(tmp)
	}
	return err
}

// MkdirSync makes a directory and those above it that are missing, and makes the names of
// all of them durable, also of those that exist: somebody may have made them and been killed before he
// could sync. Directories above that this process may not read are taken for durable.
func MkdirSync(fsys FS, dir string, perm fs.FileMode) error {
	dir = filepath.Clean(dir)
	if err := fsys.MkdirAll(dir, perm); err != nil {
		return err
	}
	for up := filepath.Dir(dir); up != dir; dir, up = up, filepath.Dir(up) {
		err := fsys.SyncDir(up)
		if err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}
