package drivertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/enstore-go/sdk/tape/driver"
)

// Robot is one robot to be tried. It has at least one drive, all drives empty, at least two
// cartridges in slots, and at least one free slot.
type Robot struct {
	// Open opens the robot. The kit closes it, and opens it again: then every cartridge
	// must be where it was.
	Open func() (driver.Changer, error)

	// Hold has drive n load the cartridge that the kit moved into it, and Release unload
	// it. Nil skips the rule of held cartridges.
	Hold, Release func(n int) error

	// Exclusive tells that the robot can be open only once.
	Exclusive bool
}

// ChangerHarness makes a fresh Robot.
type ChangerHarness func(t testing.TB) *Robot

// TestChanger runs every rule of driver.Changer as a subtest, and tells what became of each.
func TestChanger(t *testing.T, h ChangerHarness) (results []Result) {
	t.Helper()
	for _, r := range changerRules {
		results = append(results, subtest(t, r.name, r.explanation, func(t testing.TB) string { return r.try(t, h) }))
	}
	return results
}

type changerRule struct {
	name        string
	explanation string
	needs       func(k *hand) string
	run         func(k *hand)
}

func (r changerRule) try(t testing.TB, h ChangerHarness) (skipped string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	k := &hand{kit: kit{TB: t, ctx: ctx, rule: rule{name: r.name, explanation: r.explanation}}, robot: h(t)}
	k.open()
	defer func() { k.c.Close() }()
	if r.needs != nil {
		if why := r.needs(k); why != "" {
			return why
		}
	}
	r.run(k)
	return ""
}

// hand is one rule of a changer at work.
type hand struct {
	kit
	robot *Robot
	c     driver.Changer
	caps  driver.ChangerCapabilities
}

func (k *hand) open() {
	k.Helper()
	c, err := k.robot.Open()
	k.good("open", err)
	k.c = c
	_, k.caps, err = c.Identify(k.ctx)
	k.good("identify", err)
}

// inventory lists the robot and checks what holds of every list.
func (k *hand) inventory() []driver.Element {
	k.Helper()
	all, err := k.c.Inventory(k.ctx)
	k.good("inventory", err)
	for i, e := range all {
		switch {
		case i > 0 && e.Address <= all[i-1].Address:
			k.fail("inventory: address %d is listed after %d", e.Address, all[i-1].Address)
		case e.Kind < driver.Slot || e.Kind > driver.Transport:
			k.fail("inventory: address %d is of kind %d", e.Address, e.Kind)
		case (e.Kind == driver.DriveBay) != (e.Drive >= 0):
			k.fail("inventory: address %d of kind %d has drive number %d", e.Address, e.Kind, e.Drive)
		case !e.Full && (e.Label != "" || e.Held):
			k.fail("inventory: address %d is empty and has %+v", e.Address, e)
		case e.Held && e.Kind != driver.DriveBay:
			k.fail("inventory: address %d is no drive and holds its cartridge", e.Address)
		case e.Full && e.Label == "" && k.caps.Barcodes:
			k.fail("inventory: the robot reads bar codes and has none for address %d", e.Address)
		}
	}
	return all
}

// find returns the elements that f holds for, at least n.
func (k *hand) find(what string, n int, f func(driver.Element) bool) []driver.Element {
	k.Helper()
	var found []driver.Element
	for _, e := range k.inventory() {
		if f(e) {
			found = append(found, e)
		}
	}
	if len(found) < n {
		k.fail("the robot has %d %s, the kit needs %d", len(found), what, n)
	}
	return found
}

func (k *hand) bays(n int) []driver.Element {
	return k.find("empty drives", n, func(e driver.Element) bool { return e.Kind == driver.DriveBay && !e.Full })
}

func (k *hand) cartridges(n int) []driver.Element {
	return k.find("cartridges in slots", n, func(e driver.Element) bool { return e.Kind == driver.Slot && e.Full })
}

func (k *hand) free(n int) []driver.Element {
	return k.find("free slots", n, func(e driver.Element) bool { return e.Kind == driver.Slot && !e.Full })
}

// contents is what is where: address to label.
func (k *hand) contents() map[int]string {
	k.Helper()
	m := map[int]string{}
	for _, e := range k.inventory() {
		if e.Full {
			m[e.Address] = e.Label
		}
	}
	return m
}

// move must succeed and change nothing but these two places.
func (k *hand) move(from, to int) {
	k.Helper()
	want := k.contents()
	k.good("move", k.c.Move(k.ctx, from, to))
	want[to] = want[from]
	delete(want, from)
	k.same(want)
}

func (k *hand) same(want map[int]string) {
	k.Helper()
	if got := k.contents(); !maps.Equal(got, want) {
		k.fail("inventory: %v, want %v", got, want)
	}
}

// refused is a move that must fail and change nothing.
func (k *hand) refused(from, to int, want driver.Outcome) {
	k.Helper()
	before := k.contents()
	k.bad(fmt.Sprintf("move %d to %d", from, to), k.c.Move(k.ctx, from, to), want)
	k.same(before)
}

func needsHold(k *hand) string {
	if k.robot.Hold == nil || k.robot.Release == nil {
		return "the rig cannot have a drive hold its cartridge"
	}
	return ""
}

var changerRules = []changerRule{
	{
		name:        "identity",
		explanation: "The robot's name is in every error and alarm; it has the widths of SCSI INQUIRY and does not change.",
		run: func(k *hand) {
			id, caps, err := k.c.Identify(k.ctx)
			k.good("identify", err)
			again, caps2, err := k.c.Identify(k.ctx)
			k.good("identify", err)
			if id != again || caps != caps2 {
				k.fail("identify: %+v, then %+v", id, again)
			}
			if len(id.Vendor) > 8 || len(id.Product) > 16 || len(id.Revision) > 4 || caps.Timeout < 0 {
				k.fail("identify: %+v, %+v", id, caps)
			}
		},
	},
	{
		name:        "inventory",
		explanation: "It is the truth about where cartridges are: every element once, in the order of addresses, each drive with a number of its own, each cartridge in one place, and the hand empty at rest.",
		run: func(k *hand) {
			k.cartridges(2)
			k.bays(1)
			labels, drives := map[string]int{}, map[int]bool{}
			for _, e := range k.inventory() {
				if e.Label != "" {
					if at, twice := labels[e.Label]; twice {
						k.fail("label %q is at %d and at %d", e.Label, at, e.Address)
					}
					labels[e.Label] = e.Address
				}
				if e.Kind == driver.DriveBay {
					if drives[e.Drive] {
						k.fail("drive number %d is there twice", e.Drive)
					}
					drives[e.Drive] = true
				}
				if e.Kind == driver.Transport && e.Full {
					k.fail("the hand holds a cartridge at rest")
				}
			}
			a, b := k.inventory(), k.inventory()
			if !slices.Equal(a, b) {
				k.fail("two inventories differ and nothing was moved")
			}
		},
	},
	{
		name:        "mount and dismount",
		explanation: "A cartridge goes from its slot into a drive and back, with its label, and no other moves.",
		run: func(k *hand) {
			for _, c := range k.cartridges(2)[:2] {
				bay := k.bays(1)[0]
				k.move(c.Address, bay.Address)
				k.move(bay.Address, c.Address)
			}
		},
	},
	{
		name:        "between slots",
		explanation: "Cartridges are put elsewhere to make room.",
		run: func(k *hand) {
			from, to, before := k.cartridges(1)[0].Address, k.free(1)[0].Address, k.contents()
			err := k.c.Move(k.ctx, from, to)
			if e, ok := errors.AsType[*driver.Error](err); ok && e.Outcome == driver.OutcomeIllegalRequest {
				k.same(before)
				k.Skip("the robot does not move cartridges between slots") // engines can do without
			}
			k.good("move", err)
			before[to] = before[from]
			delete(before, from)
			k.same(before)
		},
	},
	{
		name:        "every drive",
		explanation: "Each drive of the robot can be filled, with all others filled too.",
		run: func(k *hand) {
			bays, cartridges := k.bays(1), k.cartridges(1)
			n := min(len(bays), len(cartridges))
			for i := range n {
				k.move(cartridges[i].Address, bays[i].Address)
			}
			for i := range n {
				k.move(bays[i].Address, cartridges[i].Address)
			}
		},
	},
	{
		name:        "empty source",
		explanation: "It means that somebody's list is wrong, not that the robot is broken: OutcomeNoMedium, and nothing moves.",
		run: func(k *hand) {
			k.refused(k.bays(1)[0].Address, k.free(1)[0].Address, driver.OutcomeNoMedium)
			k.refused(k.free(1)[0].Address, k.bays(1)[0].Address, driver.OutcomeNoMedium)
		},
	},
	{
		name:        "full destination",
		explanation: "Two cartridges in one place are a broken robot: OutcomeFull before anything moves.",
		run: func(k *hand) {
			c := k.cartridges(2)
			bay := k.bays(1)[0].Address
			k.refused(c[0].Address, c[1].Address, driver.OutcomeFull)
			k.move(c[0].Address, bay)
			k.refused(c[1].Address, bay, driver.OutcomeFull)
			k.refused(bay, c[1].Address, driver.OutcomeFull)
		},
	},
	{
		name:        "unknown address",
		explanation: "An address that does not exist is the request's fault: OutcomeIllegalRequest, and nothing moves.",
		run: func(k *hand) {
			nowhere := 0
			for _, e := range k.inventory() {
				nowhere = max(nowhere, e.Address+1)
			}
			k.refused(k.cartridges(1)[0].Address, nowhere, driver.OutcomeIllegalRequest)
			k.refused(nowhere, k.free(1)[0].Address, driver.OutcomeIllegalRequest)
			k.refused(-1, k.free(1)[0].Address, driver.OutcomeIllegalRequest)
		},
	},
	{
		name:        "a held cartridge stays",
		explanation: "A drive that has a cartridge loaded may be writing it. Taking it out is OutcomeHeld until the drive has unloaded it; that is what keeps one cartridge from being in two drives' hands.",
		needs:       needsHold,
		run: func(k *hand) {
			from := k.cartridges(1)[0]
			bay := k.bays(1)[0]
			k.move(from.Address, bay.Address)
			k.good("hold", k.robot.Hold(bay.Drive))
			k.refused(bay.Address, from.Address, driver.OutcomeHeld)
			k.good("release", k.robot.Release(bay.Drive))
			k.move(bay.Address, from.Address)
		},
	},
	{
		name:        "everything stays over Close",
		explanation: "A robot's program may be started again at any time; cartridges do not move by that.",
		run: func(k *hand) {
			k.move(k.cartridges(1)[0].Address, k.bays(1)[0].Address)
			want := k.inventory()
			k.good("close", k.c.Close())
			if err := k.c.Move(k.ctx, want[0].Address, want[1].Address); err == nil {
				k.fail("move succeeded after Close")
			}
			k.open()
			if got := k.inventory(); !slices.Equal(got, want) {
				k.fail("inventory: %v, want %v", got, want)
			}
		},
	},
	{
		name:        "one user at a time",
		explanation: "Two programs that move one hand collide. A second Open fails with OutcomeHeld while the first is open.",
		needs: func(k *hand) string {
			if !k.robot.Exclusive {
				return "the robot has no exclusion"
			}
			return ""
		},
		run: func(k *hand) {
			second, err := k.robot.Open()
			if err == nil {
				_, _, err = second.Identify(k.ctx)
				second.Close()
			}
			k.bad("open of an open robot", err, driver.OutcomeHeld)
			k.inventory()
		},
	},
	{
		name:        "an ended context",
		explanation: "A move whose caller gave up either happened or did not, and the inventory knows which.",
		run: func(k *hand) {
			over, cancel := context.WithCancel(k.ctx)
			cancel()
			from, to := k.cartridges(1)[0], k.bays(1)[0]
			before := k.contents()
			err := k.c.Move(over, from.Address, to.Address)
			var e *driver.Error
			if err != nil && !errors.Is(err, context.Canceled) && !errors.As(err, &e) {
				k.fail("move: %v is a %T", err, err)
			}
			after := k.contents()
			if maps.Equal(before, after) && err != nil {
				return
			}
			before[to.Address] = before[from.Address]
			delete(before, from.Address)
			if !maps.Equal(before, after) {
				k.fail("the cartridge is neither at its source nor at its destination: %v", after)
			}
		},
	},
	{
		name:        "two users race",
		explanation: "A robot that several programs may use is asked by two at once for the same cartridge. It goes to one of them; the other is refused, and the inventory says where it went.",
		needs: func(k *hand) string {
			if k.robot.Exclusive {
				return "the robot can be open only once"
			}
			return ""
		},
		run: func(k *hand) {
			other, err := k.robot.Open()
			k.good("open by a second user", err)
			defer other.Close()
			_, _, err = other.Identify(k.ctx)
			k.good("identify", err)
			for range 5 {
				from, want := k.cartridges(1)[0], k.contents()
				to := []int{k.free(1)[0].Address, k.bays(1)[0].Address}
				users, errs := []driver.Changer{k.c, other}, make([]error, 2)
				var both sync.WaitGroup
				for i, u := range users {
					both.Go(func() { errs[i] = u.Move(k.ctx, from.Address, to[i]) })
				}
				both.Wait()
				won := slices.Index(errs, nil)
				if won < 0 {
					k.fail("neither move was carried out: %v; %v", errs[0], errs[1])
				}
				k.bad("the second move", errs[1-won], driver.OutcomeNoMedium, driver.OutcomeHeld, driver.OutcomeNotReady)
				want[to[won]] = want[from.Address]
				delete(want, from.Address)
				k.same(want)
				k.move(to[won], from.Address)
			}
		},
	},
	{
		name:        "close in the middle of a move",
		explanation: "A program that is told to stop closes the robot while it moves. Close returns, the move ends with success or a *driver.Error, and the cartridge is in one place.",
		run: func(k *hand) {
			from, to := k.cartridges(1)[0], k.bays(1)[0]
			want := k.contents()
			moved, closed := make(chan error, 1), make(chan error, 1)
			c := k.c
			go func() { moved <- c.Move(k.ctx, from.Address, to.Address) }()
			go func() { closed <- c.Close() }()
			k.good("close", <-closed)
			err := <-moved
			if _, ok := errors.AsType[*driver.Error](err); err != nil && !ok {
				k.fail("move: %v is a %T, every error must be a *driver.Error", err, err)
			}
			k.open()
			got := k.contents()
			if _, there := got[to.Address]; there {
				want[to.Address] = want[from.Address]
				delete(want, from.Address)
			}
			if !maps.Equal(got, want) || err == nil && got[to.Address] == "" && k.caps.Barcodes {
				k.fail("after a move that ended with %v: inventory: %v", err, got)
			}
		},
	},
}
