package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/tape/label"
	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/cern"
	"github.com/enstore-go/sdk/wrapper/cpio"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

// Cartridges that Enstore wrote.
const (
	golden     = "../../enstore/scan/testdata/TST002.tap.gz"
	goldenCern = "../../enstore/scan/testdata/EFB000.tap.gz"
)

func TestTapeLs(t *testing.T) {
	is := is.New(t)
	is.Equal(good(t, "tape", "ls", golden), `volume TST002
FILE  TAPE FILE  WRAPPER   SIZE    PATH
1     1          cpio_odc  13 B    /pnfs/fs/usr/tape/t2
2     2          cpio_odc  300 kB  /pnfs/fs/usr/tape/p300k
`)
	is.Equal(good(t, "--json", "tape", "ls", golden), `{"label":"TST002","labelled":true}
{"number":1,"tapeFile":1,"wrapper":"cpio_odc","size":13,"path":"/pnfs/fs/usr/tape/t2"}
{"number":2,"tapeFile":2,"wrapper":"cpio_odc","size":300000,"path":"/pnfs/fs/usr/tape/p300k"}
`)
	o := objects(t, good(t, "--json", "tape", "ls", goldenCern))
	is.Equal(len(o), 4)
	for i, f := range o[1:] {
		is.Equal(f["wrapper"], "cern")
		is.Equal(f["size"], 6123693.0)
		is.Equal(f["tapeFile"], float64(2+3*i))
	}
}

func TestTapeVerify(t *testing.T) {
	is := is.New(t)
	is.Equal(good(t, "tape", "verify", golden), `volume TST002
FILE  TAPE FILE  WRAPPER   SIZE    ADLER-32  PATH
1     1          cpio_odc  13 B    230004b8  /pnfs/fs/usr/tape/t2
2     2          cpio_odc  300 kB  a857c77a  /pnfs/fs/usr/tape/p300k
`)
	good(t, "tape", "verify", goldenCern)
}

func TestTapeCat(t *testing.T) {
	is := is.New(t)
	is.Equal(good(t, "tape", "cat", golden, "1"), "hello golden\n")
	is.Equal(good(t, "tape", "cat", golden, "2"), string(wrappertest.Data(300000)))
	is.Equal(len(good(t, "tape", "cat", goldenCern, "3")), 6123693)
	raw := good(t, "tape", "cat", "--raw", golden, "1")
	is.Equal(len(raw), 512)
	is.True(strings.HasPrefix(raw, "070707"))
	bad(t, 3, []string{golden, "file 3", "2 files"}, "tape", "cat", golden, "3")
}

// GNU cpio unpacks what is on tape, of Enstore and of ours.
func TestTapeCatForGNUCpio(t *testing.T) {
	cpioProgram := wrappertest.Judge(t, "cpio")
	data := wrappertest.Data(300001)
	ours := newCartridge(t)
	wrappertest.Put(t, ours.Tape, cpio.Odc, wrappertest.NewFile("/exp/run 7/*", 300001), 64<<10, data)
	for _, c := range []struct {
		image, number string
		want          []byte
	}{
		{golden, "1", []byte("hello golden\n")},
		{golden, "2", wrappertest.Data(300000)},
		{ours.image(t), "1", data},
	} {
		is := is.New(t)
		unpack := exec.Command(cpioProgram, "-i", "--quiet", "--to-stdout")
		unpack.Stdin = strings.NewReader(good(t, "tape", "cat", "--raw", c.image, c.number))
		got, err := unpack.Output()
		is.NoErr(err)
		is.True(bytes.Equal(got, c.want))
	}
}

// cartridge is made record by record.
type cartridge struct{ *wrappertest.Tape }

func newCartridge(t testing.TB) cartridge {
	is := is.New(t)
	b, err := label.Plain("VO0001").Encode()
	is.NoErr(err)
	c := cartridge{wrappertest.NewTape()}
	c.WriteRecord(b)
	is.NoErr(c.WriteFilemark())
	return c
}

// image writes it down as a tape image.
func (c cartridge) image(t testing.TB) string {
	var b []byte
	for _, o := range c.Objects() {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(o)))
		if o != nil {
			b = append(b, o...)
			b = append(b, make([]byte, len(o)%2)...)
			b = binary.LittleEndian.AppendUint32(b, uint32(len(o)))
		}
	}
	name := filepath.Join(t.TempDir(), "VO0001.tap")
	is.New(t).NoErr(os.WriteFile(name, binary.LittleEndian.AppendUint32(b, 0xffffffff), 0o600))
	return name
}

// What is not whole is shown, and named by the exit code of verify and cat.
func TestTapeDamage(t *testing.T) {
	is := is.New(t)
	data := wrappertest.Data(100_000)
	c := newCartridge(t)
	wrappertest.Put(t, c.Tape, cpio.Odc, wrappertest.NewFile("/good", 100_000), 64<<10, data)
	w, err := wrapper.NewWriter(c.Blocks(64<<10), cpio.Odc, wrappertest.NewFile("/given/up", 100_000))
	is.NoErr(err)
	_, err = w.Write(data[:1000])
	is.NoErr(err)
	is.NoErr(w.Abandon())
	dead := c.image(t)
	is.Equal(good(t, "tape", "ls", dead), `volume VO0001
FILE  TAPE FILE  WRAPPER   SIZE    PATH
1     1          cpio_odc  100 kB  /good
2     2          cpio_odc  100 kB  /given/up  (dead space)
`)
	good(t, "tape", "verify", dead) // dead space is no damage
	r := command(t, "tape", "cat", dead, "2")
	is.Equal(r.code, 6)
	is.Equal(r.out, string(data[:1000])) // as far as it goes
	is.True(strings.Contains(r.err, "dead space"))

	wrappertest.Put(t, c.Tape, cern.Ansi, wrappertest.NewFile("/flipped", 100_000), 64<<10, data)
	c.Objects()[len(c.Objects())-5][7] ^= 1
	flipped := c.image(t)
	bad(t, 6, []string{"1 file damaged"}, "tape", "verify", flipped)
	o := objects(t, command(t, "--json", "tape", "verify", flipped).out)
	is.Equal(o[1]["adler32"], fmt.Sprintf("%08x", crc.Adler(crc.Seed1, data)))
	is.Equal(o[1]["problem"], nil)
	is.True(strings.Contains(o[3]["problem"].(string), "checksum differs"))
	bad(t, 6, []string{"checksum differs"}, "tape", "cat", flipped, "3")

	whole, err := os.ReadFile(flipped)
	is.NoErr(err)
	torn := filepath.Join(t.TempDir(), "VO0001.tap")
	is.NoErr(os.WriteFile(torn, whole[:len(whole)-20_000], 0o600))
	bad(t, 6, []string{"damaged"}, "tape", "verify", torn)
	r = command(t, "tape", "ls", torn)
	is.Equal(r.code, 6) // nobody can tell what is behind
	is.True(strings.Contains(r.out, "DAMAGED: file 3"))
	is.True(strings.Contains(r.err, "the image ends within a block"))

	garbage := filepath.Join(t.TempDir(), "garbage.tap")
	is.NoErr(os.WriteFile(garbage, bytes.Repeat([]byte("no tape "), 100), 0o600))
	bad(t, 6, []string{"not a tape image"}, "tape", "ls", garbage)
	is.NoErr(os.WriteFile(garbage+".gz", []byte("no gzip"), 0o600))
	bad(t, 6, []string{"garbage.tap.gz"}, "tape", "ls", garbage+".gz")
	is.NoErr(os.WriteFile(garbage, nil, 0o600))
	is.Equal(good(t, "tape", "ls", garbage), "no volume label\nFILE  TAPE FILE  WRAPPER  SIZE  PATH\n") // blank
}

// A name on tape does not reach the terminal as it is.
func TestTapeNames(t *testing.T) {
	is := is.New(t)
	c := newCartridge(t)
	wrappertest.Put(t, c.Tape, cpio.Odc, wrappertest.NewFile("/\x1b[2J\xff", 1), 64<<10, []byte("x"))
	image := c.image(t)
	is.True(strings.Contains(good(t, "tape", "ls", image), `"/\x1b[2J\xff"`))
	o := objects(t, good(t, "--json", "tape", "ls", image))
	is.Equal(o[1]["path"], "/\x1b[2J\uFFFD")
	is.Equal(o[1]["pathBytes"], "LxtbMkr/")
}

// A null file whose content is a cpio archive is told apart.
func TestTapeWrapper(t *testing.T) {
	is := is.New(t)
	inner := newCartridge(t)
	wrappertest.Put(t, inner.Tape, cpio.Odc, wrappertest.NewFile("/inner", 5), 64<<10, []byte("inner"))
	c := newCartridge(t)
	archive := inner.File(1)
	wrappertest.Put(t, c.Tape, wrapper.Null, wrappertest.NewFile("/archive", int64(len(archive))), 64<<10, archive)
	image := c.image(t)
	is.Equal(good(t, "tape", "cat", image, "1"), "inner")
	is.Equal(good(t, "tape", "cat", "--wrapper", "null", image, "1"), string(archive))
	bad(t, 1, []string{"no known format"}, "tape", "ls", "--wrapper", "cern", image)
}

// A header that is not one any more does not make its file one without a header.
func TestTapeVerifyOfADamagedHeader(t *testing.T) {
	c := newCartridge(t)
	for _, name := range []string{"/a", "/b", "/c"} {
		wrappertest.Put(t, c.Tape, cpio.Odc, wrappertest.NewFile(name, 1000), 64<<10, wrappertest.Data(1000))
	}
	good(t, "tape", "verify", c.image(t))
	c.Objects()[4][3] ^= 1 // label, filemark, first file, filemark, second file
	bad(t, 6, []string{"1 file without a header", "cpio_odc"}, "tape", "verify", c.image(t))
}
