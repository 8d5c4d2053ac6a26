package scan_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/enstore/scan"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/filetape"
	"github.com/enstore-go/sdk/tape/label"
	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/cern"
	"github.com/enstore-go/sdk/wrapper/cpio"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

// A whole cartridge as the original mover wrote it, double filemark included.
func TestEnstoresCartridge(t *testing.T) {
	is := is.New(t)
	raw, err := filetape.OpenImage("testdata/TST002.tap.gz")
	is.NoErr(err)
	name, got := list(t, open(t, raw), formats...)
	is.Equal(name, "TST002")
	is.Equal(got, []record{
		good(1, 1, cpio.Odc, "/pnfs/fs/usr/tape/t2", []byte("hello golden\n")),
		good(2, 2, cpio.Odc, "/pnfs/fs/usr/tape/p300k", wrappertest.Data(300000)),
	})
}

// A cartridge of the cern wrapper: volume and file labels are what the original's cern_wrapper wrote,
// with the checksum of the data put into them; seed 0 in the first and third file, 1 in the second.
func TestEnstoresCernCartridge(t *testing.T) {
	is := is.New(t)
	raw, err := filetape.OpenImage("testdata/EFB000.tap.gz")
	is.NoErr(err)
	name, got := list(t, open(t, raw), formats...)
	is.Equal(name, "EFB000")
	data := func(file int) []byte {
		b := make([]byte, 6123693)
		for i := range b {
			b[i] = byte(i*31 + i/65536*7 + file)
		}
		return b
	}
	is.Equal(got, []record{
		good(1, 2, cern.Ansi, "/pnfs/rip6/efb2/m2-cern/a", data(0)),
		good(2, 5, cern.Ansi, "/pnfs/"+strings.Repeat("y", 88), data(1)),
		good(3, 8, cern.Ansi, "/pnfs/rip6/efb2/m2-cern/a", data(2)),
	})
}

func TestDamagedImages(t *testing.T) {
	is := is.New(t)
	data := wrappertest.Data(2 * block)
	tp := labelled(t, label.Plain("VO0001"))
	put(t, tp, cpio.Odc, "/a", data)
	put(t, tp, cpio.Odc, "/b", data)
	image := simh(tp.Objects())
	a, n := good(1, 1, cpio.Odc, "/a", data), len(image)
	b := func(size int64, err error) record {
		return record{2, 2, "cpio_odc", "/b", size, crc.Adler(crc.Seed1, data[:size]), err}
	}
	const first = block - 78 // data in the first block, behind the header

	for _, c := range []struct {
		name  string
		image []byte
		want  []record
	}{
		{"cut within the first block", image[:n-2*block], []record{a, {2, 2, "null", "", 0, 1, tape.ErrMedium}}},
		{"cut within the last block", image[:n-block/2], []record{a, b(first, tape.ErrMedium)}},
		{"a length that is none", overwrite(image, n-200, bytes.Repeat([]byte{0xA5}, 200)), []record{a, b(2*block-78, tape.ErrMedium)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			l := inImage(t, c.image)
			s, err := scan.Open(t.Context(), l, formats...)
			is.NoErr(err)
			var got []record
			for {
				f, err := s.Next()
				if err != nil {
					break // the end, or what cannot be passed
				}
				size, sum, err := f.Verify()
				got = append(got, record{f.Number, f.TapeFile, f.Format.Name(), f.Header.Path, size, sum, sentinel(err)})
			}
			is.Equal(got, c.want)
		})
	}

	garbage := filepath.Join(t.TempDir(), "VO0001.tap")
	is.NoErr(os.WriteFile(garbage, bytes.Repeat([]byte("not a tape"), 1000), 0o600))
	_, err := filetape.OpenImage(garbage)
	is.True(err != nil) // garbage is refused when it is opened
}

func overwrite(b []byte, at int, with []byte) []byte {
	b = bytes.Clone(b)
	copy(b[at:], with)
	return b
}

// Whatever bytes an image has, scanning it ends, and without a panic.
func FuzzImage(f *testing.F) {
	tp := labelled(f, label.User("VO0001", "exp.raw.cern", label.Volume{}.Declared))
	put(f, tp, cern.Ansi, "/a", wrappertest.Data(1000))
	put(f, tp, cpio.Odc, "/b", wrappertest.Data(1000))
	put(f, tp, wrapper.Null, "/c", wrappertest.Data(1000))
	f.Add(simh(tp.Objects()))
	f.Add(simh(append(tp.Objects(), nil, nil)))
	f.Fuzz(func(t *testing.T, image []byte) {
		name := filepath.Join(t.TempDir(), "VO0001.tap")
		if err := os.WriteFile(name, image, 0o600); err != nil {
			t.Fatal(err)
		}
		raw, err := filetape.OpenImage(name)
		if err != nil {
			return
		}
		l := open(t, raw)
		s, err := scan.Open(context.Background(), l, formats...)
		if err != nil {
			return
		}
		for at := int64(-1); ; {
			f, err := s.Next()
			if err != nil {
				return
			}
			if f.TapeFile <= at {
				t.Fatalf("tape file %d behind %d", f.TapeFile, at)
			}
			at = f.TapeFile
			if f.Number%2 == 0 {
				_, _ = f.WriteRaw(io.Discard)
			} else if n, _, err := f.Verify(); err == nil && f.Header.Size >= 0 && n != f.Header.Size {
				t.Fatalf("file %d: %d bytes of %d are said to be whole", f.Number, n, f.Header.Size)
			}
		}
	})
}
