package wrapper_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/cern"
	"github.com/enstore-go/sdk/wrapper/cpio"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

var formats = []wrapper.Format{wrapper.Null, cpio.Odc, cern.Ansi}

func TestNull(t *testing.T) { wrappertest.TestFormat(t, wrapper.Null) }

func TestDetect(t *testing.T) {
	is := is.New(t)
	for _, f := range formats {
		tape := wrappertest.NewTape()
		wrappertest.Put(t, tape, f, wrappertest.NewFile("/exp/a", 100), 64<<10, wrappertest.Data(100))
		got, err := wrapper.Detect(tape.Objects()[0], formats...)
		is.NoErr(err)
		is.Equal(got.Name(), f.Name())
	}
	_, err := wrapper.Detect([]byte("something else"), cpio.Odc, cern.Ansi)
	is.True(errors.Is(err, wrapper.ErrUnknown))
	is.Equal(err.Error(), `wrapper: block that begins "something else": no known format`)
	_, err = wrapper.Detect(nil)
	is.True(errors.Is(err, wrapper.ErrUnknown))
}

// A stream of unknown size goes to null, and only there.
func TestStreamOfUnknownSize(t *testing.T) {
	is := is.New(t)
	for _, size := range []int64{0, 1, 4096, 3*4096 + 5} {
		tape := wrappertest.NewTape()
		wrappertest.Put(t, tape, wrapper.Null, wrappertest.NewFile("/exp/stream", -1), 4096, wrappertest.Data(size))
		tape.Rewind()
		r, err := wrapper.NewReader(tape, wrapper.Null, -1)
		is.NoErr(err)
		is.Equal(r.Size(), int64(-1)) // nothing tells
		got, err := io.ReadAll(r)
		is.NoErr(err)
		is.True(bytes.Equal(got, wrappertest.Data(size)))
		is.Equal(r.Size(), size)
		is.NoErr(r.Skip())
	}
}

// null has no other sign of the size than the filemark, but the catalogue's size is held to it.
func TestNullAgainstTheCatalogue(t *testing.T) {
	is := is.New(t)
	tape := wrappertest.NewTape()
	wrappertest.Put(t, tape, wrapper.Null, wrappertest.NewFile("/a", 5000), 4096, wrappertest.Data(5000))
	tape.Rewind()
	r, err := wrapper.NewReader(tape, wrapper.Null, 4999)
	is.NoErr(err)
	is.True(errors.Is(r.Skip(), wrapper.ErrLong))
	is.True(errors.Is(r.Skip(), wrapper.ErrLong)) // and says it again

	tape.Rewind()
	r, err = wrapper.NewReader(tape, wrapper.Null, 5001)
	is.NoErr(err)
	_, err = io.ReadAll(r)
	is.True(errors.Is(err, wrapper.ErrTruncated))
	is.Equal(err.Error(), "null: filemark after 5000 of 5001 bytes: truncated")
	_, again := r.Read(make([]byte, 1))
	is.Equal(again, err)
}

// Skip may come at any time: then the tape stands at the next file whatever was read.
func TestSkipFromAnywhere(t *testing.T) {
	const size = 3*4096 + 100
	for _, f := range formats {
		for _, read := range []int{0, 1, 4095, 4096, 2 * 4096, size - 1, size} {
			is := is.New(t)
			tape := wrappertest.NewTape()
			wrappertest.Put(t, tape, f, wrappertest.NewFile("/exp/first", size), 4096, wrappertest.Data(size))
			wrappertest.Put(t, tape, f, wrappertest.NewFile("/exp/second", 5), 4096, []byte("hello"))
			tape.Rewind()
			r, err := wrapper.NewReader(tape, f, size)
			is.NoErr(err)
			_, err = io.ReadFull(r, make([]byte, read))
			is.NoErr(err)
			is.NoErr(r.Skip())
			_, err = r.Read(make([]byte, 1))
			is.Equal(err, io.EOF)
			r, err = wrapper.NewReader(tape, f, 5)
			is.NoErr(err)
			got, err := io.ReadAll(r)
			is.NoErr(err)
			is.Equal(string(got), "hello")
		}
	}
}

// A destination that fails does not spoil the tape: Skip still works, but says nothing of the
// checksum.
func TestDestinationFails(t *testing.T) {
	full := errors.New("disk full")
	for _, f := range formats {
		is := is.New(t)
		tape := wrappertest.NewTape()
		wrappertest.Put(t, tape, f, wrappertest.NewFile("/exp/a", 10000), 4096, wrappertest.Data(10000))
		tape.Rewind()
		r, err := wrapper.NewReader(tape, f, 10000)
		is.NoErr(err)
		n, err := r.WriteTo(&limited{left: 5000, err: full})
		is.Equal(n, int64(5000))
		is.True(errors.Is(err, full))
		_, err = r.Read(make([]byte, 1))
		is.True(errors.Is(err, full))
		is.NoErr(r.Skip())

		tape.Rewind()
		r, err = wrapper.NewReader(tape, f, 10000)
		is.NoErr(err)
		_, err = r.WriteTo(&limited{left: 5000})
		is.True(errors.Is(err, io.ErrShortWrite))
		_, err = r.WriteTo(io.Discard)
		is.True(errors.Is(err, io.ErrShortWrite))
	}
}

type limited struct {
	left int
	err  error
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	if n < len(p) {
		return n, l.err
	}
	return n, nil
}

// After an error of the tape the Reader lets it alone.
func TestTapeIsLetAloneAfterItsError(t *testing.T) {
	for _, f := range formats {
		is := is.New(t)
		tape := wrappertest.NewTape()
		wrappertest.Put(t, tape, f, wrappertest.NewFile("/exp/a", 10000), 4096, wrappertest.Data(10000))
		broken := &breaking{tape: tape, left: 2*f.Layout().Data + 1} // labels, and one block
		tape.Rewind()
		r, err := wrapper.NewReader(broken, f, 10000)
		is.NoErr(err)
		_, err = io.ReadAll(r)
		is.True(errors.Is(err, io.ErrClosedPipe))
		_, again := r.Read(make([]byte, 1))
		is.Equal(again, err)
		is.True(errors.Is(r.Skip(), io.ErrClosedPipe))
		is.Equal(broken.errors, 1)
	}
}

// breaking is a tape that fails after some calls.
type breaking struct {
	tape         *wrappertest.Tape
	left, errors int
}

func (b *breaking) ReadBlock() ([]byte, error) {
	if b.left == 0 {
		b.errors++
		return nil, io.ErrClosedPipe
	}
	b.left--
	return b.tape.ReadBlock()
}

// A driver that gives blocks without a byte does not hang the reader.
func TestBlockWithoutAByte(t *testing.T) {
	is := is.New(t)
	_, err := wrapper.NewReader(empty{}, wrapper.Null, 5)
	is.True(errors.Is(err, wrapper.ErrHeader))
}

type empty struct{}

func (empty) ReadBlock() ([]byte, error) { return nil, nil }

// What a Writer tells of itself.
func TestWriterAccounts(t *testing.T) {
	is := is.New(t)
	tape := wrappertest.NewTape()
	before := time.Now()
	w, err := wrapper.NewWriter(tape.Blocks(64<<10), cern.Ansi, wrapper.File{Path: "/a", Size: 100000})
	is.NoErr(err)
	is.Equal(w.File().BlockSize, 64<<10)
	is.True(!w.File().Created.Before(before))
	is.Equal(w.Size(), int64(0))
	is.Equal(w.Sum(), uint32(1))
	data := wrappertest.Data(100000)
	_, err = w.Write(data)
	is.NoErr(err)
	is.Equal(w.Size(), int64(100000))
	is.Equal(w.Sum(), crc.Adler(crc.Seed1, data))
	is.Equal(w.Sanity(), crc.Sanity{Size: 65536, Sum: crc.Adler(crc.Seed1, data[:65536])})
	is.NoErr(w.Close(w.Sum()))
	n := tape.Position()
	is.NoErr(w.Abandon()) // harmless after Close
	is.Equal(tape.Position(), n)
	is.True(errors.Is(w.Close(w.Sum()), wrapper.ErrClosed))
	_, err = w.ReadFrom(bytes.NewReader(data))
	is.True(errors.Is(err, wrapper.ErrClosed))
}

// A tape that gives no buffer has failed.
func TestNoBuffer(t *testing.T) {
	is := is.New(t)
	_, err := wrapper.NewWriter(noBuffer{}, cpio.Odc, wrappertest.NewFile("/a", 5))
	is.True(errors.Is(err, io.ErrClosedPipe))
	f := wrappertest.NewFile("/a", 5)
	f.BlockSize = 4096
	_, err = wrapper.NewWriter(noBuffer{}, cern.Ansi, f)
	is.True(errors.Is(err, io.ErrClosedPipe))
	w, err := wrapper.NewWriter(noBuffer{}, wrapper.Null, f)
	is.NoErr(err) // nothing to write yet
	_, err = w.ReadFrom(bytes.NewReader([]byte("hello")))
	is.True(errors.Is(err, io.ErrClosedPipe))
	_, err = w.Write([]byte("hello"))
	is.True(errors.Is(err, io.ErrClosedPipe))
	is.True(errors.Is(w.Close(1), io.ErrClosedPipe))
}

type noBuffer struct{}

func (noBuffer) Buffer() ([]byte, error) { return nil, io.ErrClosedPipe }
func (noBuffer) WriteBlock(int) error    { return nil }
func (noBuffer) WriteFilemark() error    { return nil }

// Data go from the source into the block buffers and nowhere else.
func TestReadFromDoesNotCopy(t *testing.T) {
	is := is.New(t)
	b := &counting{buf: make([]byte, 256<<10)}
	const size = 64 << 20
	src := &pattern{left: size, into: b}
	w, err := wrapper.NewWriter(b, cpio.Odc, wrappertest.NewFile("/a", size))
	is.NoErr(err)
	n, err := w.ReadFrom(src)
	is.NoErr(err)
	is.Equal(n, int64(size))
	is.Equal(src.strays, 0) // every read went into a block buffer
	allocs := testing.AllocsPerRun(1, func() {
		w, err := wrapper.NewWriter(b, cpio.Odc, wrappertest.NewFile("/a", size))
		is.NoErr(err)
		_, err = w.ReadFrom(&pattern{left: size, into: b})
		is.NoErr(err)
	})
	is.True(allocs < 100) // whatever the size
}

// counting is a tape that forgets.
type counting struct {
	buf    []byte
	blocks int
}

func (c *counting) Buffer() ([]byte, error) { return c.buf, nil }
func (c *counting) WriteBlock(int) error    { c.blocks++; return nil }
func (c *counting) WriteFilemark() error    { return nil }

// pattern is a source that watches where it is read into.
type pattern struct {
	left   int
	into   *counting
	strays int
}

func (p *pattern) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	end, bufEnd := &b[:cap(b)][cap(b)-1], &p.into.buf[len(p.into.buf)-1]
	if end != bufEnd {
		p.strays++
	}
	n := min(len(b), p.left)
	p.left -= n
	return n, nil
}
