package cern_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/cern"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

// vector is the labels of one file as the original wrapper wrote them.
type vector struct {
	Name     string  `json:"name"`
	Clock    float64 `json:"clock"`
	Header   string  `json:"hdr_labels_hex"`
	Trailer  string  `json:"eof_labels_hex"`
	Checksum uint32  `json:"file_checksum"`
	Zeros    int     `json:"trailer_zero_bytes"`
	Ticket   struct {
		BFID      string `json:"bfid"`
		BlockSize string `json:"blocksize"`
		GID       string `json:"gid"`
		Host      string `json:"host"`
		Mode      uint32 `json:"mode"`
		Path      string `json:"pnfsFilename"`
		Product   string `json:"product_id"`
		Serial    string `json:"serial_num"`
		Size      string `json:"size_bytes"`
		Group     string `json:"storage_group"`
		UID       string `json:"uid"`
		User      string `json:"uname"`
		Vendor    string `json:"vendor_id"`
		Version   string `json:"version"`
	} `json:"wrapper_ticket"`
}

func vectors(t *testing.T) []vector {
	t.Helper()
	is := is.New(t)
	text, err := os.ReadFile("testdata/cern.json")
	is.NoErr(err)
	var all struct{ Vectors []vector }
	is.NoErr(json.Unmarshal(text, &all))
	is.True(len(all.Vectors) >= 5)
	return all.Vectors
}

func (v vector) file(t *testing.T) wrapper.File {
	t.Helper()
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		is.New(t).NoErr(err)
		return n
	}
	k := v.Ticket
	return wrapper.File{
		Path: k.Path, Size: number(k.Size), Mode: k.Mode, UID: uint32(number(k.UID)), GID: uint32(number(k.GID)),
		User: k.User, StorageGroup: k.Group, BlockSize: int(number(k.BlockSize)), Host: k.Host,
		DriveVendor: k.Vendor, DriveProduct: k.Product, DriveSerial: k.Serial, BFID: k.BFID,
		Created: time.Unix(int64(v.Clock), 0), Version: k.Version,
	}
}

func decode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	is.New(t).NoErr(err)
	return b
}

// The labels are the original's but for the fields that it fills wrongly, and those have what
// the package says.
func TestLabelsAreEnstores(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			is := is.New(t)
			f := v.file(t)
			header, err := cern.Ansi.Header(f)
			is.NoErr(err)
			trailer, err := cern.Ansi.Label(f, f.Size, v.Checksum)
			is.NoErr(err)

			length := "00000"
			if f.BlockSize <= 99999 {
				length = strconv.Itoa(f.BlockSize)
			}
			blocks := (f.Size + int64(v.Zeros) + int64(f.BlockSize) - 1) / int64(f.BlockSize)
			// Enstore's labels, corrected where the package doc says.
			want := decode(t, v.Header)
			is.Equal(string(want[90:95]), "00000") // HDR2, record length
			copy(want[90:], length)
			is.Equal(string(want[114]), "P") // HDR2, compression
			want[114] = ' '
			is.Equal(string(header), string(want))

			want = decode(t, v.Trailer)
			is.Equal(string(want[54:60]), "000000") // EOF1, block count
			copy(want[54:], fmt.Sprintf("%06d", blocks))
			copy(want[90:], length)
			want[114] = ' '
			is.Equal(string(trailer), string(want))

			f.Compressed = true
			header, err = cern.Ansi.Header(f)
			is.NoErr(err)
			is.Equal(string(header[114]), "P")

			pad, err := cern.Ansi.Trailer(f, f.Size, v.Checksum)
			is.NoErr(err)
			is.True(bytes.Equal(pad, make([]byte, v.Zeros)))
		})
	}
}

// What Enstore wrote is understood.
func TestEnstoresLabelsAreRead(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			is := is.New(t)
			want := v.file(t)
			want.Mode = 0o100000 | want.Mode&0o7777
			want.Site = "Fermilab"
			want.Version = "x2_18_1  1.2"
			want.Compressed = true // Enstore's flag, which always says so
			want.Created = want.Created.UTC()
			got, n, err := cern.Ansi.ParseHeader(decode(t, v.Header))
			is.NoErr(err)
			is.Equal(n, 0)
			is.Equal(got, want)
			got, sum, err := cern.ParseLabel(decode(t, v.Trailer))
			is.NoErr(err)
			is.Equal(got, want)
			is.Equal(sum, v.Checksum)
		})
	}
}

// enstoreTape is a cartridge as Enstore's own cern wrapper wrote it: its labels from the
// vectors, data in blocks with padding, a double filemark at the end. The checksums of the
// vectors belong to no data, so that they are replaced: by those of seed 0 and seed 1 in turn.
func enstoreTape(t *testing.T, vs []vector, data []byte) *wrappertest.Tape {
	t.Helper()
	tape := wrappertest.NewTape()
	tape.WriteRecord(volumeLabel("EFB000"))
	tape.WriteFilemark()
	for i, v := range vs {
		tape.WriteRecord(decode(t, v.Header))
		tape.WriteFilemark()
		padded := append(bytes.Clone(data), make([]byte, v.Zeros)...)
		size := v.file(t).BlockSize
		for len(padded) > 0 {
			n := min(size, len(padded))
			tape.WriteRecord(padded[:n])
			padded = padded[n:]
		}
		tape.WriteFilemark()
		label := decode(t, v.Trailer)
		copy(label[4*80+28:], fmt.Sprintf("%010d", crc.Adler(crc.Seed(i%2), data)))
		tape.WriteRecord(label)
		tape.WriteFilemark()
	}
	tape.WriteFilemark()
	return tape
}

// volumeLabel is VOL1 UVL1 UVL2.
func volumeLabel(name string) []byte {
	return fmt.Appendf(nil, "VOL1%-6s%27s%-14s%28s3UVL10%75sUVL22023/11/14 22:13:20%-57s", name, "", "Fermilab", "", "", "gug.efb.cern")
}

func TestEnstoresCartridge(t *testing.T) {
	is := is.New(t)
	vs := vectors(t)
	data := wrappertest.Data(vs[0].file(t).Size)
	tape := enstoreTape(t, vs, data)

	read := func(r *wrapper.Reader) {
		t.Helper()
		is := is.New(t)
		is.Equal(r.Size(), int64(len(data)))
		var got bytes.Buffer
		_, err := r.WriteTo(&got)
		is.NoErr(err)
		is.True(bytes.Equal(got.Bytes(), data))
		is.NoErr(r.Skip())
	}
	// One behind the other, as they come.
	is.NoErr(tape.Locate(1))
	for _, v := range vs {
		r, err := wrapper.NewReader(tape, cern.Ansi, -1)
		is.NoErr(err)
		is.Equal(r.File().Path, v.Ticket.Path)
		read(r)
	}
	_, err := tape.ReadBlock()
	is.Equal(err, io.EOF) // the second mark of the end

	// By the location of the data: 2, 5, 8 …
	for i := range vs {
		is.NoErr(tape.Locate(3*i + 2))
		r, err := wrapper.NewDataReader(tape, cern.Ansi, int64(len(data)))
		is.NoErr(err)
		read(r)
	}

	// By CERN's server.
	server, err := wrappertest.NewCTA(tape, "EFB000", wrappertest.CTAEnstoreLarge)
	is.NoErr(err)
	for i := len(vs); i > 0; i-- {
		got, err := server.ReadFile(i)
		is.NoErr(err)
		is.True(bytes.Equal(got, data))
	}
}

// A checksum in the labels that is not that of the data is found.
func TestChecksumOnTape(t *testing.T) {
	is := is.New(t)
	vs := vectors(t)[:1]
	data := wrappertest.Data(vs[0].file(t).Size)
	tape := enstoreTape(t, vs, data)
	tape.Objects()[4][1000] ^= 1
	is.NoErr(tape.Locate(1))
	r, err := wrapper.NewReader(tape, cern.Ansi, -1)
	is.NoErr(err)
	_, err = io.Copy(io.Discard, r)
	is.NoErr(err)
	is.Equal(fmt.Sprint(r.Skip()), fmt.Sprintf("cern: /pnfs/rip6/efb2/m2-cern/a: %08x in the trailing labels, %08x read: checksum differs", crc.Adler(crc.Seed0, data), r.Sum()))
}
