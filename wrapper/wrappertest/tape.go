package wrappertest

import (
	"errors"
	"fmt"
	"io"

	"github.com/enstore-go/sdk/wrapper"
)

// ErrEndOfData is what reading meets behind the last object of a Tape.
var ErrEndOfData = errors.New("end of data")

// Tape is a cartridge in a drive, in memory: records and filemarks, and a position among
// them. It is a wrapper.BlockReader. A write makes what was written the last object of the
// tape, as a drive does.
type Tape struct {
	objects [][]byte // nil: filemark
	at      int
	scratch []byte
}

// NewTape makes a tape of records; nil is a filemark. It stands at its beginning.
func NewTape(objects ...[]byte) *Tape {
	t := &Tape{}
	for _, o := range objects {
		t.add(o)
	}
	t.at = 0
	return t
}

func (t *Tape) add(o []byte) {
	t.objects = append(t.objects[:t.at:t.at], o)
	t.at++
}

// WriteRecord writes one record of at least one byte.
func (t *Tape) WriteRecord(p []byte) {
	if len(p) == 0 {
		panic("wrappertest: record without a byte")
	}
	t.add(append([]byte{}, p...))
}

// WriteFilemark writes one filemark. Its error is always nil.
func (t *Tape) WriteFilemark() error {
	t.add(nil)
	return nil
}

// ReadBlock gives the next record, io.EOF at a filemark, ErrEndOfData behind the last
// object. The record is good until the next call, which spoils it.
func (t *Tape) ReadBlock() ([]byte, error) {
	for i := range t.scratch {
		t.scratch[i] = 0xDB
	}
	if t.at == len(t.objects) {
		return nil, ErrEndOfData
	}
	o := t.objects[t.at]
	t.at++
	if o == nil {
		return nil, io.EOF
	}
	t.scratch = append(t.scratch[:0], o...)
	return t.scratch, nil
}

// Rewind goes to the beginning.
func (t *Tape) Rewind() { t.at = 0 }

// Locate goes behind the n-th filemark; 0 is the beginning.
func (t *Tape) Locate(n int) error {
	left := n
	for i, o := range t.objects {
		if left == 0 {
			t.at = i
			return nil
		}
		if o == nil {
			left--
		}
	}
	if left == 0 {
		t.at = len(t.objects)
		return nil
	}
	return fmt.Errorf("tape file %d of %d: %w", n, n-left+1, ErrEndOfData)
}

// Position is the number of objects in front of the tape's position.
func (t *Tape) Position() int { return t.at }

// Objects are the records and filemarks (nil) of the tape. They are the tape's own.
func (t *Tape) Objects() [][]byte { return t.objects }

// Cut gives a tape with the first n objects of this one.
func (t *Tape) Cut(n int) *Tape { return NewTape(t.objects[:n]...) }

// File gives the records of the tape file behind the n-th filemark, joined.
func (t *Tape) File(n int) []byte {
	var b []byte
	for _, o := range t.objects {
		switch {
		case o == nil:
			n--
		case n == 0:
			b = append(b, o...)
		}
	}
	return b
}

// Blocks gives a wrapper.BlockWriter that writes at the tape's position from buffers of size
// bytes. It spoils a buffer once it is written, and fails a write for which there was no
// buffer.
func (t *Tape) Blocks(size int) *Blocks { return &Blocks{Tape: t, buf: make([]byte, size)} }

// Blocks is a wrapper.BlockWriter on a Tape.
type Blocks struct {
	Tape *Tape
	// Fail, if it is not nil, is asked before each record (n bytes) and filemark (n 0).
	Fail func(n int) error

	buf []byte
	out bool
}

var _ wrapper.BlockWriter = (*Blocks)(nil)

// Buffer gives the buffer of the next block.
func (b *Blocks) Buffer() ([]byte, error) {
	b.out = true
	return b.buf, nil
}

// WriteBlock writes the first n bytes of the buffer as one record.
func (b *Blocks) WriteBlock(n int) error {
	if !b.out || n <= 0 || n > len(b.buf) {
		return fmt.Errorf("write of %d bytes from a buffer of %d, given out: %t", n, len(b.buf), b.out)
	}
	if b.Fail != nil {
		if err := b.Fail(n); err != nil {
			return err
		}
	}
	b.out = false
	b.Tape.WriteRecord(b.buf[:n])
	for i := range b.buf {
		b.buf[i] = 0xDB
	}
	return nil
}

// WriteFilemark writes one filemark.
func (b *Blocks) WriteFilemark() error {
	if b.Fail != nil {
		if err := b.Fail(0); err != nil {
			return err
		}
	}
	return b.Tape.WriteFilemark()
}
