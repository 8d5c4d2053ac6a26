package ssc

import (
	"context"
	"math"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/scsi"
)

var _ driver.HealthReporter = (*drive)(nil)

// reports is what a drive can be asked of its health.
type reports struct {
	pages    map[uint8]bool // of its log
	memory   bool           // READ ATTRIBUTE
	wrapEnds bool
}

// what finds out what the drive can be asked, and whether it takes write-once cartridges.
func (d *drive) what(ctx context.Context) error {
	const op = "open"
	in, err := d.ask(ctx, op, scsi.LogSense(scsi.LogSupported, 260), make([]byte, 260))
	if err != nil {
		return err
	}
	d.reports.pages = map[uint8]bool{}
	pages, _ := scsi.ParseLogPages(in)
	for _, p := range pages {
		d.reports.pages[p] = true
	}
	// Whether a command is there is seen by its answer: a target is known that says so of every command.
	_, c, err := d.u.Do(ctx, op, scsi.ReadAttributes(0, 64), nil, make([]byte, 64))
	if err != nil {
		return err
	}
	d.reports.memory = c == nil || c.Key != scsi.IllegalRequest || c.ASC != 0x20
	d.reports.wrapEnds = d.id.Vendor == "IBM" && d.lto >= 7
	told := d.reports.memory
	for _, p := range []uint8{scsi.LogWriteErrors, scsi.LogReadErrors, scsi.LogSequential, scsi.LogStatistics, scsi.LogVolume, scsi.LogAlert, scsi.LogCapacity} {
		told = told || d.reports.pages[p]
	}
	d.caps.ReportsHealth = told
	if in, err = d.ask(ctx, op, scsi.InquiryPage(scsi.PageSequential, 64), make([]byte, 64)); err != nil {
		return err
	}
	d.caps.WORM, _ = scsi.ParseWORM(in) // a drive that does not have the page answers nothing
	return nil
}

// ask puts a question whose refusal is no failure: then nothing is answered. An attention ends the load; one that is told
// while no cartridge is loaded is passed over. After a refusal d.unknown tells that the drive does not know the command at all.
func (d *drive) ask(ctx context.Context, op string, cdb, in []byte) ([]byte, error) {
	for range 8 { // attentions that may stand, as for scsi.Unit.Greet
		n, c, err := d.u.Do(ctx, op, cdb, nil, in)
		switch {
		case err != nil:
			if o := outcome(err); o != driver.OutcomeAborted && o != driver.OutcomeNotReady {
				d.loaded = false
			}
			return nil, err
		case c == nil:
			return in[:n], nil
		case c.Deferred, c.Key == scsi.UnitAttention && d.loaded:
			d.loaded = d.loaded && c.Key != scsi.UnitAttention
			return nil, c.Error(op)
		case c.Key != scsi.UnitAttention:
			d.unknown = c.Key == scsi.IllegalRequest && c.ASC == 0x20
			return nil, nil
		}
	}
	return nil, fail(op, driver.OutcomeUnitAttention, "the drive has attentions without end")
}

// params are a log page's values by their codes; none of a page that the drive does not have.
type params map[uint16]scsi.LogParameter

// log reads a log page.
func (d *drive) log(ctx context.Context, op string, page uint8) (params, error) {
	all := params{}
	if !d.reports.pages[page] {
		return all, nil
	}
	in, err := d.ask(ctx, op, scsi.LogSense(page, 8192), make([]byte, 8192))
	if err != nil {
		return all, err
	}
	got, ps, _ := scsi.ParseLog(in) // what is cut off is not told
	if got != page {
		return all, nil
	}
	for _, p := range ps {
		all[p.Code] = p
	}
	return all, nil
}

// count is a value as a number, times a unit.
func (p params) count(code uint16, unit int64) int64 {
	n, ok := p[code].Number()
	if !ok {
		return driver.Unknown
	}
	return times(n, unit)
}

func (p params) text(code uint16) string { return short(scsi.Attribute{Value: p[code].Value}.String()) }

func times(n uint64, unit int64) int64 {
	if n > uint64(math.MaxInt64/unit) {
		return driver.Unknown
	}
	return int64(n) * unit
}

func short(s string) string { return s[:min(len(s), driver.MaxHealthText)] }

// wants is what the drive says of cleaning in its log: it keeps that until it has been cleaned, other than the TapeAlert flags.
func (d *drive) wants(ctx context.Context, op string) (driver.Cleaning, error) {
	ps, err := d.log(ctx, op, scsi.LogSequential)
	if err != nil {
		return driver.CleaningUnknown, err
	}
	return wanted(ps), nil
}

func wanted(ps params) driver.Cleaning {
	switch ps.count(0x100, 1) {
	case driver.Unknown:
		return driver.CleaningUnknown
	case 0:
		return driver.CleaningNone
	}
	return driver.CleaningDue
}

// traffic is what the error counters (SPC-5, 7.3.6 and SSC-5, 8.2) and the log of bytes tell since the drive counts, which may be before
// the load.
func (d *drive) traffic(ctx context.Context, op string) (written, read driver.Traffic, seq params, err error) {
	errs := func(page uint8) (t driver.Traffic) {
		if err != nil {
			return t
		}
		var ps params
		ps, err = d.log(ctx, op, page)
		return driver.Traffic{Bytes: driver.Unknown, Corrected: ps.count(3, 1), Uncorrected: ps.count(6, 1)}
	}
	written, read = errs(scsi.LogWriteErrors), errs(scsi.LogReadErrors)
	if err == nil {
		seq, err = d.log(ctx, op, scsi.LogSequential)
	}
	written.Bytes, read.Bytes = seq.count(1, 1), seq.count(2, 1)
	return written, read, seq, err
}

// since is a count less what it was when the load began; a drive that began anew meanwhile has counted all of it since.
func since(now, then driver.Traffic) driver.Traffic {
	less := func(now, then int64) int64 {
		if now == driver.Unknown || then == driver.Unknown || now < then {
			return now
		}
		return now - then
	}
	return driver.Traffic{Bytes: less(now.Bytes, then.Bytes), Corrected: less(now.Corrected, then.Corrected), Uncorrected: less(now.Uncorrected, then.Uncorrected)}
}

// recognise asks what the cartridge is that is being loaded: by its memory, else by the drive's mode.
func (d *drive) recognise(ctx context.Context, op string) (err error) {
	d.cartridge = driver.UnknownCartridge()
	if err := d.remember(ctx, op); err != nil {
		return err
	}
	c := &d.cartridge
	in, err := d.ask(ctx, op, scsi.ModeSense(scsi.PageMedium, 255), make([]byte, 255))
	if err != nil {
		return err
	}
	if in == nil { // no such page
		if in, err = d.ask(ctx, op, scsi.ModeSense(scsi.PageNone, 255), make([]byte, 255)); err != nil {
			return err
		}
	}
	if m, err := scsi.ParseMode(in); in != nil && err == nil {
		if m.Density != 0 { // which is: not told
			c.Density = int64(m.Density)
		}
		for _, p := range m.Pages { // a target is known that sets the bit and takes no such cartridges
			if d.caps.WORM && c.Kind == driver.CartridgeUnknown && p.Page == scsi.PageMedium && len(p.Data) > 0 && p.Data[0]&1 != 0 {
				c.Kind = driver.CartridgeWORM
			}
		}
		// LTO drives made by IBM tell generation and kind of the cartridge: 3Ch is LTO-3, write once, 38h LTO-3, data.
		if c.Kind == driver.CartridgeUnknown && d.id.Vendor == "IBM" && m.Medium >= 0x38 {
			c.Kind = map[uint8]driver.CartridgeKind{0x8: driver.CartridgeData, 0xc: driver.CartridgeWORM}[m.Medium&0xf]
		}
	}
	d.before.written, d.before.read, _, err = d.traffic(ctx, op)
	return err
}

// remember reads the cartridge's memory (SPC-5, 7.4).
func (d *drive) remember(ctx context.Context, op string) error {
	if !d.reports.memory {
		return nil
	}
	in, err := d.ask(ctx, op, scsi.ReadAttributes(0, 16384), make([]byte, 16384))
	if err != nil {
		return err
	}
	if in == nil { // of this cartridge, whose memory may be broken, or at all
		d.reports.memory = !d.unknown
		return nil
	}
	c := &d.cartridge
	all, _ := scsi.ParseAttributes(in) // what is cut off is not told
	for _, a := range all {
		n := driver.Unknown
		if v, ok := a.Number(); ok && !a.Text {
			n = times(v, 1)
		}
		switch a.ID {
		case scsi.AttributeRemaining:
			c.Remaining = mib(n)
		case scsi.AttributeMaximum:
			c.Capacity = mib(n)
		case scsi.AttributeLoads:
			c.Loads = n
		case scsi.AttributeMaker:
			c.Maker = short(a.String())
		case scsi.AttributeSerial:
			c.Serial = short(a.String())
		case scsi.AttributeBarcode:
			c.Barcode = short(a.String())
		case scsi.AttributeDensity:
			if n > 0 && n <= math.MaxUint8 && c.Density == driver.Unknown { // the mode tells what is read and written
				c.Density = n
			}
		case scsi.AttributeMediumType:
			switch n {
			case 0x00:
				c.Kind = driver.CartridgeData
			case 0x01:
				c.Kind = driver.CartridgeCleaning
			case 0x80:
				c.Kind = driver.CartridgeWORM
			}
		}
	}
	possible(c)
	return nil
}

// mib is a number of MiB in bytes.
func mib(n int64) int64 {
	if n < 0 {
		return driver.Unknown
	}
	return times(uint64(n), 1<<20)
}

// possible forgets a capacity of nothing, and room that is not.
func possible(c *driver.Cartridge) {
	if c.Capacity == 0 {
		c.Capacity, c.Remaining = driver.Unknown, driver.Unknown
	}
	if c.Capacity != driver.Unknown && c.Remaining > c.Capacity {
		c.Remaining = driver.Unknown
	}
}

// room reads what remains anew: from the memory, else from the log of an LTO drive, where MiB are the unit.
func (d *drive) room(ctx context.Context, op string) error {
	c := &d.cartridge
	if d.reports.memory && c.Remaining != driver.Unknown {
		return d.remember(ctx, op)
	}
	ps, err := d.log(ctx, op, scsi.LogCapacity)
	if err != nil {
		return err
	}
	if n := ps.count(1, 1<<20); n != driver.Unknown {
		c.Remaining = n
	}
	if n := ps.count(3, 1<<20); n != driver.Unknown {
		c.Capacity = n
	}
	possible(c)
	return nil
}

// Health implements driver.HealthReporter. A drive whose log cannot tell the number of stops tells none: no standard page has it.
func (d *drive) Health(ctx context.Context) (driver.Health, error) {
	const op = "health"
	h := driver.UnknownHealth()
	switch {
	case d.closed.Load():
		return h, fail(op, driver.OutcomeGone, "the drive is closed")
	case !d.caps.ReportsHealth:
		return h, fail(op, driver.OutcomeIllegalRequest, "the drive does not tell how it is")
	}
	written, read, seq, err := d.traffic(ctx, op)
	if err != nil {
		return driver.UnknownHealth(), err
	}
	h.Cleaning = wanted(seq)
	life, err := d.log(ctx, op, scsi.LogStatistics)
	if err != nil {
		return driver.UnknownHealth(), err
	}
	h.Loads, h.Cleanings, h.PowerHours, h.MotionHours = life.count(0, 1), life.count(1, 1), life.count(2, 1), life.count(3, 1)
	if d.loaded {
		h.Written, h.Read = since(written, d.before.written), since(read, d.before.read)
		if err := d.ofCartridge(ctx, op); err != nil {
			return driver.UnknownHealth(), err
		}
		h.Cartridge = d.cartridge
	}
	// Last, because it clears them: no failure of anything else may lose a flag.
	if d.reports.pages[scsi.LogAlert] {
		in, err := d.ask(ctx, op, scsi.LogSense(scsi.LogAlert, 8192), make([]byte, 8192))
		if err != nil {
			return driver.UnknownHealth(), err
		}
		h.Alerts, _ = scsi.ParseAlerts(in) // what came before something that is wrong counts
	}
	switch {
	case h.Alerts.Has(driver.AlertCleanNow):
		h.Cleaning = driver.CleaningNow
	case h.Alerts.Has(driver.AlertCleanDue):
		h.Cleaning = max(h.Cleaning, driver.CleaningDue)
	}
	return h, nil
}

// ofCartridge brings what is known of the cartridge up to date. What its memory does not tell is taken from the log of volumes.
func (d *drive) ofCartridge(ctx context.Context, op string) error {
	if err := d.room(ctx, op); err != nil {
		return err
	}
	c := &d.cartridge
	v, err := d.log(ctx, op, scsi.LogVolume)
	if err != nil {
		return err
	}
	for _, t := range []struct {
		s    *string
		code uint16
	}{{&c.Serial, 0x40}, {&c.Barcode, 0x42}, {&c.Maker, 0x43}} {
		if *t.s == "" {
			*t.s = v.text(t.code)
		}
	}
	if c.Loads == driver.Unknown {
		c.Loads = v.count(1, 1)
	}
	if c.Capacity == driver.Unknown {
		c.Capacity = v.count(0x16, 1e6)
		possible(c)
	}
	if c.Kind == driver.CartridgeUnknown && v.count(0x81, 1) > 0 {
		c.Kind = driver.CartridgeWORM
	}
	return d.wraps(ctx, op)
}

// wraps asks once a load where the wraps end: the drive does not look again.
func (d *drive) wraps(ctx context.Context, op string) error {
	c := &d.cartridge
	if !d.reports.wrapEnds || c.WrapEnds != nil {
		return nil
	}
	in, err := d.ask(ctx, op, scsi.ReadWrapEnds(16384), make([]byte, 16384))
	if err != nil {
		return err
	}
	if in == nil {
		d.reports.wrapEnds = !d.unknown
		return nil
	}
	ends, err := scsi.ParseWrapEnds(in)
	if err != nil {
		return nil
	}
	c.WrapEnds = behind(ends)
	return nil
}

// behind makes of the last objects of a volume's wraps the first ones behind them. Of the wrap that is not full the drive tells end
// of data, which is behind it already (IBM's LTO SCSI reference GA32-0928, 5.2.20). Wraps of other partitions are not of the volume. Nil
// if this cannot be.
func behind(ends []scsi.WrapEnd) (all []int64) {
	for _, e := range ends {
		if e.Partition != 0 {
			continue
		}
		n := times(e.Object, 1)
		if e.Wrap != len(all) || n == driver.Unknown || len(all) == driver.MaxWraps {
			return nil
		}
		all = append(all, n)
	}
	last := int64(0)
	for i := range all {
		if i < len(all)-1 {
			all[i]++
		}
		if all[i] <= last {
			return nil
		}
		last = all[i]
	}
	return all
}
