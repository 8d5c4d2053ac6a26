package cpio_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/cpio"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

func TestOdc(t *testing.T) { wrappertest.TestFormat(t, cpio.Odc) }

// The archive is one that others read: two foreign programs list and extract it.
func TestJudges(t *testing.T) {
	const block = 64 << 10
	judges := []struct {
		program string
		list    []string
		extract []string
	}{
		{"cpio", []string{"-it", "-H", "odc", "--quiet"}, []string{"-idm", "-H", "odc", "--quiet", "--no-absolute-filenames"}},
		{"bsdtar", []string{"-tf", "-"}, []string{"-xf", "-"}},
	}
	files := []wrapper.File{
		wrappertest.NewFile("/exp/raw/run7.dat", 1000),
		wrappertest.NewFile("/exp/raw/empty", 0),
		wrappertest.NewFile("/exp/raw/one", 1),
		wrappertest.NewFile("/exp/raw/block", block),
		wrappertest.NewFile("/exp/raw/three blocks and some", 3*block+17),
		wrappertest.NewFile("/exp/"+strings.Repeat("d", 200)+"/"+strings.Repeat("f", 255), 4000),
		wrappertest.NewFile("/top", 513),
	}
	for _, j := range judges {
		t.Run(j.program, func(t *testing.T) {
			program := wrappertest.Judge(t, j.program)
			for _, f := range files {
				is := is.New(t)
				tape := wrappertest.NewTape()
				data := wrappertest.Data(f.Size)
				wrappertest.Put(t, tape, cpio.Odc, f, block, data)
				archive := tape.File(0)
				is.Equal(len(archive)%512, 0)

				out, err := judged(t, t.TempDir(), archive, program, j.list...)
				is.NoErr(err)
				is.Equal(strings.TrimSpace(out), f.Path[1:])

				dir := t.TempDir()
				_, err = judged(t, dir, archive, program, j.extract...)
				is.NoErr(err)
				name := filepath.Join(dir, f.Path)
				got, err := os.ReadFile(name)
				is.NoErr(err)
				is.True(bytes.Equal(got, data))
				info, err := os.Stat(name)
				is.NoErr(err)
				is.Equal(info.Mode().Perm(), os.FileMode(0o640))
				is.True(info.ModTime().Equal(f.MTime))
			}
		})
	}
}

// An abandoned file is broken for others too: they do not take it for whole.
func TestJudgesRefuseDeadSpace(t *testing.T) {
	is := is.New(t)
	program := wrappertest.Judge(t, "cpio")
	tape := wrappertest.NewTape()
	w, err := wrapper.NewWriter(tape.Blocks(4096), cpio.Odc, wrappertest.NewFile("/dead", 10000))
	is.NoErr(err)
	_, err = w.Write(wrappertest.Data(10000))
	is.NoErr(err)
	is.NoErr(w.Abandon())
	_, err = judged(t, t.TempDir(), tape.File(0), program, "-it", "-H", "odc", "--quiet")
	is.True(err != nil)
}

func judged(t *testing.T, dir string, archive []byte, program string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = bytes.NewReader(archive)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, complaint.String())
	} else if complaint.Len() > 0 {
		err = errors.New(complaint.String())
	}
	return out.String(), err
}

func TestLargestFile(t *testing.T) {
	is := is.New(t)
	f := wrapper.File{Path: "/big", Size: 8<<30 - 1, Mode: 0o100644}
	is.NoErr(wrapper.Fits(cpio.Odc, f))
	h, err := cpio.Odc.Header(f)
	is.NoErr(err)
	is.Equal(string(h[65:76]), "77777777777")

	f.Size++
	err = wrapper.Fits(cpio.Odc, f)
	is.True(errors.Is(err, wrapper.ErrTooLarge))
	is.Equal(err.Error(), "cpio_odc: file of 8589934592 bytes: larger than 8589934591 bytes, the most this format can tell; formats that can: cern, null")
	_, err = cpio.Odc.Header(f)
	is.True(errors.Is(err, wrapper.ErrTooLarge))
	_, err = cpio.Odc.Trailer(f, f.Size, 0)
	is.True(errors.Is(err, wrapper.ErrTooLarge))
}

func TestTimesThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Time{}, "00000000000"},
		{time.Unix(-5, 0), "00000000000"},
		{time.Unix(8<<30, 0), "77777777777"},
		{time.Unix(8<<30-1, 999), "77777777777"},
	} {
		is := is.New(t)
		h, err := cpio.Odc.Header(wrapper.File{Path: "/a", Mode: 0o100644, MTime: c.at})
		is.NoErr(err)
		is.Equal(string(h[48:59]), c.want)
	}
}

// Names longer than what we write are read: Enstore had no bound but 16 bits.
func TestLongForeignNames(t *testing.T) {
	is := is.New(t)
	name := strings.Repeat("n", 65534)
	header := "070707" + "000000" + "000000" + "100644" + "000000" + "000000" + "000001" + "000000" +
		"00000000000" + "177777" + "00000000003" + name + "\x00"
	r, err := wrapper.NewReader(wrappertest.NewTape([]byte(header+"abc"), nil), cpio.Odc, 3)
	is.NoErr(err)
	is.Equal(r.File().Path, "/"+name)
	var got bytes.Buffer
	_, err = r.WriteTo(&got)
	is.NoErr(err)
	is.Equal(got.String(), "abc")
	is.True(errors.Is(r.Skip(), wrapper.ErrDead)) // there is no trailer
}

func TestBadNames(t *testing.T) {
	for what, c := range map[string]struct{ size, name string }{
		"no name":          {"000000", "\x00"},
		"only NUL":         {"000001", "\x00"},
		"no NUL":           {"000002", "ab"},
		"two NULs":         {"000004", "a\x00b\x00"},
		"longer than that": {"000100", "ab\x00"},
		"trailer":          {"000013", "TRAILER!!!\x00"},
	} {
		t.Run(what, func(t *testing.T) {
			is := is.New(t)
			header := "070707" + "000000" + "000000" + "100644" + "000000" + "000000" + "000001" + "000000" +
				"00000000000" + c.size + "00000000000"
			is.Equal(len(header), 76)
			_, _, err := cpio.Odc.ParseHeader([]byte(header + c.name))
			is.True(errors.Is(err, wrapper.ErrHeader))
			is.Equal(cpio.Odc.Detect([]byte(header+c.name)), false)
			_, n, err := cpio.Odc.ParseHeader([]byte(header[:59] + "000003" + header[65:] + "ab\x00"))
			is.NoErr(err) // it is the name that is wrong
			is.Equal(n, 79)
		})
	}
	is := is.New(t)
	is.True(errors.Is(wrapper.Fits(cpio.Odc, wrapper.File{Path: "/"}), wrapper.ErrPath))
	is.True(errors.Is(wrapper.Fits(cpio.Odc, wrapper.File{Path: "/TRAILER!!!"}), wrapper.ErrPath))
	is.NoErr(wrapper.Fits(cpio.Odc, wrapper.File{Path: "/a/TRAILER!!!"}))
	is.NoErr(wrapper.Fits(cpio.Odc, wrapper.File{Path: "/" + strings.Repeat("a", 1023)}))
	is.True(errors.Is(wrapper.Fits(cpio.Odc, wrapper.File{Path: strings.Repeat("a", 1024)}), wrapper.ErrPathTooLong))
}

func TestHeaderThatContradictsTheCatalogue(t *testing.T) {
	is := is.New(t)
	tape := wrappertest.NewTape()
	wrappertest.Put(t, tape, cpio.Odc, wrappertest.NewFile("/a", 5), 4096, wrappertest.Data(5))
	tape.Rewind()
	_, err := wrapper.NewReader(tape, cpio.Odc, 6)
	is.True(errors.Is(err, wrapper.ErrHeader))
	is.Equal(err.Error(), "cpio_odc: size 5 in the header, 6 expected: bad header")
}

func TestDataBehindTheTrailer(t *testing.T) {
	is := is.New(t)
	tape := wrappertest.NewTape()
	wrappertest.Put(t, tape, cpio.Odc, wrappertest.NewFile("/a", 5), 4096, wrappertest.Data(5))
	r, err := wrapper.NewReader(wrappertest.NewTape(tape.Objects()[0], make([]byte, 4096), nil), cpio.Odc, 5)
	is.NoErr(err)
	is.True(errors.Is(r.Skip(), wrapper.ErrLong))
}
