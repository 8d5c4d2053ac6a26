package filetape

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
)

// These are what a plugin or a site opens drives and robots with.
var (
	_ driver.OpenDrive   = OpenDrive
	_ driver.OpenChanger = OpenChanger
)

// driveConfig is the table of a drive.
type driveConfig struct {
	Dir      string `json:"dir"`
	Drive    int    `json:"drive"`
	Sync     *bool  `json:"sync"`
	Direct   *bool  `json:"direct"`
	Null     bool   `json:"null"`
	Capacity int64  `json:"capacity"`
}

// OpenDrive opens a drive of a library. Its settings:
//
//	dir       the library's directory
//	drive     the drive's number, from 0; default 0
//	sync      default true; false leaves out every sync: what is flushed survives the end of the process, but no
//	          power cut. Writes go through the page cache then
//	direct    default true: write past the page cache where system and file system can
//	null      true: keep nothing of what is written but its shape; see Null
//	capacity  of a null drive without dir, in bytes; default 0, without limit
//
// It fails with OutcomeConfig, or with OutcomeHeld and the holder's process number while the drive is open elsewhere.
func OpenDrive(_ context.Context, c driver.Config) (driver.Drive, error) {
	var t driveConfig
	if err := c.Decode(&t); err != nil {
		return nil, err
	}
	if t.Capacity != 0 && (!t.Null || t.Dir != "") {
		return nil, wrong("configure", driver.OutcomeConfig, "capacity: only a null drive without dir has one of its own")
	}
	if t.Null && t.Dir == "" {
		if err := checkCapacity(t.Capacity, 0); err != nil {
			return nil, wrong("configure", driver.OutcomeConfig, "%v", err)
		}
		return Null(t.Capacity), nil
	}
	l, err := config(t.Dir, t.Sync)
	if err != nil {
		return nil, err
	}
	if t.Null {
		b, err := openBay(l, t.Drive)
		if err != nil {
			return nil, err
		}
		return newNull(b), nil
	}
	d, err := newDrive(l, t.Drive, t.Direct == nil || *t.Direct)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// OpenChanger opens the robot of a library. Its settings are dir and sync, as those of [OpenDrive]. A move is
// durable when it returns. It fails with OutcomeConfig, or with OutcomeHeld while the robot is open elsewhere.
func OpenChanger(_ context.Context, c driver.Config) (driver.Changer, error) {
	var t struct {
		Dir  string `json:"dir"`
		Sync *bool  `json:"sync"`
	}
	if err := c.Decode(&t); err != nil {
		return nil, err
	}
	l, err := config(t.Dir, t.Sync)
	if err != nil {
		return nil, err
	}
	r, err := newChanger(l)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func config(dir string, sync *bool) (library, error) {
	if dir == "" {
		return library{}, wrong("configure", driver.OutcomeConfig, "dir: missing: the directory of the library")
	}
	fsys := disk.OS()
	if sync != nil && !*sync {
		fsys = lazy{fsys}
	}
	return library{fsys, dir}, nil
}

// lazy is a file system that makes nothing durable.
type lazy struct{ disk.FS }

type lazyFile struct{ disk.File }

func (l lazy) SyncDir(string) error                   { return nil }
func (l lazy) TryLock(name string) (io.Closer, error) { return disk.TryLock(l.FS, name) }
func (f lazyFile) Sync() error                        { return nil }
func (l lazy) OpenFile(name string, flag int, perm os.FileMode) (disk.File, error) {
	f, err := l.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return lazyFile{f}, nil
}

// OpenImage gives a drive with the one image loaded, to be read: a .tap, or a .tap.gz,
// which is unpacked into a temporary file first if that takes at most 16 GiB. Beside a .tap its index is used if it is there, so that only what
// was flushed is seen; a copy without index is scanned. Nothing is locked: while a drive writes the cartridge, what
// was flushed when OpenImage looked can be read, unless it is overwritten. An image without index that ends within an
// object is damaged there; to a drive such an object does not exist.
//
// A file that begins with no object of a tape is an error. After Unload there is nothing to Load.
func OpenImage(name string) (driver.Drive, error) {
	const op = "open"
	ctx := context.Background()
	if i, err := os.Stat(name); err == nil && !i.Mode().IsRegular() { // to open a fifo is to wait for its writer
		return nil, fail(op, driver.OutcomeMedium, sense{3, 0x11, 0}, "image %s: not a regular file", name)
	}
	fsys, image, packed := disk.OS(), name, strings.HasSuffix(name, ".gz")
	if packed {
		var err error
		if image, err = unpack(name, maxUnpacked); err != nil {
			return nil, fail(op, driver.OutcomeMedium, sense{3, 0x11, 0}, "image %s: %v", name, err)
		}
	}
	label := strings.TrimSuffix(filepath.Base(strings.TrimSuffix(name, ".gz")), ".tap")
	t, err := openTape(ctx, fsys, image, cartridge{Label: label, WriteProtect: true})
	if packed {
		os.RemoveAll(filepath.Dir(image)) // the open file stays, where the system has it so
	}
	if err == nil {
		t.closed = func() {
			if packed {
				os.RemoveAll(filepath.Dir(image))
			}
		}
		if t.torn != nil { // whoever looks at an image wants to know
			t.damage = t.torn
		}
		if t.damage != nil && t.damage.off == 0 {
			err = errors.Join(fmt.Errorf("not a tape image: %w", t.damage), t.close())
		}
	}
	if err != nil {
		return nil, typed(op, "image "+name, err, false)
	}
	return &drive{tape: t, id: identity("FILEIMAGE", label), caps: capabilities(maxBlock)}, nil
}

// maxUnpacked bounds what a few bytes of gzip can fill a disk with.
const maxUnpacked = 16 << 30

// unpack makes a file of what a gzip file has, at most so many bytes, in a directory of its own.
func unpack(name string, most int64) (image string, err error) {
	in, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer in.Close()
	z, err := gzip.NewReader(in)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "filetape-")
	if err != nil {
		return "", err
	}
	out, err := os.Create(filepath.Join(dir, "image.tap"))
	if err == nil {
		_, err = io.CopyN(out, z, most+1)
		switch err {
		case io.EOF:
			err = nil
		case nil:
			err = fmt.Errorf("more than %d bytes when unpacked: unpack it yourself", most)
		}
		err = errors.Join(err, out.Close())
	}
	if err != nil {
		os.RemoveAll(dir)
		return "", err
	}
	return out.Name(), nil
}
