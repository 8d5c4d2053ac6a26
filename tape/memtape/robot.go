package memtape

import (
	"context"
	"fmt"

	"github.com/enstore-go/sdk/tape/driver"
)

// Changer opens the robot. While it is open, what it returns fails with OutcomeHeld.
func (l *Library) Changer() driver.Changer {
	c, err := l.OpenChanger()
	if err != nil {
		return &robot{lib: l, refused: err.(*driver.Error)}
	}
	return c
}

// OpenChanger opens the robot, or fails with OutcomeHeld while it is open.
func (l *Library) OpenChanger() (driver.Changer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changer != nil {
		return nil, fail("open", driver.OutcomeHeld, 0, 0, 0, "the robot is open")
	}
	l.changer = &robot{lib: l}
	return l.changer, nil
}

type robot struct {
	lib     *Library
	refused *driver.Error
}

func (r *robot) ready(ctx context.Context, op string) error {
	if r.refused != nil {
		e := *r.refused
		e.Op = op
		return &e
	}
	if r.lib.changer != r {
		return fail(op, driver.OutcomeGone, 0, 0, 0, "closed")
	}
	return ctx.Err()
}

// Identify implements driver.Changer.
func (r *robot) Identify(ctx context.Context) (driver.Identity, driver.ChangerCapabilities, error) {
	r.lib.mu.Lock()
	defer r.lib.mu.Unlock()
	return driver.Identity{Vendor: "ENSTORE", Product: "MEMROBOT", Revision: "1", Serial: "MEMR0001"},
		driver.ChangerCapabilities{Barcodes: !r.lib.o.NoBarcodes}, r.ready(ctx, "identify")
}

// Inventory implements driver.Changer.
func (r *robot) Inventory(ctx context.Context) ([]driver.Element, error) {
	l := r.lib
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := r.ready(ctx, "inventory"); err != nil {
		return nil, err
	}
	var all []driver.Element
	add := func(k driver.ElementKind, address, n int, c *cartridge, held bool) {
		e := driver.Element{Kind: k, Address: address, Drive: n, Full: c != nil, Held: held}
		if c != nil && !l.o.NoBarcodes {
			e.Label = c.label
		}
		all = append(all, e)
	}
	for i, b := range l.drives {
		add(driver.DriveBay, FirstDrive+i, i, b.in, b.loaded || b.cleans())
	}
	add(driver.Transport, Hand, -1, l.hand, false)
	for i, c := range l.slots {
		add(driver.Slot, FirstSlot+i, -1, c, false)
	}
	return all, nil
}

// place returns where the cartridge of an address is kept.
func (l *Library) place(address int) (**cartridge, *bay) {
	switch {
	case address >= FirstDrive && address < FirstDrive+len(l.drives):
		b := l.drives[address-FirstDrive]
		return &b.in, b
	case address == Hand:
		return &l.hand, nil
	case address >= FirstSlot && address < FirstSlot+len(l.slots):
		return &l.slots[address-FirstSlot], nil
	}
	return nil, nil
}

// Move implements driver.Changer.
func (r *robot) Move(ctx context.Context, from, to int) error {
	if err := r.move(ctx, from, to); err != nil {
		return err
	}
	if t := r.lib.o.Timing.Move; t > 0 {
		if err := pause(ctx, t); err != nil {
			return fail("move", driver.OutcomeUnknown, 0, 0, 0, err.Error())
		}
	}
	return nil
}

func (r *robot) move(ctx context.Context, from, to int) error {
	const op = "move"
	l := r.lib
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := r.ready(ctx, op); err != nil {
		return err
	}
	src, fromBay := l.place(from)
	dst, toBay := l.place(to)
	switch {
	case src == nil || dst == nil:
		return fail(op, driver.OutcomeIllegalRequest, 5, 0x21, 1, fmt.Sprintf("address %d or %d", from, to))
	case *src == nil:
		return fail(op, driver.OutcomeNoMedium, 5, 0x3b, 0x0e, fmt.Sprintf("address %d is empty", from))
	case src == dst:
		return nil
	case *dst != nil:
		return fail(op, driver.OutcomeFull, 5, 0x3b, 0x0d, fmt.Sprintf("address %d is full", to))
	case fromBay != nil && (fromBay.loaded || fromBay.cleans()):
		return fail(op, driver.OutcomeHeld, 5, 0x53, 2, fmt.Sprintf("drive %d has it loaded", from-FirstDrive))
	}
	c := *src
	if fromBay != nil {
		fromBay.take(nil, 0)
		fromBay.attention = ""
	}
	*src = nil
	if toBay != nil {
		toBay.take(c, l.o.Timing.Clean)
	} else {
		*dst = c
	}
	return nil
}

// Close implements driver.Changer.
func (r *robot) Close() error {
	r.lib.mu.Lock()
	defer r.lib.mu.Unlock()
	if r.lib.changer == r {
		r.lib.changer = nil
	}
	return nil
}
