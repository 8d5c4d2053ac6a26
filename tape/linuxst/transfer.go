//go:build linux && (amd64 || arm64)

package linuxst

import (
	"context"
	"errors"
	"syscall"

	"github.com/enstore-go/sdk/tape/driver"
)

// block is what was read.
type block struct {
	n    int
	cond driver.Condition
}

// ReadBlock implements driver.Drive.
func (d *drive) ReadBlock(ctx context.Context, p []byte) (int, driver.Condition, error) {
	const op = "read block"
	asked := min(len(p), len(d.buf))
	b, err := call(ctx, d, op, func() (block, error) { return d.read(op, asked) })
	if err != nil {
		return 0, 0, err
	}
	return copy(p, d.buf[:b.n]), b.cond, nil
}

func (d *drive) read(op string, asked int) (block, error) {
	if err := d.ready(op); err != nil {
		return block{}, err
	}
	if d.eod { // st would tell it once, and then an error
		return block{cond: driver.EndOfData}, nil
	}
	d.writing = false // st lets the drive write what is buffered, and puts no filemark
	n, err := d.t.read(d.buf[:asked])
	switch {
	case errors.Is(err, syscall.ENOMEM):
		d.step(1)
		return block{}, fail(op, driver.OutcomeBlockTooLong, "a block of more than %d bytes", asked)
	case err != nil && !errors.Is(err, syscall.EIO):
		return block{}, d.told(op, err)
	case n > 0:
		d.step(1)
		return block{n: n}, nil
	}
	s, e := d.t.state()
	switch {
	case e != nil:
		return block{}, d.told(op, e)
	case s.gstat&gmtEOD != 0:
		d.eod = true
		return block{cond: driver.EndOfData}, nil
	case err != nil: // so st tells the end of data too, but behind a filemark
		return d.ended(op, err)
	case s.gstat&gmtEOF != 0:
		d.step(1)
		return block{cond: driver.Filemark}, nil
	}
	return block{}, fail(op, driver.OutcomeHardware, "nothing was read, and st does not say why")
}

// ended finds out whether a read failed at end of data: then that is where the tape stands. Else it goes back to where the read had left it.
func (d *drive) ended(op string, err error) (block, error) {
	told := d.told(op, err)
	at := d.at
	if !d.loaded {
		return block{}, told
	}
	if d.t.do(mtEOM, 1) == nil && d.found() && d.at == at {
		d.eod = true
		return block{cond: driver.EndOfData}, nil
	}
	if at > most || d.t.do(mtSEEK, int32(at)) != nil || !d.found() || d.at != at {
		d.loaded = false
	}
	return block{}, told
}

func (d *drive) step(n int64) {
	if d.at != driver.Unknown {
		d.at += n
	}
}

// WriteBlock implements driver.Drive.
func (d *drive) WriteBlock(ctx context.Context, p []byte) (driver.Condition, error) {
	const op = "write block"
	if len(p) < d.MinBlock || len(p) > len(d.buf) {
		return 0, fail(op, driver.OutcomeIllegalRequest, "a block of %d bytes; from %d to %d are allowed", len(p), d.MinBlock, len(d.buf))
	}
	n := copy(d.buf, p)
	return call(ctx, d, op, func() (driver.Condition, error) {
		if err := d.ready(op); err != nil {
			return 0, err
		}
		d.eod = false
		return d.put(op, 1, func() error {
			d.writing = true
			done, err := d.t.write(d.buf[:n])
			if err == nil && done != n {
				return syscall.EIO
			}
			return err
		})
	})
}

// WriteFilemarks implements driver.Drive.
func (d *drive) WriteFilemarks(ctx context.Context, n int, immediate bool) (driver.Condition, error) {
	const op = "write filemarks"
	if n < 0 || n > maxBlock {
		return 0, fail(op, driver.OutcomeIllegalRequest, "%d filemarks", n)
	}
	return call(ctx, d, op, func() (driver.Condition, error) {
		if err := d.ready(op); err != nil {
			return 0, err
		}
		what := int16(mtWEOF)
		if n > 0 {
			d.eod = false
			if immediate {
				what = mtWEOFI
			}
		}
		return d.put(op, int64(n), func() error {
			d.writing = false
			return d.t.do(what, int32(n))
		})
	})
}

// put writes so many objects. Behind early warning st lets the drive take what is written, says that there is no room, and refuses the next write by itself:
// where the tape stands then tells what became of it.
func (d *drive) put(op string, objects int64, write func() error) (driver.Condition, error) {
	if d.at == driver.Unknown && !d.found() {
		return 0, d.told(op, syscall.EIO)
	}
	before := d.at
	for again := false; ; again = true {
		err := write()
		if err == nil {
			d.step(objects)
			return driver.NoCondition, nil
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return 0, d.told(op, err)
		}
		switch {
		case !d.found():
			return 0, d.told(op, syscall.EIO)
		case d.at == before+objects:
			return driver.EarlyWarning, nil
		case d.at != before || again:
			return 0, fail(op, driver.OutcomeEndOfMedium, "%v", err)
		}
	}
}
