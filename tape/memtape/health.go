package memtape

import (
	"context"
	"fmt"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

var _ driver.HealthReporter = (*drive)(nil)

// health is what a drive knows of itself.
type health struct {
	cleaning         driver.Cleaning
	alerts           driver.Alerts
	loads, cleanings int64
	until            time.Time // a cleaning cartridge is at work
	written, read    driver.Traffic
}

// TapeAlert flags that this drive raises (SSC-5, annex A).
const (
	alertHardError     = 3
	alertReadFailure   = 5
	alertWriteFailure  = 6
	alertCleaningMedia = 11
)

// begin begins a load.
func (h *health) begin() {
	h.loads++
	h.written, h.read = driver.Traffic{}, driver.Traffic{}
}

// cleans tells whether a cleaning cartridge is at work.
func (b *bay) cleans() bool {
	return b.in != nil && b.in.o.Cleanings > 0 && time.Now().Before(b.health.until)
}

// clean has a cleaning cartridge begin its work, or tell that it is used up.
func (b *bay) clean(c *cartridge, work time.Duration) {
	if c.left == 0 {
		b.health.alerts |= driver.AlertsOf(driver.AlertCleaningExpired)
		return
	}
	c.left--
	b.health.cleaning = driver.CleaningNone
	b.health.cleanings++
	b.health.until = time.Now().Add(work)
	b.health.alerts &^= driver.AlertsOf(driver.AlertCleanNow, driver.AlertCleanDue)
	b.health.alerts |= driver.AlertsOf(alertCleaningMedia)
}

// Soil makes drive n want to be cleaned, with the TapeAlert flag of the degree. A cleaning cartridge in the drive puts an end to it.
func (l *Library) Soil(n int, c driver.Cleaning) error {
	return l.Alert(n, map[driver.Cleaning]int{driver.CleaningDue: driver.AlertCleanDue, driver.CleaningNow: driver.AlertCleanNow}[c], c)
}

// Alert raises a TapeAlert flag of drive n, if it is one, which stands until it is read, and has the drive want cleaning as it says.
func (l *Library) Alert(n, flag int, c driver.Cleaning) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 0 || n >= len(l.drives) {
		return fmt.Errorf("memtape: no drive %d", n)
	}
	h := &l.drives[n].health
	h.alerts |= driver.AlertsOf(flag)
	if c != driver.CleaningUnknown {
		h.cleaning = c
	}
	return nil
}

// Health implements driver.HealthReporter. It knows stops and the ends of wraps if Timing has a Streaming.
func (d *drive) Health(ctx context.Context) (driver.Health, error) {
	out := driver.UnknownHealth()
	err := d.do(ctx, "health", false, func(b *bay, c *cartridge) (int64, error) {
		h := &b.health
		out.Alerts, out.Cleaning = h.alerts, h.cleaning
		h.alerts = 0
		out.Loads, out.Cleanings = h.loads, h.cleanings
		out.Written, out.Read = h.written, h.read
		if c == nil {
			return 0, nil
		}
		m := &out.Cartridge
		m.Maker, m.Serial, m.Barcode, m.Loads = "ENSTORE", c.label, c.label, c.loads
		switch {
		case c.o.Cleanings > 0:
			m.Kind = driver.CartridgeCleaning
			return 0, nil
		case c.o.WORM:
			m.Kind = driver.CartridgeWORM
		default:
			m.Kind = driver.CartridgeData
		}
		m.Capacity, m.Remaining = c.o.Capacity, max(0, c.o.Capacity-c.used-b.held())
		if r := b.reel; r != nil {
			out.Stops = r.stops
			m.WrapEnds = r.wrapEnds(c)
			if f, ok := figures[r.s.Generation.Name]; ok {
				m.Density = f.density
			}
		}
		return 0, nil
	})
	return out, err
}
