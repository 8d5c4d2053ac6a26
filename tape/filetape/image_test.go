package filetape

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
)

// words makes an image of words, and of strings as blocks with their lengths.
func words(parts ...any) []byte {
	var b []byte
	word := func(w uint32) { b = binary.LittleEndian.AppendUint32(b, w) }
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			word(uint32(p))
		case []byte:
			b = append(b, p...)
		case string:
			word(uint32(len(p)))
			b = append(b, p...)
			if len(p)%2 != 0 {
				b = append(b, 0)
			}
			word(uint32(len(p)))
		}
	}
	return b
}

func TestScan(t *testing.T) {
	const none = -1
	zero := func(n int) []byte { return make([]byte, n) }
	for _, c := range []struct {
		name           string
		image          []byte
		objects, marks int64
		damage         int64
	}{
		{"empty file", nil, 0, 0, none},
		{"end mark only", words(wordEnd), 0, 0, none},
		{"two files", words("one", "two!", 0, "three", 0, wordEnd), 5, 2, none},
		{"behind the end mark", words("one", 0, wordEnd, "old", 0), 2, 1, none},
		{"zeros behind the end mark", words("one", 0, wordEnd, zero(5000)), 2, 1, none},
		{"no end mark, one filemark", words("one", 0), 2, 1, none},
		{"no end mark, two filemarks", words("one", 0, 0), 3, 2, none},
		{"three words of zeros to the end of the file", words("one", 0, 0, 0), 1, 0, none},
		{"zeros to the end of the file", words("one", 0, "two", zero(100000)), 3, 1, none},
		{"five bytes of zeros", words("one", zero(5)), 1, 0, none},
		{"only zeros", zero(4096), 0, 0, none},
		{"three filemarks inside", words("one", 0, 0, 0, "two"), 5, 3, none},
		{"many filemarks inside", words(zero(400_000), "two"), 100_001, 100_000, none},
		{"a length that begins with zero bytes", words(0, strings.Repeat("x", 0x10000)), 2, 1, none},
		{"torn in the first length", words("one", []byte{3, 0}), 1, 0, 12},
		{"torn in the data", words("one", 6, []byte("tor")), 1, 0, 12},
		{"torn before the second length", words("one", 4, []byte("torn")), 1, 0, 12},
		{"torn in the second length", words("one", 4, []byte("torn"), []byte{4, 0}), 1, 0, 12},
		{"torn, then zeros", words("one", 4, []byte("torn"), zero(600)), 1, 0, 12},
		{"erase gaps", words(wordGap, "one", wordGap, wordGap, 0, "two", wordGap, wordEnd), 3, 1, none},
		{"second length wrong", words("one", 4, []byte("torn"), 5, "two"), 1, 0, 19},
		{"flag bits", words("one", 0, 0x80000003, []byte("bad\x00"), 0x80000003), 2, 1, 16},
		{"reserved word", words("one", 0xfffffffd), 1, 0, 12},
		{"a text", []byte("this is no tape image"), 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			end, marks, damage, err := scan(t.Context(), bytes.NewReader(c.image), int64(len(c.image)))
			is.NoErr(err)
			is.Equal(end.obj, c.objects)
			is.Equal(end.file, c.marks)
			is.Equal(int64(len(marks)), c.marks)
			at := int64(none)
			if damage != nil {
				at = damage.off
				if c.name == "second length wrong" {
					at -= 1 // the place is the second length's
				}
			}
			is.Equal(at, c.damage)
			is.Equal(damage != nil && damage.torn, strings.HasPrefix(c.name, "torn"))
		})
	}
}

func imageFile(t testing.TB, image []byte) string {
	name := filepath.Join(t.TempDir(), "TST001.tap")
	if err := os.WriteFile(name, image, 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestEnstoreCartridge(t *testing.T) {
	is := is.New(t)
	d, err := OpenImage("testdata/TST002.tap.gz")
	is.NoErr(err)
	defer d.Close()
	s := readAll(t, d)
	var sizes []int
	for _, o := range s {
		sizes = append(sizes, len(o))
	}
	is.Equal(sizes, []int{80, 0, 512, 0, 131072, 131072, 38400, 0, 0})
	is.True(strings.HasPrefix(string(s[0]), "VOL1TST002"))
	is.True(bytes.HasPrefix(s[2], []byte("070707")))        // a cpio header
	is.True(bytes.Contains(s[2], []byte("hello golden\n"))) // and its file
	is.True(bytes.Contains(s[6], []byte("TRAILER!!!\x00"))) // the end of the second one
	var want []byte
	for i := range 300000 {
		want = append(want, byte(i*31+i/256*7))
	}
	all := bytes.Join(s[4:7], nil)
	is.True(bytes.Contains(all, want))
	_, err = d.WriteBlock(t.Context(), []byte("x"))
	is.Equal(outcome(err), driver.OutcomeWriteProtected)
}

func outcome(err error) driver.Outcome {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Outcome
	}
	return driver.OutcomeNone
}

func TestOpenImageErrors(t *testing.T) {
	is := is.New(t)
	_, err := OpenImage(imageFile(t, []byte("this is no tape image")))
	is.Equal(outcome(err), driver.OutcomeMedium)
	is.True(strings.Contains(err.Error(), "not a tape image"))
	_, err = OpenImage(filepath.Join(t.TempDir(), "absent.tap"))
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), "absent.tap"))

	packed := filepath.Join(t.TempDir(), "cut.tap.gz")
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(words("one", 0))
	z.Close()
	is.NoErr(os.WriteFile(packed, b.Bytes()[:b.Len()-4], 0o666))
	_, err = OpenImage(packed)
	is.Equal(outcome(err), driver.OutcomeMedium)

	for _, name := range []string{t.TempDir(), os.DevNull} { // a fifo would keep who opens it
		_, err = OpenImage(name)
		is.Equal(outcome(err), driver.OutcomeMedium)
		is.True(strings.Contains(err.Error(), "not a regular file"))
	}
}

func TestUnpackIsBounded(t *testing.T) {
	is := is.New(t)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(make([]byte, 1000))
	is.NoErr(z.Close())
	packed := filepath.Join(t.TempDir(), "VO0001.tap.gz")
	is.NoErr(os.WriteFile(packed, b.Bytes(), 0o666))
	t.Setenv("TMPDIR", t.TempDir())
	image, err := unpack(packed, 1000)
	is.NoErr(err)
	is.NoErr(os.RemoveAll(filepath.Dir(image)))
	_, err = unpack(packed, 999)
	is.True(err != nil)
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	is.NoErr(err)
	is.Equal(len(left), 0) // what was unpacked is gone
}

func TestOpenImageUsesTheIndex(t *testing.T) {
	is := is.New(t)
	name := imageFile(t, words("one", 0, "not flushed", 0))
	d, err := OpenImage(name)
	is.NoErr(err)
	is.Equal(len(readAll(t, d)), 4)
	is.NoErr(d.Close())
	is.NoErr(newIndexStore(disk.OS(), name).store(extent{16, 2, 1}, []mark{{12, 1}}))
	d, err = OpenImage(name)
	is.NoErr(err)
	defer d.Close()
	is.Equal(len(readAll(t, d)), 2)
}

// TestDamagedImage has an image whose index is whole: what can be read is read, the rest is an
// error of the medium with its place, and no block is made of what is none.
func TestDamagedImage(t *testing.T) {
	whole := words("one!", "two!", 0, "three!", 0)
	index := index{end: extent{int64(len(whole)), 5, 2}, filemarks: []mark{{24, 2}, {42, 4}}}
	for _, c := range []struct {
		name   string
		at     int
		bits   byte
		before int // objects that are read before the error
		locate int64
	}{
		{"first length", 12, 1, 1, 3},
		{"flag bits", 15, 0x80, 1, 3},
		{"second length", 20, 4, 1, 3},
		{"filemark", 24, 6, 2, 3},
		{"end mark instead of a block", 28, 0xff, 3, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			image := bytes.Clone(whole)
			image[c.at] ^= c.bits
			name := imageFile(t, image)
			is.NoErr(os.WriteFile(strings.TrimSuffix(name, "tap")+"idx", index.encode(), 0o666))
			d, err := OpenImage(name)
			is.NoErr(err)
			defer d.Close()
			buf := make([]byte, 100)
			for range c.before {
				_, _, err := d.ReadBlock(t.Context(), buf)
				is.NoErr(err)
			}
			for range 2 {
				_, _, err = d.ReadBlock(t.Context(), buf)
				is.Equal(outcome(err), driver.OutcomeMedium)
				is.True(strings.Contains(err.Error(), "damaged at offset"))
			}
			is.NoErr(d.Locate(t.Context(), c.locate)) // the index leads past it
		})
	}
}

func TestShortImage(t *testing.T) {
	is := is.New(t)
	name := imageFile(t, words("one"))
	is.NoErr(newIndexStore(disk.OS(), name).store(extent{1000, 1, 0}, nil))
	_, err := OpenImage(name)
	is.Equal(outcome(err), driver.OutcomeMedium)
	is.True(strings.Contains(err.Error(), "the image has 11 bytes") || strings.Contains(err.Error(), "the image has 12 bytes"))
}

// TestIndexOfAnotherImage has an index that is whole and counts fewer blocks than lie before a filemark, or before the
// end: no block is left out in silence.
func TestIndexOfAnotherImage(t *testing.T) {
	image := words("one!", "two!", 0, "three!", "four")
	for name, index := range map[string]index{
		"before a filemark": {end: extent{int64(len(image)), 4, 1}, filemarks: []mark{{24, 1}}},
		"before the end":    {end: extent{int64(len(image)), 4, 1}, filemarks: []mark{{24, 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			file := imageFile(t, image)
			is.NoErr(os.WriteFile(strings.TrimSuffix(file, "tap")+"idx", index.encode(), 0o666))
			d, err := OpenImage(file)
			is.NoErr(err)
			defer d.Close()
			buf := make([]byte, 100)
			for err == nil {
				var cond driver.Condition
				_, cond, err = d.ReadBlock(t.Context(), buf)
				is.True(cond != driver.EndOfData)
			}
			is.Equal(outcome(err), driver.OutcomeMedium)
			is.True(strings.Contains(err.Error(), "by the index"))
		})
	}
}

func TestBackwardsOverGaps(t *testing.T) {
	is := is.New(t)
	d, err := OpenImage(imageFile(t, words("one", wordGap, "two", wordGap, 0, wordGap, "three", wordEnd)))
	is.NoErr(err)
	defer d.Close()
	_, _, err = d.Space(t.Context(), driver.SpaceEndOfData, 0)
	is.NoErr(err)
	n, cond, err := d.Space(t.Context(), driver.SpaceBlocks, -5)
	is.NoErr(err)
	is.Equal(n, int64(1))
	is.Equal(cond, driver.Filemark)
	n, _, err = d.Space(t.Context(), driver.SpaceBlocks, -2)
	is.NoErr(err)
	is.Equal(n, int64(2))
	is.Equal(len(readAll(t, d)), 4)
}

// What a torn object is to a drive and to one who looks at an image: a place where a writer was cut off, or a cut copy.
// Nothing but a torn object may be any file, and is not blank.
func TestTornImage(t *testing.T) {
	for _, c := range []struct {
		name  string
		image []byte
		write bool // a drive may write on it
		opens bool
	}{
		{"behind others", words("one", 0, 9, []byte("torn")), true, true},
		{"alone", words(9, []byte("torn")), false, false},
		{"a gzip file", []byte("\x1f\x8b\x08\x00 and so on"), false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			name := imageFile(t, c.image)
			l, err := openTape(t.Context(), disk.OS(), name, cartridge{Label: "TST001"})
			is.NoErr(err)
			is.Equal(l.protected == "", c.write)
			is.NoErr(l.close())
			d, err := OpenImage(name)
			if !c.opens {
				is.Equal(outcome(err), driver.OutcomeMedium)
				return
			}
			is.NoErr(err)
			defer d.Close()
			is.NoErr(d.Load(t.Context()))
			n, cond, err := d.Space(t.Context(), driver.SpaceFilemarks, 1)
			is.NoErr(err)
			is.Equal(n, int64(1))
			is.Equal(cond, driver.NoCondition)
			_, _, err = d.ReadBlock(t.Context(), make([]byte, 100))
			is.Equal(outcome(err), driver.OutcomeMedium)
		})
	}
}

func FuzzImage(f *testing.F) {
	f.Add(words("one", "two!", 0, "three", 0, wordEnd))
	f.Add(words("one", wordGap, 0, 0, make([]byte, 100)))
	f.Add(words("one", 0, 0x80000003))
	z, err := os.Open("testdata/TST002.tap.gz")
	if err != nil {
		f.Fatal(err)
	}
	if r, err := gzip.NewReader(z); err == nil {
		b, _ := io.ReadAll(r)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		end, marks, _, err := scan(t.Context(), bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Skip()
		}
		if err := checkMarks(end, marks); err != nil {
			t.Fatal(err) // what a scan finds an index can say
		}
		tape := &loaded{image: image{r: bytes.NewReader(b)}, end: end, marks: marks}
		for tape.pos.obj < end.obj {
			if err := tape.forward(); err != nil {
				t.Fatal(err)
			}
		}
		for tape.pos.obj > 0 {
			if err := tape.backward(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
