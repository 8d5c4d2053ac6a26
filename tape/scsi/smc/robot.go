package smc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/scsi"
)

// Options may be left zero.
type Options struct {
	Timeout time.Duration // of one move or inventory; 10 min
}

// robot is a driver.Changer.
type robot struct {
	u      *scsi.Unit
	id     driver.Identity
	caps   driver.ChangerCapabilities
	at     scsi.Addresses
	closed atomic.Bool
}

// most bounds how many elements of a kind are asked for at once; more come in several answers.
const most = 1000

// descriptor is more than a descriptor of one element has: its fields, two volume tags, and an identity of a drive.
const descriptor = 16 + 2*36 + 256

// Open makes a robot over a transport to its logical unit, which the robot owns if there is no error.
func Open(ctx context.Context, t scsi.Transport, o Options) (driver.Changer, error) {
	r := &robot{u: scsi.NewUnit(t), caps: driver.ChangerCapabilities{Barcodes: true, Timeout: o.Timeout}}
	if err := r.u.Greet(ctx); err != nil {
		return nil, err
	}
	var err error
	if r.id, err = r.u.Identity(ctx, scsi.TypeChanger); err != nil {
		return nil, err
	}
	in := make([]byte, 255)
	n, err := r.u.Must(ctx, "open", scsi.ModeSense(scsi.PageElements, len(in)), nil, in)
	if err != nil {
		return nil, err
	}
	m, err := scsi.ParseMode(in[:n])
	for _, p := range m.Pages { // what came before an error counts
		if p.Page == scsi.PageElements && p.Sub == 0 {
			if r.at, err = scsi.ParseAddresses(p); err == nil {
				return r, r.look(ctx)
			}
		}
	}
	return nil, fail("open", driver.OutcomeHardware, "the robot does not tell where its elements are: %v", err)
}

// look has the robot find out what is where, if it says that it is not ready to tell.
func (r *robot) look(ctx context.Context) error {
	_, err := r.Inventory(ctx)
	if e, ok := errors.AsType[*driver.Error](err); !ok || e.Outcome != driver.OutcomeNotReady {
		return err
	}
	if _, err := r.u.Must(ctx, "inventory", scsi.InitializeElementStatus(), nil, nil); err != nil {
		return err
	}
	_, err = r.Inventory(ctx)
	return err
}

func fail(op string, o driver.Outcome, format string, args ...any) error {
	return &driver.Error{Op: op, Outcome: o, Sense: driver.Sense{Info: driver.Unknown}, Text: fmt.Sprintf(format, args...)}
}

func (r *robot) open(op string) error {
	if r.closed.Load() {
		return fail(op, driver.OutcomeGone, "the robot is closed")
	}
	return nil
}

// Identify implements driver.Changer.
func (r *robot) Identify(context.Context) (driver.Identity, driver.ChangerCapabilities, error) {
	return r.id, r.caps, r.open("identify")
}

// Inventory implements driver.Changer.
func (r *robot) Inventory(ctx context.Context) ([]driver.Element, error) {
	const op = "inventory"
	if err := r.open(op); err != nil {
		return nil, err
	}
	if err := r.u.Greet(ctx); err != nil {
		return nil, err
	}
	var all []driver.Element
	for _, part := range []struct {
		kind scsi.ElementKind
		as   driver.ElementKind
		at   scsi.Range
	}{
		{scsi.TransportElement, driver.Transport, r.at.Transport}, {scsi.SlotElement, driver.Slot, r.at.Slots},
		{scsi.PortElement, driver.Port, r.at.Ports}, {scsi.DriveElement, driver.DriveBay, r.at.Drives},
	} {
		es, err := r.elements(ctx, part.kind, part.at)
		if err != nil {
			return nil, err
		}
		for _, e := range es {
			d := driver.Element{Kind: part.as, Address: e.Address, Drive: -1, Full: e.Full}
			if e.Full {
				d.Label = e.Label
			}
			if part.as == driver.DriveBay {
				d.Drive = e.Address - part.at.First
			}
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b driver.Element) int { return a.Address - b.Address })
	for i := 1; i < len(all); i++ {
		if all[i].Address == all[i-1].Address {
			return nil, fail(op, driver.OutcomeHardware, "the robot tells of address %d twice", all[i].Address)
		}
	}
	return all, nil
}

// elements asks for all elements of a kind. A robot that leaves some out, or tells of others, is believed in nothing.
func (r *robot) elements(ctx context.Context, kind scsi.ElementKind, at scsi.Range) ([]scsi.Element, error) {
	const op = "inventory"
	all := make([]scsi.Element, 0, min(at.Count, 1<<16))
	for next := at.First; next < at.First+at.Count; {
		want := min(at.First+at.Count-next, most)
		in := make([]byte, 16+want*descriptor)
		n, c, err := r.u.Do(ctx, op, scsi.ReadElementStatus(kind, next, want, len(in), false), nil, in)
		if err != nil {
			return nil, err
		}
		if c != nil {
			return nil, c.Error(op)
		}
		es, err := scsi.ParseElements(in[:n])
		if err != nil {
			return nil, fail(op, driver.OutcomeHardware, "%v", err)
		}
		got := 0
		for _, e := range es {
			switch {
			case e.Kind != kind || e.Address < next || e.Address >= at.First+at.Count:
				return nil, fail(op, driver.OutcomeHardware, "asked for elements from %d on, the robot tells of address %d", next, e.Address)
			case got == want: // more than were asked for: they are asked for again
			default:
				all = append(all, e)
				got++
			}
		}
		if got == 0 {
			return nil, fail(op, driver.OutcomeHardware, "asked for %d elements from %d on, the robot tells of none", want, next)
		}
		next = all[len(all)-1].Address + 1
	}
	return all, nil
}

// Move implements driver.Changer.
func (r *robot) Move(ctx context.Context, from, to int) error {
	const op = "move"
	if err := r.open(op); err != nil {
		return err
	}
	// What is wrong with a request is found out here: robots differ in what they look at first, and in what they say.
	es, err := r.Inventory(ctx)
	if err != nil {
		return err
	}
	src, dst := find(es, from), find(es, to)
	switch {
	case src == nil || dst == nil:
		return fail(op, driver.OutcomeIllegalRequest, "address %d or %d", from, to)
	case from == to:
		return nil
	case !src.Full:
		return fail(op, driver.OutcomeNoMedium, "address %d is empty", from)
	case dst.Full:
		return fail(op, driver.OutcomeFull, "address %d is full", to)
	}
	_, c, err := r.u.Do(ctx, op, scsi.MoveMedium(r.at.Transport.First, from, to), nil, nil)
	if err == nil && c != nil && c.Key != scsi.RecoveredError && c.Key != scsi.NoSense {
		err = c.Error(op)
	}
	return err
}

func find(es []driver.Element, address int) *driver.Element {
	i, ok := slices.BinarySearchFunc(es, address, func(e driver.Element, a int) int { return e.Address - a })
	if !ok {
		return nil
	}
	return &es[i]
}

// Close implements driver.Changer.
func (r *robot) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	err := r.u.Close()
	if errors.Is(err, scsi.ErrSessionLost) {
		return nil
	}
	return err
}
