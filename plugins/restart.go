//go:build unix

package plugins

import (
	"context"
	"time"
)

// deaths is a row of deaths of one device's processes.
type deaths struct {
	row  int
	last time.Time
}

// died counts the end of a process that nobody wanted to end.
func (h *Host) died(device string, lived time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.deaths[device]
	if d == nil {
		d = &deaths{}
		h.deaths[device] = d
	}
	if lived >= h.o.RestartReset {
		d.row = 0
	}
	d.row++
	d.last = time.Now()
}

// delay is what is still to be waited before a device's process may be started again.
func (h *Host) delay(device string, now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.deaths[device]
	if d == nil {
		return 0
	}
	wait := h.o.RestartMin
	for i := 1; i < d.row && wait < h.o.RestartMax; i++ {
		wait *= 2
	}
	wait = min(wait, h.o.RestartMax)
	if since := now.Sub(d.last); since < wait {
		return wait - since
	}
	return 0
}

func (h *Host) backOff(ctx context.Context, device string) error {
	wait := h.delay(device, time.Now())
	if wait == 0 {
		return ctx.Err()
	}
	h.log.Warn("plugin: waiting before it is started again", "wait", wait)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}
