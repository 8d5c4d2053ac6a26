package cpio_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"os"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/cpio"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

// readSIMH reads a tape image: each record between two copies of its length, 32 bits little
// endian, padded to an even number of bytes; 0 is a filemark, ffffffff the end.
func readSIMH(t *testing.T, name string) *wrappertest.Tape {
	t.Helper()
	is := is.New(t)
	f, err := os.Open(name)
	is.NoErr(err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	is.NoErr(err)
	image, err := io.ReadAll(z)
	is.NoErr(err)
	var objects [][]byte
	for len(image) >= 4 {
		n := binary.LittleEndian.Uint32(image)
		image = image[4:]
		if n == 0xffffffff {
			break
		}
		if n == 0 {
			objects = append(objects, nil)
			continue
		}
		objects = append(objects, image[:n])
		image = image[n+n%2:]
		is.Equal(binary.LittleEndian.Uint32(image), n)
		image = image[4:]
	}
	return wrappertest.NewTape(objects...)
}

// A whole cartridge as the original mover wrote it.
func TestEnstoresCartridge(t *testing.T) {
	is := is.New(t)
	tape := readSIMH(t, "testdata/TST002.tap.gz")
	label, err := tape.ReadBlock()
	is.NoErr(err)
	is.Equal(string(label[:10]), "VOL1TST002")

	for _, f := range []struct {
		file int
		path string
		data []byte
		sum  uint32 // as in the database
	}{
		{1, "/pnfs/fs/usr/tape/t2", []byte("hello golden\n"), 587203768},
		{2, "/pnfs/fs/usr/tape/p300k", wrappertest.Data(300000), 2824324986},
	} {
		is.NoErr(tape.Locate(f.file))
		first, err := tape.ReadBlock()
		is.NoErr(err)
		format, err := wrapper.Detect(first, wrapper.Null, cpio.Odc)
		is.NoErr(err)
		is.Equal(format, cpio.Odc)

		is.NoErr(tape.Locate(f.file))
		r, err := wrapper.NewReader(tape, cpio.Odc, int64(len(f.data)))
		is.NoErr(err)
		is.Equal(r.File().Path, f.path)
		var got bytes.Buffer
		_, err = r.WriteTo(&got)
		is.NoErr(err)
		is.True(bytes.Equal(got.Bytes(), f.data))
		is.Equal(r.Sum(), f.sum)
		is.True(crc.Matches(f.sum, r.Sum(), r.Size()))
		is.NoErr(r.Skip())
		at := tape.Position()
		is.NoErr(tape.Locate(f.file + 1)) // Skip led to the next file
		is.Equal(at, tape.Position())
	}

	// And CERN's server reads it, as far as the model tells.
	server, err := wrappertest.NewCTA(tape, "TST002", wrappertest.CTAEnstore)
	is.NoErr(err)
	data, err := server.ReadFile(2)
	is.NoErr(err)
	is.True(bytes.Equal(data, wrappertest.Data(300000)))
	data, err = server.ReadFile(1)
	is.NoErr(err)
	is.Equal(string(data), "hello golden\n")
}
