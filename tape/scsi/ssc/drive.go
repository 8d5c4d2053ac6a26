package ssc

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/scsi"
)

// Options may be left zero.
type Options struct {
	MaxBlock int             // the longest block to be used, in bytes, if the drive has a longer one; 1 MiB
	Timeouts driver.Timeouts // for Capabilities; what is left out is that of the drive's LTO generation, or the default
}

// window is what Capabilities says of the drive's buffer, in blocks: at most so much as any drive has, of blocks of 64 KiB.
const window = 1 << 15

// drive is a driver.Drive.
type drive struct {
	u      *scsi.Unit
	id     driver.Identity
	caps   driver.Capabilities
	long   bool // READ POSITION has its long form
	wide   bool // LOCATE(16) is there
	lto    int  // its generation; 0: none, or not told
	loaded bool
	dirty  bool // something was written, and not yet flushed
	closed atomic.Bool

	reports   reports
	unknown   bool                                   // the last question was refused because the drive does not know the command
	cartridge driver.Cartridge                       // that is loaded
	before    struct{ written, read driver.Traffic } // what the drive had counted when it was loaded
}

// Open makes a drive over a transport to its logical unit, which the drive owns if there is no error.
func Open(ctx context.Context, t scsi.Transport, o Options) (driver.Drive, error) {
	d := &drive{u: scsi.NewUnit(t)}
	if err := d.u.Greet(ctx); err != nil {
		return nil, err
	}
	id, err := d.u.Identity(ctx, scsi.TypeTape)
	if err != nil {
		return nil, err
	}
	d.id = id
	d.caps = driver.Capabilities{MinBlock: 1, MaxBlock: scsi.MaxTransfer, Window: window, Exclusive: driver.ExclusiveNone}
	if l, ok := t.(scsi.Device); ok {
		d.caps.Exclusive, d.caps.MaxBlock = driver.ExclusiveOpen, min(d.caps.MaxBlock, l.MaxTransfer())
	}
	if o.MaxBlock <= 0 {
		o.MaxBlock = 1 << 20
	}
	if d.lto, err = d.generation(ctx); err != nil {
		return nil, err
	}
	d.caps.Timeouts = either(o.Timeouts, scsi.Timeouts(d.lto)).WithDefaults()
	in := make([]byte, 6)
	n, err := d.u.Must(ctx, "open", scsi.ReadBlockLimits(), nil, in)
	if err != nil {
		return nil, err
	}
	lim, err := scsi.ParseBlockLimits(in[:n])
	if err != nil {
		return nil, fail("open", driver.OutcomeHardware, "%v", err)
	}
	d.caps.MinBlock = max(lim.Min, 1)
	if lim.Max > 0 {
		d.caps.MaxBlock = min(d.caps.MaxBlock, lim.Max)
	}
	d.caps.MaxBlock = min(d.caps.MaxBlock, o.MaxBlock)
	if d.caps.MaxBlock < d.caps.MinBlock {
		return nil, fail("open", driver.OutcomeConfig, "maxBlock is %d, the drive's shortest block has %d bytes", o.MaxBlock, d.caps.MinBlock)
	}
	if err := d.abilities(ctx); err != nil {
		return nil, err
	}
	if err := d.what(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

func fail(op string, o driver.Outcome, format string, args ...any) error {
	return &driver.Error{Op: op, Outcome: o, Sense: driver.Sense{Info: driver.Unknown}, Text: fmt.Sprintf(format, args...)}
}

// abilities finds out whether the drive knows positions and can locate.
func (d *drive) abilities(ctx context.Context) error {
	short, sure, err := d.knows(ctx, scsi.ReadPosition(), 20, scsi.ParsePosition)
	if err == nil && !sure {
		// Without a cartridge nobody knows a position, nor does a drive that lost it. One that can locate will; one that cannot says so at once,
		// while the list of its commands is not to be believed: one is known that lists all there are. A tape whose position was lost is rewound by it.
		var c *scsi.Check
		_, c, err = d.u.Do(ctx, "open", scsi.Locate(0), nil, nil)
		short = c == nil || c.Key != scsi.IllegalRequest
	}
	if err != nil || !short { // then the long form, which has fewer ways to say so, is not to be trusted
		return err
	}
	if d.wide, err = d.supports(ctx, 0x92, true); err != nil {
		return err
	}
	narrow, err := d.supports(ctx, 0x2b, true)
	if err != nil {
		return err
	}
	if d.long, sure, err = d.knows(ctx, scsi.ReadPositionLong(), 32, scsi.ParsePositionLong); err != nil {
		return err
	}
	// LOCATE(16) and the long form came with the same standard: what of the two a drive cannot tell is as the other.
	d.long = d.long || !sure && d.wide
	d.wide = d.wide && d.long
	d.caps.ReportsPosition, d.caps.ReportsFile, d.caps.ReportsBuffer = true, d.long, !d.long
	d.caps.LocatesByBlock = d.wide || narrow
	return nil
}

// knows tells whether the drive answers a form of READ POSITION with a position; it is not sure if the drive cannot say just now.
func (d *drive) knows(ctx context.Context, cdb []byte, n int, parse func([]byte) (scsi.Position, error)) (yes, sure bool, err error) {
	in := make([]byte, n)
	n, c, err := d.u.Do(ctx, "open", cdb, nil, in)
	switch {
	case err != nil:
		return false, false, err
	case c != nil:
		return false, c.Key == scsi.IllegalRequest, nil
	}
	p, err := parse(in[:n])
	return err == nil && p.BlockKnown, err != nil || p.BlockKnown, nil // it may have lost it, as with a holder that died in a motion
}

// supports asks for a command by its code. A drive that cannot be asked is taken to be as the others of its kind are.
func (d *drive) supports(ctx context.Context, op uint8, otherwise bool) (bool, error) {
	in := make([]byte, 20)
	n, c, err := d.u.Do(ctx, "open", scsi.ReportSupported(op, len(in)), nil, in)
	if err != nil || c != nil {
		return otherwise, err
	}
	if yes, known, err := scsi.ParseSupported(in[:n]); err == nil && known {
		return yes, nil
	}
	return otherwise, nil
}

// ready is nil if a command of a load may be sent.
func (d *drive) ready(op string) error {
	switch {
	case d.closed.Load():
		return fail(op, driver.OutcomeGone, "the drive is closed")
	case !d.loaded:
		return fail(op, driver.OutcomeNotReady, "no cartridge is loaded")
	}
	return nil
}

// do carries out a command of a load. An attention, and a transport that failed, end the load.
func (d *drive) do(ctx context.Context, op string, cdb, out, in []byte) (n int, c *scsi.Check, err error) {
	if err := d.ready(op); err != nil {
		return 0, nil, err
	}
	n, c, err = d.u.Do(ctx, op, cdb, out, in)
	if err != nil && outcome(err) != driver.OutcomeAborted && outcome(err) != driver.OutcomeNotReady || c != nil && c.Key == scsi.UnitAttention {
		d.loaded = false
	}
	return n, c, err
}

// must is do for commands that have nothing to say but good.
func (d *drive) must(ctx context.Context, op string, cdb, out, in []byte) (int, error) {
	n, c, err := d.do(ctx, op, cdb, out, in)
	if err == nil && c != nil && failed(c) {
		return 0, c.Error(op)
	}
	return n, err
}

// failed tells that sense data are of a failure, and not of a condition or of an error that the drive has mended.
func failed(c *scsi.Check) bool {
	return c.Deferred || c.Key != scsi.NoSense && c.Key != scsi.RecoveredError && c.Key != scsi.Completed
}

func outcome(err error) driver.Outcome {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return e.Outcome
	}
	return driver.OutcomeNone
}

// Identify implements driver.Drive.
func (d *drive) Identify(context.Context) (driver.Identity, driver.Capabilities, error) {
	return d.id, d.caps, nil
}

// Status implements driver.Drive.
func (d *drive) Status(ctx context.Context) (driver.Status, error) {
	const op = "status"
	s := driver.Status{Capacity: driver.Unknown, Remaining: driver.Unknown}
	if d.closed.Load() {
		return s, fail(op, driver.OutcomeGone, "the drive is closed")
	}
	_, c, err := d.u.Do(ctx, op, scsi.TestUnitReady(), nil, nil)
	switch {
	case err != nil:
		d.loaded = false
		return s, err
	case c == nil || !failed(c):
		s.Present, s.Loaded = true, d.loaded
	case c.Key == scsi.UnitAttention:
		d.loaded = false
		return s, c.Error(op)
	case c.Key == scsi.NotReady && c.ASC == 0x3a:
		d.loaded = false
	case cleaning(c):
		s.Present, s.Cleaning = true, true
	case c.Key == scsi.NotReady: // loading, or unloaded and still there
		s.Present = true
	default:
		return s, c.Error(op)
	}
	if c == nil {
		in, err := d.ask(ctx, op, scsi.ModeSense(scsi.PageNone, 255), make([]byte, 255))
		if err != nil {
			return s, err
		}
		if m, err := scsi.ParseMode(in); in != nil && err == nil {
			s.WriteProtect = m.WriteProtected
		}
	}
	if s.Loaded {
		if err := d.room(ctx, op); err != nil {
			return s, err
		}
		s.WORM = d.cartridge.Kind == driver.CartridgeWORM
		s.Barcode, s.Capacity, s.Remaining = d.cartridge.Barcode, d.cartridge.Capacity, d.cartridge.Remaining
	}
	wants, err := d.wants(ctx, op)
	s.NeedsClean = wants >= driver.CleaningDue
	return s, err
}

// settle is how long Load waits between two looks at a drive that is becoming ready, at first and at most.
const (
	settleFirst = 10 * time.Millisecond
	settleMost  = time.Second
)

// Load implements driver.Drive. The end of ctx ends the wait for a drive that is becoming ready.
func (d *drive) Load(ctx context.Context) error {
	const op = "load"
	if d.closed.Load() {
		return fail(op, driver.OutcomeGone, "the drive is closed")
	}
	d.loaded = false
	if err := d.u.Greet(ctx); err != nil { // what happened before this load
		return err
	}
	// A drive that is empty must not be told to load: one is known that believes it has, then.
	if empty, err := d.empty(ctx, op); err != nil || empty {
		return errors.Join(err, noMedium(op, empty))
	}
	for _, cdb := range [][]byte{scsi.LoadUnload(true), scsi.TestUnitReady()} {
		c, err := d.settled(ctx, op, cdb, becoming)
		switch {
		case err != nil:
			return err
		case c != nil && cleaning(c):
			e := c.Error(op)
			e.Text = "the cartridge in the drive is one for cleaning"
			return e
		case c != nil:
			return c.Error(op)
		}
	}
	if _, err := d.u.Must(ctx, op, scsi.Rewind(false), nil, nil); err != nil {
		return err
	}
	cdb, out := scsi.ModeSelect(0, 0, true)
	if _, err := d.u.Must(ctx, op, cdb, out, nil); err != nil {
		return err
	}
	if err := d.recognise(ctx, op); err != nil {
		return err
	}
	if _, c, err := d.u.Do(ctx, op, scsi.PreventRemoval(true), nil, nil); err != nil {
		return err
	} else if c != nil && c.Key != scsi.IllegalRequest { // a drive without a robot need not know it
		return c.Error(op)
	}
	d.loaded, d.dirty = true, false
	return nil
}

func noMedium(op string, empty bool) error {
	if !empty {
		return nil
	}
	return fail(op, driver.OutcomeNoMedium, "the drive is empty")
}

// empty tells whether there is no cartridge.
func (d *drive) empty(ctx context.Context, op string) (bool, error) {
	_, c, err := d.u.Do(ctx, op, scsi.TestUnitReady(), nil, nil)
	return err == nil && c != nil && c.Key == scsi.NotReady && c.ASC == 0x3a, err
}

// becoming tells that a drive is busy with what makes it ready: loading (01h), or an operation (07h) or a long write (08h) that goes on, as an LTO-9
// drive may say for up to two hours while it initialises a cartridge that was never loaded before.
func becoming(c *scsi.Check) bool {
	return c.Key == scsi.NotReady && c.ASC == 0x04 && (c.ASCQ == 0x00 || c.ASCQ == 0x01 || c.ASCQ == 0x07 || c.ASCQ == 0x08)
}

// cleaning tells that a cleaning cartridge is in the drive.
func cleaning(c *scsi.Check) bool {
	return (c.Key == scsi.NotReady || c.Key == scsi.MediumError) && c.ASC == 0x30 && c.ASCQ == 0x03
}

// settled repeats a command while the drive is busy, and over the attentions that a load brings with it. What it says in the end is
// nil if that is good.
func (d *drive) settled(ctx context.Context, op string, cdb []byte, busy func(*scsi.Check) bool) (*scsi.Check, error) {
	for wait := settleFirst; ; wait = min(2*wait, settleMost) {
		_, c, err := d.u.Do(ctx, op, cdb, nil, nil)
		switch {
		case err != nil:
			return nil, err
		case c == nil || !failed(c):
			return nil, nil
		case c.Key != scsi.UnitAttention && !busy(c):
			return c, nil
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, fail(op, driver.OutcomeUnknown, "the drive is still busy (%v%s): %v", c.Sense, progress(c), ctx.Err())
		}
	}
}

// progress is how far the drive is with what it does, if it tells.
func progress(c *scsi.Check) string {
	if !c.ProgressValid {
		return ""
	}
	return fmt.Sprintf(", %d %% done", int(c.Progress)*100/65536)
}

// Unload implements driver.Drive.
func (d *drive) Unload(ctx context.Context) error {
	const op = "unload"
	if d.closed.Load() {
		return fail(op, driver.OutcomeGone, "the drive is closed")
	}
	if empty, err := d.empty(ctx, op); err != nil || empty {
		d.loaded = false
		return err
	}
	if d.loaded && d.dirty {
		_, err := d.WriteFilemarks(ctx, 0, false)
		d.loaded = false // a buffer that cannot be written is told once; the next Unload releases the cartridge
		if err != nil && outcome(err) != driver.OutcomeWriteProtected {
			return err
		}
	}
	d.loaded = false
	if _, c, err := d.u.Do(ctx, op, scsi.PreventRemoval(false), nil, nil); err != nil {
		return err
	} else if c != nil && c.Key != scsi.IllegalRequest && c.Key != scsi.UnitAttention {
		return c.Error(op)
	}
	// A cleaning cartridge is let go when it has done its work; some drives eject it by themselves.
	c, err := d.settled(ctx, op, scsi.LoadUnload(false), func(c *scsi.Check) bool { return becoming(c) || cleaning(c) })
	if err != nil || c == nil || c.Key == scsi.NotReady && c.ASC == 0x3a {
		return err
	}
	return c.Error(op)
}

// Close implements driver.Drive. A cartridge stays loaded; with the session its removal is no longer prevented.
func (d *drive) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	return d.u.Close()
}
