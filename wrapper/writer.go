package wrapper

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/enstore-go/sdk/crc"
)

// BlockWriter is a tape that stands where the file shall begin. Its errors end the
// file: a Writer writes nothing more after one, and hands it on wrapped.
type BlockWriter interface {
	// Buffer gives the buffer of the next block, at least as long as the block size. Its
	// content does not matter. Until WriteBlock is called it stays the Writer's own; a
	// further call before that gives the same buffer again.
	Buffer() ([]byte, error)
	// WriteBlock writes the first n bytes of the last Buffer as one block. n is never 0.
	WriteBlock(n int) error
	// WriteFilemark ends the tape file. It need not wait for the medium.
	WriteFilemark() error
}

// Writer writes one file. It is not for use by several goroutines at once.
//
// Every Writer ends with Close or Abandon, unless the BlockWriter failed.
type Writer struct {
	w     BlockWriter
	f     Format
	file  File
	buf   []byte // the block in work, as long as the block size; nil: none
	n     int    // bytes of it filled
	size  int64  // data bytes so far
	meter *crc.Meter
	bad   error // why the file cannot be closed any more: the source's fault
	fail  error // why the tape cannot be written any more
	done  bool
}

// NewWriter starts a file. It checks the file ([Format.Check], and the block size) before
// anything is written; then the header goes to the tape, or, where data follow it in the same
// tape file, into the first buffer.
func NewWriter(w BlockWriter, f Format, file File) (*Writer, error) {
	if err := f.Check(file); err != nil {
		return nil, err
	}
	if file.Created.IsZero() {
		file.Created = time.Now()
	}
	wr := &Writer{w: w, f: f, file: file, meter: crc.NewMeter()}
	if file.BlockSize == 0 {
		buf, err := w.Buffer()
		if err != nil {
			return nil, wr.tape("buffer", err)
		}
		wr.file.BlockSize = len(buf)
		wr.buf = buf
	}
	if b := wr.file.BlockSize; b < MinBlock || b > MaxBlock || b%512 != 0 {
		return nil, fmt.Errorf("%s: block size of %d bytes: %w", f.Name(), b, ErrBlockSize)
	}
	header, err := f.Header(wr.file)
	if err != nil {
		return nil, err
	}
	if f.Layout().Data > 0 {
		if err := wr.record(header); err != nil {
			return nil, err
		}
		return wr, nil
	}
	if err := wr.put(header); err != nil {
		return nil, err
	}
	return wr, nil
}

// Write takes data. More than File.Size is ErrLong, after what still belonged to the file
// was taken.
func (w *Writer) Write(p []byte) (int, error) {
	if err := w.usable(); err != nil {
		return 0, err
	}
	written := 0
	for len(p) > 0 {
		room, err := w.room()
		if err != nil {
			return written, err
		}
		if len(room) == 0 {
			return written, w.long()
		}
		k := copy(room, p)
		if err := w.took(room[:k]); err != nil {
			return written, err
		}
		written += k
		p = p[k:]
	}
	return written, nil
}

// ReadFrom takes all data of src, reading them straight into the block buffers: they are
// copied by nobody else, and their checksum is computed where they lie. If src has more than
// File.Size, that is ErrLong; at most one byte more is read from it to know. An error of
// src is returned as it is, and the file can then only be abandoned.
func (w *Writer) ReadFrom(src io.Reader) (int64, error) {
	if err := w.usable(); err != nil {
		return 0, err
	}
	var read int64
	var probe [1]byte
	for idle := 0; ; {
		room, err := w.room()
		if err != nil {
			return read, err
		}
		full := len(room) == 0
		if full {
			room = probe[:]
		}
		k, err := src.Read(room)
		switch {
		case k < 0 || k > len(room):
			w.bad = fmt.Errorf("%s: source claims to have read %d bytes into %d", subject(w.f, w.file), k, len(room))
			return read, w.bad
		case k > 0 && full:
			return read, w.long()
		case k > 0:
			idle = 0
			if err := w.took(room[:k]); err != nil {
				return read, err
			}
			read += int64(k)
		}
		if err == io.EOF {
			return read, nil
		}
		if err == nil && k == 0 {
			if idle++; idle == 100 {
				err = io.ErrNoProgress
			}
		}
		if err != nil {
			w.bad = err
			return read, err
		}
	}
}

// Close ends the file: trailer, trailing labels, and all its filemarks. sum is the checksum
// that the sender of the data computed, Adler-32 seeded with 1. ErrShort if data are missing,
// ErrChecksum if sum is not that of the data on tape: nothing is written then, and Abandon
// is what remains.
func (w *Writer) Close(sum uint32) error {
	if err := w.usable(); err != nil {
		return err
	}
	if w.file.Size >= 0 && w.size < w.file.Size {
		w.bad = fmt.Errorf("%s: %d of %d bytes: %w", subject(w.f, w.file), w.size, w.file.Size, ErrShort)
		return w.bad
	}
	if own := w.meter.Sum(); own != sum {
		w.bad = fmt.Errorf("%s: sent with %08x, on tape %08x: %w", subject(w.f, w.file), sum, own, ErrChecksum)
		return w.bad
	}
	trailer, err := w.f.Trailer(w.file, w.size, sum)
	if err != nil {
		w.bad = err
		return err
	}
	label, err := w.f.Label(w.file, w.size, sum)
	if err != nil {
		w.bad = err
		return err
	}
	if err := w.put(trailer); err != nil {
		return err
	}
	return w.finish(label)
}

// Abandon gives the file up: what there is of it stays on the tape as dead space, with the
// same number of filemarks as a good file, so that the next file's place is the same. It may
// follow any error but the BlockWriter's own, which it returns. After Close or Abandon it
// does nothing.
func (w *Writer) Abandon() error {
	if w.fail != nil {
		return w.fail
	}
	if w.done {
		return nil
	}
	label, err := w.f.DeadLabel(w.file, w.size)
	if err != nil {
		return err
	}
	return w.finish(label)
}

// Size is the number of data bytes taken.
func (w *Writer) Size() int64 { return w.size }

// Sum is the Adler-32, seeded with 1, of the data taken, as they lay in the buffers.
func (w *Writer) Sum() uint32 { return w.meter.Sum() }

// Sanity is the checksum of the first 64 KiB of the data.
func (w *Writer) Sanity() crc.Sanity { return w.meter.Sanity() }

// File is what NewWriter was given, completed by the block size and the time.
func (w *Writer) File() File { return w.file }

func (w *Writer) usable() error {
	switch {
	case w.fail != nil:
		return w.fail
	case w.done:
		return fmt.Errorf("%s: %w", subject(w.f, w.file), ErrClosed)
	}
	return w.bad
}

func (w *Writer) long() error {
	w.bad = fmt.Errorf("%s: more than %d bytes: %w", subject(w.f, w.file), w.file.Size, ErrLong)
	return w.bad
}

func (w *Writer) tape(op string, err error) error {
	w.fail = fmt.Errorf("%s: %s: %w", subject(w.f, w.file), op, err)
	return w.fail
}

// room gives the free part of the block in work, cut to what the file may still have. It
// is empty only when the file is full.
func (w *Writer) room() ([]byte, error) {
	free := int64(MaxBlock)
	if w.file.Size >= 0 {
		free = w.file.Size - w.size
	}
	if free == 0 {
		return nil, nil
	}
	if err := w.open(); err != nil {
		return nil, err
	}
	return w.buf[w.n:][:min(int64(len(w.buf)-w.n), free)], nil
}

// took accounts for data that now lie at the front of room.
func (w *Writer) took(data []byte) error {
	w.meter.Write(data)
	w.size += int64(len(data))
	w.n += len(data)
	if w.n == len(w.buf) {
		return w.flush()
	}
	return nil
}

// open sees to it that there is a block in work.
func (w *Writer) open() error {
	if w.buf != nil {
		return nil
	}
	buf, err := w.w.Buffer()
	if err != nil {
		return w.tape("buffer", err)
	}
	if len(buf) < w.file.BlockSize {
		return w.tape("buffer", fmt.Errorf("%d bytes for blocks of %d: %w", len(buf), w.file.BlockSize, ErrBlockSize))
	}
	w.buf = buf[:w.file.BlockSize]
	return nil
}

func (w *Writer) flush() error {
	n := w.n
	w.buf, w.n = nil, 0
	if err := w.w.WriteBlock(n); err != nil {
		return w.tape("write", err)
	}
	return nil
}

// put adds bytes that are not data.
func (w *Writer) put(p []byte) error {
	for len(p) > 0 {
		if err := w.open(); err != nil {
			return err
		}
		k := copy(w.buf[w.n:], p)
		w.n += k
		p = p[k:]
		if w.n == len(w.buf) {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// mark ends the tape file.
func (w *Writer) mark() error {
	if w.n > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if err := w.w.WriteFilemark(); err != nil {
		return w.tape("filemark", err)
	}
	return nil
}

// record writes one tape file that is a single record.
func (w *Writer) record(p []byte) error {
	if len(p) > w.file.BlockSize {
		return w.tape("label", errors.New("label record longer than a block"))
	}
	if err := w.put(p); err != nil {
		return err
	}
	return w.mark()
}

func (w *Writer) finish(label []byte) error {
	w.done = true
	if err := w.mark(); err != nil {
		return err
	}
	if label == nil {
		return nil
	}
	return w.record(label)
}
