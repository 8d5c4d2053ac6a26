package filetape

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/enstore-go/sdk/tape/driver"
)

// Null gives a drive that answers like one with a blank cartridge of this capacity in bytes (0: without limit), and keeps
// nothing of what is written but its shape: lengths, filemarks, positions. Short blocks are kept until they are
// 1 MiB together, so that labels can be read; all others read as zeros. It is for measuring what stands before a drive. Its
// memory grows by 16 bytes for each change of block length, not with the blocks.
//
// In a library (the setting null of [OpenDrive]) such a drive takes part in everything but the writing: its cartridges come
// and go by the robot and are locked. They are blank when it first loads them, and it forgets them when it is closed; the images are not touched.
func Null(capacity int64) driver.Drive {
	n := newNull(nil)
	n.fixed = &cartridge{Capacity: capacity, EarlyWarning: defaultEarlyWarning(capacity)}
	return n
}

func newNull(b *bay) *null {
	serial := "NULL"
	if b != nil {
		serial = fmt.Sprintf("%s-%d", b.id, b.drive)
	}
	return &null{bay: b, id: identity("NULLTAPE", serial), tapes: map[string]*shape{}}
}

// null is a drive that discards.
type null struct {
	bay   *bay
	fixed *cartridge // in a drive without library
	id    driver.Identity

	mu     sync.Mutex
	closed bool
	tapes  map[string]*shape
	tape   *shape // loaded
	kind   cartridge
	lock   io.Closer
	at     int64 // object
}

func (d *null) enter(ctx context.Context, op string, needsTape bool) (leave func(), err error) {
	if ctx.Err() != nil {
		return nil, fail(op, driver.OutcomeAborted, sense{}, "%v", ctx.Err())
	}
	d.mu.Lock()
	switch {
	case d.closed:
		err = fail(op, driver.OutcomeNotReady, sense{2, 4, 0}, "the drive is closed")
	case needsTape && d.tape == nil:
		err = fail(op, driver.OutcomeNotReady, sense{2, 4, 2}, "no cartridge is loaded")
	default:
		return d.mu.Unlock, nil
	}
	d.mu.Unlock()
	return nil, err
}

// Identify implements driver.Drive.
func (d *null) Identify(ctx context.Context) (driver.Identity, driver.Capabilities, error) {
	leave, err := d.enter(ctx, "identify", false)
	if err != nil {
		return driver.Identity{}, driver.Capabilities{}, err
	}
	defer leave()
	caps := capabilities(maxWrite)
	caps.Window = 0
	if d.bay == nil {
		caps.Exclusive = driver.ExclusiveNone
	}
	return d.id, caps, nil
}

// Status implements driver.Drive.
func (d *null) Status(ctx context.Context) (driver.Status, error) {
	const op = "status"
	s := driver.Status{Capacity: driver.Unknown, Remaining: driver.Unknown}
	leave, err := d.enter(ctx, op, false)
	if err != nil {
		return s, err
	}
	defer leave()
	kind := d.fixed
	if d.tape != nil {
		kind = &d.kind
	} else if d.bay != nil {
		if kind, err = d.bay.find(op); err != nil || kind == nil {
			return s, err
		}
	}
	s.Present, s.Loaded, s.Barcode, s.WriteProtect, s.WORM = true, d.tape != nil, kind.Label, kind.WriteProtect, kind.WORM
	if kind.Capacity > 0 {
		s.Capacity = kind.Capacity
		if d.tape != nil {
			s.Remaining = max(0, kind.Capacity-kind.EarlyWarning-d.tape.bytes)
		}
	}
	return s, nil
}

// Load implements driver.Drive.
func (d *null) Load(ctx context.Context) error {
	const op = "load"
	leave, err := d.enter(ctx, op, false)
	if err != nil {
		return err
	}
	defer leave()
	d.at = 0
	if d.tape != nil {
		return nil
	}
	if d.bay == nil {
		d.kind = *d.fixed
	} else if d.kind, d.lock, err = d.bay.take(op); err != nil {
		return err
	}
	if d.tape = d.tapes[d.kind.Label]; d.tape == nil {
		d.tape = &shape{kept: map[int64][]byte{}}
		d.tapes[d.kind.Label] = d.tape
	}
	return nil
}

// Unload implements driver.Drive.
func (d *null) Unload(ctx context.Context) error {
	leave, err := d.enter(ctx, "unload", false)
	if err != nil {
		return err
	}
	defer leave()
	return d.release()
}

func (d *null) release() error {
	lock := d.lock
	d.tape, d.lock = nil, nil
	if lock == nil {
		return nil
	}
	if err := lock.Close(); err != nil {
		return typed("unload", "volume "+d.kind.Label, err, true)
	}
	return nil
}

// Rewind implements driver.Drive.
func (d *null) Rewind(ctx context.Context) error {
	leave, err := d.enter(ctx, "rewind", true)
	if err != nil {
		return err
	}
	defer leave()
	d.at = 0
	return nil
}

// Locate implements driver.Drive.
func (d *null) Locate(ctx context.Context, block int64) error {
	const op = "locate"
	leave, err := d.enter(ctx, op, true)
	if err != nil {
		return err
	}
	defer leave()
	if block < 0 {
		return wrong(op, driver.OutcomeIllegalRequest, "object %d", block)
	}
	end := d.tape.objects()
	d.at = min(block, end)
	if block > end {
		return fail(op, driver.OutcomeEndOfData, sense{8, 0, 5}, "object %d: the data end at %d", block, end)
	}
	return nil
}

// Space implements driver.Drive.
func (d *null) Space(ctx context.Context, kind driver.Space, n int64) (passed int64, cond driver.Condition, err error) {
	const op = "space"
	leave, err := d.enter(ctx, op, true)
	if err != nil {
		return 0, 0, err
	}
	defer leave()
	switch kind {
	case driver.SpaceEndOfData:
		d.at = d.tape.objects()
	case driver.SpaceFilemarks:
		d.at, passed, cond = d.tape.overMarks(d.at, n)
	case driver.SpaceBlocks:
		d.at, passed, cond = d.tape.overBlocks(d.at, n)
	default:
		return 0, 0, wrong(op, driver.OutcomeIllegalRequest, "kind %d", kind)
	}
	return passed, cond, nil
}

// Position implements driver.Drive.
func (d *null) Position(ctx context.Context) (driver.Position, error) {
	leave, err := d.enter(ctx, "position", true)
	if err != nil {
		return driver.Position{Block: driver.Unknown, File: driver.Unknown, Buffered: driver.Unknown}, err
	}
	defer leave()
	return driver.Position{Block: d.at, File: d.tape.file(d.at)}, nil
}

// ReadBlock implements driver.Drive.
func (d *null) ReadBlock(ctx context.Context, p []byte) (int, driver.Condition, error) {
	const op = "read block"
	leave, err := d.enter(ctx, op, true)
	if err != nil {
		return 0, 0, err
	}
	defer leave()
	if d.at == d.tape.objects() {
		return 0, driver.EndOfData, nil
	}
	n := d.tape.runs[d.tape.run(d.at)].length
	d.at++
	switch {
	case n == 0:
		return 0, driver.Filemark, nil
	case n > len(p):
		e := fail(op, driver.OutcomeBlockTooLong, sense{}, "object %d: %d bytes in a buffer of %d", d.at-1, n, len(p))
		e.Sense.Info = int64(len(p) - n)
		return 0, 0, e
	}
	if kept := d.tape.kept[d.at-1]; kept != nil {
		copy(p, kept)
	} else {
		clear(p[:n])
	}
	return n, driver.NoCondition, nil
}

// WriteBlock implements driver.Drive.
func (d *null) WriteBlock(ctx context.Context, p []byte) (driver.Condition, error) {
	const op = "write block"
	leave, err := d.enter(ctx, op, true)
	if err != nil {
		return 0, err
	}
	defer leave()
	if len(p) < 1 || len(p) > maxWrite {
		return 0, wrong(op, driver.OutcomeIllegalRequest, "block of %d bytes: 1 to %d are allowed", len(p), maxWrite)
	}
	if err := d.write(op, len(p), 1, blockSize(int64(len(p)))+reserve); err != nil {
		return 0, err
	}
	d.tape.keep(d.at-1, p)
	return d.warning(), nil
}

// WriteFilemarks implements driver.Drive. Everything is flushed at once.
func (d *null) WriteFilemarks(ctx context.Context, n int, _ bool) (driver.Condition, error) {
	const op = "write filemarks"
	leave, err := d.enter(ctx, op, true)
	if err != nil {
		return 0, err
	}
	defer leave()
	if n < 0 || n > maxFilemarks {
		return 0, wrong(op, driver.OutcomeIllegalRequest, "%d filemarks", n)
	}
	if n == 0 {
		return driver.NoCondition, nil
	}
	if err := d.write(op, 0, int64(n), int64(n)*wordSize); err != nil {
		return 0, err
	}
	return d.warning(), nil
}

// write appends n objects of a length at the position, for which there must be room.
func (d *null) write(op string, length int, n, room int64) error {
	switch {
	case d.kind.WriteProtect:
		return fail(op, driver.OutcomeWriteProtected, sense{7, 0x27, 0}, "the cartridge is write protected")
	case d.kind.WORM && d.at != d.tape.objects():
		return fail(op, driver.OutcomeWriteProtected, sense{7, 0x30, 0x0c}, "write-once, and there are data at object %d", d.at)
	}
	if d.kind.Capacity > 0 && d.tape.bytesTo(d.at)+room > d.kind.Capacity {
		return fail(op, driver.OutcomeEndOfMedium, sense{0xd, 0, 2}, "%d bytes of %d are written", d.tape.bytes, d.kind.Capacity)
	}
	d.tape.cut(d.at)
	d.tape.add(length, n)
	d.at += n
	return nil
}

func (d *null) warning() driver.Condition {
	if d.kind.Capacity > 0 && d.tape.bytes > d.kind.Capacity-d.kind.EarlyWarning {
		return driver.EarlyWarning
	}
	return driver.NoCondition
}

// Close implements driver.Drive.
func (d *null) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	err := d.release()
	if d.bay != nil {
		if lerr := d.bay.close(); err == nil && lerr != nil {
			err = typed("close", d.id.Serial, lerr, true)
		}
	}
	return err
}
