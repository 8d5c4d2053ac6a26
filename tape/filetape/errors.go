package filetape

import (
	"context"
	"errors"
	"fmt"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
)

// sense is key, code and qualifier, as SCSI has them.
type sense struct{ key, asc, ascq uint8 }

func fail(op string, o driver.Outcome, s sense, format string, args ...any) *driver.Error {
	return &driver.Error{
		Op: op, Outcome: o, Text: fmt.Sprintf(format, args...),
		Sense: driver.Sense{Key: s.key, ASC: s.asc, ASCQ: s.ascq, Info: driver.Unknown},
	}
}

// wrong is a request or setting that is wrong in itself.
func wrong(op string, o driver.Outcome, format string, args ...any) *driver.Error {
	s := sense{}
	if o == driver.OutcomeIllegalRequest {
		s = sense{5, 0x24, 0}
	}
	return fail(op, o, s, format, args...)
}

// typed makes a driver's error of what reading or writing files gave. What the error was about
// stands in front of its text.
func typed(op, subject string, err error, writing bool) *driver.Error {
	var d *driver.Error
	var damage *damageError
	switch {
	case errors.As(err, &d):
		e := *d
		e.Op = op
		return &e
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, errClosed):
		return fail(op, driver.OutcomeUnknown, sense{}, "%s: %v", subject, err)
	case errors.Is(err, disk.ErrLocked):
		return fail(op, driver.OutcomeHeld, sense{}, "%s: %v", subject, err)
	case errors.As(err, &damage), errors.Is(err, ErrDamaged):
		return fail(op, driver.OutcomeMedium, sense{3, 0x11, 0}, "%s: %v", subject, err)
	case isFull(err):
		return fail(op, driver.OutcomeHardware, sense{4, 0x08, 0}, "%s: no room on the disk for the image: %v", subject, err)
	case writing:
		return fail(op, driver.OutcomeHardware, sense{4, 0x44, 0}, "%s: %v", subject, err)
	default:
		return fail(op, driver.OutcomeMedium, sense{3, 0x11, 0}, "%s: %v", subject, err)
	}
}
