package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/operator"
	"github.com/enstore-go/sdk/wrapper"
)

var (
	errUsage       = errors.New("wrong usage") // an argument that is wrong in itself
	errNoSite      = errors.New("no site here")
	errInterrupted = errors.New("interrupted; what was reported as stored is safe, nothing else is there")
	errDamaged     = errors.New("not every file is whole")
)

// hinted is an error with what to do next.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

func hint(err error, text string) error {
	if err == nil {
		return nil
	}
	return &hinted{err, text}
}

// usage is an errUsage that says only what is wrong.
func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

type usageError struct{ error }

func (e usageError) Is(target error) bool { return target == errUsage }
func (e usageError) Unwrap() error        { return e.error }

// kinds are those of errors that come from this side of the wire. The first match counts.
var kinds = []struct {
	err  error
	kind wire.Kind
}{
	{errInterrupted, wire.Cancelled},
	{errUsage, wire.Invalid}, {site.ErrConfig, wire.Invalid},
	{errNoSite, wire.NotFound},
	{site.ErrExists, wire.Exists},
	{site.ErrInUse, wire.Locked}, {tape.ErrHeld, wire.Locked},
	{tape.ErrNotBlank, wire.NotAllowed}, {tape.ErrWriteProtected, wire.NoAccess},
	{wrapper.ErrChecksum, wire.Checksum},
	{operator.ErrNotFound, wire.NotFound}, {operator.ErrNoShelf, wire.NotFound}, {operator.ErrExists, wire.Exists}, {operator.ErrAnswered, wire.Exists},
	{operator.ErrNoSlot, wire.NoSpace}, {operator.ErrLabel, wire.Invalid}, {operator.ErrWithdrawn, wire.NotAllowed}, {operator.ErrBusy, wire.Locked}, {operator.ErrDamaged, wire.Media},
	{errDamaged, wire.Media}, {tape.ErrMedium, wire.Media}, {wrapper.ErrTruncated, wire.Media}, {wrapper.ErrHeader, wire.Media}, {wrapper.ErrDead, wire.Media}, {wrapper.ErrLong, wire.Media},
}

// outcomes are the sorts of what a device says when a command uses it without a site; others have no code of their own.
var outcomes = map[driver.Outcome]wire.Kind{
	driver.OutcomeConfig: wire.Invalid, driver.OutcomeIllegalRequest: wire.Invalid, driver.OutcomeNoMedium: wire.NotFound, driver.OutcomeFull: wire.Exists,
	driver.OutcomeNotReady: wire.Unavailable, driver.OutcomeHeld: wire.Locked, driver.OutcomeGone: wire.Unavailable, driver.OutcomeTimeout: wire.Timeout,
	driver.OutcomeAborted: wire.Unavailable,
}

// kindOf says what sort of error it is.
func kindOf(err error) wire.Kind {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.kind
		}
	}
	if k := wire.KindOf(err); k != wire.Unknown {
		return k
	}
	if tape.VerdictOf(err).Fault == tape.FaultVolume {
		return wire.Media
	}
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return outcomes[e.Outcome]
	}
	return wire.Unknown
}

// exitCode is the process's exit code for an error; doc.go has the list.
func exitCode(err error) int {
	switch kindOf(err) {
	case wire.Invalid:
		return 2
	case wire.NotFound:
		return 3
	case wire.Exists:
		return 4
	case wire.Busy, wire.Locked, wire.Offline, wire.Unavailable, wire.Timeout, wire.Restart:
		return 5
	case wire.Checksum, wire.Media, wire.Changed:
		return 6
	case wire.NoSpace, wire.Quota, wire.TooLarge:
		return 7
	case wire.NotAllowed, wire.NoAccess:
		return 8
	case wire.Cancelled:
		return 130
	}
	return 1
}

// advice says what to do next, where that is known.
func advice(err error) string {
	if h, ok := errors.AsType[*hinted](err); ok {
		return h.hint
	}
	if _, ok := errors.AsType[*summary](err); ok {
		return "" // it has been given with the first failure
	}
	switch {
	case errors.Is(err, errNoSite):
		return "Make one with: enstore init DIR --volumes 8\nThen say --site DIR, or set ENSTORE_SITE."
	case errors.Is(err, site.ErrInUse):
		return "Another process has this site open; wait for it to end."
	case errors.Is(err, operator.ErrWithdrawn):
		return "If the cartridge has to stay there all the same: enstore robot done --late\nWhat is asked for now: enstore robot requests"
	case errors.Is(err, tape.ErrNotBlank):
		return "If what is on the cartridge may be lost, give its present label: --overwrite LABEL"
	case errors.Is(err, syscall.ENOSPC):
		return "The disk is full."
	case errors.Is(err, wire.ErrNoSpace):
		return "See: enstore volume ls\nAdd volumes with: enstore volume add LABEL..."
	case errors.Is(err, wire.ErrRestart):
		return "Nothing of this file is stored; send it again."
	}
	return ""
}

// tell prints an error and what to do about it. What the error quotes of names from outside is made
// safe.
func (p *program) tell(err error) {
	p.above(func() {
		if p.cmd.JSON {
			o := struct {
				Error string `json:"error"`
				Kind  string `json:"kind"`
				Hint  string `json:"hint,omitempty"`
				Exit  int    `json:"exit"`
			}{err.Error(), kindOf(err).String(), advice(err), exitCode(err)}
			_ = encode(p.err, o)
			return
		}
		fmt.Fprintln(p.err, "enstore:", indented(err.Error()))
		if a := advice(err); a != "" {
			fmt.Fprintln(p.err, a)
		}
	})
}

// indented is a text of perhaps several lines, safe for a terminal, whose further lines cannot be
// taken for messages of their own.
func indented(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = escaped(lines[i])
	}
	return strings.Join(lines, "\n  ")
}
