package filetape

import (
	"context"

	"github.com/enstore-go/sdk/tape/driver"
)

// reserve is room behind the last block for some filemarks.
const reserve = 16 * wordSize

// maxFilemarks bounds one command, as the 24 bits of SCSI's do.
const maxFilemarks = 1<<24 - 1

// WriteBlock implements driver.Drive.
func (d *drive) WriteBlock(ctx context.Context, p []byte) (driver.Condition, error) {
	const op = "write block"
	t, leave, err := d.enterTape(ctx, op)
	if err != nil {
		return 0, err
	}
	defer leave()
	if len(p) < d.caps.MinBlock || len(p) > d.caps.MaxBlock {
		return 0, wrong(op, driver.OutcomeIllegalRequest, "block of %d bytes: %d to %d are allowed", len(p), d.caps.MinBlock, d.caps.MaxBlock)
	}
	size := blockSize(int64(len(p)))
	if err := t.mayWrite(op, size+reserve); err != nil {
		return 0, err
	}
	if err := t.begin(ctx, op); err != nil {
		return 0, err
	}
	err = t.w.appendWord(ctx, uint32(len(p)))
	if err == nil {
		err = t.w.append(ctx, p)
	}
	if err == nil && len(p)%2 != 0 {
		err = t.w.append(ctx, []byte{0})
	}
	if err == nil {
		err = t.w.appendWord(ctx, uint32(len(p)))
	}
	if err != nil {
		return 0, t.fail(op, err, true)
	}
	t.end.off += size
	t.end.obj++
	t.pos = t.end
	return t.warning(), nil
}

// WriteFilemarks implements driver.Drive.
func (d *drive) WriteFilemarks(ctx context.Context, n int, immediate bool) (driver.Condition, error) {
	const op = "write filemarks"
	t, leave, err := d.enterTape(ctx, op)
	if err != nil {
		return 0, err
	}
	defer leave()
	switch {
	case n < 0 || n > maxFilemarks:
		return 0, wrong(op, driver.OutcomeIllegalRequest, "%d filemarks", n)
	case n == 0 && t.failed != nil:
		return 0, t.refused(op)
	case n == 0 && !t.appending:
		return driver.NoCondition, nil // nothing is in the buffer
	case n > 0:
		if err := t.writeMarks(ctx, op, n); err != nil {
			return 0, err
		}
	}
	if !immediate {
		if err := t.flush(ctx, op); err != nil {
			return 0, err
		}
	}
	return t.warning(), nil
}

func (t *loaded) writeMarks(ctx context.Context, op string, n int) error {
	if err := t.mayWrite(op, int64(n)*wordSize); err != nil {
		return err
	}
	if t.pos.file+int64(n) > maxMarks {
		return fail(op, driver.OutcomeEndOfMedium, sense{0xd, 0, 2}, "%s: more than %d filemarks", t.subject(), maxMarks)
	}
	if err := t.begin(ctx, op); err != nil {
		return err
	}
	for range n {
		if err := t.w.appendWord(ctx, wordMark); err != nil {
			return t.fail(op, err, true)
		}
		t.marks = append(t.marks, mark{t.end.off, t.end.obj})
		t.end.off += wordSize
		t.end.obj++
		t.end.file++
	}
	t.pos = t.end
	return nil
}

// mayWrite says whether so many bytes may be written here.
func (t *loaded) mayWrite(op string, size int64) error {
	switch {
	case t.failed != nil:
		return t.refused(op)
	case t.protected != "":
		return fail(op, driver.OutcomeWriteProtected, sense{7, 0x27, 0}, "%s: %s", t.subject(), t.protected)
	case t.kind.WORM && t.pos.obj != t.end.obj:
		return fail(op, driver.OutcomeWriteProtected, sense{7, 0x30, 0x0c}, "%s: write-once, and there are data at object %d", t.subject(), t.pos.obj)
	case t.kind.Capacity > 0 && t.pos.off+size > t.kind.Capacity:
		return fail(op, driver.OutcomeEndOfMedium, sense{0xd, 0, 2}, "%s: %d bytes of %d are written", t.subject(), t.pos.off, t.kind.Capacity)
	}
	if t.w != nil {
		if err := t.w.failure(); err != nil {
			return t.fail(op, err, true)
		}
	}
	return nil
}

// warning is early warning, or no condition.
func (t *loaded) warning() driver.Condition {
	if t.kind.Capacity > 0 && t.end.off > t.kind.Capacity-t.kind.EarlyWarning {
		return driver.EarlyWarning
	}
	return driver.NoCondition
}

// begin makes this place the end of the tape, where what is written next goes.
func (t *loaded) begin(ctx context.Context, op string) error {
	if t.appending {
		return nil
	}
	if t.w == nil {
		t.w = t.newWriter()
	}
	at := t.pos
	head := make([]byte, at.off%align)
	err := t.w.do(ctx, func() error { return t.cut(at, head) })
	if err == nil {
		err = t.w.begin(ctx, at.off, head)
	}
	if err != nil {
		return t.fail(op, err, false)
	}
	t.end, t.durable = at, at
	t.marks = t.marks[:at.file]
	t.image.forget()
	t.appending = true
	return nil
}

// cut makes an index durable that ends at a place before it touches what is behind. It
// reads into head what stands just before the place.
func (t *loaded) cut(at extent, head []byte) error {
	if err := readFull(t.rf, head, at.off-int64(len(head))); err != nil {
		return err
	}
	if !t.index.certain || at != *t.stored.Load() {
		if err := t.index.store(at, t.marks[:at.file]); err != nil {
			return err
		}
		t.stored.Store(&at)
	}
	// The room is given back now; and zeros, not old records, are behind what is written.
	info, err := t.wf.Stat()
	if err == nil && info.Size() > at.off {
		err = t.wf.Truncate(at.off)
	}
	return err
}

// flush makes everything written durable.
func (t *loaded) flush(ctx context.Context, op string) error {
	if t.end == t.durable {
		if err := t.w.failure(); err != nil {
			return t.fail(op, err, true)
		}
		return nil
	}
	end, marks := t.end, t.marks
	err := t.w.flush(ctx, func() error {
		if err := t.wf.Sync(); err != nil {
			return err
		}
		if err := t.index.store(end, marks); err != nil {
			return err
		}
		t.stored.Store(&end)
		return nil
	})
	if err != nil {
		return t.fail(op, err, true)
	}
	t.durable = end
	return nil
}
