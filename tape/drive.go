package tape

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

// DriveOptions are the options of NewDrive.
type DriveOptions struct {
	// Name is what errors call the drive; default the serial number, else the product.
	Name string
	// Grace is how long a call may take to return after its deadline or the end of the
	// caller's context, before it is abandoned. Default DefaultGrace.
	Grace time.Duration
}

// Drive is one tape drive. Its methods, and those of its load, may be called from
// several goroutines, and run one after the other; only one of them should move the tape.
type Drive struct {
	dev  driver.Drive
	port *port
	name string
	id   driver.Identity
	caps driver.Capabilities

	mu       sync.Mutex // guards what follows, and all of Load
	load     *Load      // the present one
	stats    Stats
	alerts   driver.Alerts // read since the load began
	cleaning driver.Cleaning
	stops    int64 // of the tape, as the drive told last
}

// NewDrive asks dev what it is and returns a Drive over it, which owns dev from then on.
// On an error dev is left open.
func NewDrive(ctx context.Context, dev driver.Drive, o *DriveOptions) (*Drive, error) {
	if o == nil {
		o = &DriveOptions{}
	}
	d := &Drive{dev: dev, port: newPort(o.Grace), name: o.Name}
	d.caps.Timeouts = d.caps.Timeouts.WithDefaults()
	type identified struct {
		id   driver.Identity
		caps driver.Capabilities
	}
	a, err := command(ctx, d, nil, kindCommand, "identify", func(ctx context.Context) (identified, error) {
		id, caps, err := dev.Identify(ctx)
		return identified{id, caps}, err
	})
	if err != nil {
		return nil, err
	}
	d.id, d.caps = a.id, a.caps
	d.caps.Timeouts = a.caps.Timeouts.WithDefaults()
	if d.caps.MinBlock < 1 || d.caps.MaxBlock < d.caps.MinBlock {
		return nil, d.wrap(nil, "identify", failed("identify", driver.OutcomeHardware,
			fmt.Sprintf("block limits %d to %d make no sense", d.caps.MinBlock, d.caps.MaxBlock)))
	}
	for _, name := range []string{d.id.Serial, d.id.Product} {
		if d.name == "" {
			d.name = name
		}
	}
	return d, nil
}

// Identity is what the drive said of itself.
func (d *Drive) Identity() driver.Identity { return d.id }

// Capabilities are the drive's abilities, with the defaults of its time-outs filled in.
func (d *Drive) Capabilities() driver.Capabilities { return d.caps }

// Stats are the counters since NewDrive.
func (d *Drive) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats.clone()
}

// Status asks what is in the drive. It needs no load and moves nothing. If it
// meets a sign that the cartridge was changed or reset, the present load ends. NeedsClean is what the drive says, or said to Health.
func (d *Drive) Status(ctx context.Context) (driver.Status, error) {
	s, err := command(ctx, d, nil, kindCommand, "status", d.dev.Status)
	if err != nil {
		return s, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.NeedsClean {
		d.cleaning = max(d.cleaning, driver.CleaningDue)
	}
	s.NeedsClean = d.cleaning >= driver.CleaningDue
	return s, nil
}

// Idle waits until no call is under way in the driver, an abandoned one included. Buffers
// given to a call that ended with ErrTimeout may be used again after it returned nil.
func (d *Drive) Idle(ctx context.Context) error { return d.port.idle(ctx) }

// Load makes the cartridge in the drive ready and begins a load, at the load point. It ends
// the load before, if there was one. ErrNoMedium without a cartridge, ErrCleaning with one that is for cleaning.
func (d *Drive) Load(ctx context.Context) (*Load, error) {
	d.mu.Lock()
	if d.load != nil {
		d.load.end(errors.New("tape: another load has begun"))
	}
	d.alerts = 0
	d.mu.Unlock()
	_, err := command(ctx, d, nil, kindLoad, "load", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, d.dev.Load(ctx)
	})
	if err != nil {
		return nil, err
	}
	st, err := d.Status(ctx)
	if err != nil {
		return nil, err
	}
	if !st.Loaded {
		return nil, d.wrap(nil, "load", failed("load", driver.OutcomeNotReady, "the drive took the command and is not loaded"))
	}
	l := &Load{d: d, status: st, volume: st.Barcode, marks: map[int64]int64{0: 0}}
	d.mu.Lock()
	d.load = l
	d.stats.Loads++
	l.stats.Loads++
	d.mu.Unlock()
	if err := l.verify(ctx, "load"); err != nil {
		return nil, err
	}
	return l, nil
}

// Unload ends the present load, whether it can still be trusted or not, and has
// the drive write what it holds, rewind and release the cartridge. An empty drive is no error.
// Engines that have written call Load.Sync before: an error here comes too late to tell
// what it is about.
func (d *Drive) Unload(ctx context.Context) error {
	d.mu.Lock()
	l := d.load
	if l != nil {
		l.end(errors.New("tape: the cartridge was unloaded"))
	}
	d.mu.Unlock()
	_, err := command(ctx, d, l, kindLoad, "unload", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, d.dev.Unload(ctx)
	})
	if err == nil {
		d.mu.Lock()
		d.stats.Unloads++
		d.stops = 0
		d.mu.Unlock()
	}
	return err
}

// Close gives the drive back and ends its load. A loaded cartridge stays loaded, and
// what was not flushed may be lost. It may be called while another call runs, and twice.
func (d *Drive) Close() error {
	d.mu.Lock()
	if d.load != nil {
		d.load.end(ErrClosed)
	}
	d.mu.Unlock()
	if err := d.port.close("close", d.dev.Close); err != nil {
		return d.wrap(nil, "close", err)
	}
	return nil
}

// blind tells that the drive reports nothing that a count could be compared with.
func (d *Drive) blind() bool { return !d.caps.ReportsPosition && !d.caps.ReportsFile }

// kind is a kind of command: it has one time limit and one clock.
type kind uint8

const (
	kindCommand kind = iota
	kindLoad
	kindLocate
	kindRead
	kindWrite
	kindMark
	kindFlush
)

func (k kind) limit(t driver.Timeouts) time.Duration {
	switch k {
	case kindLoad:
		return t.Load
	case kindLocate:
		return t.Locate
	case kindRead, kindWrite:
		return t.Transfer
	case kindMark, kindFlush:
		return t.Flush
	}
	return t.Command
}

func (k kind) writes() bool { return k == kindWrite || k == kindMark || k == kindFlush }

func (t *Times) of(k kind) *time.Duration {
	switch k {
	case kindLoad:
		return &t.Load
	case kindLocate:
		return &t.Locate
	case kindRead:
		return &t.Read
	case kindWrite:
		return &t.Write
	case kindMark:
		return &t.Mark
	case kindFlush:
		return &t.Flush
	}
	return &t.Command
}

// command carries one command to the driver, counts it, and lets a failure end what it
// must: the whole load, or the load for writing. Every error it returns is an *Error. l
// is nil for commands that belong to no load; then the present load may be ended.
func command[T any](ctx context.Context, d *Drive, l *Load, k kind, op string, f func(context.Context) (T, error)) (T, error) {
	start := time.Now()
	v, began, err := call(ctx, d.port, op, k.limit(d.caps.Timeouts), f)
	took := time.Since(start)

	d.mu.Lock()
	defer d.mu.Unlock()
	if l == nil {
		l = d.load
	}
	for _, s := range []*Stats{&d.stats, l.counters()} {
		if s != nil && began {
			s.Commands++
			*s.Time.of(k) += took
			if err != nil {
				s.fail(OutcomeOf(err))
			}
		}
	}
	if err == nil {
		return v, nil
	}
	e := d.wrapLocked(l, op, err)
	if e.Verdict.Do == CleanDrive {
		d.cleaning = max(d.cleaning, driver.CleaningDue)
	}
	if began && l != nil {
		l.judge(ctx, k, e)
	}
	return v, e
}

// judge draws the consequences of a failed command for the load. d.mu is held.
func (l *Load) judge(ctx context.Context, k kind, e *Error) {
	var d *driver.Error
	errors.As(e.Err, &d)
	switch d.Outcome {
	case driver.OutcomeUnitAttention, driver.OutcomeTimeout, driver.OutcomeGone,
		driver.OutcomeHeld, driver.OutcomeNoMedium, driver.OutcomeNotReady:
		l.end(e)
	case driver.OutcomeUnknown:
		// A question without an answer, because the caller lost patience, changed nothing.
		if k != kindCommand || ctx.Err() == nil {
			l.end(e)
		}
	}
	harmless := false
	switch d.Outcome {
	case driver.OutcomeIllegalRequest, driver.OutcomeAborted, driver.OutcomeWriteProtected:
		harmless = true
	case driver.OutcomeEndOfMedium:
		harmless = k != kindFlush // nothing of it was written, what came before stands
	}
	if d.Sense.Deferred || k.writes() && !harmless {
		l.seal(e)
	}
}

// wrap makes an *Error of what went wrong.
func (d *Drive) wrap(l *Load, op string, err error) *Error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wrapLocked(l, op, err)
}

func (d *Drive) wrapLocked(l *Load, op string, err error) *Error {
	e := &Error{Op: op, Drive: d.name, Position: unknown, Verdict: VerdictOf(err), Err: err}
	if l != nil {
		e.Volume, e.Position = l.volume, l.pos
	}
	return e
}
