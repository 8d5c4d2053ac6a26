package filetape

import (
	"context"

	"github.com/enstore-go/sdk/tape/driver"
)

var (
	_ driver.HealthReporter = (*drive)(nil)
	_ driver.HealthReporter = (*null)(nil)
)

// healthOf is what a drive over files knows: it never wants cleaning, and of a loaded cartridge its place in the library, its
// kind and its room. It counts neither loads nor bytes: a directory of images has no memory of them.
func healthOf(kind *cartridge, used int64) driver.Health {
	h := driver.UnknownHealth()
	h.Cleaning = driver.CleaningNone
	if kind == nil {
		return h
	}
	c := &h.Cartridge
	c.Maker, c.Barcode, c.Kind = "ENSTORE", kind.Label[:min(len(kind.Label), driver.MaxHealthText)], driver.CartridgeData
	if kind.WORM {
		c.Kind = driver.CartridgeWORM
	}
	if kind.Capacity > 0 {
		c.Capacity, c.Remaining = kind.Capacity, max(0, kind.Capacity-used)
	}
	return h
}

// Health implements driver.HealthReporter.
func (d *drive) Health(ctx context.Context) (driver.Health, error) {
	leave, err := d.enter(ctx, "health")
	if err != nil {
		return driver.UnknownHealth(), err
	}
	defer leave()
	if d.tape == nil {
		return healthOf(nil, 0), nil
	}
	return healthOf(&d.tape.kind, d.tape.end.off), nil
}

// Health implements driver.HealthReporter.
func (d *null) Health(ctx context.Context) (driver.Health, error) {
	leave, err := d.enter(ctx, "health", false)
	if err != nil {
		return driver.UnknownHealth(), err
	}
	defer leave()
	if d.tape == nil {
		return healthOf(nil, 0), nil
	}
	return healthOf(&d.kind, d.tape.bytes), nil
}
