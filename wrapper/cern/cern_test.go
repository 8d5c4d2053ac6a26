package cern_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/cern"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

func TestAnsi(t *testing.T) { wrappertest.TestFormat(t, cern.Ansi) }

// What the labels tell comes back, on a tape of our own.
func TestLabelsRoundTrip(t *testing.T) {
	is := is.New(t)
	f := wrappertest.NewFile("/exp/raw/run000123/file_000007.dat", 700)
	f.BFID, f.Sequence, f.Compressed = "CDMS102269035000000", 12345, true
	tape := wrappertest.NewTape()
	wrappertest.Put(t, tape, cern.Ansi, f, 64<<10, wrappertest.Data(700))
	tape.Rewind()
	r, err := wrapper.NewReader(tape, cern.Ansi, 700)
	is.NoErr(err)
	want := f
	want.MTime, want.Volume, want.Family = time.Time{}, "", "" // for which there is no place
	want.BlockSize = 64 << 10
	want.Created = want.Created.UTC()
	is.Equal(r.File(), want)

	objects := tape.Objects()
	is.Equal(len(objects), 6) // labels, mark, data, mark, labels, mark
	is.Equal(len(objects[2]), 1024)
	is.Equal(string(objects[0][31:35]), "2345") // HDR1: the last four digits
	is.Equal(string(objects[4][54:60]), "000001")
}

func TestFieldsAreCleaned(t *testing.T) {
	is := is.New(t)
	f := wrapper.File{Path: "/a", Size: 1, User: "bad\nname\x00", StorageGroup: "longer than eight", Host: "grüße", DriveSerial: "  ", Sequence: -5}
	h, err := cern.Ansi.Header(f)
	is.NoErr(err)
	is.Equal(len(h)%80, 0)
	is.Equal(string(h[4*80+4:4*80+26]), "bad?name?     longer t")
	is.Equal(string(h[2*80+42:2*80+52]), "gr????e   ")
	is.Equal(string(h[2*80+52:2*80+80]), "UNKNOWN UNKNOWN UNKNOWN     ")
	for _, c := range h {
		is.True(c >= ' ' && c <= '~')
	}
	is.Equal(string(h[41:53]), " 00000 00000") // no date
}

func TestCenturies(t *testing.T) {
	for _, c := range []struct {
		year int
		want string
	}{{1999, " 99060 00000"}, {2000, "000061000000"}, {2024, "024061000000"}, {2100, "100060100000"}} {
		is := is.New(t)
		h, err := cern.Ansi.Header(wrapper.File{Path: "/a", Created: time.Date(c.year, 3, 1, 0, 0, 0, 0, time.UTC)})
		is.NoErr(err)
		is.Equal(string(h[41:53]), c.want)
	}
}

func TestLimits(t *testing.T) {
	is := is.New(t)
	f := wrapper.File{Path: "/" + strings.Repeat("p", 1991), Size: 99_999_999_999_999}
	is.NoErr(wrapper.Fits(cern.Ansi, f))
	h, err := cern.Ansi.Header(f)
	is.NoErr(err)
	is.Equal(len(h), 32*80)
	is.Equal(string(h[31*80:31*80+4]), "UHLZ")
	got, _, err := cern.Ansi.ParseHeader(h)
	is.NoErr(err)
	is.Equal(got.Path, f.Path)
	is.Equal(got.Size, f.Size)

	f.Path += "p"
	is.True(errors.Is(wrapper.Fits(cern.Ansi, f), wrapper.ErrPathTooLong))
	_, err = cern.Ansi.Header(f)
	is.True(errors.Is(err, wrapper.ErrPathTooLong))
	f = wrapper.File{Path: "/a", Size: 100_000_000_000_000}
	err = wrapper.Fits(cern.Ansi, f)
	is.Equal(err.Error(), "cern: file of 100000000000000 bytes: larger than 99999999999999 bytes, the most this format can tell; formats that can: null")
	f = wrapper.File{Path: strings.Repeat(" ", 17) + "x"}
	is.True(errors.Is(wrapper.Fits(cern.Ansi, f), wrapper.ErrPath)) // HDR1 would name nothing
}

// A rest of whole labels is followed by a blank one, as Enstore writes it.
func TestPathOfWholeLabels(t *testing.T) {
	for _, c := range []struct{ path, labels int }{{17, 6}, {18, 7}, {92, 7}, {93, 8}, {94, 8}, {169, 9}} {
		is := is.New(t)
		h, err := cern.Ansi.Header(wrapper.File{Path: "/" + strings.Repeat("p", c.path-1)})
		is.NoErr(err)
		is.Equal(len(h), c.labels*80)
	}
}

// Labels that contradict each other are not taken for the end of a good file.
func TestContradictions(t *testing.T) {
	f := wrappertest.NewFile("/exp/a", 700)
	f.BlockSize = 4096
	good, err := cern.Ansi.Label(f, 700, 1)
	is.New(t).NoErr(err)
	header, err := cern.Ansi.Header(f)
	is.New(t).NoErr(err)
	for _, c := range []struct {
		what  string
		label func(b []byte) []byte
		tail  int
		want  error
	}{
		{"good", func(b []byte) []byte { return b }, 324, nil},
		{"none", func([]byte) []byte { return nil }, 324, wrapper.ErrHeader},
		{"leading labels", func([]byte) []byte { return header }, 324, wrapper.ErrHeader},
		{"cut", func(b []byte) []byte { return b[:400] }, 324, wrapper.ErrHeader},
		{"other path", func(b []byte) []byte { return bytes.Replace(b, []byte("/exp/a"), []byte("/exp/b"), 1) }, 324, wrapper.ErrHeader},
		{"other size", func(b []byte) []byte { b[3*80+77]++; return b }, 324, wrapper.ErrHeader},
		{"no size", func(b []byte) []byte { b[3*80+77] = ' '; return b }, 324, wrapper.ErrHeader},
		{"no checksum", func(b []byte) []byte { b[4*80+37] = ' '; return b }, 324, wrapper.ErrHeader},
		{"checksum of 33 bits", func(b []byte) []byte { copy(b[4*80+28:], "9999999999"); return b }, 324, wrapper.ErrHeader},
		{"dead", func(b []byte) []byte { copy(b[4*80+26:], "  "); return b }, 324, wrapper.ErrDead},
		{"more data", func(b []byte) []byte { return b }, 512, wrapper.ErrLong},
	} {
		t.Run(c.what, func(t *testing.T) {
			is := is.New(t)
			end, err := cern.Ansi.CheckEnd(f, 700, make([]byte, c.tail), c.label(bytes.Clone(good)))
			is.True(errors.Is(err, c.want))
			is.Equal(end.HasSum, c.want == nil)
		})
	}
	is := is.New(t)
	end, err := cern.Ansi.CheckEnd(f, 700, nil, bytes.Replace(good, []byte("AD"), []byte("CS"), 1))
	is.NoErr(err)
	is.Equal(end.HasSum, false) // a checksum of another kind is none to us
}

func TestDeadLabel(t *testing.T) {
	is := is.New(t)
	f := wrappertest.NewFile("/exp/a", 700)
	label, err := cern.Ansi.DeadLabel(f, 300)
	is.NoErr(err)
	got, _, err := cern.ParseLabel(label)
	is.True(errors.Is(err, wrapper.ErrDead))
	is.Equal(err.Error(), "cern: /exp/a: given up after 300 bytes: dead space")
	is.Equal(got.Path, "/exp/a")
}

// One that stands at the data has no header to take the size from.
func TestDataWithoutSize(t *testing.T) {
	is := is.New(t)
	_, err := wrapper.NewDataReader(wrappertest.NewTape(), cern.Ansi, -1)
	is.True(errors.Is(err, wrapper.ErrSize))
}

func TestRecordsOfOneLabelEach(t *testing.T) {
	is := is.New(t)
	h, err := cern.Ansi.Header(wrappertest.NewFile("/exp/a", 5))
	is.NoErr(err)
	_, err = wrapper.NewReader(wrappertest.NewTape(h[:80], h[80:160], h[160:240], nil), cern.Ansi, 5)
	is.True(errors.Is(err, wrapper.ErrHeader))
	_, err = wrapper.NewReader(wrappertest.NewTape(h, h, nil), cern.Ansi, 5)
	is.True(errors.Is(err, wrapper.ErrHeader))
}
