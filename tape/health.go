package tape

import (
	"context"
	"errors"
	"fmt"

	"github.com/enstore-go/sdk/tape/driver"
)

// Health asks how the drive and the cartridge in it are. It is the one reader of the drive's TapeAlert flags, which reading clears:
// an engine calls it when it has opened the drive, before it unloads, and when something went wrong. What was read is kept:
// [Drive.Alerts] and [Drive.Cleaning]; the Cleaning of the answer is what is known by then. A drive that does not tell
// (Capabilities.ReportsHealth) gives driver.UnknownHealth and no error. An answer that cannot be is an error, and changes nothing.
func (d *Drive) Health(ctx context.Context) (driver.Health, error) {
	const op = "health"
	r, ok := d.dev.(driver.HealthReporter)
	if !ok || !d.caps.ReportsHealth {
		h := driver.UnknownHealth()
		h.Cleaning = d.Cleaning()
		return h, nil
	}
	h, err := command(ctx, d, nil, kindCommand, op, r.Health)
	if err != nil {
		return driver.UnknownHealth(), err
	}
	if err := h.Check(); err != nil {
		return driver.UnknownHealth(), d.wrap(nil, op, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.alerts |= h.Alerts
	switch {
	case h.Alerts.Has(driver.AlertCleanNow):
		h.Cleaning = driver.CleaningNow
	case h.Alerts.Has(driver.AlertCleanDue):
		h.Cleaning = max(h.Cleaning, driver.CleaningDue)
	}
	if h.Cleaning == driver.CleaningNone {
		d.cleaning = driver.CleaningNone
	}
	d.cleaning = max(d.cleaning, h.Cleaning)
	h.Cleaning = d.cleaning
	d.stopped(h.Stops)
	return h, nil
}

// stopped counts the stops of the tape: the drive's number begins anew with each cartridge, and not with each Load. d.mu is held.
func (d *Drive) stopped(n int64) {
	if n == driver.Unknown {
		return
	}
	more := n - d.stops
	if more < 0 {
		more = n
	}
	d.stops = n
	d.stats.Stops += more
	if d.load != nil {
		d.load.stats.Stops += more
	}
}

// Alerts are the TapeAlert flags that Health read since the latest load began, or since NewDrive.
func (d *Drive) Alerts() driver.Alerts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.alerts
}

// Cleaning is how urgently the drive wants to be cleaned, as far as it has been asked or has said so in the sense data of an error.
func (d *Drive) Cleaning() driver.Cleaning {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cleaning
}

// Clean waits until the cleaning cartridge in the drive has done its work, and releases it, so that a robot may take it away. A
// drive that has ejected it already and wants no cleaning any more is success. ErrNotCleaning if it is another cartridge, which has been unloaded then;
// ErrUncleaned if the drive wants to be cleaned as before, with ErrCleanerSpent if it says that the cartridge is used up or does not fit; ErrNoMedium if no
// cartridge was seen, and the drive does not say that it was cleaned. It ends the present load.
func (d *Drive) Clean(ctx context.Context) error {
	const op = "clean"
	_, err := d.Load(ctx)
	absent := err
	seen := errors.Is(err, ErrCleaning)
	switch {
	case err == nil:
		return errors.Join(d.wrap(nil, op, ErrNotCleaning), d.Unload(ctx))
	case !errors.Is(err, ErrCleaning) && !errors.Is(err, ErrNoMedium):
		return err
	}
	if err := d.Unload(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	wanted := d.cleaning
	d.cleaning = min(d.cleaning, driver.CleaningNone) // unless it says otherwise
	d.mu.Unlock()
	h, err := d.Health(ctx)
	switch {
	case err != nil:
	case h.Alerts.Has(driver.AlertCleaningExpired):
		err = d.wrap(nil, op, fmt.Errorf("%w: %w: it is used up", ErrUncleaned, ErrCleanerSpent))
	case h.Alerts.Has(driver.AlertCleaningInvalid):
		err = d.wrap(nil, op, fmt.Errorf("%w: %w: it does not fit the drive", ErrUncleaned, ErrCleanerSpent))
	case !seen && h.Cleaning != driver.CleaningNone:
		err = absent
	case h.Cleaning >= driver.CleaningDue:
		err = d.wrap(nil, op, fmt.Errorf("%w: cleaning is %v", ErrUncleaned, h.Cleaning))
	}
	if err != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.cleaning = max(d.cleaning, wanted)
	}
	return err
}

// isCleaningCartridge tells whether sense data say that there is one in the drive (SPC-5, annex F: 30/03).
func isCleaningCartridge(s driver.Sense) bool {
	return (s.Key == 2 || s.Key == 3) && s.ASC == 0x30 && s.ASCQ == 0x03
}
