package scan

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
)

// maxBlock bounds what is read as one block: the longest record of a tape image, and what 24 bits of
// length in a drive's command can say.
const maxBlock = 1<<24 - 1

var errEndOfData = errors.New("end of data")

// blocks reads a load block by block and counts tape files. One block can be looked at ahead. It is a
// wrapper.BlockReader.
type blocks struct {
	ctx  context.Context
	load *tape.Load
	buf  []byte

	file   int64 // tape file of the next block
	passed int64 // bytes of blocks in the last tape file that has been passed
	bytes  int64 // bytes of blocks so far in this one

	peeked bool
	ahead  []byte
	err    error // of the block ahead; io.EOF: a filemark
}

// peek looks at the next block.
func (b *blocks) peek() ([]byte, error) {
	if !b.peeked {
		b.ahead, b.err = b.read()
		b.peeked = true
	}
	return b.ahead, b.err
}

// ReadBlock returns the next block, or io.EOF at a filemark. Any other error stays.
func (b *blocks) ReadBlock() ([]byte, error) {
	p, err := b.peek()
	switch err {
	case nil:
		b.peeked = false
		b.bytes += int64(len(p))
	case io.EOF:
		b.peeked = false
		b.file++
		b.passed, b.bytes = b.bytes, 0
	}
	return p, err
}

// goTo goes to the first block of a tape file ahead. What cannot be read is passed over, if the
// drive can do that.
func (b *blocks) goTo(file int64) error {
	for b.file < file {
		_, err := b.ReadBlock()
		if err == nil || err == io.EOF {
			continue
		}
		if errors.Is(err, errEndOfData) {
			return err
		}
		if b.load.LocateFile(b.ctx, file) != nil {
			return err
		}
		b.file, b.bytes, b.peeked = file, 0, false
	}
	return nil
}

// end makes the end of data of where it stands.
func (b *blocks) end() { b.peeked, b.ahead, b.err = true, nil, errEndOfData }

func (b *blocks) read() ([]byte, error) {
	if b.buf == nil {
		b.buf = make([]byte, maxBlock)
	}
	n, c, err := b.load.ReadBlock(b.ctx, b.buf)
	switch {
	case tape.OutcomeOf(err) == driver.OutcomeBlankCheck:
		return nil, errEndOfData
	case err != nil:
		return nil, fmt.Errorf("tape file %d: %w", b.file, err)
	case c == driver.Filemark:
		return nil, io.EOF
	case c == driver.EndOfData:
		return nil, errEndOfData
	}
	return b.buf[:n], nil
}
