package filetape

import (
	"context"
	"fmt"

	"github.com/enstore-go/sdk/tape/driver"
)

// Rewind implements driver.Drive.
func (d *drive) Rewind(ctx context.Context) error {
	const op = "rewind"
	t, leave, err := d.enterTape(ctx, op)
	if err != nil {
		return err
	}
	defer leave()
	return t.rewind(ctx, op)
}

// Locate implements driver.Drive.
func (d *drive) Locate(ctx context.Context, block int64) error {
	const op = "locate"
	t, leave, err := d.enterTape(ctx, op)
	if err != nil {
		return err
	}
	defer leave()
	if block < 0 {
		return wrong(op, driver.OutcomeIllegalRequest, "object %d", block)
	}
	if err := t.settle(ctx, op); err != nil {
		return err
	}
	if block > t.end.obj {
		t.pos = t.end
		return fail(op, driver.OutcomeEndOfData, sense{8, 0, 5}, "%s: object %d: the data end at %d", t.subject(), block, t.end.obj)
	}
	if err := t.locate(ctx, block); err != nil {
		return typed(op, t.subject(), err, false)
	}
	return nil
}

// locate goes to an object that exists, or to the end of data.
func (t *loaded) locate(ctx context.Context, obj int64) error {
	if obj == t.end.obj {
		t.pos = t.end
		return nil
	}
	from := t.afterMarks(t.markBefore(obj))
	if t.pos.obj < from.obj || t.pos.obj > obj {
		t.pos = from
	}
	for n := 0; t.pos.obj < obj; n++ {
		if n%1024 == 1023 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := t.forward(); err != nil {
			return err
		}
	}
	return nil
}

// forward passes the object ahead.
func (t *loaded) forward() error {
	o, err := t.object()
	if err == nil && !o.mark() {
		err = t.image.tail(o)
	}
	if err != nil {
		return err
	}
	t.pass(o)
	return nil
}

// backward passes the object behind.
func (t *loaded) backward() error {
	o, err := t.image.before(t.pos.off)
	if err != nil {
		return err
	}
	mark := t.pos.file > 0 && t.marks[t.pos.file-1].obj == t.pos.obj-1
	switch {
	case mark != o.mark():
		return &damageError{off: o.off, text: "image and index do not agree about a filemark"}
	case mark:
		t.pos = extent{o.off, t.pos.obj - 1, t.pos.file - 1}
	case o.off < t.afterMarks(t.pos.file).off:
		return &damageError{off: o.off, text: "a block goes over the filemark before it"}
	default:
		t.pos = extent{o.off, t.pos.obj - 1, t.pos.file}
	}
	return nil
}

// Space implements driver.Drive.
func (d *drive) Space(ctx context.Context, kind driver.Space, n int64) (int64, driver.Condition, error) {
	const op = "space"
	t, leave, err := d.enterTape(ctx, op)
	if err != nil {
		return 0, 0, err
	}
	defer leave()
	if kind < driver.SpaceBlocks || kind > driver.SpaceEndOfData {
		return 0, 0, wrong(op, driver.OutcomeIllegalRequest, "kind %d", kind)
	}
	if err := t.settle(ctx, op); err != nil {
		return 0, 0, err
	}
	switch kind {
	case driver.SpaceEndOfData:
		t.pos = t.end
		return 0, driver.NoCondition, nil
	case driver.SpaceFilemarks:
		passed, cond := t.overMarks(n)
		return passed, cond, nil
	}
	passed, cond, err := t.overBlocks(ctx, n)
	if err != nil {
		return passed, cond, typed(op, t.subject(), err, false)
	}
	return passed, cond, nil
}

// overMarks passes n filemarks. The index knows all of them, so the image is not read.
func (t *loaded) overMarks(n int64) (int64, driver.Condition) {
	ahead, behind := t.end.file-t.pos.file, t.pos.file
	switch {
	case n > ahead:
		t.pos = t.end
		return ahead, driver.EndOfData
	case n > 0:
		t.pos = t.afterMarks(t.pos.file + n)
		return n, driver.NoCondition
	case n < -behind:
		t.pos = extent{}
		return behind, driver.LoadPoint
	case n < 0:
		m := t.marks[behind+n]
		t.pos = extent{m.off, m.obj, behind + n}
		return -n, driver.NoCondition
	}
	return 0, driver.NoCondition
}

// overBlocks passes n blocks, or fewer and a filemark.
func (t *loaded) overBlocks(ctx context.Context, n int64) (passed int64, cond driver.Condition, err error) {
	for step := int64(1); n != 0; {
		if passed%1024 == 1023 && ctx.Err() != nil {
			return passed, 0, ctx.Err()
		}
		if n < 0 {
			step = -1
		}
		file := t.pos.file
		switch {
		case n > 0 && t.pos.obj == t.end.obj:
			return passed, driver.EndOfData, nil
		case n > 0:
			err = t.forward()
		case t.pos.obj == 0:
			return passed, driver.LoadPoint, nil
		default:
			err = t.backward()
		}
		if err != nil {
			return passed, 0, err
		}
		if t.pos.file != file {
			return passed, driver.Filemark, nil
		}
		passed++
		n -= step
	}
	return passed, driver.NoCondition, nil
}

// Position implements driver.Drive.
func (d *drive) Position(ctx context.Context) (driver.Position, error) {
	t, leave, err := d.enterTape(ctx, "position")
	if err != nil {
		return driver.Position{Block: driver.Unknown, File: driver.Unknown, Buffered: driver.Unknown}, err
	}
	defer leave()
	return driver.Position{Block: t.pos.obj, File: t.pos.file, Buffered: t.end.obj - t.durable.obj}, nil
}

// ReadBlock implements driver.Drive.
func (d *drive) ReadBlock(ctx context.Context, p []byte) (int, driver.Condition, error) {
	const op = "read block"
	t, leave, err := d.enterTape(ctx, op)
	if err != nil {
		return 0, 0, err
	}
	defer leave()
	if t.failed != nil {
		return 0, 0, t.refused(op)
	}
	if t.pos.obj == t.end.obj {
		damage := t.damage
		if t.pos.off != t.end.off {
			damage = &damageError{off: t.pos.off, text: fmt.Sprintf("by the index the data end here, and at offset %d", t.end.off)}
		}
		if damage != nil {
			return 0, 0, typed(op, t.subject(), damage, false)
		}
		return 0, driver.EndOfData, nil
	}
	o, err := t.object()
	if err != nil {
		return 0, 0, typed(op, t.subject(), err, false)
	}
	if o.mark() {
		t.pass(o)
		return 0, driver.Filemark, nil
	}
	if o.length > int64(len(p)) {
		if err := t.image.tail(o); err != nil {
			return 0, 0, typed(op, t.subject(), err, false)
		}
		t.pass(o)
		e := fail(op, driver.OutcomeBlockTooLong, sense{}, "%s: object %d: %d bytes in a buffer of %d", t.subject(), t.pos.obj-1, o.length, len(p))
		e.Sense.Info = int64(len(p)) - o.length // as SCSI counts it: negative
		return 0, 0, e
	}
	err = readFull(t.rf, p[:o.length], o.off+wordSize)
	if err == nil {
		err = t.image.tail(o)
	}
	if err != nil {
		return 0, 0, typed(op, t.subject(), err, false)
	}
	t.pass(o)
	return int(o.length), driver.NoCondition, nil
}
