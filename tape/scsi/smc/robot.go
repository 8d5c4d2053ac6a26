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
	// Fresh is for how long Inventory gives what the robot said before, unless it has told of anything since, like an opened
	// door or a port that was used: 1 min; negative: not at all. What was moved behind the robot's back, as by another host,
	// is seen after that time; Move looks at both places anew, always.
	Fresh  time.Duration
	Rescan bool // have the robot look at every place anew before Open returns, which may take many minutes
}

// robot is a driver.Changer.
type robot struct {
	u      *scsi.Unit
	id     driver.Identity
	caps   driver.ChangerCapabilities
	at     scsi.Addresses
	fresh  time.Duration
	known  []driver.Element // what the robot said at the time seen; nil: nothing that could be relied upon
	seen   time.Time
	closed atomic.Bool
}

// most bounds how many elements of a kind are asked for at once; more come in several answers.
const most = 1000

// descriptor is more than a descriptor of one element has: its fields, two volume tags, and an identity of a drive.
const descriptor = 16 + 2*36 + 256

// Open makes a robot over a transport to its logical unit, which the robot owns if there is no error.
func Open(ctx context.Context, t scsi.Transport, o Options) (driver.Changer, error) {
	r, err := newRobot(ctx, t)
	if err != nil {
		return nil, err
	}
	r.caps.Timeout = o.Timeout
	if r.fresh = o.Fresh; r.fresh == 0 {
		r.fresh = time.Minute
	}
	if err := r.look(ctx, o.Rescan); err != nil {
		return nil, err
	}
	return r, nil
}

// newRobot asks a unit who it is and where its elements are.
func newRobot(ctx context.Context, t scsi.Transport) (*robot, error) {
	r := &robot{u: scsi.NewUnit(t), caps: driver.ChangerCapabilities{Barcodes: true}}
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
				return r, nil
			}
		}
	}
	return nil, fail("open", driver.OutcomeHardware, "the robot does not tell where its elements are: %v", err)
}

// look has the robot find out what is where, if it says that it is not ready to tell, or it is to look anew.
func (r *robot) look(ctx context.Context, anew bool) error {
	_, err := r.Inventory(ctx)
	if e, ok := errors.AsType[*driver.Error](err); (!ok || e.Outcome != driver.OutcomeNotReady) && (err != nil || !anew) {
		return err
	}
	if _, err := r.u.Must(ctx, "inventory", scsi.InitializeElementStatus(), nil, nil); err != nil {
		return err
	}
	r.known = nil
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
	if err := r.attend(ctx); err != nil {
		return nil, err
	}
	if r.known != nil && time.Since(r.seen) < r.fresh {
		return slices.Clone(r.known), nil
	}
	r.known = nil
	var all []driver.Element
	for _, p := range r.parts() {
		es, err := r.elements(ctx, p, p.at, false)
		if err != nil {
			return nil, err
		}
		for _, e := range es {
			all = append(all, p.element(e))
		}
	}
	slices.SortFunc(all, func(a, b driver.Element) int { return a.Address - b.Address })
	for i := 1; i < len(all); i++ {
		if all[i].Address == all[i-1].Address {
			return nil, fail(op, driver.OutcomeHardware, "the robot tells of address %d twice", all[i].Address)
		}
	}
	r.known, r.seen = all, time.Now()
	return slices.Clone(all), nil
}

// attend takes note of everything that happened since the last command. What was known of the elements is not relied upon then.
func (r *robot) attend(ctx context.Context) error {
	n, err := r.u.Attentions(ctx)
	if n > 0 || err != nil {
		r.known = nil
	}
	return err
}

// part is the elements of one kind.
type part struct {
	kind scsi.ElementKind
	as   driver.ElementKind
	at   scsi.Range
}

func (r *robot) parts() [4]part {
	return [4]part{
		{scsi.TransportElement, driver.Transport, r.at.Transport}, {scsi.SlotElement, driver.Slot, r.at.Slots},
		{scsi.PortElement, driver.Port, r.at.Ports}, {scsi.DriveElement, driver.DriveBay, r.at.Drives},
	}
}

// element is one of a part as drivers tell it.
func (p part) element(e scsi.Element) driver.Element {
	d := driver.Element{Kind: p.as, Address: e.Address, Drive: -1, Full: e.Full}
	if e.Full {
		d.Label = e.Label
	}
	if p.as == driver.DriveBay {
		d.Drive = e.Address - p.at.First
	}
	return d
}

// place asks for one element; an address that the robot does not have is OutcomeIllegalRequest.
func (r *robot) place(ctx context.Context, address int) (driver.Element, error) {
	for _, p := range r.parts() {
		if address >= p.at.First && address < p.at.First+p.at.Count {
			es, err := r.elements(ctx, p, scsi.Range{First: address, Count: 1}, false)
			if err != nil {
				return driver.Element{}, err
			}
			return p.element(es[0]), nil
		}
	}
	return driver.Element{}, fail("move", driver.OutcomeIllegalRequest, "the robot has no address %d", address)
}

// elements asks for the elements of a part in a range, with the identities of drives if wanted. A robot that leaves some out, or
// tells of others, is believed in nothing.
func (r *robot) elements(ctx context.Context, p part, at scsi.Range, identities bool) ([]scsi.Element, error) {
	const op = "inventory"
	all := make([]scsi.Element, 0, min(at.Count, 1<<16))
	for next := at.First; next < at.First+at.Count; {
		want := min(at.First+at.Count-next, most)
		in := make([]byte, 16+want*descriptor)
		n, c, err := r.u.Do(ctx, op, scsi.ReadElementStatus(p.kind, next, want, len(in), identities), nil, in)
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
			case got == want: // more than were asked for: they are asked for again, or not wanted
			case e.Kind != p.kind || e.Address != next+got: // addresses of a kind have no gaps (SMC-3, 6.5)
				return nil, fail(op, driver.OutcomeHardware, "asked for elements from %d on, the robot tells of address %d where %d should be", next, e.Address, next+got)
			default:
				all = append(all, e)
				got++
			}
		}
		if got == 0 {
			return nil, fail(op, driver.OutcomeHardware, "asked for %d elements from %d on, the robot tells of none", want, next)
		}
		next += got
	}
	return all, nil
}

// Move implements driver.Changer.
func (r *robot) Move(ctx context.Context, from, to int) error {
	const op = "move"
	if err := r.open(op); err != nil {
		return err
	}
	if err := r.attend(ctx); err != nil {
		return err
	}
	// What is wrong with a request is found out here: robots differ in what they look at first, and in what they say.
	src, err := r.place(ctx, from)
	if err != nil {
		return err
	}
	dst, err := r.place(ctx, to)
	if err != nil {
		return err
	}
	switch {
	case from == to:
		return nil
	case !src.Full:
		err = fail(op, driver.OutcomeNoMedium, "address %d is empty", from)
	case dst.Full:
		err = fail(op, driver.OutcomeFull, "address %d is full", to)
	}
	if err != nil {
		r.known = nil // it said otherwise, or the caller would not ask
		return err
	}
	known := r.known
	r.known = nil
	_, c, err := r.u.Do(ctx, op, scsi.MoveMedium(r.at.Transport.First, from, to), nil, nil)
	switch {
	case err != nil:
		return err
	case c != nil && c.Key != scsi.RecoveredError && c.Key != scsi.NoSense:
		return c.Error(op)
	}
	if s, d := find(known, from), find(known, to); s != nil && d != nil {
		d.Full, d.Label, s.Full, s.Label = true, src.Label, false, ""
		r.known = known
	}
	return nil
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
