package filetape

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Words of a SIMH image that are not the length of a block.
const (
	wordMark = 0x00000000
	wordGap  = 0xfffffffe
	wordEnd  = 0xffffffff

	maxBlock  = 1<<24 - 1 // bytes: what a length without flag bits can say
	flagBits  = 0xff000000
	wordSize  = 4
	blockHead = 2 * wordSize // both lengths of a block
)

// blockSize is what a block of n bytes takes in the image.
func blockSize(n int64) int64 { return blockHead + n + n&1 }

// damageError is a place in an image where there is no object.
type damageError struct {
	off  int64
	text string
	torn bool // the image ends within the object here, as where its writer was cut off
}

func (e *damageError) Error() string {
	return fmt.Sprintf("image damaged at offset %d: %s", e.off, e.text)
}

// image finds objects in an image.
type image struct {
	r io.ReaderAt
	// next is the word at nextOff, read together with the end of the block before it; nextOff is 0 if there is none.
	nextOff int64
	next    uint32
}

func (im *image) forget() { im.nextOff = 0 }

// word reads the word at off.
func (im *image) word(off int64) (uint32, error) {
	if off == im.nextOff && off > 0 {
		return im.next, nil
	}
	var b [wordSize]byte
	if err := readFull(im.r, b[:], off); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b[:]), nil
}

// readFull reads all of b. An image that ends within it is damaged.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF) || err == nil:
		return &damageError{off: off, text: "the file ends here"}
	}
	return err
}

// object is one block or filemark, or the end mark.
type object struct {
	off    int64 // of its first word
	after  int64 // offset behind it
	length int64 // of a block, else 0
	word   uint32
}

func (o object) mark() bool { return o.word == wordMark }
func (o object) last() bool { return o.word == wordEnd }

// at gives the object at off or behind the gaps there, all before end. Of a block only the first length is looked at.
func (im *image) at(off, end int64) (object, error) {
	for {
		if off+wordSize > end {
			return object{}, &damageError{off: off, text: "an object is cut off"}
		}
		w, err := im.word(off)
		if err != nil {
			return object{}, err
		}
		switch {
		case w == wordGap:
			off += wordSize
			continue
		case w == wordMark || w == wordEnd:
			return object{off: off, after: off + wordSize, word: w}, nil
		case w&flagBits != 0:
			return object{}, &damageError{off: off, text: fmt.Sprintf("%#08x is not the length of a block", w)}
		}
		o := object{off: off, after: off + blockSize(int64(w)), length: int64(w), word: w}
		if o.after > end {
			return object{}, &damageError{off: off, text: fmt.Sprintf("a block of %d bytes goes beyond the end of data", w)}
		}
		return o, nil
	}
}

// tail checks the second length of a block, and reads the word behind it for the next call of at.
func (im *image) tail(o object) error {
	var b [2 * wordSize]byte
	at := o.after - wordSize
	n, err := im.r.ReadAt(b[:], at)
	if n < wordSize {
		if err == nil || errors.Is(err, io.EOF) {
			err = &damageError{off: at, text: "the file ends here"}
		}
		return err
	}
	if w := binary.LittleEndian.Uint32(b[:]); w != o.word {
		return &damageError{off: at, text: fmt.Sprintf("a block of %d bytes ends with the length %#x", o.length, w)}
	}
	im.forget()
	if n == len(b) {
		im.nextOff, im.next = o.after, binary.LittleEndian.Uint32(b[wordSize:])
	}
	return nil
}

// before gives the object that ends at off, or at the gaps before off.
func (im *image) before(off int64) (object, error) {
	for {
		if off < wordSize {
			return object{}, &damageError{off: off, text: "no object before this place"}
		}
		w, err := im.word(off - wordSize)
		if err != nil {
			return object{}, err
		}
		switch {
		case w == wordGap:
			off -= wordSize
			continue
		case w == wordMark:
			return object{off: off - wordSize, after: off, word: w}, nil
		case w&flagBits != 0:
			return object{}, &damageError{off: off - wordSize, text: fmt.Sprintf("%#08x is not the length of a block", w)}
		}
		o := object{off: off - blockSize(int64(w)), after: off, length: int64(w), word: w}
		if o.off < 0 {
			return object{}, &damageError{off: off - wordSize, text: fmt.Sprintf("a block of %d bytes would begin before the tape", w)}
		}
		first, err := im.word(o.off)
		if err != nil {
			return object{}, err
		}
		if first != w {
			return object{}, &damageError{off: o.off, text: fmt.Sprintf("a block of %d bytes begins with the length %#x", w, first)}
		}
		return o, nil
	}
}

// scan goes through an image without index. It gives the end of data, all filemarks, and what
// is no tape behind the end, if anything is: damage, or an object that is torn. The error is the disk's, the context's, or of
// too many filemarks.
func scan(ctx context.Context, r io.ReaderAt, size int64) (end extent, marks []mark, damage *damageError, err error) {
	im := image{r: r}
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return end, nil, nil, ctx.Err()
		}
		if end.off+wordSize > size {
			if _, toEnd, err := zeros(ctx, r, end.off, size); err != nil || toEnd {
				return end, marks, nil, err
			}
			return end, marks, &damageError{off: end.off, text: "the image ends within a length", torn: true}, nil
		}
		o, err := im.at(end.off, size)
		var here *damageError
		if errors.As(err, &here) {
			// Longer than the file is torn; a wrong word is damage.
			if w, err := im.word(here.off); here.off+wordSize > size || err != nil || w&flagBits == 0 {
				here.torn, here.text = true, "the image ends within a block"
			}
			return end, marks, here, nil
		}
		if err != nil {
			return end, nil, nil, err
		}
		switch {
		case o.last():
			return end, marks, nil, nil
		case o.mark():
			k, toEnd, err := zeros(ctx, r, o.off, size)
			if err != nil {
				return end, nil, nil, err
			}
			words := k / wordSize
			if toEnd && k != wordSize && k != 2*wordSize {
				return end, marks, nil, nil
			}
			if int64(len(marks))+words > maxMarks {
				return end, nil, nil, &damageError{off: o.off, text: fmt.Sprintf("more than %d filemarks", maxMarks)}
			}
			for i := range words {
				marks = append(marks, mark{o.off + i*wordSize, end.obj + i})
			}
			end = extent{o.off + words*wordSize, end.obj + words, end.file + words}
			im.forget()
		default:
			err := im.tail(o)
			if errors.As(err, &here) {
				_, toEnd, err := zeros(ctx, r, here.off, size)
				if err == nil && toEnd {
					here = &damageError{off: end.off, text: "the image ends within a block", torn: true}
				}
				return end, marks, here, err
			}
			if err != nil {
				return end, nil, nil, err
			}
			end.off, end.obj = o.after, end.obj+1
		}
	}
}

// zeros counts the zero bytes from off on, and tells whether they go on to the end of the file.
func zeros(ctx context.Context, r io.ReaderAt, off, size int64) (n int64, toEnd bool, err error) {
	buf := make([]byte, 64<<10)
	for first := true; off+n < size; first = false {
		if err := ctx.Err(); err != nil {
			return 0, false, err
		}
		part := buf[:min(int64(len(buf)), size-off-n)]
		if first { // most runs are one word
			part = part[:min(len(part), 16)]
		}
		if err := readFull(r, part, off+n); err != nil {
			return 0, false, err
		}
		for _, c := range part {
			if c != 0 {
				return n, false, nil
			}
			n++
		}
	}
	return n, true, nil
}
