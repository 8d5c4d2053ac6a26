//go:build linux && (amd64 || arm64)

package linuxst

import (
	"context"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

// How long Load waits between two looks at a drive that is becoming ready, at first and at most.
const (
	settleFirst = 10 * time.Millisecond
	settleMost  = time.Second
)

// Load implements driver.Drive. The end of ctx ends the wait for a drive that is becoming ready.
func (d *drive) Load(ctx context.Context) error {
	const op = "load"
	for wait := settleFirst; ; wait = min(2*wait, settleMost) {
		online, err := call(ctx, d, op, func() (bool, error) { return d.online(op) })
		if err != nil || online {
			return err
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return fail(op, driver.OutcomeUnknown, "the drive is still becoming ready: %v", ctx.Err())
		}
	}
}

// online has the drive load its cartridge, and tells whether it has.
func (d *drive) online(op string) (bool, error) {
	if err := d.reopen(op); err != nil {
		return false, err
	}
	s, err := d.t.state()
	switch {
	case err != nil:
		return false, d.told(op, err)
	case s.gstat&gmtNoTape != 0:
		return false, fail(op, driver.OutcomeNoMedium, "the drive is empty")
	case s.gstat&gmtOnline == 0:
		_ = d.t.do(mtLOAD, 1) // if it does not help, the next look tells
		return false, nil
	}
	for _, c := range []mtop{{mtREW, 1}, {mtSETBLK, 0}} {
		if err := d.t.do(c.op, c.count); err != nil {
			return false, d.told(op, err)
		}
	}
	_ = d.t.do(mtLOCK, 1) // a drive without a robot need not know it
	if err := d.knows(op); err != nil {
		return false, err
	}
	d.loaded = true
	return true, nil
}

// Unload implements driver.Drive. What st does not see as ready is unloaded already.
func (d *drive) Unload(ctx context.Context) error {
	const op = "unload"
	return d.do(ctx, op, func() error {
		if !d.loaded {
			if err := d.reopen(op); err != nil {
				return err
			}
			if s, err := d.t.state(); err != nil || s.gstat&gmtOnline == 0 {
				return err
			}
		}
		if d.loaded && !d.readOnly {
			d.loaded = false // a buffer that cannot be written is told once; the next Unload releases the cartridge
			if err := d.t.idle(d.writing); err != nil {
				return d.told(op, err)
			}
		}
		d.loaded, d.writing = false, false
		_ = d.t.do(mtUNLOCK, 1)
		if err := d.t.do(mtOFFL, 1); err != nil {
			return d.told(op, err)
		}
		return nil
	})
}
