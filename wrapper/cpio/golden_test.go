package cpio

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

// vector is one archive as the original wrapper wrote it.
type vector struct {
	Name       string `json:"name"`
	HeaderHex  string `json:"header_hex"`
	HeaderSize int    `json:"header_size_parsed"`
	ImageFile  string `json:"image_file"`
	TotalLen   int64  `json:"total_len"`
	TrailerHex string `json:"trailer_hex"`
	Ticket     struct {
		Path  string `json:"pnfsFilename"`
		Size  int64  `json:"size_bytes"`
		Mode  uint32 `json:"mode"`
		UID   uint32 `json:"uid"`
		GID   uint32 `json:"gid"`
		MTime int64  `json:"mtime"`
		Inode uint32 `json:"inode"`
		Major uint32 `json:"major"`
		Minor uint32 `json:"minor"`
		RMaj  uint32 `json:"rmajor"`
		RMin  uint32 `json:"rminor"`
	} `json:"ticket_wrapper"`
}

func (v vector) file() wrapper.File {
	t := v.Ticket
	f := wrapper.File{Path: t.Path, Size: t.Size, Mode: t.Mode, UID: t.UID, GID: t.GID}
	if t.MTime != 0 {
		f.MTime = time.Unix(t.MTime, 0)
	}
	return f
}

func vectors(t *testing.T) []vector {
	t.Helper()
	is := is.New(t)
	text, err := os.ReadFile("testdata/cpio_odc.json")
	is.NoErr(err)
	var all struct{ Vectors []vector }
	is.NoErr(json.Unmarshal(text, &all))
	is.True(len(all.Vectors) >= 12)
	return all.Vectors
}

// The bytes of every header and trailer are those of the original.
func TestHeadersAndTrailersAreEnstores(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			is := is.New(t)
			f := v.file()
			var header []byte
			if v.Ticket.RMaj != 0 { // device numbers, which regular files do not have
				header = fields{mode: regular(f.Mode), uid: f.UID, gid: f.GID, nlink: 1,
					rdev: v.Ticket.RMaj<<8 | v.Ticket.RMin, mtime: f.MTime.Unix(), size: f.Size}.encode(name(f.Path))
			} else {
				var err error
				header, err = Odc.Header(f)
				is.NoErr(err)
			}
			is.Equal(hex.EncodeToString(header), v.HeaderHex)
			is.Equal(len(header), v.HeaderSize)
			trailer, err := Odc.Trailer(f, f.Size, 0)
			is.NoErr(err)
			is.Equal(hex.EncodeToString(trailer), v.TrailerHex)
			is.Equal(int64(len(header)+len(trailer))+f.Size, v.TotalLen)

			parsed, n, err := Odc.ParseHeader(header)
			is.NoErr(err)
			is.Equal(n, v.HeaderSize)
			is.Equal(parsed.Size, f.Size)
			is.Equal(parsed.UID, f.UID&0xffff)
			is.Equal(parsed.GID, f.GID&0xffff)
			is.Equal(parsed.Mode, regular(f.Mode))
			is.Equal(parsed.MTime.Unix(), v.Ticket.MTime)
			if f.Path != "" {
				is.Equal(parsed.Path, f.Path)
			}
		})
	}
}

// What Writer puts on tape is the original's image.
func TestImagesAreEnstores(t *testing.T) {
	for _, v := range vectors(t) {
		f := v.file()
		if v.ImageFile == "" || v.Ticket.RMaj != 0 || f.Path == "" {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			is := is.New(t)
			image, err := os.ReadFile(filepath.Join("testdata", v.ImageFile))
			is.NoErr(err)
			tape := wrappertest.NewTape()
			wrappertest.Put(t, tape, Odc, f, 4096, wrappertest.Data(f.Size))
			is.True(bytes.Equal(tape.File(0), image))

			r, err := wrapper.NewReader(wrappertest.NewTape(image, nil), Odc, f.Size)
			is.NoErr(err)
			var got bytes.Buffer
			_, err = r.WriteTo(&got)
			is.NoErr(err)
			is.True(bytes.Equal(got.Bytes(), wrappertest.Data(f.Size)))
			is.NoErr(r.Skip())
		})
	}
}
