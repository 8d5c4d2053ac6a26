//go:build linux && (amd64 || arm64)

package linuxst

import (
	"context"
	"errors"
	"syscall"

	"github.com/enstore-go/sdk/tape/driver"
)

// Rewind implements driver.Drive.
func (d *drive) Rewind(ctx context.Context) error {
	const op = "rewind"
	return d.do(ctx, op, func() error {
		if err := d.still(op); err != nil {
			return err
		}
		if err := d.t.do(mtREW, 1); err != nil {
			return d.told(op, err)
		}
		d.at = 0
		return nil
	})
}

// most is the highest number in a request.
const most = 1<<31 - 1

// Locate implements driver.Drive.
func (d *drive) Locate(ctx context.Context, block int64) error {
	const op = "locate"
	if block < 0 || block > most {
		return fail(op, driver.OutcomeIllegalRequest, "block %d", block)
	}
	return d.do(ctx, op, func() error {
		if err := d.still(op); err != nil {
			return err
		}
		err := d.t.do(mtSEEK, int32(block))
		if err == nil {
			d.at = block
			return nil
		}
		e := d.told(op, err)
		if !d.loaded || !errors.Is(err, syscall.EIO) {
			return e
		}
		// st does not say whether that is beyond end of data; where that is does.
		if err := d.t.do(mtEOM, 1); err != nil || !d.found() || block <= d.at {
			return e
		}
		return fail(op, driver.OutcomeEndOfData, "block %d; the data end before block %d", block, d.at)
	})
}

var spaces = map[driver.Space][2]int16{driver.SpaceBlocks: {mtFSR, mtBSR}, driver.SpaceFilemarks: {mtFSF, mtBSF}}

// mostSpace is the most objects of one SPACE(6), which st makes of a request: a number of 24 bits with sign.
const mostSpace = 1<<23 - 1

// passage is how far a motion came.
type passage struct {
	passed int64
	cond   driver.Condition
}

// Space implements driver.Drive. More than one command can say goes in several.
func (d *drive) Space(ctx context.Context, kind driver.Space, n int64) (int64, driver.Condition, error) {
	const op = "space"
	ops, ok := spaces[kind]
	if !ok && kind != driver.SpaceEndOfData {
		return 0, 0, fail(op, driver.OutcomeIllegalRequest, "objects of kind %d", kind)
	}
	p, err := call(ctx, d, op, func() (p passage, err error) {
		if err := d.still(op); err != nil {
			return p, err
		}
		if kind == driver.SpaceEndOfData {
			d.at = driver.Unknown
			if err := d.t.do(mtEOM, 1); err != nil {
				return p, d.told(op, err)
			}
			return p, nil
		}
		way, left := ops[0], n
		if n < 0 {
			way, left = ops[1], -n
		}
		for left > 0 && p.cond == driver.NoCondition {
			part := min(left, mostSpace)
			got, c, err := d.space(op, way, part)
			if p.passed, p.cond = p.passed+got, c; err != nil {
				return p, err
			}
			left -= part
		}
		return p, nil
	})
	return p.passed, p.cond, err
}

// space is one request. What st counts (filemarks exactly, blocks since the last filemark) and the positions before and after tell how far a motion came
// that was stopped.
func (d *drive) space(op string, way int16, n int64) (passed int64, cond driver.Condition, err error) {
	if !d.found() {
		return 0, 0, d.told(op, syscall.EIO)
	}
	before := d.at
	was, err := d.t.state()
	if err != nil {
		return 0, 0, d.told(op, err)
	}
	d.at = driver.Unknown
	e := d.t.do(way, int32(n))
	if e == nil {
		return n, driver.NoCondition, nil
	}
	told := d.told(op, e)
	if !errors.Is(e, syscall.EIO) || !d.loaded {
		return 0, 0, told
	}
	is, err := d.t.state()
	if err != nil {
		return 0, 0, d.told(op, err)
	}
	moved := max(d.at-before, before-d.at)
	if way == mtFSF || way == mtBSF {
		moved = n // of filemarks, those that st counted
		if was.file >= 0 && is.file >= 0 {
			moved = int64(max(is.file-was.file, was.file-is.file))
		}
	}
	switch {
	case d.at == 0 && (way == mtBSR || way == mtBSF):
		return moved, driver.LoadPoint, nil
	case is.gstat&gmtEOD != 0 && (way == mtFSR || way == mtFSF):
		return moved, driver.EndOfData, nil
	case (way == mtFSR || way == mtBSR) && moved > 0 && moved <= n:
		return moved - 1, driver.Filemark, nil // of the objects passed, the last was a filemark
	}
	return 0, 0, told
}

// Position implements driver.Drive.
func (d *drive) Position(ctx context.Context) (driver.Position, error) {
	const op = "position"
	unknown := driver.Position{Block: driver.Unknown, File: driver.Unknown, Buffered: driver.Unknown}
	n, err := call(ctx, d, op, func() (int64, error) {
		if err := d.ready(op); err != nil {
			return driver.Unknown, err
		}
		if !d.found() {
			return driver.Unknown, d.told(op, syscall.EIO)
		}
		return d.at, nil
	})
	if err != nil {
		return unknown, err
	}
	p := unknown
	p.Block = n
	return p, nil
}
