package wrappertest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/wrapper"
)

// Data gives n bytes of a fixed pattern that differs from block to block.
func Data(n int64) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*31 + i/256*7)
	}
	return b
}

// NewFile gives a file of the path and size with everything that a header can tell.
func NewFile(path string, size int64) wrapper.File {
	return wrapper.File{
		Path: path, Size: size, Mode: 0o100640, UID: 1012, GID: 1530, MTime: time.Unix(1022690350, 0),
		User: "daq", StorageGroup: "exp", Family: "raw", Volume: "VO1234",
		Site: "Fermilab", Host: "mvr01", DriveVendor: "IBM", DriveProduct: "ULT3580-", DriveSerial: "1013000123",
		Created: time.Unix(1710489600, 0), Version: "v1", Sequence: 1,
	}
}

// Put writes one file to the tape in blocks of the given size, and ends the test if that
// fails.
func Put(t testing.TB, tape *Tape, f wrapper.Format, file wrapper.File, block int, data []byte) {
	t.Helper()
	w, err := wrapper.NewWriter(tape.Blocks(block), f, file)
	if err != nil {
		t.Fatalf("%s: start of %d bytes: %v", f.Name(), file.Size, err)
	}
	if n, err := w.ReadFrom(bytes.NewReader(data)); err != nil || n != int64(len(data)) {
		t.Fatalf("%s: %d of %d bytes written: %v", f.Name(), n, len(data), err)
	}
	if err := w.Close(crc.Adler(crc.Seed1, data)); err != nil {
		t.Fatalf("%s: close of %d bytes: %v", f.Name(), file.Size, err)
	}
}

// TestFormat proves that f keeps what wrapper.Format, Writer and Reader promise together. It
// is all that a new format has to pass.
func TestFormat(t *testing.T, f wrapper.Format) {
	k := kit{f: f}
	t.Run("sizes", k.sizes)
	t.Run("one byte at a time", k.slowly)
	t.Run("paths", k.paths)
	t.Run("refusals", k.refusals)
	t.Run("detect", k.detect)
	t.Run("hostile headers", k.hostile)
	t.Run("cut tapes", k.cut)
	t.Run("early filemarks", k.early)
	t.Run("wrong length", k.wrongLength)
	t.Run("wrong checksum", k.wrongChecksum)
	t.Run("source fails", k.sourceFails)
	t.Run("tape fails", k.tapeFails)
	t.Run("buffers", k.buffers)
}

type kit struct{ f wrapper.Format }

// header is the length of what stands in front of the data in their own tape file.
func (k kit) header(t *testing.T, file wrapper.File) int64 {
	if k.f.Layout().Data > 0 {
		return 0
	}
	h, err := k.f.Header(file)
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(h))
}

// named tells whether the format keeps the path.
func (k kit) named() bool { return k.f.Limits().SizeFirst }

// sizes writes files of all sizes that matter one behind another, and reads them back.
func (k kit) sizes(t *testing.T) {
	for _, block := range []int64{wrapper.MinBlock, 64 << 10} {
		h := k.header(t, NewFile("/kit/size", 0))
		var sizes []int64
		for _, border := range []int64{0, 512, 1024, block, 2 * block, 3 * block} {
			for _, in := range []int64{0, h, h + 87, h + 100} { // borders of the data, and of a trailer
				for d := int64(-2); d <= 2; d++ {
					if s := border - in + d; s >= 0 {
						sizes = append(sizes, s)
					}
				}
			}
		}
		tape := NewTape([]byte("label"), nil)
		tape.Locate(1)
		for _, size := range sizes {
			from := tape.Position()
			Put(t, tape, k.f, NewFile("/kit/size", size), int(block), Data(size))
			k.shape(t, tape.Objects()[from:], block, size)
		}
		if err := tape.Locate(1); err != nil {
			t.Fatal(err)
		}
		for i, size := range sizes {
			known := size
			if i%2 == 1 {
				known = -1
			}
			k.get(t, tape, known, Data(size))
		}
		if _, err := tape.ReadBlock(); !errors.Is(err, ErrEndOfData) {
			t.Errorf("after Skip over the last file the tape does not stand at its end: %v", err)
		}
	}
}

// shape checks the records of one file.
func (k kit) shape(t *testing.T, objects [][]byte, block, size int64) {
	t.Helper()
	marks := 0
	for i, o := range objects {
		last := i+1 < len(objects) && objects[i+1] == nil
		switch {
		case o == nil:
			marks++
		case int64(len(o)) != block && !last:
			t.Errorf("size %d: a block of %d bytes (blocks of %d) is not the last of its tape file", size, len(o), block)
		case int64(len(o)) > block:
			t.Errorf("size %d: a block of %d bytes, longer than %d", size, len(o), block)
		}
	}
	if want := k.f.Layout().TapeFiles; marks != want {
		t.Errorf("size %d: %d filemarks, Layout says %d", size, marks, want)
	}
	if objects[len(objects)-1] != nil {
		t.Errorf("size %d: the file does not end with a filemark", size)
	}
}

// get reads the file ahead and compares it; it alternates between Read and WriteTo.
func (k kit) get(t *testing.T, tape *Tape, size int64, want []byte) {
	t.Helper()
	r, err := wrapper.NewReader(tape, k.f, size)
	if err != nil {
		t.Fatalf("size %d: %v", len(want), err)
	}
	var got bytes.Buffer
	if size < 0 {
		_, err = io.CopyBuffer(&got, struct{ io.Reader }{r}, make([]byte, 777))
	} else {
		_, err = r.WriteTo(&got)
	}
	if err != nil {
		t.Fatalf("size %d: %v", len(want), err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Fatalf("size %d: %d other bytes came back", len(want), got.Len())
	}
	if r.Size() != int64(len(want)) {
		t.Errorf("size %d: Size is %d", len(want), r.Size())
	}
	if sum := crc.Adler(crc.Seed1, want); r.Sum() != sum {
		t.Errorf("size %d: Sum is %08x instead of %08x", len(want), r.Sum(), sum)
	}
	head := want[:min(len(want), crc.SanitySpan)]
	if s := r.Sanity(); s.Size != int64(len(head)) || s.Sum != crc.Adler(crc.Seed1, head) {
		t.Errorf("size %d: Sanity is %+v", len(want), s)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("size %d: Read at the end: %d, %v", len(want), n, err)
	}
	if err := r.Skip(); err != nil {
		t.Fatalf("size %d: %v", len(want), err)
	}
}

// slowly feeds and drains in the smallest portions.
func (k kit) slowly(t *testing.T) {
	data := Data(2*wrapper.MinBlock + 300)
	file := NewFile("/kit/slow", int64(len(data)))
	whole, slow, written := NewTape(), NewTape(), NewTape()
	Put(t, whole, k.f, file, wrapper.MinBlock, data)

	w, err := wrapper.NewWriter(slow.Blocks(wrapper.MinBlock), k.f, file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReadFrom(iotest.DataErrReader(iotest.OneByteReader(bytes.NewReader(data)))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(w.Sum()); err != nil {
		t.Fatal(err)
	}
	v, err := wrapper.NewWriter(written.Blocks(wrapper.MinBlock), k.f, file)
	if err != nil {
		t.Fatal(err)
	}
	for rest := data; len(rest) > 0; {
		n := min(len(rest), 333)
		if m, err := v.Write(rest[:n]); m != n || err != nil {
			t.Fatal(m, err)
		}
		rest = rest[n:]
	}
	if err := v.Close(v.Sum()); err != nil {
		t.Fatal(err)
	}
	for _, other := range []*Tape{slow, written} {
		if !same(whole, other) {
			t.Error("the tape depends on the portions in which the data came")
		}
	}
	whole.Rewind()
	r, err := wrapper.NewReader(whole, k.f, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(struct{ io.Reader }{r}, data); err != nil {
		t.Error(err)
	}
}

func same(a, b *Tape) bool {
	if len(a.objects) != len(b.objects) {
		return false
	}
	for i, o := range a.objects {
		if (o == nil) != (b.objects[i] == nil) || !bytes.Equal(o, b.objects[i]) {
			return false
		}
	}
	return true
}

// paths writes and reads paths of the lengths that matter.
func (k kit) paths(t *testing.T) {
	longest := min(k.f.Limits().MaxPath, 5000)
	for _, n := range []int{2, 3, 16, 17, 18, 92, 93, 94, 168, 169, 170, 255, 256, longest - 76, longest - 1, longest} {
		path := "/" + strings.Repeat("d/", (n-1)/2) + strings.Repeat("x", (n-1)%2)
		if n%2 == 1 {
			path = path[:n-1] + "z"
		}
		tape := NewTape()
		Put(t, tape, k.f, NewFile(path, 5), wrapper.MinBlock, Data(5))
		tape.Rewind()
		r, err := wrapper.NewReader(tape, k.f, 5)
		if err != nil {
			t.Errorf("path of %d bytes: %v", n, err)
		} else if k.named() && r.File().Path != path {
			t.Errorf("path of %d bytes came back as %q", n, r.File().Path)
		}
	}
	for _, path := range []string{"/räksmörgås", "/a b/c\nd", "/\xff\xfe", "/-", "/a..b/...", "/ "} {
		tape := NewTape()
		Put(t, tape, k.f, NewFile(path, 5), wrapper.MinBlock, Data(5))
		tape.Rewind()
		r, err := wrapper.NewReader(tape, k.f, -1)
		if err != nil {
			t.Errorf("path %q: %v", path, err)
		} else if have := r.File().Path; k.named() && strings.TrimRight(have, " ") != strings.TrimRight(path, " ") {
			t.Errorf("path %q came back as %q", path, have)
		}
	}
}

// refusals: what cannot be written is refused before anything is on tape.
func (k kit) refusals(t *testing.T) {
	limits := k.f.Limits()
	type refusal struct {
		what string
		file wrapper.File
		want error
	}
	list := []refusal{
		{"empty path", NewFile("", 5), wrapper.ErrPath},
		{"NUL in the path", NewFile("/a\x00b", 5), wrapper.ErrPath},
		{".. in the path", NewFile("/a/../b", 5), wrapper.ErrPath},
		{".. at its end", NewFile("/a/..", 5), wrapper.ErrPath},
		{"size -2", NewFile("/a", -2), wrapper.ErrSize},
	}
	if limits.SizeFirst {
		list = append(list, refusal{"unknown size", NewFile("/a", -1), wrapper.ErrSize})
	}
	if limits.MaxSize < 1<<62 {
		list = append(list, refusal{"size above the limit", NewFile("/a", limits.MaxSize+1), wrapper.ErrTooLarge})
	}
	if limits.MaxPath < 1<<20 {
		list = append(list, refusal{"path above the limit", NewFile("/"+strings.Repeat("p", limits.MaxPath), 5), wrapper.ErrPathTooLong})
	}
	for _, r := range list {
		tape := NewTape()
		_, err := wrapper.NewWriter(tape.Blocks(64<<10), k.f, r.file)
		if !errors.Is(err, r.want) {
			t.Errorf("%s: %v, want %v", r.what, err, r.want)
		}
		if len(tape.Objects()) > 0 {
			t.Errorf("%s: something is on tape", r.what)
		}
		if fits := wrapper.Fits(k.f, r.file); !errors.Is(fits, r.want) {
			t.Errorf("%s: Fits says %v, want %v", r.what, fits, r.want)
		}
	}
	if err := k.f.Check(NewFile("/a", limits.MaxSize)); err != nil {
		t.Errorf("the largest file is refused: %v", err)
	}
	if _, err := k.f.Header(NewFile("/a", limits.MaxSize)); err != nil {
		t.Errorf("the largest file has no header: %v", err)
	}
	var large *wrapper.TooLargeError
	if limits.MaxSize < 1<<62 {
		if err := k.f.Check(NewFile("/a", limits.MaxSize+1)); !errors.As(err, &large) || len(large.Instead) == 0 {
			t.Errorf("too large a file: %v names no format that could hold it", err)
		}
	}
}

// first gives the first block of a file.
func (k kit) first(t *testing.T) []byte {
	tape := NewTape()
	Put(t, tape, k.f, NewFile("/kit/a file with a rather long name", 5), wrapper.MinBlock, []byte("HDR1?"))
	return tape.Objects()[0]
}

func (k kit) detect(t *testing.T) {
	first := k.first(t)
	if !k.f.Detect(first) {
		t.Error("Detect does not know the format's own first block")
	}
	if f, err := wrapper.Detect(first, wrapper.Null, k.f); err != nil || f != k.f {
		t.Errorf("wrapper.Detect finds %v, %v", f, err)
	}
	if !k.named() {
		return
	}
	for _, b := range [][]byte{nil, {0}, make([]byte, 80), make([]byte, 64<<10), []byte("VOL1"), []byte("TRAILER!!!"), bytes.Repeat([]byte("070707"), 100)} {
		if k.f.Detect(b) {
			t.Errorf("Detect takes %q… for a header", b[:min(len(b), 16)])
		}
	}
}

// hostile: ParseHeader takes any bytes and answers with ErrHeader or with something sane.
func (k kit) hostile(t *testing.T) {
	first := k.first(t)
	for n := range len(first) {
		_, h, err := k.f.ParseHeader(first[:n])
		if err != nil && !errors.Is(err, wrapper.ErrHeader) {
			t.Errorf("header cut to %d bytes: %v is no ErrHeader", n, err)
		}
		if err == nil && h > n {
			t.Errorf("header cut to %d bytes: data at %d", n, h)
		}
	}
	for at := range min(len(first), 2560) {
		for _, c := range []byte{0, ' ', '9', '7', 'H', 0xff, '-'} {
			b := bytes.Clone(first)
			b[at] = c
			file, h, err := k.f.ParseHeader(b)
			if err != nil && !errors.Is(err, wrapper.ErrHeader) {
				t.Errorf("byte %d is %q: %v is no ErrHeader", at, c, err)
			}
			if err == nil && (h < 0 || h > len(b) || file.Size < -1) {
				t.Errorf("byte %d is %q: data at %d, size %d", at, c, h, file.Size)
			}
			_, h, err = k.f.ParseHeader(b[:min(len(b), 80)])
			if err == nil && h > 80 {
				t.Errorf("byte %d is %q: data at %d of 80 bytes", at, c, h)
			}
		}
	}
}

// cut: a tape that ends anywhere within a file never gives a file that passes for whole.
func (k kit) cut(t *testing.T) {
	data := Data(3*wrapper.MinBlock + 10)
	tape := NewTape()
	Put(t, tape, k.f, NewFile("/kit/cut", int64(len(data))), wrapper.MinBlock, data)
	for n := range len(tape.Objects()) {
		torn := tape.Cut(n)
		err := k.drain(torn, int64(len(data)), data)
		if !errors.Is(err, ErrEndOfData) {
			t.Errorf("tape cut after %d objects: %v, want the tape's own error", n, err)
		}
	}
}

// early: a filemark anywhere within a file is an error of its own.
func (k kit) early(t *testing.T) {
	data := Data(3*wrapper.MinBlock + 10)
	tape := NewTape()
	Put(t, tape, k.f, NewFile("/kit/early", int64(len(data))), wrapper.MinBlock, data)
	for n, o := range tape.Objects() {
		if o == nil {
			continue
		}
		objects := append([][]byte{}, tape.Objects()[:n]...)
		objects = append(objects, nil)
		if n+1 < len(tape.Objects()) && tape.Objects()[n+1] != nil {
			objects = append(objects, tape.Objects()[n+1:]...)
		}
		objects = append(objects, nil, nil)
		err := k.drain(NewTape(objects...), int64(len(data)), data)
		if !errors.Is(err, wrapper.ErrTruncated) && !errors.Is(err, wrapper.ErrHeader) {
			t.Errorf("filemark instead of object %d: %v, want ErrTruncated or ErrHeader", n, err)
		}
	}
}

// drain reads a file to its end and gives the first error. It fails if all is well but the
// data.
func (k kit) drain(tape *Tape, size int64, want []byte) error {
	r, err := wrapper.NewReader(tape, k.f, size)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := r.Skip(); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("other data came back without an error")
	}
	return nil
}
