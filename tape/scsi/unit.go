package scsi

import (
	"context"
	"errors"
	"fmt"

	"github.com/enstore-go/sdk/tape/driver"
)

// Unit is a logical unit as drivers of drives and robots use it: what its transport and its sense data tell becomes a
// *driver.Error. Its calls are never concurrent, except Close.
type Unit struct {
	t Transport
}

// NewUnit makes a Unit over a transport, which it owns from then on.
func NewUnit(t Transport) *Unit { return &Unit{t} }

// Close ends the transport's session.
func (u *Unit) Close() error { return u.t.Close() }

// attentions is how many unit attentions may stand before a session's first command.
const attentions = 8

// Greet asks whether the unit is ready until it has told every unit attention that stands from before this session, so
// that the first command that matters is not lost to one. That the unit is not ready is no error.
func (u *Unit) Greet(ctx context.Context) error {
	_, err := u.Attentions(ctx)
	return err
}

// Attentions is Greet, and tells how many unit attentions there were: things that happened since the last command.
func (u *Unit) Attentions(ctx context.Context) (int, error) {
	for n := range attentions {
		_, s, err := u.Do(ctx, "open", TestUnitReady(), nil, nil)
		if err != nil {
			return n, err
		}
		if s == nil || s.Key != UnitAttention {
			return n, nil
		}
	}
	return attentions, &driver.Error{Op: "open", Outcome: driver.OutcomeUnitAttention, Sense: driver.Sense{Key: uint8(UnitAttention), Info: driver.Unknown}, Text: "the unit has attentions without end"}
}

// Check is sense data with their bytes.
type Check struct {
	Sense
	Raw []byte
}

// Error makes a *driver.Error of it.
func (c *Check) Error(op string) *driver.Error {
	return &driver.Error{Op: op, Outcome: c.Outcome(), Sense: c.Of(c.Raw), Text: c.Sense.String()}
}

// Do carries out a command. Sense data are not yet an error: the caller may want what they say. Every other failure is a *driver.Error:
// a transport that failed in the middle is OutcomeUnknown, one that is gone before OutcomeGone, a unit that is busy
// OutcomeNotReady, and one that is reserved OutcomeHeld.
func (u *Unit) Do(ctx context.Context, op string, cdb, out, in []byte) (n int, check *Check, err error) {
	r, err := u.t.Exec(ctx, cdb, out, in)
	if err != nil {
		o := driver.OutcomeUnknown
		switch {
		case errors.Is(err, ErrNotSent) && errors.Is(err, ErrSessionLost):
			o = driver.OutcomeGone
		case errors.Is(err, ErrNotSent):
			o = driver.OutcomeAborted
		}
		return 0, nil, &driver.Error{Op: op, Outcome: o, Sense: driver.Sense{Info: driver.Unknown}, Text: err.Error()}
	}
	fail := func(o driver.Outcome, text string) error {
		return &driver.Error{Op: op, Outcome: o, Sense: driver.Sense{Info: driver.Unknown}, Text: text}
	}
	switch r.Status {
	case Good, ConditionMet:
		return r.Transferred, nil, nil
	case CheckCondition:
		s, err := ParseSense(r.Sense)
		if err != nil {
			return 0, nil, fail(driver.OutcomeUnknown, err.Error())
		}
		return r.Transferred, &Check{s, r.Sense}, nil
	case Busy, TaskSetFull:
		return 0, nil, fail(driver.OutcomeNotReady, "the unit is busy")
	case ReservationConflict:
		return 0, nil, fail(driver.OutcomeHeld, "the unit is reserved for somebody else")
	}
	return 0, nil, fail(driver.OutcomeUnknown, fmt.Sprintf("status %#02x", uint8(r.Status)))
}

// Must carries out a command that has nothing to say but good: sense data are an error too, unless of a recovered one.
func (u *Unit) Must(ctx context.Context, op string, cdb, out, in []byte) (n int, err error) {
	n, c, err := u.Do(ctx, op, cdb, out, in)
	if err == nil && c != nil && (c.Deferred || c.Key != RecoveredError && c.Key != Completed) {
		return 0, c.Error(op)
	}
	return n, err
}

// Identity asks who the unit is, and that it is of the type.
func (u *Unit) Identity(ctx context.Context, kind uint8) (driver.Identity, error) {
	const op = "identify"
	fail := func(o driver.Outcome, format string, args ...any) error {
		return &driver.Error{Op: op, Outcome: o, Sense: driver.Sense{Info: driver.Unknown}, Text: fmt.Sprintf(format, args...)}
	}
	in := make([]byte, 96)
	n, err := u.Must(ctx, op, Inquiry(len(in)), nil, in)
	if err != nil {
		return driver.Identity{}, err
	}
	id, err := ParseInquiry(in[:n])
	if err != nil {
		return driver.Identity{}, fail(driver.OutcomeHardware, "%v", err)
	}
	if !id.Connected || id.Type != kind {
		return driver.Identity{}, fail(driver.OutcomeConfig, "there is a unit of type %#02x (connected: %v), %#02x is wanted: is the unit's number right?", id.Type, id.Connected, kind)
	}
	out := driver.Identity{Vendor: id.Vendor, Product: id.Product, Revision: id.Revision}
	in = make([]byte, 255)
	n, c, err := u.Do(ctx, op, InquiryPage(PageSerial, len(in)), nil, in)
	if err != nil {
		return out, err
	}
	if c == nil { // a unit without a serial number has none
		out.Serial, _ = ParseSerial(in[:n])
	}
	return out, nil
}
