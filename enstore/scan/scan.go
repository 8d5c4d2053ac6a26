// Package scan reads a cartridge for what is on it, without a catalogue.
//
// A [Tape] is a loaded cartridge, read from its label on; a [File] is one file on it, of any of
// the given wrapper formats.
//
//	t, err := scan.Open(ctx, load, cpio.Odc, cern.Ansi, wrapper.Null)
//	for {
//		f, err := t.Next()
//		if err == io.EOF {
//			break
//		}
//		size, sum, err := f.Verify()
//		fmt.Println(f.Number, f.TapeFile, f.Header.Path, size, sum, err)
//	}
//
// Formats are recognised by the first block of each file, and the tape is taken at its word: a
// file of the null format whose content is a cpio archive is shown as the archive's first
// member, unless cpio is left out of the formats. Of the null format nothing but filemarks tells one file
// from the next, and an empty last file cannot be told from the double filemark with which Enstore
// closes a volume.
//
// A file that cannot be read whole does not hide those behind it, as long as the drive can
// pass it. The package writes nothing, and knows no names but those on tape; they come from
// outside and are no safe paths.
package scan

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/label"
	"github.com/enstore-go/sdk/wrapper"
)

// Tape is a cartridge that is read from its beginning. It is not for use by several goroutines at
// once.
type Tape struct {
	Label    label.Volume // what the label says, if Labelled
	Labelled bool
	// LabelError is why a label that is there cannot be read: label.ErrBadLabel. nil for a
	// cartridge without a label.
	LabelError error

	blocks  *blocks
	formats []wrapper.Format
	last    *File
	number  int
}

// Open rewinds the cartridge and reads its label. A cartridge without one is read from its
// beginning; a blank one has no files. The formats are tried in the order given;
// wrapper.Null takes what no other does, wherever it stands.
func Open(ctx context.Context, l *tape.Load, formats ...wrapper.Format) (*Tape, error) {
	t := &Tape{formats: formats, blocks: &blocks{ctx: ctx, load: l}}
	v, _, err := l.ReadLabel(ctx)
	switch {
	case err == nil:
		t.Label, t.Labelled = v, true
		err = t.blocks.goTo(1)
	case errors.Is(err, label.ErrBadLabel):
		t.LabelError = err
		err = t.blocks.goTo(1)
	case errors.Is(err, label.ErrNoLabel):
		err = l.Rewind(ctx)
	case errors.Is(err, tape.ErrBlank):
		t.blocks.end()
		err = nil
	}
	if err != nil && !errors.Is(err, errEndOfData) {
		return nil, fmt.Errorf("scan: %w", err)
	}
	return t, nil
}

// Next goes to the next file, over what is left of the last one. It returns io.EOF at the end of
// data; wrapper.ErrUnknown for a block that none of the formats fits, which Null always does.
func (t *Tape) Next() (*File, error) {
	if err := t.finish(); err != nil {
		return nil, err
	}
	first, err := t.blocks.peek()
	switch {
	case errors.Is(err, errEndOfData):
		return nil, io.EOF
	case err == io.EOF:
		return t.empty()
	case err != nil && t.blocks.ctx.Err() != nil:
		return nil, fmt.Errorf("scan: %w", err)
	case err != nil:
		// What stands here cannot be read, so nobody knows how long it is: one tape file.
		return t.found(wrapper.Null, wrapper.File{Size: -1}), nil
	}
	f, err := wrapper.Detect(first, t.formats...)
	if err != nil {
		return nil, fmt.Errorf("scan: tape file %d: %w", t.blocks.file, err)
	}
	header, _, err := f.ParseHeader(first)
	if err != nil {
		return nil, fmt.Errorf("scan: tape file %d: %w", t.blocks.file, err)
	}
	return t.found(f, header), nil
}

func (t *Tape) found(f wrapper.Format, header wrapper.File) *File {
	t.number++
	at := t.blocks.file
	t.last = &File{Number: t.number, TapeFile: at + int64(f.Layout().Data), Format: f, Header: header, t: t, end: at + int64(f.Layout().TapeFiles)}
	return t.last
}

// empty passes the filemark ahead: it ends an empty file, or is the second of the two at the
// end of data.
func (t *Tape) empty() (*File, error) {
	f := t.found(wrapper.Null, wrapper.File{})
	f.blank = true
	_, _ = t.blocks.ReadBlock()
	if _, err := t.blocks.peek(); errors.Is(err, errEndOfData) {
		t.number, t.last = t.number-1, nil
		return nil, io.EOF
	}
	return f, nil
}

// finish goes behind the last file, whatever was read of it.
func (t *Tape) finish() error {
	f := t.last
	if f == nil {
		return nil
	}
	t.last = nil
	if err := t.blocks.goTo(f.end); err != nil && !errors.Is(err, errEndOfData) {
		return err
	}
	return nil
}

// ErrPassed is a use of a File after the tape has gone on, or a second one.
var ErrPassed = errors.New("the tape has passed it")

// File is one file on a Tape. It is read once, if at all, and before the next call of Next.
type File struct {
	Number   int            // from 1; dead space counts
	TapeFile int64          // number of the tape file with the data: the last part of a location cookie
	Format   wrapper.Format // as recognised
	Header   wrapper.File   // what the header tells; Size -1 where it does not

	t      *Tape
	end    int64 // the tape file behind its last one
	blank  bool  // without a block; its filemark has been passed
	use    use
	reader *wrapper.Reader
}

// use is what was done with a file.
type use uint8

const (
	untouched use = iota
	opened        // by the wrapper's reader
	passed        // nothing is left to read
)

// WriteTo writes the file's data, exactly as many bytes as its header tells. wrapper.ErrTruncated
// if there are fewer; what there is has been written then. Check tells whether
// the file is good beyond that.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	r, err := f.open()
	if r == nil {
		return 0, err
	}
	n, err := r.WriteTo(w)
	return n, f.fault(err)
}

// WriteRaw writes every byte that is on tape for the file: headers, data, padding and trailers, of
// all its tape files.
func (f *File) WriteRaw(w io.Writer) (int64, error) {
	if f.blank {
		return 0, nil
	}
	if f.use != untouched || f.t.last != f {
		return 0, f.gone()
	}
	f.use = passed
	var n int64
	for f.t.blocks.file < f.end {
		b, err := f.t.blocks.ReadBlock()
		if err == io.EOF {
			continue
		}
		if err != nil {
			return n, f.fault(err)
		}
		k, err := w.Write(b)
		n += int64(k)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Check goes to the end of the file and says whether it is whole, as far as its format tells:
// wrapper.ErrDead for one that was given up, wrapper.ErrTruncated if data are missing, wrapper.ErrHeader
// for labels that contradict, and, after WriteTo, wrapper.ErrChecksum if the tape has a checksum (cern)
// and it differs.
func (f *File) Check() error {
	r, err := f.open()
	if r == nil {
		return err
	}
	err = r.Skip()
	if f.Header.Size < 0 && err == nil {
		f.Header.Size = f.t.blocks.passed // null: a tape file is the file
	}
	return f.fault(err)
}

// Verify is WriteTo to nowhere, and then Check. It returns the number of bytes of data that are on tape and their
// Adler-32, seeded with 1, also if the file is not whole.
func (f *File) Verify() (size int64, sum uint32, err error) {
	r, err := f.open()
	if r == nil {
		return 0, 1, err
	}
	size, err = r.WriteTo(io.Discard)
	if end := r.Skip(); err == nil || errors.Is(end, wrapper.ErrDead) {
		err = end // why data are missing says more than that they are
	}
	return size, r.Sum(), f.fault(err)
}

// open gives the file's reader; nil and no error for a file without a block.
func (f *File) open() (*wrapper.Reader, error) {
	switch {
	case f.blank:
		return nil, nil
	case f.use == opened && f.t.last == f:
		return f.reader, nil
	case f.use != untouched || f.t.last != f:
		return nil, f.gone()
	}
	f.use = opened
	r, err := wrapper.NewReader(f.t.blocks, f.Format, -1)
	if err != nil {
		f.use = passed
		return nil, f.fault(err)
	}
	f.reader = r
	return r, nil
}

func (f *File) gone() error { return fmt.Errorf("file %d: %w", f.Number, ErrPassed) }

// fault names the file in an error. The end of data within a file is a file that was torn.
func (f *File) fault(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, errEndOfData) {
		err = fmt.Errorf("the data on tape end within it: %w", wrapper.ErrTruncated)
	}
	return fmt.Errorf("file %d: %w", f.Number, err)
}
