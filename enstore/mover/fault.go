package mover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
)

// told is an error of drive, volume or robot as clients hear it: its kind follows from the verdict.
func told(err error, volume catalog.Label) *wire.Error {
	e := wire.AsError(err, "lease", "volume "+string(volume))
	if _, ok := errors.AsType[*former](err); ok {
		e.Kind = wire.Drive
		return e
	}
	if _, ok := errors.AsType[*tape.Error](err); !ok {
		return e
	}
	switch v := tape.VerdictOf(err); {
	case errors.Is(err, tape.ErrNotFound):
		e.Kind = wire.NoAccess
	case v.Fault == tape.FaultVolume:
		e.Kind = wire.Media
	default:
		e.Kind = wire.Drive
	}
	return e
}

// faultOf tells the library whose fault the end of a lease was. A volume that the robot has not is as useless as
// a bad one.
func faultOf(err error) wire.Fault {
	if _, ok := errors.AsType[*former](err); ok {
		return wire.FaultDrive
	}
	if errors.Is(err, tape.ErrNotFound) {
		return wire.FaultVolume
	}
	switch tape.VerdictOf(err).Fault {
	case tape.FaultRequest:
		return wire.FaultRequest
	case tape.FaultDrive:
		return wire.FaultDrive
	case tape.FaultVolume:
		return wire.FaultVolume
	}
	return wire.FaultUnknown
}

// hopeless tells that no drive will do better with this volume, so that its reads need not be tried again.
func hopeless(err error) bool {
	v := tape.VerdictOf(err)
	return v.Fault == tape.FaultVolume && v.Permanent && v.Do != tape.OtherDrive || errors.Is(err, tape.ErrNotFound)
}

// former is an error of the volume that was in the drive before. It hides what it wraps: nothing in it is about the volume of the lease.
type former struct{ err error }

func (e *former) Error() string { return "the volume before: " + e.err.Error() }

// former draws the conclusions from a volume that could not be taken out to make room for the lease's.
func (m *Mover) former(ctx context.Context, v catalog.Label, err error) error {
	if verdict := tape.VerdictOf(err); verdict.Fault == tape.FaultVolume && !errors.Is(err, tape.ErrEndOfMedium) {
		slot, limit := catalog.SystemWrite, catalog.ReadOnly
		if verdict.Do == tape.NoAccess {
			slot, limit = catalog.SystemAccess, catalog.NoAccess
		}
		if e := m.inhibit(ctx, v, slot, limit, err); e != nil {
			m.log.Warn("volume not inhibited", "volume", v, "error", e)
		}
	}
	return &former{err}
}

var (
	errWrongLabel = errors.New("wrong label on tape")
	errDisagree   = errors.New("tape and catalogue disagree on the end of data")
)

// inhibited is an error after which the volume has been inhibited already.
type inhibited struct{ error }

func (e *inhibited) Unwrap() error { return e.error }

// disable inhibits a volume and returns why, as an error that blames it.
func (m *Mover) disable(ctx context.Context, v catalog.Label, slot catalog.Slot, limit catalog.Limit, why error) error {
	at := tape.Position{Block: driver.Unknown, File: driver.Unknown}
	if m.vol != nil {
		at = m.vol.load.Position()
	}
	do := tape.ReadOnly
	if limit == catalog.NoAccess {
		do = tape.NoAccess
	}
	err := &inhibited{&tape.Error{Op: "check", Drive: m.opts.Drive, Volume: string(v), Position: at, Verdict: tape.Verdict{Fault: tape.FaultVolume, Permanent: true, Do: do}, Err: why}}
	return errors.Join(err, m.inhibit(ctx, v, slot, limit, why))
}

// sentence is an error's text as the catalogue takes it.
func sentence(err error) string {
	const most = 1000
	text := strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, err.Error()), "?")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}

func (m *Mover) inhibit(ctx context.Context, v catalog.Label, slot catalog.Slot, limit catalog.Limit, why error) error {
	m.log.Error("volume inhibited", "volume", v, "inhibit", limit, "why", why)
	return m.opts.Catalog.SetInhibit(context.WithoutCancel(ctx), v, slot, limit, "mover "+m.opts.Drive, sentence(why))
}

// accuse draws the conclusions from the error of a lease: a volume at fault is not written any more, and one that cannot
// be read for good is not touched any more, until somebody has looked at it. One that is merely full, or not in the robot, is left as it is.
func (m *Mover) accuse(ctx context.Context, lease wire.Lease, err error) {
	v := tape.VerdictOf(err)
	if _, done := errors.AsType[*inhibited](err); done || v.Fault != tape.FaultVolume || errors.Is(err, tape.ErrEndOfMedium) {
		return
	}
	var e error
	switch {
	case lease.Kind == wire.ReadLease && v.Do == tape.NoAccess:
		e = m.inhibit(ctx, lease.Grant.Volume.Label, catalog.SystemAccess, catalog.NoAccess, err)
	default:
		e = m.suspect(ctx, lease, err)
	}
	if e != nil {
		m.log.Warn("volume not inhibited", "volume", lease.Grant.Volume.Label, "error", e)
	}
}

// suspect counts an error of the volume, and lets nothing new be written on it.
func (m *Mover) suspect(ctx context.Context, lease wire.Lease, why error) error {
	v := lease.Grant.Volume
	reads, writes := int64(1), int64(0)
	if lease.Kind == wire.WriteLease {
		reads, writes = 0, 1
	}
	err := m.opts.Catalog.RecordErrors(context.WithoutCancel(ctx), v.Label, reads, writes)
	if limit := v.State[catalog.SystemWrite].Limit; limit != "" && limit != catalog.Unlimited {
		return err // it is not written on as it is
	}
	return errors.Join(err, m.inhibit(ctx, v.Label, catalog.SystemWrite, catalog.ReadOnly, why))
}

// reject takes a cartridge that cannot be loaded out of the drive again.
func (m *Mover) reject(ctx context.Context, v catalog.Label, why error) error {
	err := m.drive.Unload(ctx)
	if err == nil {
		err = m.opts.Robot.Dismount(ctx, string(v), m.opts.Number)
	}
	if err != nil {
		m.log.Warn("volume stays in the drive", "volume", v, "error", err)
		m.abandon() // it is looked at anew
	} else {
		m.left = ""
	}
	return fmt.Errorf("volume %s: load in %s: %w", v, m.opts.Drive, why)
}
