package site_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/filetape"
)

// image is the file of a cartridge.
func (f *faulty) image(l catalog.Label, suffix string) string {
	return filepath.Join(f.dir, "tapes", "volumes", string(l)+suffix)
}

// short makes cartridges that end sooner than the catalogue believes.
func short(capacity int64, ls ...catalog.Label) func(string) {
	return func(dir string) {
		for _, l := range ls {
			if err := filetape.AddVolume(disk.OS(), filepath.Join(dir, "tapes"), string(l), filetape.VolumeOptions{Capacity: capacity}); err != nil {
				panic(err)
			}
		}
	}
}

func TestTapeThatEndsInAFile(t *testing.T) {
	for _, streamed := range []bool{false, true} {
		name := map[bool]string{false: "file", true: "stream"}[streamed]
		t.Run(name, func(t *testing.T) {
			f := newFaulty(t, shape{prepare: short(6<<20, "FA0001")})
			a, b := stuff("a", 2<<20), stuff("b", 8<<20)
			rec, err := f.put("/a", a)
			f.is.NoErr(err)
			f.is.Equal(rec.Volume, catalog.Label("FA0001"))
			if streamed {
				_, err = f.stream("/b", b, int64(len(b)), nil)
				f.wants(err, enstore.ErrRestart, "FA0001")
				_, err = f.c.Stat(f.ctx, "/b")
				f.wants(err, enstore.ErrNotFound, "/b")
				rec, err = f.stream("/b", b, int64(len(b)), nil) // as the caller is told to
			} else {
				rec, err = f.put("/b", b)
			}
			f.is.NoErr(err)
			f.is.Equal(rec.Volume, catalog.Label("FA0002")) // the next one
			f.is.True(f.volume("FA0001").Writable() != nil) // full
			f.is.Equal(f.volume("FA0001").Files, int64(1))
			f.holds(map[string][]byte{"/a": a, "/b": b})
		})
	}
}

func TestFileThatNoVolumeCanHold(t *testing.T) {
	f := newFaulty(t, shape{capacity: 4 << 20})
	b := stuff("b", 5<<20)
	_, err := f.put("/b", b)
	f.wants(err, enstore.ErrTooLarge, "/b", "5242880")
	_, err = f.stream("/b", b, int64(len(b)), nil)
	f.wants(err, enstore.ErrTooLarge, "/b", "5242880")
	_, err = f.stream("/b", b, -1, nil) // by way of the spool
	f.wants(err, enstore.ErrTooLarge, "/b")

	f.is.NoErr(f.c.Mkdir(f.ctx, "/null"))
	f.is.NoErr(f.c.SetTag(f.ctx, "/null", enstore.TagWrapper, "null"))
	_, err = f.stream("/null/b", b, -1, nil) // straight to a fresh volume
	f.wants(err, enstore.ErrTooLarge, "/null/b")
	blanks := 0
	for v, err := range f.s.Catalog().Volumes(f.ctx, catalog.Filter{}) {
		f.is.NoErr(err)
		f.is.NoErr(v.Writable())
		if v.EOD.File == 0 {
			blanks++
		}
	}
	f.is.Equal(blanks, 1) // it was not tried on a second one
	small := stuff("s", 1<<20)
	_, err = f.stream("/null/s", small, -1, nil)
	f.is.NoErr(err) // and what fits goes over the torn one
	f.holds(map[string][]byte{"/null/s": small})
}

func TestWriteProtectedVolumeIsLeftAlone(t *testing.T) {
	for _, again := range []bool{false, true} {
		t.Run(map[bool]string{false: "stream", true: "file"}[again], func(t *testing.T) {
			f := newFaulty(t, shape{})
			a, b := stuff("a", 1<<20), stuff("b", 1<<20)
			rec, err := f.put("/a", a)
			f.is.NoErr(err)
			f.is.Equal(rec.Volume, catalog.Label("FA0001"))
			f.reopen(func() {
				f.is.NoErr(filetape.SetWriteProtect(disk.OS(), filepath.Join(f.dir, "tapes"), "FA0001", true))
			})
			if again {
				rec, err = f.put("/b", b)
			} else {
				rec, err = f.stream("/b", b, int64(len(b)), nil)
			}
			f.is.NoErr(err) // nothing of it had been taken
			f.is.Equal(rec.Volume, catalog.Label("FA0002"))
			f.is.True(f.volume("FA0001").Writable() != nil)
			f.is.NoErr(f.volume("FA0001").Readable())
			f.holds(map[string][]byte{"/a": a, "/b": b})
		})
	}
}

func TestCartridgeWithTheLabelOfAnother(t *testing.T) {
	f := newFaulty(t, shape{volumes: 3})
	a, b := stuff("a", 1<<20), stuff("b", 1<<20)
	rec, err := f.put("/a", a)
	f.is.NoErr(err)
	f.is.Equal(rec.Volume, catalog.Label("FA0001"))
	f.reopen(func() {
		f.swap("FA0001", "FA0002")
	})
	_, err = f.get("/a") // FA0001 is blank now
	f.wants(err, enstore.ErrMedia, "FA0001", "label")
	rec, err = f.put("/b", b)
	f.is.NoErr(err)
	f.is.Equal(rec.Volume, catalog.Label("FA0003")) // neither is written on
	f.is.True(f.volume("FA0001").Readable() != nil)
	f.is.True(f.volume("FA0002").Readable() != nil) // its cartridge is FA0001's
	_, err = f.get("/a")
	f.wants(err, enstore.ErrNoAccess, "FA0001")

	// Somebody puts that right.
	f.reopen(func() {
		f.swap("FA0001", "FA0002")
	})
	f.is.NoErr(f.s.Catalog().SetInhibit(f.ctx, "FA0001", catalog.SystemAccess, catalog.Unlimited, "test", ""))
	f.is.NoErr(f.s.Catalog().SetInhibit(f.ctx, "FA0002", catalog.SystemAccess, catalog.Unlimited, "test", ""))
	f.holds(map[string][]byte{"/a": a, "/b": b})
}

// swap puts each cartridge into the other's case.
func (f *faulty) swap(a, b catalog.Label) {
	f.t.Helper()
	for _, suffix := range []string{".tap", ".idx"} {
		x, y := f.image(a, suffix), f.image(b, suffix)
		for _, m := range [][2]string{{x, x + "~"}, {y, x}, {x + "~", y}} {
			if err := os.Rename(m[0], m[1]); !errors.Is(err, os.ErrNotExist) {
				f.is.NoErr(err)
			}
		}
	}
}

func TestCartridgeWithMoreThanTheCatalogueKnows(t *testing.T) {
	f := newFaulty(t, shape{})
	a, b, c := stuff("a", 1<<20), stuff("b", 1<<20), stuff("c", 1<<20)
	_, err := f.put("/a", a)
	f.is.NoErr(err)
	old := filepath.Join(t.TempDir(), "old.db")
	f.reopen(func() { copyFile(f, filepath.Join(f.dir, "catalog.db"), old) })
	_, err = f.put("/b", b)
	f.is.NoErr(err)
	f.reopen(func() { // the catalogue is restored from an old copy
		wals, err := filepath.Glob(filepath.Join(f.dir, "catalog.db-*"))
		f.is.NoErr(err)
		for _, w := range wals {
			f.is.NoErr(os.Remove(w))
		}
		copyFile(f, old, filepath.Join(f.dir, "catalog.db"))
	})
	rec, err := f.stream("/c", c, int64(len(c)), nil)
	f.is.NoErr(err)
	f.is.Equal(rec.Volume, catalog.Label("FA0002"))
	v := f.volume("FA0001")
	f.is.True(v.Writable() != nil) // read-only until somebody has looked at it
	f.is.NoErr(v.Readable())
	f.holds(map[string][]byte{"/a": a, "/c": c})
}

func copyFile(f *faulty, from, to string) {
	f.t.Helper()
	b, err := os.ReadFile(from)
	f.is.NoErr(err)
	f.is.NoErr(os.WriteFile(to, b, 0o600))
}

func TestFlippedBits(t *testing.T) {
	f := newFaulty(t, shape{})
	a, b := stuff("a", 3<<20), stuff("b", 1<<20)
	_, err := f.put("/a", a)
	f.is.NoErr(err)
	_, err = f.put("/b", b)
	f.is.NoErr(err)
	f.reopen(func() { f.flip("FA0001", a[2<<20:2<<20+64]) })
	_, err = f.get("/a")
	f.wants(err, enstore.ErrChecksum, "/a", "volume FA0001", "tape file 1")
	_, err = f.c.GetFile(f.ctx, "/a", filepath.Join(t.TempDir(), "a"), enstore.GetOptions{})
	f.wants(err, enstore.ErrChecksum, "volume FA0001")
	got, err := f.get("/b")
	f.is.NoErr(err)
	f.is.True(bytes.Equal(got, b)) // the others are as good as ever
	f.is.NoErr(f.volume("FA0001").Readable())
}

// flip changes one bit in the middle of what lies on the cartridge.
func (f *faulty) flip(l catalog.Label, where []byte) {
	f.t.Helper()
	img, err := os.ReadFile(f.image(l, ".tap"))
	f.is.NoErr(err)
	at := bytes.Index(img, where)
	f.is.True(at > 0) // it is there
	img[at+len(where)/2] ^= 4
	f.is.NoErr(os.WriteFile(f.image(l, ".tap"), img, 0o600))
}

func TestDamagedCartridges(t *testing.T) {
	a := stuff("a", 3<<20)
	for _, tt := range []struct {
		name   string
		damage func(f *faulty)
		kind   error
	}{
		{"header in front of the file", func(f *faulty) { f.flip("FA0001", []byte("070707")) }, enstore.ErrMedia},
		{"image cut short", func(f *faulty) { f.is.NoErr(os.Truncate(f.image("FA0001", ".tap"), 1<<20)) }, enstore.ErrMedia},
		{"image empty", func(f *faulty) { f.is.NoErr(os.Truncate(f.image("FA0001", ".tap"), 0)) }, enstore.ErrMedia},
		{"image gone", func(f *faulty) { f.is.NoErr(os.Remove(f.image("FA0001", ".tap"))) }, enstore.ErrMedia},
		{"index cut short", func(f *faulty) { f.is.NoErr(os.Truncate(f.image("FA0001", ".idx"), 30)) }, enstore.ErrMedia},
		{"index flipped", func(f *faulty) {
			b, err := os.ReadFile(f.image("FA0001", ".idx"))
			f.is.NoErr(err)
			b[20] ^= 1
			f.is.NoErr(os.WriteFile(f.image("FA0001", ".idx"), b, 0o600))
		}, enstore.ErrMedia},
		{"record length", func(f *faulty) {
			w, err := os.OpenFile(f.image("FA0001", ".tap"), os.O_RDWR, 0)
			f.is.NoErr(err)
			defer w.Close()
			_, err = w.WriteAt(binary.LittleEndian.AppendUint32(nil, 12345), 92+4+256<<10+4) // of the second block
			f.is.NoErr(err)
		}, enstore.ErrMedia},
		{"image is a directory", func(f *faulty) {
			f.is.NoErr(os.Remove(f.image("FA0001", ".tap")))
			f.is.NoErr(os.Mkdir(f.image("FA0001", ".tap"), 0o700))
		}, enstore.ErrMedia},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFaulty(t, shape{})
			_, err := f.put("/a", a)
			f.is.NoErr(err)
			f.reopen(func() { tt.damage(f) })
			_, err = f.get("/a")
			f.wants(err, tt.kind, "FA0001")
			b := stuff("b", 1<<20)
			rec, err := f.stream("/b", b, int64(len(b)), nil)
			f.is.NoErr(err) // nothing was lost of it on the way
			f.is.Equal(rec.Volume, catalog.Label("FA0002"))
			got, err := f.get("/b")
			f.is.NoErr(err)
			f.is.True(bytes.Equal(got, b))
		})
	}
}

func TestCartridgeThatTheRobotHasNot(t *testing.T) {
	f := newFaulty(t, shape{volumes: 1})
	a, b := stuff("a", 1<<20), stuff("b", 1<<20)
	_, err := f.put("/a", a)
	f.is.NoErr(err)
	f.reopen(func() { // a new robot, without that cartridge
		f.is.NoErr(os.Remove(filepath.Join(f.dir, "tapes", "robot.json")))
		f.is.NoErr(filetape.Create(disk.OS(), filepath.Join(f.dir, "tapes"), filetape.Options{Drives: 1, Slots: 8}))
	})
	_, err = f.get("/a")
	f.wants(err, enstore.ErrNoAccess, "FA0001", "robot0", "not in the robot")
	f.is.NoErr(f.s.AddVolumes(f.ctx, []catalog.Label{"FA0002"}, site.VolumeOptions{Capacity: 64 << 20}))
	rec, err := f.put("/b", b)
	f.is.NoErr(err)
	f.is.Equal(rec.Volume, catalog.Label("FA0002"))
	f.is.NoErr(f.volume("FA0001").Readable()) // it may come back
}

func TestLibraryWithoutVolumes(t *testing.T) {
	f := newFaulty(t, shape{volumes: -1})
	b := stuff("b", 100)
	_, err := f.put("/b", b)
	f.wants(err, enstore.ErrNoSpace, "library tapes", "volume")
	_, err = f.stream("/b", b, -1, nil)
	f.wants(err, enstore.ErrNoSpace, "library tapes", "volume")
	f.is.NoErr(f.s.AddVolumes(f.ctx, labels(1), site.VolumeOptions{Capacity: 4 << 20}))
	_, err = f.put("/b", b)
	f.is.NoErr(err)

	full := stuff("full", 3<<20)
	_, err = f.put("/full", full)
	f.is.NoErr(err)
	_, err = f.put("/more", full)
	f.wants(err, enstore.ErrNoSpace, "/more", "tapes") // the last volume is full
	// What is in the spool waits for volumes.
	w, err := f.c.Put(f.ctx, "/more", enstore.PutOptions{Commit: enstore.Cached})
	f.is.NoErr(err)
	_, err = w.Write(full)
	f.is.NoErr(err)
	rec, err := w.Commit(f.ctx)
	f.is.NoErr(err)
	f.is.Equal(rec.Level, enstore.Cached)
	f.is.NoErr(f.s.AddVolumes(f.ctx, []catalog.Label{"FA0002"}, site.VolumeOptions{Capacity: 4 << 20}))
	rec, err = f.c.WaitFor(f.ctx, "/more", enstore.OnTape)
	if err != nil { // it is in the name space once it is on tape
		f.wants(err, enstore.ErrNotFound)
	}
	f.is.NoErr(f.within(patience, "the spool's way to tape", func() error {
		for range f.c.Events(f.ctx, 0) {
			if _, err := f.c.Stat(f.ctx, "/more"); err == nil {
				return nil
			}
		}
		return f.ctx.Err()
	}))
	f.holds(map[string][]byte{"/b": b, "/full": full, "/more": full})
}
