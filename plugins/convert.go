//go:build unix

package plugins

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/enstore-go/sdk/plugins/pluginpb"
	"github.com/enstore-go/sdk/tape/driver"
)

func clip[T ~string | ~[]byte](s T, n int) T { return s[:min(len(s), n)] }

// errorToWire makes a message of any error that a driver returned. One that is no
// *driver.Error breaks the contract; its text survives, and its outcome is what the contract
// says of a call that was interrupted.
func errorToWire(op string, err error) *pluginpb.Error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*driver.Error](err)
	if !ok || e == nil {
		e = &driver.Error{Op: op, Outcome: driver.OutcomeUnknown, Sense: driver.Sense{Info: driver.Unknown}, Text: err.Error()}
	}
	outcome := e.Outcome
	if outcome == driver.OutcomeNone {
		outcome = driver.OutcomeUnknown
	}
	return &pluginpb.Error{
		Op: []byte(clip(e.Op, maxOp)), Outcome: uint32(outcome), Text: []byte(clip(e.Text, maxText)),
		SenseKey: uint32(e.Sense.Key), Asc: uint32(e.Sense.ASC), Ascq: uint32(e.Sense.ASCQ),
		Deferred: e.Sense.Deferred, Eom: e.Sense.EOM, Info: e.Sense.Info,
		SenseRaw: clip(e.Sense.Raw, maxRaw), SenseHasRaw: e.Sense.Raw != nil,
	}
}

// errorFromWire bounds everything again: the process at the other end may be anybody's.
func errorFromWire(m *pluginpb.Error) *driver.Error {
	if m == nil {
		return nil
	}
	e := &driver.Error{
		Op: string(clip(m.Op, maxOp)), Outcome: driver.OutcomeUnknown, Text: string(clip(m.Text, maxText)),
		Sense: driver.Sense{
			Key: uint8(m.SenseKey & 0x0f), ASC: uint8(m.Asc), ASCQ: uint8(m.Ascq),
			Deferred: m.Deferred, EOM: m.Eom, Info: m.Info,
		},
	}
	if m.Outcome > 0 && m.Outcome <= math.MaxUint8 {
		e.Outcome = driver.Outcome(m.Outcome)
	}
	if m.SenseHasRaw {
		e.Sense.Raw = append([]byte{}, clip(m.SenseRaw, maxRaw)...)
	}
	return e
}

// asError avoids a typed nil in an error.
func asError(m *pluginpb.Error) error {
	if m == nil {
		return nil
	}
	return errorFromWire(m)
}

func failure(op string, o driver.Outcome, format string, args ...any) *driver.Error {
	return &driver.Error{Op: op, Outcome: o, Sense: driver.Sense{Info: driver.Unknown}, Text: fmt.Sprintf(format, args...)}
}

// interrupted is the error of a call whose context ended after the plugin had it.
func interrupted(ctx context.Context, op string) *driver.Error {
	return failure(op, driver.OutcomeUnknown, "%v", context.Cause(ctx))
}

func identityToWire(id driver.Identity) *pluginpb.Identity {
	return &pluginpb.Identity{
		Vendor: []byte(clip(id.Vendor, maxWord)), Product: []byte(clip(id.Product, maxWord)),
		Revision: []byte(clip(id.Revision, maxWord)), Serial: []byte(clip(id.Serial, maxWord)),
	}
}

func identityFromWire(m *pluginpb.Identity) driver.Identity {
	return driver.Identity{
		Vendor: string(clip(m.GetVendor(), maxWord)), Product: string(clip(m.GetProduct(), maxWord)),
		Revision: string(clip(m.GetRevision(), maxWord)), Serial: string(clip(m.GetSerial(), maxWord)),
	}
}

func capabilitiesToWire(c driver.Capabilities) *pluginpb.DriveCapabilities {
	return &pluginpb.DriveCapabilities{
		MinBlock: int64(c.MinBlock), MaxBlock: int64(c.MaxBlock), Window: int64(c.Window),
		ReportsPosition: c.ReportsPosition, ReportsFile: c.ReportsFile, ReportsBuffer: c.ReportsBuffer,
		LocatesByBlock: c.LocatesByBlock, Worm: c.WORM, Exclusive: []byte(clip(c.Exclusive, maxWord)),
		TimeoutCommand: int64(c.Timeouts.Command), TimeoutLoad: int64(c.Timeouts.Load), TimeoutLocate: int64(c.Timeouts.Locate),
		TimeoutTransfer: int64(c.Timeouts.Transfer), TimeoutFlush: int64(c.Timeouts.Flush), ReportsHealth: c.ReportsHealth,
	}
}

// maxTimeout bounds what a plugin may claim: longer than any tape takes, short enough that
// a plugin which hangs is found on the same day.
const maxTimeout = 12 * time.Hour

func timeoutFromWire(n int64) time.Duration { return min(max(time.Duration(n), 0), maxTimeout) }

// capabilitiesFromWire refuses what cannot be. A drive that takes larger blocks than a
// slot can be is used with blocks that fit.
func capabilitiesFromWire(m *pluginpb.DriveCapabilities) (driver.Capabilities, error) {
	switch {
	case m == nil:
		return driver.Capabilities{}, errors.New("tells no capabilities")
	case m.MinBlock < 1 || m.MinBlock > maxSlotSize || m.MaxBlock < m.MinBlock:
		return driver.Capabilities{}, fmt.Errorf("tells impossible block sizes: %d to %d bytes", m.MinBlock, m.MaxBlock)
	case m.Window < 0 || m.Window > math.MaxInt32:
		return driver.Capabilities{}, fmt.Errorf("tells an impossible window: %d blocks", m.Window)
	}
	return driver.Capabilities{
		MinBlock: int(m.MinBlock), MaxBlock: int(min(m.MaxBlock, maxSlotSize)), Window: int(m.Window),
		ReportsPosition: m.ReportsPosition, ReportsFile: m.ReportsFile, ReportsBuffer: m.ReportsBuffer,
		LocatesByBlock: m.LocatesByBlock, WORM: m.Worm, ReportsHealth: m.ReportsHealth, Exclusive: driver.Exclusion(clip(m.Exclusive, maxWord)),
		Timeouts: driver.Timeouts{
			Command: timeoutFromWire(m.TimeoutCommand), Load: timeoutFromWire(m.TimeoutLoad), Locate: timeoutFromWire(m.TimeoutLocate),
			Transfer: timeoutFromWire(m.TimeoutTransfer), Flush: timeoutFromWire(m.TimeoutFlush),
		},
	}, nil
}

func conditionFromWire(n uint32) (driver.Condition, error) {
	if n > uint32(driver.LoadPoint) {
		return 0, fmt.Errorf("told the condition %d, which is none", n)
	}
	return driver.Condition(n), nil
}
