// Package faulty makes a tape drive or robot fail on purpose.
//
// [Drive] and [Changer] wrap a driver and apply a list of [Rule] to its calls: the n-th
// call of an [Op], or one that a predicate picks, as by its volume or block, fails with an outcome and sense data, before or after it took effect,
// comes late, hangs until its context ends or is released, is done twice, hands over a block with a bit turned, is reported good and never
// done, or is the last before the power fails. Everything else goes to the driver beneath.
//
//	dev := faulty.Drive(memtapeDrive,
//		faulty.Rule{Op: faulty.WriteBlock, Nth: 3, Outcome: driver.OutcomeMedium},
//		faulty.Rule{Op: faulty.Position, Outcome: driver.OutcomeGone, From: 10},
//		faulty.Rule{Op: faulty.WriteBlock, When: func(c faulty.Call) bool { return c.Volume == "VO0007" && c.Block >= 4 }, Lost: true},
//	)
//
// Rules may be added while the drive is in use ([Device.Add]) and calls are counted
// ([Device.Calls]). The package invents no timing and no randomness: what it does is in the rules. It knows of writes that it lost only as long as the tape
// does not move: then the truth comes out, as with a drive whose buffer was lost.
package faulty

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

// Op is a method of driver.Drive or driver.Changer.
type Op string

// The operations. Any stands for all but Close.
const (
	Any            Op = ""
	Identify       Op = "identify"
	Status         Op = "status"
	Health         Op = "health"
	Load           Op = "load"
	Unload         Op = "unload"
	Rewind         Op = "rewind"
	Locate         Op = "locate"
	Space          Op = "space"
	Position       Op = "position"
	ReadBlock      Op = "read block"
	WriteBlock     Op = "write block"
	WriteFilemarks Op = "write filemarks"
	Flush          Op = "flush" // WriteFilemarks that is not immediate; rules for WriteFilemarks match it too
	Inventory      Op = "inventory"
	Move           Op = "move"
	Close          Op = "close"
)

// Rule says which calls fail and how. The first rule that matches a call is applied.
type Rule struct {
	Op Op
	// Nth is the number, from 1, of the one call of Op that the rule applies to, counted
	// from when the rule was added. 0 means every call, from number From on.
	Nth, From int

	// When picks the calls that the rule is about; nil: all of Op. Only those are counted. It must not use the device.
	When func(Call) bool

	// Outcome is how the call fails; OutcomeNone for the others alone.
	Outcome driver.Outcome
	Sense   driver.Sense
	// Done has the driver carry out the call before it fails: the answer is lost, not the
	// deed.
	Done bool
	// Hang keeps the call until its context ends, and returns the context's error if
	// Outcome is OutcomeNone.
	Hang bool
	// Deaf, with Hang, does not listen to the context: the call stays until Device.Release.
	Deaf bool
	// Corrupt turns one bit of the block that is read or written.
	Corrupt bool
	// Shift is added to the block number that Position reports.
	Shift int64
	// Delay is how long the call waits before it is carried out. If its context ends meanwhile it is not.
	Delay time.Duration
	// Twice has the driver carry out the call a second time, and gives the answer to that.
	Twice bool
	// Lost has a write reported good and not carried out. Until the tape moves, positions are as if it had been.
	Lost bool
	// Die is a power failure: the call is not carried out, and it and all that follow fail with OutcomeGone. What the driver beneath had not
	// flushed is lost when it is closed.
	Die bool
}

// Call is what a predicate is told of a call.
type Call struct {
	Op     Op
	Volume string // that was loaded last, as the drive's status named it; "" not known
	Block  int64  // where the tape stands, as the drive beneath says; or driver.Unknown
	N      int64  // what is asked for: bytes of a block, number of filemarks, objects to space over, block to locate
	From   int    // of a move
	To     int
}

// armed is a rule with the calls it has seen.
type armed struct {
	Rule
	seen int
}

// Device is the wrapper's own side: rules and counters. Its methods may be called at any time.
type Device struct {
	mu      sync.Mutex
	rules   []*armed
	calls   map[Op]int
	release chan struct{}
	dead    bool
}

func newDevice(rules []Rule) *Device {
	d := &Device{calls: map[Op]int{}, release: make(chan struct{})}
	d.Add(rules...)
	return d
}

// Add adds rules behind those there are.
func (d *Device) Add(rules ...Rule) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range rules {
		d.rules = append(d.rules, &armed{Rule: r})
	}
}

// Clear removes all rules.
func (d *Device) Clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rules = nil
}

// Calls is how often op was called.
func (d *Device) Calls(op Op) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[op]
}

// Release lets all calls return that hang and are deaf.
func (d *Device) Release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.release)
	d.release = make(chan struct{})
}

// picky tells whether a rule wants to know more of a call than its operation.
func (d *Device) picky() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.rules, func(r *armed) bool { return r.When != nil })
}

// match counts a call, which has one or two names, and returns its rule.
func (d *Device) match(c Call, names ...Op) (Rule, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range names {
		d.calls[n]++
	}
	if d.dead && names[0] != Close {
		return Rule{Die: true}, d.release
	}
	var found Rule
	hit := false
	for _, r := range d.rules {
		fits := r.Op == Any && names[0] != Close
		for _, n := range names {
			fits = fits || r.Op == n
		}
		if !fits || r.When != nil && !r.When(c) {
			continue
		}
		r.seen++
		if (r.Nth == r.seen || r.Nth == 0 && r.seen >= r.From) && !hit {
			found, hit = r.Rule, true
		}
	}
	d.dead = d.dead || found.Die
	return found, d.release
}

// apply runs a call under its rule.
func apply(ctx context.Context, r Rule, release <-chan struct{}, op Op, f func() error) error {
	if r.Die {
		return &driver.Error{Op: string(op), Outcome: driver.OutcomeGone, Sense: driver.Sense{Info: driver.Unknown}, Text: "injected power failure"}
	}
	if r.Delay > 0 {
		late := time.NewTimer(r.Delay)
		defer late.Stop()
		select {
		case <-late.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var err error
	if r.Twice {
		_ = f()
	}
	if r.Done || r.Outcome == driver.OutcomeNone && !r.Hang {
		if err = f(); err != nil {
			return err
		}
	}
	if r.Hang {
		listen := ctx.Done()
		if r.Deaf {
			listen = nil
		}
		select {
		case <-listen:
			err = ctx.Err()
		case <-release:
			err = &driver.Error{Op: string(op), Outcome: driver.OutcomeAborted, Sense: driver.Sense{Info: driver.Unknown}, Text: "injected hang, released"}
		}
	}
	if r.Outcome != driver.OutcomeNone {
		return &driver.Error{Op: string(op), Outcome: r.Outcome, Sense: r.Sense, Text: "injected"}
	}
	return err
}
