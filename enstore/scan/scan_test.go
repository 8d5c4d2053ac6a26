package scan_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/enstore/scan"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/filetape"
	"github.com/enstore-go/sdk/tape/label"
	"github.com/enstore-go/sdk/tape/memtape"
	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/cern"
	"github.com/enstore-go/sdk/wrapper/cpio"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

var formats = []wrapper.Format{cpio.Odc, cern.Ansi, wrapper.Null}

const block = 64 << 10

// open starts a load of a drive.
func open(t testing.TB, raw driver.Drive) *tape.Load {
	t.Helper()
	is := is.New(t)
	d, err := tape.NewDrive(t.Context(), raw, nil)
	is.NoErr(err)
	t.Cleanup(func() { d.Close() })
	l, err := d.Load(t.Context())
	is.NoErr(err)
	return l
}

// inMemory puts records and filemarks (nil) on a cartridge in RAM.
func inMemory(t testing.TB, objects [][]byte) (*memtape.Library, *tape.Load) {
	t.Helper()
	is := is.New(t)
	lib := memtape.New(memtape.Options{})
	_, err := lib.AddVolume("VO0001", memtape.VolumeOptions{})
	is.NoErr(err)
	is.NoErr(lib.Insert("VO0001", 0))
	l := open(t, lib.Drive(0))
	for _, o := range objects {
		if o == nil {
			_, err = l.WriteFilemarks(t.Context(), 1)
		} else {
			_, err = l.WriteBlock(t.Context(), o)
		}
		is.NoErr(err)
	}
	if len(objects) > 0 {
		_, err = l.Sync(t.Context())
		is.NoErr(err)
	}
	return lib, l
}

// simh is a tape image of records and filemarks.
func simh(objects [][]byte) []byte {
	var b []byte
	for _, o := range objects {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(o)))
		if o != nil {
			b = append(b, o...)
			b = append(b, make([]byte, len(o)%2)...)
			b = binary.LittleEndian.AppendUint32(b, uint32(len(o)))
		}
	}
	return binary.LittleEndian.AppendUint32(b, 0xffffffff)
}

func inImage(t testing.TB, image []byte) *tape.Load {
	t.Helper()
	is := is.New(t)
	name := filepath.Join(t.TempDir(), "VO0001.tap")
	is.NoErr(os.WriteFile(name, image, 0o600))
	raw, err := filetape.OpenImage(name)
	is.NoErr(err)
	return open(t, raw)
}

// record is what a test expects of a file.
type record struct {
	Number   int
	TapeFile int64
	Format   string
	Path     string
	Size     int64
	Sum      uint32
	Err      error // a sentinel
}

// list verifies all files of a cartridge.
func list(t testing.TB, l *tape.Load, fs ...wrapper.Format) (label string, all []record) {
	t.Helper()
	is := is.New(t)
	tp, err := scan.Open(t.Context(), l, fs...)
	is.NoErr(err)
	for {
		f, err := tp.Next()
		if err == io.EOF {
			return tp.Label.ID, all
		}
		is.NoErr(err)
		size, sum, err := f.Verify()
		all = append(all, record{f.Number, f.TapeFile, f.Format.Name(), f.Header.Path, size, sum, sentinel(err)})
	}
}

func sentinel(err error) error {
	for _, s := range []error{wrapper.ErrDead, wrapper.ErrTruncated, wrapper.ErrChecksum, wrapper.ErrHeader, wrapper.ErrLong, tape.ErrMedium, scan.ErrPassed} {
		if errors.Is(err, s) {
			return s
		}
	}
	return err
}

// alike gives what every medium has to show for the objects.
func alike(t *testing.T, objects [][]byte, want []record) {
	t.Helper()
	is := is.New(t)
	_, inRAM := inMemory(t, objects)
	name, got := list(t, inRAM, formats...)
	is.Equal(got, want)
	imageName, got := list(t, inImage(t, simh(objects)), formats...)
	is.Equal(got, want)
	is.Equal(name, imageName)
}

func labelled(t testing.TB, v label.Volume) *wrappertest.Tape {
	t.Helper()
	b, err := v.Encode()
	is.New(t).NoErr(err)
	tp := wrappertest.NewTape()
	tp.WriteRecord(b)
	is.New(t).NoErr(tp.WriteFilemark())
	return tp
}

func put(t testing.TB, tp *wrappertest.Tape, f wrapper.Format, path string, data []byte) {
	t.Helper()
	wrappertest.Put(t, tp, f, wrappertest.NewFile(path, int64(len(data))), block, data)
}

// giveUp writes a part of a file and abandons it.
func giveUp(t testing.TB, tp *wrappertest.Tape, f wrapper.Format, path string, size int64, data []byte) {
	t.Helper()
	is := is.New(t)
	w, err := wrapper.NewWriter(tp.Blocks(block), f, wrappertest.NewFile(path, size))
	is.NoErr(err)
	_, err = w.Write(data)
	is.NoErr(err)
	is.NoErr(w.Abandon())
}

func good(number int, tapeFile int64, f wrapper.Format, path string, data []byte) record {
	return record{number, tapeFile, f.Name(), path, int64(len(data)), crc.Adler(crc.Seed1, data), nil}
}

func TestFormats(t *testing.T) {
	small, large := []byte("small"), wrappertest.Data(3*block+77)
	for _, f := range formats {
		t.Run(f.Name(), func(t *testing.T) {
			v := label.Plain("VO0001")
			if f.VolumeLabel().UserLabels {
				v = label.User("VO0001", "exp.raw."+f.Name(), v.Declared)
			}
			tp := labelled(t, v)
			put(t, tp, f, "/exp/small", small)
			put(t, tp, f, "/exp/empty", nil)
			put(t, tp, f, "/exp/large", large)
			path := func(s string) string {
				if f == wrapper.Null {
					return ""
				}
				return s
			}
			step, data := int64(f.Layout().TapeFiles), int64(f.Layout().Data)
			alike(t, tp.Objects(), []record{
				good(1, 1+data, f, path("/exp/small"), small),
				good(2, 1+step+data, f, path("/exp/empty"), nil),
				good(3, 1+2*step+data, f, path("/exp/large"), large),
			})
		})
	}
}

// A volume whose wrapper was changed.
func TestMixedFormats(t *testing.T) {
	data := wrappertest.Data(block)
	tp := labelled(t, label.Plain("VO0001"))
	put(t, tp, cpio.Odc, "/a", data)
	put(t, tp, cern.Ansi, "/b", data)
	put(t, tp, wrapper.Null, "/c", data)
	put(t, tp, cpio.Odc, "/d", data)
	alike(t, tp.Objects(), []record{
		good(1, 1, cpio.Odc, "/a", data), good(2, 3, cern.Ansi, "/b", data),
		good(3, 5, wrapper.Null, "", data), good(4, 6, cpio.Odc, "/d", data),
	})
}

func TestDeadSpace(t *testing.T) {
	is := is.New(t)
	part := wrappertest.Data(block + 5)
	sum := crc.Adler(crc.Seed1, part)
	tp := labelled(t, label.Plain("VO0001"))
	giveUp(t, tp, cpio.Odc, "/short", 10*block, part)
	giveUp(t, tp, cpio.Odc, "/whole", int64(len(part)), part) // its checksum was wrong, say
	giveUp(t, tp, cern.Ansi, "/cern", 10*block, part)
	put(t, tp, cpio.Odc, "/good", part)
	alike(t, tp.Objects(), []record{
		{1, 1, "cpio_odc", "/short", int64(len(part)), sum, wrapper.ErrDead},
		{2, 2, "cpio_odc", "/whole", int64(len(part)), sum, wrapper.ErrDead},
		{3, 4, "cern", "/cern", int64(len(part)), sum, wrapper.ErrDead},
		good(4, 6, cpio.Odc, "/good", part),
	})

	// Check alone, as for a list, says the same.
	_, l := inMemory(t, tp.Objects())
	s, err := scan.Open(t.Context(), l, formats...)
	is.NoErr(err)
	for _, dead := range []bool{true, true, true, false} {
		f, err := s.Next()
		is.NoErr(err)
		is.Equal(errors.Is(f.Check(), wrapper.ErrDead), dead)
	}
}

func TestEnds(t *testing.T) {
	data := wrappertest.Data(2 * block)
	tp := labelled(t, label.Plain("VO0001"))
	put(t, tp, cpio.Odc, "/a", data)
	a := good(1, 1, cpio.Odc, "/a", data)
	whole := tp.Objects()
	torn := record{1, 1, "cpio_odc", "/a", int64(block - 78), crc.Adler(crc.Seed1, data[:block-78]), wrapper.ErrTruncated}
	for _, c := range []struct {
		name    string
		objects [][]byte
		want    []record
	}{
		{"end of data behind one filemark", whole, []record{a}},
		{"Enstore's double filemark", append(whole[:len(whole):len(whole)], nil), []record{a}},
		{"an empty null file, then another", append(whole[:len(whole):len(whole)], nil, data, nil),
			[]record{a, good(2, 2, wrapper.Null, "", nil), good(3, 3, wrapper.Null, "", data)}},
		{"end of data within a file", whole[:3], []record{torn}},
		{"no filemark behind the last block", whole[:len(whole)-1],
			[]record{{1, 1, "cpio_odc", "/a", int64(len(data)), a.Sum, wrapper.ErrTruncated}}},
		{"label only", whole[:2], nil},
		{"label without a filemark", whole[:1], nil},
		{"blank", nil, nil},
		{"filemarks only", [][]byte{nil, nil}, []record{good(1, 0, wrapper.Null, "", nil)}},
	} {
		t.Run(c.name, func(t *testing.T) { alike(t, c.objects, c.want) })
	}
}

func TestLabels(t *testing.T) {
	data := wrappertest.Data(block)
	file := wrappertest.NewTape()
	put(t, file, cpio.Odc, "/a", data)
	bad := append([]byte("VOL1"), make([]byte, 76)...)
	for _, c := range []struct {
		name     string
		front    [][]byte
		labelled bool
		bad      bool
		tapeFile int64
	}{
		{"a label", [][]byte{[]byte(fmt.Sprintf("VOL1%-75s0", "VO0001")), nil}, true, false, 1},
		{"none", nil, false, false, 0},
		{"one that cannot be read", [][]byte{bad, nil}, false, true, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			l := inImage(t, simh(append(c.front, file.Objects()...)))
			s, err := scan.Open(t.Context(), l, formats...)
			is.NoErr(err)
			is.Equal(s.Labelled, c.labelled)
			is.Equal(errors.Is(s.LabelError, label.ErrBadLabel), c.bad)
			f, err := s.Next()
			is.NoErr(err)
			is.Equal(f.TapeFile, c.tapeFile)
			is.Equal(f.Number, 1)
			is.Equal(f.Header.Path, "/a")
		})
	}
}

// One bad block costs the file that it is in, and no other.
func TestBadBlock(t *testing.T) {
	is := is.New(t)
	data := wrappertest.Data(3 * block)
	tp := labelled(t, label.Plain("VO0001"))
	for _, p := range []string{"/a", "/b", "/c", "/d"} {
		put(t, tp, cpio.Odc, p, data)
	}
	lib, l := inMemory(t, tp.Objects())
	const each = 5                                             // 4 blocks and a filemark
	is.NoErr(lib.Damage("VO0001", 2+each, driver.Sense{}))     // the first block of /b
	is.NoErr(lib.Damage("VO0001", 2+2*each+1, driver.Sense{})) // the second one of /c
	_, got := list(t, l, formats...)
	is.Equal(got, []record{
		good(1, 1, cpio.Odc, "/a", data),
		{2, 2, "null", "", 0, 1, tape.ErrMedium},
		{3, 3, "cpio_odc", "/c", block - 78, crc.Adler(crc.Seed1, data[:block-78]), tape.ErrMedium},
		good(4, 4, cpio.Odc, "/d", data),
	})
}

// The checksum of the cern wrapper finds a flipped bit; of the others only a catalogue does.
func TestFlippedBit(t *testing.T) {
	is := is.New(t)
	data := wrappertest.Data(3 * block)
	tp := labelled(t, label.Plain("VO0001"))
	put(t, tp, cern.Ansi, "/a", data)
	put(t, tp, cpio.Odc, "/b", data)
	lib, l := inMemory(t, tp.Objects())
	is.NoErr(lib.Flip("VO0001", 5))
	is.NoErr(lib.Flip("VO0001", 11))
	_, got := list(t, l, formats...)
	is.Equal(len(got), 2)
	is.Equal(got[0].Err, wrapper.ErrChecksum)
	is.Equal(got[1].Err, nil)
	for _, g := range got {
		is.Equal(g.Size, int64(len(data)))
		is.True(g.Sum != crc.Adler(crc.Seed1, data))
	}
}

func TestContent(t *testing.T) {
	is := is.New(t)
	data := wrappertest.Data(2*block + 1)
	tp := labelled(t, label.Plain("VO0001"))
	for range 2 {
		for _, f := range formats {
			put(t, tp, f, "/x", data)
		}
	}
	_, l := inMemory(t, tp.Objects())
	s, err := scan.Open(t.Context(), l, formats...)
	is.NoErr(err)
	for range formats {
		f, err := s.Next()
		is.NoErr(err)
		var got bytes.Buffer
		n, err := f.WriteTo(&got)
		is.NoErr(err)
		is.Equal(n, int64(len(data)))
		is.True(bytes.Equal(got.Bytes(), data))
		is.NoErr(f.Check())
		is.NoErr(f.Check()) // says the same again
		_, err = f.WriteRaw(io.Discard)
		is.Equal(sentinel(err), scan.ErrPassed)
		is.Equal(f.Header.Size >= 0 || f.Format == wrapper.Null, true)
	}
	var last *scan.File
	for _, format := range formats {
		f, err := s.Next()
		is.NoErr(err)
		var raw bytes.Buffer
		n, err := f.WriteRaw(&raw)
		is.NoErr(err)
		is.Equal(n, int64(raw.Len()))
		is.Equal(f.Format, format)
		want := tp.File(int(f.TapeFile))
		if format == cern.Ansi {
			want = slices.Concat(tp.File(int(f.TapeFile)-1), want, tp.File(int(f.TapeFile)+1))
		}
		is.True(bytes.Equal(raw.Bytes(), want))
		is.Equal(sentinel(f.Check()), scan.ErrPassed)
		last = f
	}
	_, err = s.Next()
	is.Equal(err, io.EOF)
	_, err = last.WriteTo(io.Discard)
	is.Equal(sentinel(err), scan.ErrPassed)
	_, err = s.Next() // and it stays so
	is.Equal(err, io.EOF)
}

// The size of a null file, which no header tells, is known when the tape has passed it.
func TestNullSize(t *testing.T) {
	is := is.New(t)
	tp := labelled(t, label.Plain("VO0001"))
	put(t, tp, wrapper.Null, "/x", wrappertest.Data(2*block+1))
	_, l := inMemory(t, tp.Objects())
	s, err := scan.Open(t.Context(), l, formats...)
	is.NoErr(err)
	f, err := s.Next()
	is.NoErr(err)
	is.Equal(f.Header.Size, int64(-1))
	is.NoErr(f.Check())
	is.Equal(f.Header.Size, int64(2*block+1))
}

// A content that looks like another format is told apart by leaving that out.
func TestChosenFormat(t *testing.T) {
	is := is.New(t)
	inner := wrappertest.NewTape()
	put(t, inner, cpio.Odc, "/inner", []byte("content"))
	archive := inner.File(0)
	tp := labelled(t, label.Plain("VO0001"))
	put(t, tp, wrapper.Null, "/archive.cpio", archive)
	_, l := inMemory(t, tp.Objects())
	_, got := list(t, l, formats...)
	is.Equal(got[0].Path, "/inner")
	_, got = list(t, l, wrapper.Null)
	is.Equal(got, []record{good(1, 1, wrapper.Null, "", archive)})

	s, err := scan.Open(t.Context(), l, cern.Ansi)
	is.NoErr(err)
	_, err = s.Next()
	is.True(errors.Is(err, wrapper.ErrUnknown))
}

func TestCancelled(t *testing.T) {
	is := is.New(t)
	tp := labelled(t, label.Plain("VO0001"))
	put(t, tp, cpio.Odc, "/a", wrappertest.Data(block))
	_, l := inMemory(t, tp.Objects())
	ctx, cancel := context.WithCancel(t.Context())
	s, err := scan.Open(ctx, l, formats...)
	is.NoErr(err)
	cancel()
	_, err = s.Next()
	is.True(errors.Is(err, context.Canceled))
}
