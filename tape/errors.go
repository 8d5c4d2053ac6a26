package tape

import (
	"context"
	"errors"
	"fmt"

	"github.com/enstore-go/sdk/tape/driver"
)

// The errors of this package, to be matched with errors.Is. Most come inside an *Error.
//
// FTT's error classes are these here:
//
//	ENOTAPE ENOSPC EROFS EBLANK          ErrNoMedium ErrEndOfMedium ErrWriteProtected ErrBlank
//	EIO                                  ErrMedium or driver.OutcomeHardware, as the sense data say
//	EUNRECOVERED ELOST ENOTBOT           ErrPosition, and then ErrLoadEnded
//	EBUSY                                ErrHeld, or ErrTimeout if the drive is stuck
//	ENXIO ENODEV EPIPE                   ErrGone
//	ENOMEM E2SMALL                       ErrBlockTooLong
//	EPARTIALWRITE                        none: a block is written whole or not at all
//	ELEADER EFILEMARK                    no errors: driver.LoadPoint, driver.Filemark
//	EBLKSIZE EFAULT ERANGE ENOTSUPPORTED driver.OutcomeIllegalRequest
//	ENOENT EPERM ENFILE ENOTTAPE ENOEXEC driver.OutcomeConfig, which names the key
//	EWRONGVOL EWRONGVOLTYP ERWFS         the engine's, which knows what it wants: ReadLabel tells what is there
//	EPARTIALSTAT                         none: what is not told is driver.Unknown
var (
	ErrEndOfMedium    = errors.New("tape: end of medium")                       // the block was not written, the volume is full
	ErrEndOfData      = errors.New("tape: end of data")                         // a place beyond the last object was asked for
	ErrWriteProtected = errors.New("tape: write protected")                     // by tab, by kind, or WORM data there
	ErrPosition       = errors.New("tape: position is not the expected one")    // drive and count differ, or a needed position is unknown
	ErrLoadEnded      = errors.New("tape: the load has ended")                  // wraps what ended it
	ErrGone           = errors.New("tape: the device's process is gone")        // outcome unknown
	ErrTimeout        = errors.New("tape: no answer in time")                   // outcome unknown
	ErrHeld           = errors.New("tape: held by another")                     // drive, robot or cartridge
	ErrNoMedium       = errors.New("tape: no cartridge")                        // in the drive, or at the source of a move
	ErrBlank          = errors.New("tape: nothing is on the tape")              // ReadLabel of a blank cartridge
	ErrNotBlank       = errors.New("tape: the cartridge is not blank")          // it would be overwritten, and its label was not given
	ErrBlockTooLong   = errors.New("tape: the block is longer than the buffer") // nothing of it may be used
	ErrMedium         = errors.New("tape: unrecovered error of the medium")     // read or write
	ErrLabelDiffers   = errors.New("tape: the label was not read as written")   // WriteLabel
	ErrCleaning       = errors.New("tape: the drive has a cleaning cartridge")  // it was loaded as if it were a volume
	ErrNotCleaning    = errors.New("tape: this is no cleaning cartridge")       // Clean
	ErrUncleaned      = errors.New("tape: the drive was not cleaned")           // Clean
	ErrCleanerSpent   = errors.New("tape: the cleaning cartridge is of no use") // Clean: used up, or it does not fit; ErrUncleaned, too
	ErrClosed         = errors.New("tape: closed")                              // Drive or Changer
	ErrNotFound       = errors.New("tape: volume is not in the robot")          // Mount, Dismount
	ErrNoDrive        = errors.New("tape: drive is not in the robot")           // its bay is out of service, or its number is wrong
	ErrDriveFull      = errors.New("tape: another volume is in the drive")      // Mount
	ErrInOtherDrive   = errors.New("tape: the volume is in another drive")      // Mount, Dismount
	ErrInHand         = errors.New("tape: a cartridge is in the robot's hand")  // somebody must look
	ErrNoSlot         = errors.New("tape: no free slot")                        // Dismount
	ErrDuplicate      = errors.New("tape: two cartridges bear the same label")  // none of them is moved
)

// outcomeErrors are the sentinels that an outcome stands for.
var outcomeErrors = map[driver.Outcome]error{
	driver.OutcomeEndOfMedium:    ErrEndOfMedium,
	driver.OutcomeEndOfData:      ErrEndOfData,
	driver.OutcomeWriteProtected: ErrWriteProtected,
	driver.OutcomeGone:           ErrGone,
	driver.OutcomeTimeout:        ErrTimeout,
	driver.OutcomeHeld:           ErrHeld,
	driver.OutcomeNoMedium:       ErrNoMedium,
	driver.OutcomeBlockTooLong:   ErrBlockTooLong,
	driver.OutcomeMedium:         ErrMedium,
}

// Error is how operations on a drive or robot fail. It matches, with errors.Is, the
// sentinel of its driver outcome and whatever Err matches, a context's error included.
type Error struct {
	Op       string   // "write block"
	Drive    string   // serial number of the drive or robot, or its product name
	Robot    bool     // Drive names a robot
	Volume   string   // label, as the tape or else the drive's bar code reader told it; "" unknown
	Position Position // where the tape stood, as counted, before the operation
	Verdict  Verdict
	Looked   bool  // a robot's inventory, taken after the failure, told where the volume is: the text says it
	Err      error // often a *driver.Error
}

func (e *Error) Error() string {
	s := "tape"
	if e.Volume != "" {
		s = "volume " + e.Volume
	}
	switch {
	case e.Drive != "" && e.Robot:
		s += ": robot " + e.Drive
	case e.Drive != "":
		s += ": drive " + e.Drive
	}
	if e.Position != unknown {
		s += fmt.Sprintf(": at %v", e.Position)
	}
	var d *driver.Error
	if errors.As(e.Err, &d) && d.Op == e.Op {
		return fmt.Sprintf("%s: %v", s, e.Err) // the driver's text names the operation
	}
	return fmt.Sprintf("%s: %s: %v", s, e.Op, e.Err)
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// Is tells whether target is the sentinel of the outcome, or of what the sense data say.
func (e *Error) Is(target error) bool {
	var d *driver.Error
	if target == nil || !errors.As(e.Err, &d) {
		return false
	}
	return outcomeErrors[d.Outcome] == target || target == ErrCleaning && isCleaningCartridge(d.Sense)
}

// OutcomeOf returns the driver's outcome in err: OutcomeNone for nil, and OutcomeUnknown
// for an error that carries none.
func OutcomeOf(err error) driver.Outcome {
	var d *driver.Error
	switch {
	case err == nil:
		return driver.OutcomeNone
	case errors.As(err, &d):
		return d.Outcome
	default:
		return driver.OutcomeUnknown
	}
}

// VerdictOf returns the verdict on err: that of the outermost *Error in it, else of a
// *driver.Error; otherwise, a context's error included, FaultUnknown.
func VerdictOf(err error) Verdict {
	var e *Error
	var d *driver.Error
	switch {
	case err == nil:
		return Verdict{}
	case errors.As(err, &e):
		return e.Verdict
	case errors.As(err, &d):
		v, _ := Judge(d.Outcome, d.Sense)
		return v
	default:
		return Verdict{}
	}
}

// typed makes a *driver.Error of whatever a driver returned for op. A bare context
// error means that the call was given up half way: its outcome is unknown.
func typed(op string, err error) error {
	var d *driver.Error
	if errors.As(err, &d) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &interrupted{&driver.Error{Op: op, Outcome: driver.OutcomeUnknown, Sense: driver.Sense{Info: driver.Unknown}}, err}
	}
	return &interrupted{&driver.Error{Op: op, Outcome: driver.OutcomeUnknown, Sense: driver.Sense{Info: driver.Unknown}, Text: err.Error()}, err}
}

// interrupted is a driver error that keeps what it was made of.
type interrupted struct {
	told  *driver.Error
	cause error
}

func (e *interrupted) Error() string   { return e.told.Error() + " (" + e.cause.Error() + ")" }
func (e *interrupted) Unwrap() []error { return []error{e.told, e.cause} }
