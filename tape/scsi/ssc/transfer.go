package ssc

import (
	"context"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/scsi"
)

// atEnd tells that sense data are of end of data: a blank check, or its additional sense code under another key.
func atEnd(c *scsi.Check) bool {
	return c.Key == scsi.BlankCheck || c.Key == scsi.NoSense && c.ASC == 0 && c.ASCQ == 5
}

// atLoadPoint tells that a motion backwards was stopped by the load point.
func atLoadPoint(c *scsi.Check) bool { return c.Key == scsi.NoSense && c.ASC == 0 && c.ASCQ == 4 }

// ReadBlock implements driver.Drive.
func (d *drive) ReadBlock(ctx context.Context, p []byte) (int, driver.Condition, error) {
	const op = "read block"
	n, c, err := d.do(ctx, op, scsi.Read(len(p)), nil, p)
	switch {
	case err != nil:
		return 0, 0, err
	case c == nil && n != len(p):
		return 0, 0, fail(op, driver.OutcomeHardware, "good, and %d of %d bytes", n, len(p))
	case c == nil:
		return n, driver.NoCondition, nil
	case c.Deferred:
		return 0, 0, c.Error(op)
	case c.Filemark:
		return 0, driver.Filemark, nil
	case atEnd(c):
		return 0, driver.EndOfData, nil
	case failed(c):
		return 0, 0, c.Error(op)
	case !c.ILI: // recovered, or early warning
		if n != len(p) {
			return 0, 0, fail(op, driver.OutcomeHardware, "%v, and %d of %d bytes", c.Sense, n, len(p))
		}
		return n, driver.NoCondition, nil
	case c.InfoValid && c.Info < 0:
		return 0, 0, &driver.Error{Op: op, Outcome: driver.OutcomeBlockTooLong, Sense: c.Of(c.Raw), Text: c.Sense.String()}
	}
	moved, ok := c.Moved(int64(len(p)))
	switch {
	case !ok || moved == 0:
		return 0, 0, fail(op, driver.OutcomeHardware, "%v does not tell the length of the block: %d bytes were asked for, %d came", c.Sense, len(p), n)
	case int(moved) > n:
		return d.again(ctx, op, p[:moved])
	}
	return int(moved), driver.NoCondition, nil
}

// again reads a block once more, whose length is known now: one target is known that sends as many bytes as are missing from
// what was asked for, instead of those that are there. Anything but the block is an error.
func (d *drive) again(ctx context.Context, op string, p []byte) (int, driver.Condition, error) {
	if _, err := d.must(ctx, op, scsi.Space(scsi.SpaceBlocks, -1), nil, nil); err != nil {
		return 0, 0, err
	}
	n, c, err := d.do(ctx, op, scsi.Read(len(p)), nil, p)
	switch {
	case err != nil:
		return 0, 0, err
	case c != nil:
		return 0, 0, c.Error(op)
	case n != len(p):
		return 0, 0, fail(op, driver.OutcomeHardware, "a block of %d bytes, of which %d came, twice", len(p), n)
	}
	return n, driver.NoCondition, nil
}

// WriteBlock implements driver.Drive.
func (d *drive) WriteBlock(ctx context.Context, p []byte) (driver.Condition, error) {
	const op = "write block"
	d.dirty = true
	n, c, err := d.do(ctx, op, scsi.Write(len(p)), p, nil)
	switch {
	case err != nil:
		return 0, err
	case c == nil && n != len(p):
		return 0, fail(op, driver.OutcomeHardware, "good, and %d of %d bytes were taken", n, len(p))
	case c == nil:
		return driver.NoCondition, nil
	}
	return written(op, c)
}

// written is what sense data mean after a write. Early warning comes with what was written, whatever the residue says, which for a block of variable
// length is its whole length with some drives and none with others; what was not written has a sense key of its own, volume overflow (SSC-5, WRITE(6)).
func written(op string, c *scsi.Check) (driver.Condition, error) {
	switch {
	case failed(c):
		return 0, c.Error(op)
	case c.EOM:
		return driver.EarlyWarning, nil
	}
	return driver.NoCondition, nil
}

// WriteFilemarks implements driver.Drive.
func (d *drive) WriteFilemarks(ctx context.Context, n int, immediate bool) (driver.Condition, error) {
	const op = "write filemarks"
	if n < 0 || n > scsi.MaxTransfer {
		return 0, fail(op, driver.OutcomeIllegalRequest, "%d filemarks", n)
	}
	d.dirty = d.dirty || immediate && n > 0
	_, c, err := d.do(ctx, op, scsi.WriteFilemarks(n, immediate), nil, nil)
	var cond driver.Condition
	if err == nil && c != nil {
		cond, err = written(op, c)
	}
	if err == nil && !immediate {
		d.dirty = false
	}
	return cond, err
}

// Rewind implements driver.Drive.
func (d *drive) Rewind(ctx context.Context) error {
	_, err := d.must(ctx, "rewind", scsi.Rewind(false), nil, nil)
	return err
}

// Locate implements driver.Drive.
func (d *drive) Locate(ctx context.Context, block int64) error {
	const op = "locate"
	var cdb []byte
	switch {
	case block < 0 || !d.wide && block > 1<<32-1:
		return fail(op, driver.OutcomeIllegalRequest, "block %d", block)
	case d.wide:
		cdb = scsi.LocateTo(scsi.ToBlock, uint64(block))
	default:
		cdb = scsi.Locate(uint32(block))
	}
	_, c, err := d.do(ctx, op, cdb, nil, nil)
	switch {
	case err != nil:
		return err
	case c != nil && atEnd(c):
		return &driver.Error{Op: op, Outcome: driver.OutcomeEndOfData, Sense: c.Of(c.Raw), Text: c.Sense.String()}
	case c != nil && failed(c):
		return c.Error(op)
	}
	return nil
}

var spaces = map[driver.Space]uint8{driver.SpaceBlocks: scsi.SpaceBlocks, driver.SpaceFilemarks: scsi.SpaceFilemarks}

// Space implements driver.Drive. More than one command can say goes in several.
func (d *drive) Space(ctx context.Context, kind driver.Space, n int64) (passed int64, cond driver.Condition, err error) {
	const op = "space"
	if kind == driver.SpaceEndOfData {
		_, err := d.must(ctx, op, scsi.Space(scsi.SpaceEndOfData, 0), nil, nil)
		return 0, driver.NoCondition, err
	}
	what, ok := spaces[kind]
	if !ok {
		return 0, 0, fail(op, driver.OutcomeIllegalRequest, "objects of kind %d", kind)
	}
	for n != 0 {
		part := max(min(n, scsi.MaxSpace), -scsi.MaxSpace)
		asked := max(part, -part)
		_, c, err := d.do(ctx, op, scsi.Space(what, int(part)), nil, nil)
		switch {
		case err != nil:
			return passed, 0, err
		case c == nil:
			passed += asked
			n -= part
			continue
		case c.Deferred:
			return passed, 0, c.Error(op)
		case c.Filemark:
			cond = driver.Filemark
		case atEnd(c) && part < 0: // some drives tell the load point so
			cond = driver.LoadPoint
		case atEnd(c):
			cond = driver.EndOfData
		case atLoadPoint(c) || c.EOM && part < 0 && !failed(c):
			cond = driver.LoadPoint
		case failed(c):
			return passed, 0, c.Error(op)
		default: // recovered
			passed += asked
			n -= part
			continue
		}
		moved, ok := c.Moved(asked)
		if !ok && asked == 1 {
			moved, ok = 0, true
		}
		if !ok {
			return passed, 0, fail(op, driver.OutcomeHardware, "%v does not tell how far it came", c.Sense)
		}
		return passed + moved, cond, nil
	}
	return passed, driver.NoCondition, nil
}

// Position implements driver.Drive.
func (d *drive) Position(ctx context.Context) (driver.Position, error) {
	const op = "position"
	out := driver.Position{Block: driver.Unknown, File: driver.Unknown, Buffered: driver.Unknown}
	if !d.caps.ReportsPosition {
		return out, d.ready(op)
	}
	cdb, parse, in := scsi.ReadPosition(), scsi.ParsePosition, make([]byte, 20)
	if d.long {
		cdb, parse, in = scsi.ReadPositionLong(), scsi.ParsePositionLong, make([]byte, 32)
	}
	n, err := d.must(ctx, op, cdb, nil, in)
	if err != nil {
		return out, err
	}
	p, err := parse(in[:n])
	if err != nil {
		return out, fail(op, driver.OutcomeHardware, "%v", err)
	}
	if p.BlockKnown {
		out.Block = int64(p.Block)
	}
	if p.FileKnown {
		out.File = int64(p.File)
	}
	if p.BufferKnown {
		out.Buffered = int64(p.BufferBlocks)
	}
	return out, nil
}
