package driver

import (
	"fmt"
	"strconv"
)

// Outcome is how a command failed. The numbers cross the plugin border and never
// change; new ones are added at the end.
type Outcome uint8

// The outcomes.
const (
	OutcomeNone           Outcome = iota // no failure
	OutcomeUnknown                       // the command's answer was lost: it may have been carried out, wholly or in part
	OutcomeIllegalRequest                // the request itself is wrong
	OutcomeConfig                        // the configuration is wrong; Text names the key
	OutcomeNoMedium                      // no cartridge there
	OutcomeFull                          // the destination of a move is full
	OutcomeNotReady                      // not loaded, or becoming ready
	OutcomeHeld                          // somebody else holds the drive, robot or cartridge
	OutcomeUnitAttention                 // something happened meanwhile (reset, reload): the load has ended
	OutcomeWriteProtected                // by tab, by kind, or because the data there may not be overwritten (WORM)
	OutcomeBlankCheck                    // nothing readable where data should be
	OutcomeEndOfData                     // Locate went beyond end of data
	OutcomeEndOfMedium                   // no room; nothing of this block was written
	OutcomeBlockTooLong                  // the block on tape is longer than the buffer
	OutcomeMedium                        // unrecovered read or write error of the cartridge
	OutcomeHardware                      // the drive or robot is broken
	OutcomeAborted                       // interrupted, nothing done
	OutcomeTimeout                       // no answer within Capabilities.Timeouts; outcome unknown
	OutcomeGone                          // the process that drives the device is dead; outcome unknown
)

var outcomeNames = [...]string{
	"good", "outcome unknown", "illegal request", "bad configuration", "no medium", "element full", "not ready", "held by another",
	"unit attention", "write protected", "blank check", "end of data", "end of medium", "block too long",
	"medium error", "hardware error", "aborted", "timed out", "plugin gone",
}

func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "outcome " + strconv.Itoa(int(o))
}

// Sense is what a device said about a failure, in the words of SCSI sense data where
// it has them.
type Sense struct {
	Key       uint8 // sense key, 0..15
	ASC, ASCQ uint8 // additional sense code and qualifier
	Deferred  bool  // about an earlier command that had already been reported good
	EOM       bool
	Info      int64  // residue, or Unknown
	Raw       []byte // at most 252 bytes, as received; may be nil
}

// Error is how every failure of a driver is told.
type Error struct {
	Op      string // the method, in lower case: "write block"
	Outcome Outcome
	Sense   Sense
	Text    string // for people; never decided upon
}

func (e *Error) Error() string {
	s := e.Op + ": " + e.Outcome.String()
	if e.Sense.Deferred {
		s += " (deferred)"
	}
	if e.Sense.Key|e.Sense.ASC|e.Sense.ASCQ != 0 {
		s += fmt.Sprintf(" [sense %x/%02x/%02x]", e.Sense.Key, e.Sense.ASC, e.Sense.ASCQ)
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}
