package wrappertest_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/cern"
	"github.com/enstore-go/sdk/wrapper/cpio"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

// cta is the label format under which CERN's server knows a format of ours.
func cta(f wrapper.Format) wrappertest.CTAFormat {
	if f.VolumeLabel().UserLabels {
		return wrappertest.CTAEnstoreLarge
	}
	return wrappertest.CTAEnstore
}

// volume starts a tape with the volume label of a format.
func volume(name string, f wrapper.Format) *wrappertest.Tape {
	owner := ""
	if f.VolumeLabel().UserLabels {
		owner = "Fermilab"
	}
	label := fmt.Sprintf("VOL1%-6s%27s%-14s%28s%c", name, "", owner, "", f.VolumeLabel().Standard)
	if f.VolumeLabel().UserLabels {
		label += fmt.Sprintf("UVL10%75sUVL22024/03/01 12:00:00%-57s", "", "exp.raw.cern")
	}
	tape := wrappertest.NewTape()
	tape.WriteRecord([]byte(label))
	tape.WriteFilemark()
	return tape
}

// Our tapes pass: files of all sizes, forwards, backwards, and with dead space between.
func TestCTAReadsOurTapes(t *testing.T) {
	for _, f := range []wrapper.Format{cpio.Odc, cern.Ansi} {
		for _, block := range []int{64 << 10, 256 << 10, 1 << 20} {
			t.Run(fmt.Sprintf("%s/%d", f.Name(), block), func(t *testing.T) {
				is := is.New(t)
				b := int64(block)
				h, err := f.Header(wrappertest.NewFile("/exp/run", 0))
				is.NoErr(err)
				n := int64(len(h))
				sizes := []int64{1, 511, 512, 513, b - n - 88, b - n - 87, b - n - 86, b - n - 1, b - n, b - n + 1, b - 1, b, b + 1, 2 * b, 2*b - n, 2*b - n - 50, 2*b + 777}
				tape := volume("VO1234", f)
				for i, size := range sizes {
					if i == 3 {
						w, err := wrapper.NewWriter(tape.Blocks(block), f, wrappertest.NewFile("/exp/dead", 2*b))
						is.NoErr(err)
						_, err = w.Write(wrappertest.Data(b + 5))
						is.NoErr(err)
						is.NoErr(w.Abandon())
					}
					wrappertest.Put(t, tape, f, wrappertest.NewFile("/exp/run", size), block, wrappertest.Data(size))
				}
				server, err := wrappertest.NewCTA(tape, "VO1234", cta(f))
				is.NoErr(err)
				read := func(i int) {
					t.Helper()
					number := i + 1
					if i >= 3 {
						number++ // the dead one
					}
					got, err := server.ReadFile(number)
					is.NoErr(err)
					is.True(bytes.Equal(got, wrappertest.Data(sizes[i])))
				}
				for i := range sizes {
					read(i)
				}
				for i := len(sizes) - 1; i >= 0; i-- {
					read(i)
				}
				read(5)
				read(1)
				read(9)
				if f == cern.Ansi {
					is.Equal(server.BlockSize, block)
				}
			})
		}
	}
}

// The labels carry what the server asks for even when the writer knows next to nothing.
func TestCTAReadsBareFiles(t *testing.T) {
	for _, f := range []wrapper.Format{cpio.Odc, cern.Ansi} {
		is := is.New(t)
		longest := "/" + strings.Repeat("p", f.Limits().MaxPath-1)
		for _, path := range []string{"/a", longest} {
			tape := volume("VO1234", f)
			wrappertest.Put(t, tape, f, wrapper.File{Path: path, Size: 5}, 256<<10, []byte("hello"))
			server, err := wrappertest.NewCTA(tape, "VO1234", cta(f))
			is.NoErr(err)
			got, err := server.ReadFile(1)
			is.NoErr(err)
			is.Equal(string(got), "hello")
		}
	}
}

// A volume that was a cern one and now holds cpio keeps the long label for a while.
func TestCTAReadsRecycledVolume(t *testing.T) {
	is := is.New(t)
	tape := volume("VO1234", cern.Ansi)
	wrappertest.Put(t, tape, cpio.Odc, wrappertest.NewFile("/a", 5), 256<<10, []byte("hello"))
	server, err := wrappertest.NewCTA(tape, "VO1234", wrappertest.CTAEnstore)
	is.NoErr(err)
	got, err := server.ReadFile(1)
	is.NoErr(err)
	is.Equal(string(got), "hello")
}

// The exceptions: empty files, volume labels that are not six characters, blocks above 1 MiB.
func TestCTAExceptions(t *testing.T) {
	for _, f := range []wrapper.Format{cpio.Odc, cern.Ansi} {
		t.Run(f.Name()+"/empty file", func(t *testing.T) {
			is := is.New(t)
			tape := volume("VO1234", f)
			wrappertest.Put(t, tape, f, wrappertest.NewFile("/empty", 0), 64<<10, nil)
			wrappertest.Put(t, tape, f, wrappertest.NewFile("/next", 5), 64<<10, []byte("hello"))
			server, err := wrappertest.NewCTA(tape, "VO1234", cta(f))
			is.NoErr(err)
			_, err = server.ReadFile(1)
			is.True(errors.Is(err, wrappertest.ErrCTA))

			// It does no harm to its neighbours.
			server, err = wrappertest.NewCTA(tape, "VO1234", cta(f))
			is.NoErr(err)
			got, err := server.ReadFile(2)
			is.NoErr(err)
			is.Equal(string(got), "hello")
		})
		t.Run(f.Name()+"/short label", func(t *testing.T) {
			is := is.New(t)
			_, err := wrappertest.NewCTA(volume("VO12", f), "VO12", cta(f))
			is.True(errors.Is(err, wrappertest.ErrCTA))
		})
		t.Run(f.Name()+"/label longer than on tape", func(t *testing.T) {
			is := is.New(t)
			_, err := wrappertest.NewCTA(volume("VO1234", f), "VO1234L8", cta(f))
			is.True(errors.Is(err, wrappertest.ErrCTA))
		})
	}
	t.Run("cpio_odc/blocks of 2 MiB", func(t *testing.T) {
		is := is.New(t)
		tape := volume("VO1234", cpio.Odc)
		wrappertest.Put(t, tape, cpio.Odc, wrappertest.NewFile("/a", 3<<20), 2<<20, wrappertest.Data(3<<20))
		server, err := wrappertest.NewCTA(tape, "VO1234", wrappertest.CTAEnstore)
		is.NoErr(err)
		_, err = server.ReadFile(1)
		is.True(errors.Is(err, wrappertest.ErrCTA))
	})
	t.Run("null", func(t *testing.T) {
		is := is.New(t)
		tape := volume("VO1234", wrapper.Null)
		wrappertest.Put(t, tape, wrapper.Null, wrappertest.NewFile("/a", 500), 64<<10, wrappertest.Data(500))
		server, err := wrappertest.NewCTA(tape, "VO1234", wrappertest.CTAEnstore)
		is.NoErr(err)
		_, err = server.ReadFile(1)
		is.True(errors.Is(err, wrappertest.ErrCTA))
	})
}

// The model has teeth: one wrong byte in a field that the server checks is refused.
func TestCTARefusesSpoiledLabels(t *testing.T) {
	for _, c := range []struct {
		what   string
		f      wrapper.Format
		object int
		offset int
		to     string
	}{
		{"VOL1 id", cpio.Odc, 0, 0, "VOL2"},
		{"VOL1 accessibility", cpio.Odc, 0, 10, "X"},
		{"VOL1 implementation", cpio.Odc, 0, 24, "X"},
		{"VOL1 reserved", cpio.Odc, 0, 76, "X"},
		{"VOL1 standard", cpio.Odc, 0, 79, "1"},
		{"VOL1 standard 0 on a cern volume", cern.Ansi, 0, 79, "0"},
		{"cpio magic", cpio.Odc, 2, 0, "070701"},
		{"cpio name", cpio.Odc, 2, 59, "777777"},
		{"cpio size", cpio.Odc, 2, 65, "00000000000"},
		{"cpio digits", cpio.Odc, 2, 18, "x"},
		{"HDR1 name", cern.Ansi, 2, 0, "HDR2"},
		{"HDR1 file id", cern.Ansi, 2, 4, strings.Repeat(" ", 17)},
		{"HDR1 generation", cern.Ansi, 2, 35, "0000"},
		{"HDR1 access", cern.Ansi, 2, 53, "X"},
		{"HDR1 block count", cern.Ansi, 2, 54, "000001"},
		{"HDR1 system code", cern.Ansi, 2, 60, strings.Repeat(" ", 13)},
		{"HDR1 reserved", cern.Ansi, 2, 79, "X"},
		{"HDR2 format", cern.Ansi, 2, 84, "F"},
		{"HDR2 offset", cern.Ansi, 2, 130, "  "},
		{"UHL1 block size", cern.Ansi, 2, 160 + 14, "0000000000"},
		{"UHL1 smaller blocks", cern.Ansi, 2, 160 + 14, "0000004096"},
		{"UHL1 vendor", cern.Ansi, 2, 160 + 52, "        "},
		{"UHL1 serial", cern.Ansi, 2, 160 + 68, "            "},
		{"UHL2 name", cern.Ansi, 2, 240, "UHL3"},
		{"UHL2 larger size", cern.Ansi, 2, 240 + 64, "00000000099999"},
		{"EOF1 name", cern.Ansi, 6, 0, "HDR1"},
		{"EOF1 block count", cern.Ansi, 6, 54, "      "},
		{"EOF2 format", cern.Ansi, 6, 84, "F"},
		{"UTL1 host", cern.Ansi, 6, 160 + 42, "          "},
	} {
		t.Run(c.what, func(t *testing.T) {
			is := is.New(t)
			tape := volume("VO1234", c.f)
			wrappertest.Put(t, tape, c.f, wrappertest.NewFile("/exp/run", 5000), 64<<10, wrappertest.Data(5000))
			copy(tape.Objects()[c.object][c.offset:], c.to)
			server, err := wrappertest.NewCTA(tape, "VO1234", cta(c.f))
			if err == nil {
				_, err = server.ReadFile(1)
			}
			is.True(errors.Is(err, wrappertest.ErrCTA))
		})
	}
}

// So is a tape that ends too early.
func TestCTARefusesCutTapes(t *testing.T) {
	for _, f := range []wrapper.Format{cpio.Odc, cern.Ansi} {
		tape := volume("VO1234", f)
		wrappertest.Put(t, tape, f, wrappertest.NewFile("/exp/run", 200000), 64<<10, wrappertest.Data(200000))
		for n := range len(tape.Objects()) {
			is := is.New(t)
			server, err := wrappertest.NewCTA(tape.Cut(n), "VO1234", cta(f))
			if err == nil {
				_, err = server.ReadFile(1)
			}
			is.True(errors.Is(err, wrappertest.ErrCTA))
		}
	}
}

// Behind the data the server looks at one more block, not at two.
func TestCTARefusesTwoBlocksOfTrailer(t *testing.T) {
	is := is.New(t)
	h, err := cpio.Odc.Header(wrappertest.NewFile("/exp/run", 0))
	is.NoErr(err)
	size := int64(64<<10 - len(h)) // the trailer has the second block for itself
	tape := volume("VO1234", cpio.Odc)
	wrappertest.Put(t, tape, cpio.Odc, wrappertest.NewFile("/exp/run", size), 64<<10, wrappertest.Data(size))
	objects := tape.Objects()
	is.Equal(len(objects), 5)
	for _, c := range []struct {
		tape *wrappertest.Tape
		want error
	}{
		{tape, nil},
		{wrappertest.NewTape(objects[0], nil, objects[2], objects[3], make([]byte, 512), nil), wrappertest.ErrCTA},
	} {
		server, err := wrappertest.NewCTA(c.tape, "VO1234", wrappertest.CTAEnstore)
		is.NoErr(err)
		_, err = server.ReadFile(1)
		is.True(errors.Is(err, c.want))
	}
}
