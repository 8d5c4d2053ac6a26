// Package scan reads a cartridge for what is on it, without a catalogue.
//
// A [Tape] is a loaded cartridge read from its label on; a [File] is one file on it, of any of
// the given wrapper formats.
//
//	t, err := scan.Open(ctx, load, wrapper.Null, cpio.Odc, cern.Ansi)
//	for {
//		f, err := t.Next()
//		if err == io.EOF {
//			break
//		}
//		fmt.Println(f.Number, f.TapeFile, f.Header.Path, f.Header.Size)
//	}
//
// Formats are recognised by the first block of each file. On a cartridge of the null format
// nothing but filemarks tells one file from the next: an empty last file cannot be told from the
// double filemark that Enstore leaves at the end of data.
//
// The package writes nothing, and knows no names but those on tape.
package scan

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/label"
	"github.com/enstore-go/sdk/wrapper"
)

// maxBlock bounds what is read as one block: the longest record of a tape image.
const maxBlock = 16<<20 - 1

// Tape is a cartridge that is read from its beginning.
type Tape struct {
	Label    label.Volume // what the label says, if Labelled
	Labelled bool

	blocks *blocks
	fmts   []wrapper.Format
	last   *File
	number int
}

// File is one file on a Tape. It is read, if at all, before the next call of Next.
type File struct {
	Number   int            // from 1
	TapeFile int64          // number of the tape file with the data: the last part of a location cookie
	Format   wrapper.Format // as recognised
	Header   wrapper.File   // what the header tells; Size -1 where it does not

	t      *Tape
	first  int64           // its first tape file
	reader *wrapper.Reader // nil until asked for
	raw    bool            // read by WriteRaw
}

// Open rewinds the cartridge and reads its label. A cartridge without one is read from its
// beginning; a blank one has no files.
func Open(ctx context.Context, l *tape.Load, formats ...wrapper.Format) (*Tape, error) {
	t := &Tape{fmts: formats, blocks: &blocks{ctx: ctx, load: l}}
	v, _, err := l.ReadLabel(ctx)
	switch {
	case err == nil:
		t.Label, t.Labelled = v, true
		err = l.LocateFile(ctx, 1)
	case errors.Is(err, label.ErrNoLabel), errors.Is(err, label.ErrBadLabel), errors.Is(err, tape.ErrBlank):
		err = l.Rewind(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("scan: %w", err)
	}
	t.blocks.file = 0
	if t.Labelled {
		t.blocks.file = 1
	}
	return t, nil
}

// Next goes to the next file, over what is left of the last one. It returns io.EOF at the end of data.
func (t *Tape) Next() (*File, error) {
	if err := t.finish(); err != nil {
		return nil, err
	}
	first, err := t.blocks.peek()
	switch {
	case errors.Is(err, errEndOfData):
		return nil, io.EOF
	case err == io.EOF: // a filemark at once: an empty file, or the double filemark at the end of data
		at := t.blocks.file
		_, _ = t.blocks.ReadBlock()
		if _, err := t.blocks.peek(); errors.Is(err, errEndOfData) {
			return nil, io.EOF
		} else if err != nil && err != io.EOF {
			return nil, err
		}
		t.number++
		t.last = &File{Number: t.number, TapeFile: at, Format: wrapper.Null, Header: wrapper.File{Size: 0}, t: t, first: at, raw: true}
		return t.last, nil
	case err != nil:
		return nil, err
	}
	f, err := wrapper.Detect(first, t.fmts...)
	if err != nil {
		return nil, fmt.Errorf("scan: tape file %d: %w", t.blocks.file, err)
	}
	t.number++
	t.last = &File{Number: t.number, Format: f, t: t, first: t.blocks.file, TapeFile: t.blocks.file + int64(f.Layout().Data)}
	t.last.Header, _, err = f.ParseHeader(first)
	if err != nil {
		return nil, fmt.Errorf("scan: tape file %d: %w", t.blocks.file, err)
	}
	return t.last, nil
}

// finish goes behind the last file, whatever was read of it.
func (t *Tape) finish() error {
	f := t.last
	if f == nil {
		return nil
	}
	t.last = nil
	end := f.first + int64(f.Format.Layout().TapeFiles)
	for t.blocks.file < end {
		if _, err := t.blocks.ReadBlock(); err != nil && err != io.EOF {
			if errors.Is(err, errEndOfData) {
				return nil // Next will meet it again and say so
			}
			return err
		}
	}
	return nil
}

func (f *File) open() (*wrapper.Reader, error) {
	if f.reader == nil {
		if f.raw || f.t.last != f {
			return nil, fmt.Errorf("scan: file %d: it has been passed", f.Number)
		}
		r, err := wrapper.NewReader(f.t.blocks, f.Format, -1)
		if err != nil {
			return nil, err
		}
		f.reader = r
	}
	return f.reader, nil
}

// WriteTo writes the file's data.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	if f.raw && f.Header.Size == 0 {
		return 0, nil
	}
	r, err := f.open()
	if err != nil {
		return 0, err
	}
	return r.WriteTo(w)
}

// WriteRaw writes every byte of the file on tape: headers, data, padding and trailers, of all its
// tape files.
func (f *File) WriteRaw(w io.Writer) (int64, error) {
	if f.raw || f.reader != nil || f.t.last != f {
		return 0, fmt.Errorf("scan: file %d: it has been passed", f.Number)
	}
	f.raw = true
	var n int64
	end := f.first + int64(f.Format.Layout().TapeFiles)
	for f.t.blocks.file < end {
		b, err := f.t.blocks.ReadBlock()
		if err == io.EOF {
			continue
		}
		if err != nil {
			return n, err
		}
		k, err := w.Write(b)
		n += int64(k)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Verify reads the file to its end and checks what its format allows to check: sizes, headers and
// trailers, and the checksum where the tape has one (cern). It returns the size of the data and their Adler-32, seeded
// with 1.
func (f *File) Verify() (size int64, sum uint32, err error) {
	if f.raw && f.Header.Size == 0 {
		return 0, 1, nil
	}
	r, err := f.open()
	if err != nil {
		return 0, 0, err
	}
	if _, err := r.WriteTo(io.Discard); err != nil {
		return r.Size(), r.Sum(), err
	}
	size, sum = r.Size(), r.Sum()
	return size, sum, r.Skip()
}

var errEndOfData = errors.New("scan: end of data")

// blocks reads a load block by block and counts tape files. One block can be looked at ahead.
type blocks struct {
	ctx    context.Context
	load   *tape.Load
	buf    []byte
	file   int64 // tape file of the next block
	ahead  []byte
	err    error // io.EOF: a filemark
	peeked bool
}

func (b *blocks) peek() ([]byte, error) {
	if !b.peeked {
		b.ahead, b.err = b.read()
		b.peeked = true
	}
	return b.ahead, b.err
}

// ReadBlock returns the next block, or io.EOF at a filemark.
func (b *blocks) ReadBlock() ([]byte, error) {
	p, err := b.peek()
	if !errors.Is(err, errEndOfData) {
		b.peeked = false
	}
	if err == io.EOF {
		b.file++
	}
	return p, err
}

func (b *blocks) read() ([]byte, error) {
	if b.buf == nil {
		b.buf = make([]byte, maxBlock)
	}
	n, c, err := b.load.ReadBlock(b.ctx, b.buf)
	switch {
	case err != nil:
		return nil, fmt.Errorf("scan: tape file %d: %w", b.file, err)
	case c == driver.Filemark:
		return nil, io.EOF
	case c == driver.EndOfData:
		return nil, errEndOfData
	}
	return b.buf[:n], nil
}
