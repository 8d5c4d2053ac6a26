package site_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/namespace"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
)

func TestBadVolumesAreRefused(t *testing.T) {
	f := newFaulty(t, shape{volumes: 1})
	for _, tt := range []struct {
		label string
		want  error
		says  string
	}{
		{"", catalog.ErrInvalid, "label"},
		{"VO 123", catalog.ErrInvalid, "VO 123"},
		{"../../x", catalog.ErrInvalid, "../../x"},
		{"VO\x00123", catalog.ErrInvalid, `VO\x00123`},
		{strings.Repeat("V", 100), catalog.ErrInvalid, "VVV"},
		{"FA0001", catalog.ErrExists, "FA0001"},
	} {
		err := f.s.AddVolumes(f.ctx, []catalog.Label{catalog.Label(tt.label)}, site.VolumeOptions{})
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("label %q: %v", tt.label, err)
		}
	}
	err0 := f.s.AddVolumes(f.ctx, []catalog.Label{"CLN001L1"}, site.VolumeOptions{Capacity: 1 << 20})
	f.is.True(errors.Is(err0, catalog.ErrInvalid)) // a cleaning cartridge is no volume
	f.is.NoErr(f.s.AddVolumes(f.ctx, []catalog.Label{"VO1234L7"}, site.VolumeOptions{Capacity: 1 << 20}))
	err := f.s.AddVolumes(f.ctx, []catalog.Label{"VO1234L8"}, site.VolumeOptions{Capacity: 1 << 20})
	f.is.True(errors.Is(err, catalog.ErrExists)) // the two would have one label on tape
	f.is.True(strings.Contains(err.Error(), "VO1234L7"))
	f.is.True(f.s.AddVolumes(f.ctx, []catalog.Label{"VO1235"}, site.VolumeOptions{Capacity: -1}) != nil)
	f.is.True(f.s.AddVolumes(f.ctx, []catalog.Label{"VO1235"}, site.VolumeOptions{Library: "elsewhere"}) != nil) // no drive serves it
	// Whatever was refused left nothing behind that stands in the way of a good one.
	f.is.NoErr(f.s.AddVolumes(f.ctx, []catalog.Label{"VO1235"}, site.VolumeOptions{Capacity: 1 << 20}))
	n := 0
	for _, err := range f.s.Catalog().Volumes(f.ctx, catalog.Filter{}) {
		f.is.NoErr(err)
		n++
	}
	f.is.Equal(n, 3)
	images, err := filepath.Glob(filepath.Join(f.dir, "tapes", "volumes", "*.tap"))
	f.is.NoErr(err)
	f.is.True(len(images) <= 3) // a cartridge without a volume would be found by nobody
	f.holds(nil)
}

func TestVolumesBeyondTheSlotsAreRefused(t *testing.T) {
	f := newFaulty(t, shape{volumes: 8})
	err := f.s.AddVolumes(f.ctx, []catalog.Label{"FB0001"}, site.VolumeOptions{Capacity: 1 << 20})
	f.is.True(err != nil)
	f.is.True(strings.Contains(err.Error(), "no free slot"))
	_, err = f.s.Catalog().Volume(f.ctx, "FB0001")
	f.is.True(errors.Is(err, catalog.ErrNotFound)) // it would be chosen and could never be mounted
}

func TestBadNamesAreRefused(t *testing.T) {
	f := newFaulty(t, shape{})
	b := stuff("x", 1000)
	long := strings.Repeat("n", 256)
	for _, key := range []string{"", "x", "/", "/a/../x", "/../x", "/./x", "//x", "/x/", "/a\x00b", "/" + long, "/" + strings.Repeat("/d", 3000)} {
		_, err := f.put(key, b)
		f.wants(err, enstore.ErrInvalid)
		_, err = f.stream(key, b, int64(len(b)), nil)
		f.wants(err, enstore.ErrInvalid)
		if _, err = f.c.Stat(f.ctx, key); err == nil {
			t.Errorf("%q can be asked for", key)
		}
		if _, err = f.get(key); err == nil {
			t.Errorf("%q can be read", key)
		}
	}
	_, err := f.put("/nowhere/x", b)
	f.wants(err, enstore.ErrNotFound, "/nowhere")

	// A path that fits a name space but no cpio header.
	dir := strings.Repeat("/"+strings.Repeat("d", 250), 5)
	f.is.NoErr(f.c.MkdirAll(f.ctx, dir))
	_, err = f.put(dir+"/x", b)
	f.wants(err, enstore.ErrInvalid, "cpio_odc")
	_, err = f.stream(dir+"/x", b, -1, nil)
	f.wants(err, enstore.ErrInvalid, "cpio_odc")

	_, err = f.put("/x", b)
	f.is.NoErr(err)
	_, err = f.put("/x/y", b)
	f.wants(err, enstore.ErrInvalid, "/x")
	_, err = f.put("/x", stuff("y", 1000))
	f.wants(err, enstore.ErrExists, "/x")
	f.is.NoErr(f.c.Mkdir(f.ctx, "/d"))
	_, err = f.put("/d", b)
	f.wants(err, enstore.ErrExists, "/d")
	_, err = f.get("/d")
	f.wants(err, enstore.ErrInvalid, "/d")
	f.holds(map[string][]byte{"/x": b})
}

func TestBadTagsAreRefused(t *testing.T) {
	f := newFaulty(t, shape{})
	for tag, values := range map[enstore.Tag][]string{
		enstore.TagWidth:   {"-1", "0", "x", "99999999999999999999", "1.5"},
		enstore.TagWrapper: {"zip", "a.b", "a b"},
		enstore.TagFamily:  {"a.b", "a b", "x\x00", strings.Repeat("f", 500)},
		enstore.TagGroup:   {"a.b", "a b"},
		enstore.TagLibrary: {"a b", "x\x00"},
		"nonsense":         {"x"},
	} {
		for _, v := range values {
			if err := f.c.SetTag(f.ctx, "/", tag, v); !errors.Is(err, enstore.ErrInvalid) {
				t.Errorf("tag %s = %q: %v", tag, v, err)
			}
		}
	}
	// A library without drives and volumes is a name that may come to life later; a put says what is missing.
	f.is.NoErr(f.c.Mkdir(f.ctx, "/d"))
	f.is.NoErr(f.c.SetTag(f.ctx, "/d", enstore.TagLibrary, "elsewhere"))
	_, err := f.put("/d/x", stuff("x", 10))
	f.wants(err, enstore.ErrNoSpace, "elsewhere")
	f.holds(nil)
}

func TestBadSources(t *testing.T) {
	f := newFaulty(t, shape{})
	b := stuff("source", 3<<20)
	src := f.source(b)
	try := func(path string, kind error, o enstore.PutOptions, says ...string) {
		t.Helper()
		_, err := f.c.PutFile(f.ctx, "/x", path, o)
		f.wants(err, kind, says...)
	}
	try(src+".not", enstore.ErrNotFound, enstore.PutOptions{}, src+".not")
	try(f.dir, enstore.ErrInvalid, enstore.PutOptions{}, f.dir)
	link := filepath.Join(t.TempDir(), "link")
	f.is.NoErr(os.Symlink(src+".not", link))
	try(link, enstore.ErrNotFound, enstore.PutOptions{}, link)
	if os.Geteuid() != 0 {
		f.is.NoErr(os.Chmod(src, 0))
		try(src, enstore.ErrNotAllowed, enstore.PutOptions{}, src)
		f.is.NoErr(os.Chmod(src, 0o600))
	}
	try(src, enstore.ErrChanged, enstore.PutOptions{Size: int64(len(b)) - 1}, src)
	wrong := uint32(4711)
	try(src, enstore.ErrChecksum, enstore.PutOptions{Expect: &wrong}, "00001267")

	change := func(what func()) enstore.PutOptions {
		done := false
		return enstore.PutOptions{Progress: func(p enstore.Progress) {
			if p.State == enstore.Streaming && !done {
				done = true
				what()
			}
		}}
	}
	try(src, enstore.ErrChanged, change(func() { f.is.NoErr(os.Truncate(src, 1<<20)) }), src)
	f.is.NoErr(os.WriteFile(src, b, 0o600))
	try(src, enstore.ErrChanged, change(func() {
		f.is.NoErr(os.WriteFile(src, append(b[:len(b):len(b)], 1), 0o600))
	}), src)
	f.is.NoErr(os.WriteFile(src, b, 0o600))
	try(src, enstore.ErrChanged, change(func() {
		w, err := os.OpenFile(src, os.O_WRONLY, 0)
		f.is.NoErr(err)
		_, err = w.WriteAt([]byte("changed"), 2<<20)
		f.is.NoErr(err)
		f.is.NoErr(w.Close())
	}), src)

	for declared, size := range map[int64]int{1000: 999, 999: 1000} {
		_, err := f.stream("/x", b[:size], declared, nil)
		f.wants(err, enstore.ErrChanged, "/x", "999")
	}
	w, err := f.c.Put(f.ctx, "/x", enstore.PutOptions{Size: 1000, Expect: &wrong})
	f.is.NoErr(err)
	_, err = w.Write(b[:1000])
	f.is.NoErr(err)
	_, err = w.Commit(f.ctx)
	f.wants(err, enstore.ErrChecksum, "/x", "00001267")

	_, err = f.put("/good", b) // the volume goes on behind all the dead space
	f.is.NoErr(err)
	f.holds(map[string][]byte{"/good": b})
}

func TestDirectoryChangesWhileAFileIsOnItsWay(t *testing.T) {
	f := newFaulty(t, shape{})
	tree := namespace.New(f.s.Catalog())
	b := stuff("x", 1<<20)
	f.is.NoErr(f.c.MkdirAll(f.ctx, "/old/sub"))
	f.is.NoErr(f.c.Mkdir(f.ctx, "/gone"))
	f.is.NoErr(f.c.Mkdir(f.ctx, "/taken"))

	rec, err := f.stream("/old/sub/x", b, int64(len(b)), func(sent int) {
		if sent == len(b) {
			f.is.NoErr(tree.Rename(f.ctx, "/old", "/new", "test"))
		}
	})
	f.is.NoErr(err)
	got, err := f.get("/new/sub/x")
	f.is.NoErr(err)
	f.is.Equal(len(got), len(b))
	st, err := f.c.Stat(f.ctx, "/new/sub/x")
	f.is.NoErr(err)
	f.is.Equal(st.BFID, rec.BFID) // it is where its directory went

	_, err = f.stream("/gone/x", b, int64(len(b)), func(sent int) {
		if sent == len(b) {
			f.is.NoErr(f.c.Remove(f.ctx, "/gone"))
		}
	})
	f.wants(err, enstore.ErrNotFound, "/gone/x")

	_, err = f.stream("/taken/x", b, int64(len(b)), func(sent int) {
		if sent == len(b) { // somebody renames another file to this name
			f.is.NoErr(tree.Rename(f.ctx, "/new/sub/x", "/taken/x", "test"))
		}
	})
	f.wants(err, enstore.ErrExists, "/taken/x")
	f.holds(map[string][]byte{"/taken/x": b})
}
