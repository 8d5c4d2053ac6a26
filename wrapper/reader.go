package wrapper

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/enstore-go/sdk/crc"
)

// BlockReader is a tape to read from.
type BlockReader interface {
	// ReadBlock gives the next block, which stays as it is until the next call, or io.EOF
	// when it met a filemark and stands behind it. Any other error, end of data
	// among them, ends the file: a Reader hands it on wrapped.
	ReadBlock() ([]byte, error)
}

// Reader reads one file. It is not for use by several goroutines at once.
type Reader struct {
	r     BlockReader
	f     Format
	file  File
	size  int64  // data bytes; -1: up to the filemark
	left  int64  // of size; -1: not known
	block []byte // what is left of the block in hand
	mark  bool   // the filemark behind the data was met
	meter *crc.Meter
	err   error // what ended reading
	fail  error // why the tape cannot be read any more
	ended bool  // Skip was through
	end   error // what it found
}

// NewReader starts to read the file whose first tape file lies ahead: for cern the one
// with the leading labels. size is the file's size as the catalogue has it; -1 takes that of
// the header, and for null what lies ahead of the filemark. The header is read and checked
// now: ErrHeader if it is not of the format or has another size.
func NewReader(r BlockReader, f Format, size int64) (*Reader, error) {
	return newReader(r, f, size, f.Layout().Data)
}

// NewDataReader is NewReader for a tape that stands in front of the data themselves, which is
// where the catalogue's location of a file leads. It differs for cern only: the
// leading labels are not read then, and size must be known (ErrSize).
func NewDataReader(r BlockReader, f Format, size int64) (*Reader, error) {
	if f.Layout().Data > 0 && size < 0 {
		return nil, fmt.Errorf("%s: data without their labels: %w", f.Name(), ErrSize)
	}
	return newReader(r, f, size, 0)
}

func newReader(r BlockReader, f Format, size int64, labels int) (*Reader, error) {
	if size < -1 {
		return nil, fmt.Errorf("%s: size %d: %w", f.Name(), size, ErrSize)
	}
	rd := &Reader{r: r, f: f, file: File{Size: -1}, size: size, left: size, meter: crc.NewMeter()}
	if err := rd.header(labels); err != nil {
		return nil, err
	}
	if rd.file.Size >= 0 {
		if size >= 0 && size != rd.file.Size {
			return nil, fmt.Errorf("%s: size %d in the header, %d expected: %w", f.Name(), rd.file.Size, size, ErrHeader)
		}
		rd.size, rd.left = rd.file.Size, rd.file.Size
	}
	return rd, nil
}

// header reads what stands in front of the data: labels tape files with one record, or
// the front of the first block.
func (r *Reader) header(labels int) error {
	if labels > 0 {
		record, err := r.record(headerLen)
		if err != nil {
			return err
		}
		r.file, _, err = r.f.ParseHeader(record)
		return err
	}
	if r.f.Layout().Data > 0 { // stands at the data: no header
		r.file.Size = r.size
		return nil
	}
	if err := r.next(); err == io.EOF {
		file, n, err := r.f.ParseHeader(nil)
		if err != nil {
			return fmt.Errorf("%s: tape file without a block: %w", r.f.Name(), ErrHeader)
		}
		if n != 0 {
			return fmt.Errorf("%s: header of %d bytes in nothing: %w", r.f.Name(), n, ErrHeader)
		}
		r.file = file
		return nil
	} else if err != nil {
		return err
	}
	file, n, err := r.f.ParseHeader(bytes.Clone(r.block[:min(len(r.block), headerLen)]))
	if err != nil {
		return err
	}
	if n < 0 || n > len(r.block) {
		return fmt.Errorf("%s: header of %d bytes in a block of %d: %w", r.f.Name(), n, len(r.block), ErrHeader)
	}
	r.file, r.block = file, r.block[n:]
	return nil
}

// File is what the header said; only its Size counts where there was none.
func (r *Reader) File() File { return r.file }

// Size is the number of data bytes of the file, -1 while it is not known.
func (r *Reader) Size() int64 { return r.size }

// Sum is the Adler-32, seeded with 1, of the data delivered so far.
func (r *Reader) Sum() uint32 { return r.meter.Sum() }

// Sanity is the checksum of the first 64 KiB of the data delivered so far.
func (r *Reader) Sanity() crc.Sanity { return r.meter.Sanity() }

// Read delivers data, and io.EOF after exactly Size bytes. A filemark before that is
// ErrTruncated.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	data, err := r.data()
	if err != nil {
		return 0, err
	}
	n := copy(p, data)
	r.meter.Write(p[:n])
	r.took(n)
	return n, nil
}

// WriteTo hands all data that are left to w, block by block as they lie in the
// BlockReader's buffers.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for {
		data, err := r.data()
		if err == io.EOF {
			return written, nil
		} else if err != nil {
			return written, err
		}
		r.meter.Write(data)
		n, err := w.Write(data)
		if n < 0 || n > len(data) {
			n, err = 0, errors.New("wrapper: destination claims to have written more than it got")
		}
		r.took(n)
		written += int64(n)
		if err == nil && n < len(data) {
			err = io.ErrShortWrite
		}
		if err != nil {
			r.err = err // the meter has counted what was not delivered
			return written, err
		}
	}
}

// Skip goes to the end of the file, over what is left of the data and over what stands
// behind them, and checks that. The BlockReader then stands at the next file. ErrTruncated if
// data are missing, ErrDead if the file was given up, ErrLong if the tape has more data than
// the size, ErrHeader for trailing labels that are none; ErrChecksum if all data were
// delivered and differ from the checksum in those labels. Called again it says the same.
func (r *Reader) Skip() error {
	if !r.ended {
		r.end = r.skip()
		r.ended = true
		if r.err == nil {
			r.err = io.EOF
		}
	}
	return r.end
}

func (r *Reader) skip() error {
	if r.fail != nil {
		return r.fail
	}
	var tail []byte
	for !r.mark {
		n := len(r.block)
		if r.left >= 0 {
			n = int(min(int64(n), r.left))
			r.left -= int64(n)
		}
		tail = append(tail, r.block[n:][:min(len(r.block)-n, TailLen-len(tail))]...)
		if err := r.next(); err != nil && err != io.EOF {
			return err
		}
	}
	var label []byte
	if l := r.f.Layout(); l.TapeFiles > l.Data+1 {
		record, err := r.record(headerLen)
		if err != nil {
			return err
		}
		label = record
	}
	end, err := r.f.CheckEnd(r.file, max(r.size, 0), tail, label)
	switch {
	case r.left > 0:
		return errors.Join(r.truncated(), err)
	case err != nil:
		return err
	case end.HasSum && r.meter.Size() == r.size && !crc.Matches(end.Sum, r.meter.Sum(), r.size):
		return fmt.Errorf("%s: %08x in the trailing labels, %08x read: %w", subject(r.f, r.file), end.Sum, r.meter.Sum(), ErrChecksum)
	}
	return nil
}

// data gives the data in hand, getting the next block if there are none.
func (r *Reader) data() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.left == 0 {
		return nil, io.EOF
	}
	if len(r.block) == 0 {
		err := io.EOF
		if !r.mark {
			err = r.next()
		}
		switch {
		case err == io.EOF && r.left < 0:
			r.left, r.size = 0, r.meter.Size()
			return nil, io.EOF
		case err == io.EOF:
			r.err = r.truncated()
			return nil, r.err
		case err != nil:
			r.err = err
			return nil, err
		}
	}
	if r.left >= 0 && int64(len(r.block)) > r.left {
		return r.block[:r.left], nil
	}
	return r.block, nil
}

func (r *Reader) took(n int) {
	r.block = r.block[n:]
	if r.left > 0 {
		r.left -= int64(n)
	}
}

func (r *Reader) truncated() error {
	return fmt.Errorf("%s: filemark after %d of %d bytes: %w", subject(r.f, r.file), r.size-r.left, r.size, ErrTruncated)
}

// next takes the next block in hand; io.EOF at the filemark behind the data.
func (r *Reader) next() error {
	r.block = nil
	block, err := r.r.ReadBlock()
	switch {
	case err == io.EOF:
		r.mark = true
		return io.EOF
	case err != nil:
		r.fail = fmt.Errorf("%s: %w", subject(r.f, r.file), err)
		return r.fail
	case len(block) == 0:
		r.fail = fmt.Errorf("%s: block without a byte: %w", subject(r.f, r.file), ErrHeader)
		return r.fail
	}
	r.block = block
	return nil
}

// record reads a tape file of exactly one record and its filemark.
func (r *Reader) record(limit int) ([]byte, error) {
	block, err := r.r.ReadBlock()
	if err == io.EOF {
		return nil, fmt.Errorf("%s: no label record: %w", r.f.Name(), ErrHeader)
	} else if err != nil {
		return nil, fmt.Errorf("%s: label record: %w", r.f.Name(), err)
	}
	if len(block) > limit {
		return nil, fmt.Errorf("%s: label record of %d bytes: %w", r.f.Name(), len(block), ErrHeader)
	}
	record := bytes.Clone(block)
	if _, err := r.r.ReadBlock(); err == nil {
		return nil, fmt.Errorf("%s: a second record behind the label record: %w", r.f.Name(), ErrHeader)
	} else if err != io.EOF {
		return nil, fmt.Errorf("%s: filemark behind the label record: %w", r.f.Name(), err)
	}
	return record, nil
}
