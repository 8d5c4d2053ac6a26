package faulty

import (
	"bytes"
	"context"

	"github.com/enstore-go/sdk/tape/driver"
)

// TapeDrive is a driver.Drive with faults.
type TapeDrive struct {
	*Device
	dev    driver.Drive
	volume string
	lost   int64 // objects that the tape does not have, and should
	marks  int64 // of them filemarks
}

// Drive wraps dev, which it owns from then on.
func Drive(dev driver.Drive, rules ...Rule) *TapeDrive {
	return &TapeDrive{Device: newDevice(rules), dev: dev}
}

var (
	_ driver.Drive          = (*TapeDrive)(nil)
	_ driver.HealthReporter = (*TapeDrive)(nil)
)

func (d *TapeDrive) run(ctx context.Context, c Call, f func(Rule) error, names ...Op) error {
	if c.Op = names[0]; d.picky() {
		c.Volume, c.Block = d.volume, driver.Unknown
		if p, err := d.dev.Position(ctx); err == nil {
			c.Block = p.Block
		}
	}
	r, release := d.match(c, names...)
	return apply(ctx, r, release, names[0], func() error { return f(r) })
}

// moved is called before the tape moves: by then what was lost is seen to be.
func (d *TapeDrive) moved() { d.lost, d.marks = 0, 0 }

// Identify implements driver.Drive.
func (d *TapeDrive) Identify(ctx context.Context) (id driver.Identity, caps driver.Capabilities, err error) {
	err = d.run(ctx, Call{}, func(Rule) (err error) { id, caps, err = d.dev.Identify(ctx); return err }, Identify)
	return id, caps, err
}

// Status implements driver.Drive.
func (d *TapeDrive) Status(ctx context.Context) (s driver.Status, err error) {
	err = d.run(ctx, Call{}, func(Rule) (err error) { s, err = d.dev.Status(ctx); return err }, Status)
	return s, err
}

// Health implements driver.HealthReporter, as far as the drive beneath does.
func (d *TapeDrive) Health(ctx context.Context) (h driver.Health, err error) {
	h = driver.UnknownHealth()
	err = d.run(ctx, Call{}, func(Rule) (err error) {
		r, ok := d.dev.(driver.HealthReporter)
		if !ok {
			return &driver.Error{Op: "health", Outcome: driver.OutcomeIllegalRequest, Sense: driver.Sense{Info: driver.Unknown}, Text: "the drive does not tell how it is"}
		}
		h, err = r.Health(ctx)
		return err
	}, Health)
	return h, err
}

// Load implements driver.Drive.
func (d *TapeDrive) Load(ctx context.Context) error {
	return d.run(ctx, Call{}, func(Rule) error {
		d.moved()
		err := d.dev.Load(ctx)
		if s, e := d.dev.Status(ctx); err == nil && e == nil {
			d.volume = s.Barcode
		}
		return err
	}, Load)
}

// Unload implements driver.Drive.
func (d *TapeDrive) Unload(ctx context.Context) error {
	return d.run(ctx, Call{}, func(Rule) error { d.moved(); return d.dev.Unload(ctx) }, Unload)
}

// Rewind implements driver.Drive.
func (d *TapeDrive) Rewind(ctx context.Context) error {
	return d.run(ctx, Call{}, func(Rule) error { d.moved(); return d.dev.Rewind(ctx) }, Rewind)
}

// Locate implements driver.Drive.
func (d *TapeDrive) Locate(ctx context.Context, block int64) error {
	return d.run(ctx, Call{N: block}, func(Rule) error { d.moved(); return d.dev.Locate(ctx, block) }, Locate)
}

// Space implements driver.Drive.
func (d *TapeDrive) Space(ctx context.Context, k driver.Space, n int64) (passed int64, c driver.Condition, err error) {
	err = d.run(ctx, Call{N: n}, func(Rule) (err error) { d.moved(); passed, c, err = d.dev.Space(ctx, k, n); return err }, Space)
	return passed, c, err
}

// Position implements driver.Drive.
func (d *TapeDrive) Position(ctx context.Context) (p driver.Position, err error) {
	err = d.run(ctx, Call{}, func(r Rule) (err error) {
		p, err = d.dev.Position(ctx)
		if p.Block != driver.Unknown {
			p.Block += r.Shift + d.lost
		}
		if p.File != driver.Unknown {
			p.File += d.marks
		}
		return err
	}, Position)
	return p, err
}

// ReadBlock implements driver.Drive.
func (d *TapeDrive) ReadBlock(ctx context.Context, p []byte) (n int, c driver.Condition, err error) {
	err = d.run(ctx, Call{N: int64(len(p))}, func(r Rule) (err error) {
		d.moved()
		n, c, err = d.dev.ReadBlock(ctx, p)
		if r.Corrupt && n > 0 {
			p[n/2] ^= 0x10
		}
		return err
	}, ReadBlock)
	if err != nil {
		return 0, driver.NoCondition, err
	}
	return n, c, nil
}

// WriteBlock implements driver.Drive.
func (d *TapeDrive) WriteBlock(ctx context.Context, p []byte) (c driver.Condition, err error) {
	err = d.run(ctx, Call{N: int64(len(p))}, func(r Rule) (err error) {
		if r.Lost {
			d.lost++
			return nil
		}
		if r.Corrupt && len(p) > 0 {
			p = bytes.Clone(p)
			p[len(p)/2] ^= 0x10
		}
		c, err = d.dev.WriteBlock(ctx, p)
		return err
	}, WriteBlock)
	return c, err
}

// WriteFilemarks implements driver.Drive.
func (d *TapeDrive) WriteFilemarks(ctx context.Context, n int, immediate bool) (c driver.Condition, err error) {
	names := []Op{WriteFilemarks}
	if !immediate {
		names = append(names, Flush)
	}
	err = d.run(ctx, Call{N: int64(n)}, func(r Rule) (err error) {
		if r.Lost {
			d.lost, d.marks = d.lost+int64(n), d.marks+int64(n)
			return nil
		}
		c, err = d.dev.WriteFilemarks(ctx, n, immediate)
		return err
	}, names...)
	return c, err
}

// Close implements driver.Drive. A rule with Hang keeps it until Release.
func (d *TapeDrive) Close() error {
	return d.run(context.Background(), Call{}, func(Rule) error { return d.dev.Close() }, Close)
}

// Robot is a driver.Changer with faults.
type Robot struct {
	*Device
	dev driver.Changer
}

// Changer wraps dev, which it owns from then on.
func Changer(dev driver.Changer, rules ...Rule) *Robot {
	return &Robot{newDevice(rules), dev}
}

var _ driver.Changer = (*Robot)(nil)

func (r *Robot) run(ctx context.Context, c Call, f func() error) error {
	op := c.Op
	rule, release := r.match(c, op)
	return apply(ctx, rule, release, op, f)
}

// Identify implements driver.Changer.
func (r *Robot) Identify(ctx context.Context) (id driver.Identity, caps driver.ChangerCapabilities, err error) {
	err = r.run(ctx, Call{Op: Identify}, func() (err error) { id, caps, err = r.dev.Identify(ctx); return err })
	return id, caps, err
}

// Inventory implements driver.Changer.
func (r *Robot) Inventory(ctx context.Context) (all []driver.Element, err error) {
	err = r.run(ctx, Call{Op: Inventory}, func() (err error) { all, err = r.dev.Inventory(ctx); return err })
	return all, err
}

// Move implements driver.Changer.
func (r *Robot) Move(ctx context.Context, from, to int) error {
	return r.run(ctx, Call{Op: Move, From: from, To: to}, func() error { return r.dev.Move(ctx, from, to) })
}

// Close implements driver.Changer.
func (r *Robot) Close() error {
	return r.run(context.Background(), Call{Op: Close}, func() error { return r.dev.Close() })
}
