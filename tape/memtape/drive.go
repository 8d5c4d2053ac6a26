package memtape

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

// Drive opens drive n. While it is open, and if n is no drive, what it returns fails with
// OutcomeHeld or OutcomeConfig.
func (l *Library) Drive(n int) driver.Drive {
	d, err := l.OpenDrive(n)
	if err != nil {
		return &drive{lib: l, n: n, refused: err.(*driver.Error)}
	}
	return d
}

// OpenDrive opens drive n, or fails with OutcomeHeld while it is open, as a driver.OpenDrive does.
func (l *Library) OpenDrive(n int) (driver.Drive, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 0 || n >= len(l.drives) {
		return nil, fail("open", driver.OutcomeConfig, 0, 0, 0, fmt.Sprintf("drive %d of %d", n, len(l.drives)))
	}
	b := l.drives[n]
	if b.open != nil {
		return nil, fail("open", driver.OutcomeHeld, 0, 0, 0, fmt.Sprintf("drive %d is open", n))
	}
	b.open = &drive{lib: l, n: n, bay: b}
	return b.open, nil
}

type drive struct {
	lib     *Library
	n       int
	bay     *bay
	refused *driver.Error // what every call returns
}

// do runs f under the library's lock, after the time that the command takes. Commands that
// need a loaded cartridge get it.
func (d *drive) do(ctx context.Context, op string, loaded bool, f func(b *bay, c *cartridge) (int64, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.lib.mu.Lock()
	passed, err := d.try(op, loaded, f)
	wait := time.Duration(0)
	if err == nil || outcomeOf(err) == driver.OutcomeEndOfData { // a locate beyond goes to the end
		wait = d.takes(op, passed)
	}
	d.lib.mu.Unlock()
	if wait <= 0 {
		return err
	}
	// The deed is done; whoever gives up waiting does not know that.
	if err := pause(ctx, wait); err != nil {
		return fail(op, driver.OutcomeUnknown, 0, 0, 0, err.Error())
	}
	return err
}

func outcomeOf(err error) driver.Outcome {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return e.Outcome
	}
	return driver.OutcomeNone
}

// takes is how long a command takes that has just been carried out. The library's lock is held.
func (d *drive) takes(op string, passed int64) time.Duration {
	t, b := d.lib.o.Timing, d.bay
	switch {
	case op == "unload" && b.cleans():
		return time.Until(b.health.until)
	case b.reel != nil:
		return b.reel.takes(time.Now(), t, op, passed, b.off+b.held())
	}
	bytes := func(perByte float64) time.Duration {
		return time.Duration(perByte * float64(passed) * float64(time.Second))
	}
	switch op {
	case "load":
		return t.Load
	case "unload":
		return t.Unload
	case "read block", "write block":
		return bytes(t.PerByte)
	case "rewind", "locate", "space":
		return t.Start + bytes(t.WindPerByte)
	case "flush":
		return t.Flush
	}
	return t.Command
}

func (d *drive) try(op string, loaded bool, f func(b *bay, c *cartridge) (int64, error)) (int64, error) {
	b := d.bay
	switch {
	case d.refused != nil:
		e := *d.refused
		e.Op = op
		return 0, &e
	case b.open != d:
		return 0, fail(op, driver.OutcomeGone, 0, 0, 0, "closed")
	case b.attention != "" && loaded:
		text := b.attention
		b.attention = ""
		asc := uint8(0x28)
		if text[0] == 'p' {
			asc = 0x29
		}
		return 0, fail(op, driver.OutcomeUnitAttention, 6, asc, 0, text)
	case loaded && b.in == nil:
		return 0, fail(op, driver.OutcomeNoMedium, 2, 0x3a, 0, "")
	case loaded && !b.loaded:
		return 0, fail(op, driver.OutcomeNotReady, 2, 4, 2, "")
	}
	return f(b, b.in)
}

// Identify implements driver.Drive.
func (d *drive) Identify(ctx context.Context) (driver.Identity, driver.Capabilities, error) {
	o := d.lib.o
	err := d.do(ctx, "identify", false, func(*bay, *cartridge) (int64, error) { return 0, nil })
	return driver.Identity{Vendor: "ENSTORE", Product: "MEMTAPE", Revision: "1", Serial: fmt.Sprintf("MEM%05d", d.n)},
		driver.Capabilities{
			MinBlock: o.MinBlock, MaxBlock: o.MaxBlock, Window: o.Window,
			ReportsPosition: !o.NoPositions, ReportsFile: !o.NoPositions && !o.NoFiles, ReportsBuffer: !o.NoPositions,
			LocatesByBlock: !o.NoLocate, WORM: true, ReportsHealth: true, Exclusive: driver.ExclusiveOpen, Timeouts: o.Timeouts,
		}, err
}

// Status implements driver.Drive.
func (d *drive) Status(ctx context.Context) (s driver.Status, err error) {
	s.Capacity, s.Remaining = driver.Unknown, driver.Unknown
	err = d.do(ctx, "status", false, func(b *bay, c *cartridge) (int64, error) {
		s.Present, s.Loaded = c != nil, b.loaded
		s.NeedsClean = b.health.cleaning >= driver.CleaningDue
		s.Cleaning = c != nil && c.o.Cleanings > 0
		if b.loaded {
			s.WriteProtect, s.WORM = c.o.WriteProtect, c.o.WORM
			s.Barcode = c.label
			s.Capacity = c.o.Capacity
			s.Remaining = max(0, c.o.Capacity-c.o.EarlyWarning-c.used-b.held())
		}
		return 0, nil
	})
	return s, err
}

// Load implements driver.Drive.
func (d *drive) Load(ctx context.Context) error {
	return d.do(ctx, "load", false, func(b *bay, c *cartridge) (int64, error) {
		if c == nil {
			return 0, fail("load", driver.OutcomeNoMedium, 2, 0x3a, 0, "")
		}
		if c.o.Cleanings > 0 {
			return 0, fail("load", driver.OutcomeNotReady, 2, 0x30, 3, "a cleaning cartridge is in the drive")
		}
		if b.loaded {
			if err := b.drain("load"); err != nil {
				return 0, err
			}
		}
		if !b.loaded {
			b.health.begin()
			c.loads++
		}
		b.loaded, b.at, b.off, b.attention = true, 0, 0, ""
		return 0, nil
	})
}

// Unload implements driver.Drive.
func (d *drive) Unload(ctx context.Context) error {
	return d.do(ctx, "unload", false, func(b *bay, c *cartridge) (int64, error) {
		var err error
		if b.loaded {
			err = b.drain("unload")
		}
		b.loaded, b.at, b.off, b.late = false, 0, 0, nil
		return 0, err
	})
}

// Rewind implements driver.Drive.
func (d *drive) Rewind(ctx context.Context) error {
	return d.do(ctx, "rewind", true, func(b *bay, c *cartridge) (int64, error) {
		if err := b.drain("rewind"); err != nil {
			return 0, err
		}
		return b.wind(0), nil
	})
}

// Locate implements driver.Drive.
func (d *drive) Locate(ctx context.Context, block int64) error {
	return d.do(ctx, "locate", true, func(b *bay, c *cartridge) (int64, error) {
		if d.lib.o.NoLocate || block < 0 {
			return 0, fail("locate", driver.OutcomeIllegalRequest, 5, 0x24, 0, fmt.Sprintf("block %d", block))
		}
		if err := b.drain("locate"); err != nil {
			return 0, err
		}
		if block > int64(len(c.objects)) {
			b.wind(len(c.objects))
			return 0, fail("locate", driver.OutcomeEndOfData, 8, 0, 5, fmt.Sprintf("block %d of %d", block, len(c.objects)))
		}
		return b.wind(int(block)), nil
	})
}

// Space implements driver.Drive.
func (d *drive) Space(ctx context.Context, kind driver.Space, n int64) (passed int64, cond driver.Condition, err error) {
	err = d.do(ctx, "space", true, func(b *bay, c *cartridge) (int64, error) {
		if err := b.drain("space"); err != nil {
			return 0, err
		}
		var to int
		switch kind {
		case driver.SpaceEndOfData:
			to = len(c.objects)
		case driver.SpaceFilemarks:
			to, passed, cond = c.overMarks(b.at, n)
		case driver.SpaceBlocks:
			to, passed, cond = c.overBlocks(b.at, n)
		default:
			return 0, fail("space", driver.OutcomeIllegalRequest, 5, 0x24, 0, fmt.Sprintf("kind %d", kind))
		}
		return b.wind(to), nil
	})
	return passed, cond, err
}

// overMarks passes n filemarks from object at.
func (c *cartridge) overMarks(at int, n int64) (to int, passed int64, cond driver.Condition) {
	before := sort.SearchInts(c.marks, at) // marks behind the tape's head
	if n >= 0 {
		ahead := int64(len(c.marks) - before)
		if n > ahead {
			return len(c.objects), ahead, driver.EndOfData
		}
		if n == 0 {
			return at, 0, driver.NoCondition
		}
		return c.marks[before+int(n)-1] + 1, n, driver.NoCondition
	}
	if -n > int64(before) {
		return 0, int64(before), driver.LoadPoint
	}
	return c.marks[before-int(-n)], -n, driver.NoCondition
}

// overBlocks passes n blocks from object at.
func (c *cartridge) overBlocks(at int, n int64) (to int, passed int64, cond driver.Condition) {
	for ; n > 0; n-- {
		if at == len(c.objects) {
			return at, passed, driver.EndOfData
		}
		at++
		if c.objects[at-1].data == nil {
			return at, passed, driver.Filemark
		}
		passed++
	}
	for ; n < 0; n++ {
		if at == 0 {
			return at, passed, driver.LoadPoint
		}
		at--
		if c.objects[at].data == nil {
			return at, passed, driver.Filemark
		}
		passed++
	}
	return at, passed, driver.NoCondition
}

// Position implements driver.Drive.
func (d *drive) Position(ctx context.Context) (driver.Position, error) {
	p := driver.Position{Block: driver.Unknown, File: driver.Unknown, Buffered: driver.Unknown}
	err := d.do(ctx, "position", true, func(b *bay, c *cartridge) (int64, error) {
		if d.lib.o.NoPositions {
			return 0, nil
		}
		p.Block, p.Buffered = int64(b.at+len(b.pending)), int64(len(b.pending))
		if !d.lib.o.NoFiles {
			p.File = int64(sort.SearchInts(c.marks, b.at))
			for _, o := range b.pending {
				if o.data == nil {
					p.File++
				}
			}
		}
		return 0, nil
	})
	return p, err
}

// ReadBlock implements driver.Drive.
func (d *drive) ReadBlock(ctx context.Context, p []byte) (n int, cond driver.Condition, err error) {
	const op = "read block"
	err = d.do(ctx, op, true, func(b *bay, c *cartridge) (int64, error) {
		if err := b.drain(op); err != nil {
			return 0, err
		}
		if b.at == len(c.objects) {
			cond = driver.EndOfData
			return 0, nil
		}
		if s, bad := c.bad[b.at]; bad {
			b.health.read.Uncorrected++
			b.health.alerts |= driver.AlertsOf(alertHardError, alertReadFailure)
			return 0, &driver.Error{Op: op, Outcome: driver.OutcomeMedium, Sense: s}
		}
		data := c.objects[b.at].data
		b.off += c.objects[b.at].size()
		b.at++
		b.health.read.Bytes += int64(len(data))
		switch {
		case data == nil:
			cond = driver.Filemark
		case len(data) > len(p):
			return 0, fail(op, driver.OutcomeBlockTooLong, 0, 0, 0, fmt.Sprintf("%d bytes in a buffer of %d", len(data), len(p)))
		default:
			n = copy(p, data)
		}
		return int64(n), nil
	})
	return n, cond, err
}

// WriteBlock implements driver.Drive.
func (d *drive) WriteBlock(ctx context.Context, p []byte) (cond driver.Condition, err error) {
	err = d.do(ctx, "write block", true, func(b *bay, c *cartridge) (int64, error) {
		if len(p) < d.lib.o.MinBlock || len(p) > d.lib.o.MaxBlock {
			return 0, fail("write block", driver.OutcomeIllegalRequest, 5, 0x24, 0,
				fmt.Sprintf("%d bytes, limits %d to %d", len(p), d.lib.o.MinBlock, d.lib.o.MaxBlock))
		}
		cond, err = b.write("write block", object{bytes.Clone(p)}, d.lib.o.Window)
		return int64(len(p)), err
	})
	return cond, err
}

// WriteFilemarks implements driver.Drive.
func (d *drive) WriteFilemarks(ctx context.Context, n int, immediate bool) (cond driver.Condition, err error) {
	op := "write filemarks"
	kind := op
	if !immediate {
		kind = "flush"
	}
	err = d.do(ctx, kind, true, func(b *bay, c *cartridge) (int64, error) {
		if n < 0 {
			return 0, fail(op, driver.OutcomeIllegalRequest, 5, 0x24, 0, fmt.Sprintf("%d filemarks", n))
		}
		for range n {
			w, err := b.write(op, object{}, d.lib.o.Window)
			if err != nil {
				return 0, err
			}
			if w != driver.NoCondition {
				cond = w
			}
		}
		if immediate {
			return int64(n), nil
		}
		return int64(n), b.drain(op)
	})
	return cond, err
}

// Close implements driver.Drive. What is in the buffer is lost.
func (d *drive) Close() error {
	d.lib.mu.Lock()
	defer d.lib.mu.Unlock()
	if b := d.bay; b != nil && b.open == d {
		b.open, b.pending, b.late = nil, nil, nil
	}
	return nil
}

// wind moves to an object and returns the bytes passed.
func (b *bay) wind(to int) (passed int64) {
	for _, o := range b.in.objects[min(b.at, to):max(b.at, to)] {
		passed += o.size()
	}
	if to < b.at {
		b.off -= passed
	} else {
		b.off += passed
	}
	b.at = to
	return passed
}

// held is the size of the buffer.
func (b *bay) held() (n int64) {
	for _, o := range b.pending {
		n += o.size()
	}
	return n
}

// write takes an object, which truncates the tape behind it.
func (b *bay) write(op string, o object, window int) (driver.Condition, error) {
	c := b.in
	if c.o.WriteProtect {
		return 0, fail(op, driver.OutcomeWriteProtected, 7, 0x27, 0, "")
	}
	if c.o.WORM && b.at < len(c.objects) {
		return 0, fail(op, driver.OutcomeWriteProtected, 7, 0x30, 0x0c, "the data there cannot be overwritten")
	}
	before := c.sizeTo(b.at)
	if before+b.held()+o.size() > c.o.Capacity {
		return 0, fail(op, driver.OutcomeEndOfMedium, 0xd, 0, 2, "")
	}
	c.truncate(b.at)
	b.pending = append(b.pending, o)
	for len(b.pending) > window {
		b.settle()
	}
	if b.late != nil {
		e := b.tell(op)
		e.Sense.Deferred = window > 0 // without a buffer it is about this very command
		return 0, e
	}
	if c.sizeTo(len(c.objects))+b.held() > c.o.Capacity-c.o.EarlyWarning {
		return driver.EarlyWarning, nil
	}
	return driver.NoCondition, nil
}

// settle brings the oldest object of the buffer onto the tape. At a bad spot the whole
// buffer is lost.
func (b *bay) settle() {
	c := b.in
	if s, bad := c.bad[b.at]; bad {
		if s.ASC == 0x11 {
			s.ASC = 0x0c // a read error's code makes no sense for a write
		}
		s.Deferred = true
		b.health.written.Uncorrected++
		b.health.alerts |= driver.AlertsOf(alertHardError, alertWriteFailure)
		b.late = &driver.Error{Outcome: driver.OutcomeMedium, Sense: s}
		b.pending = nil
		return
	}
	o := b.pending[0]
	b.pending = b.pending[1:]
	if o.data == nil {
		c.marks = append(c.marks, len(c.objects))
	}
	c.objects = append(c.objects, o)
	c.used += o.size()
	b.health.written.Bytes += int64(len(o.data))
	b.at++
	b.off += o.size()
}

// drain empties the buffer, and tells an error that came late.
func (b *bay) drain(op string) error {
	for len(b.pending) > 0 {
		b.settle()
	}
	if b.late != nil {
		return b.tell(op)
	}
	return nil
}

func (b *bay) tell(op string) *driver.Error {
	e := *b.late
	e.Op = op
	b.late = nil
	return &e
}

func (c *cartridge) sizeTo(n int) int64 {
	if n == len(c.objects) {
		return c.used
	}
	var s int64
	for _, o := range c.objects[:n] {
		s += o.size()
	}
	return s
}

// truncate drops everything from object n on.
func (c *cartridge) truncate(n int) {
	if n >= len(c.objects) {
		return
	}
	c.used = c.sizeTo(n)
	clear(c.objects[n:])
	c.objects = c.objects[:n]
	c.marks = c.marks[:sort.SearchInts(c.marks, n)]
}
