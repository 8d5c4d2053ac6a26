package tape_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
)

func TestJudge(t *testing.T) {
	request := tape.Verdict{Fault: tape.FaultRequest, Permanent: true, Do: tape.MendRequest}
	brokenDrive := tape.Verdict{Fault: tape.FaultDrive, Permanent: true, Do: tape.StopDrive}
	otherDrive := tape.Verdict{Fault: tape.FaultDrive, Do: tape.OtherDrive}
	otherTry := tape.Verdict{Fault: tape.FaultVolume, Do: tape.OtherDrive}
	badVolume := func(do tape.Advice) tape.Verdict {
		return tape.Verdict{Fault: tape.FaultVolume, Permanent: true, Do: do}
	}
	nobody := tape.Verdict{Do: tape.Retry}
	for _, c := range []struct {
		o              driver.Outcome
		key, asc, ascq uint8
		want           tape.Verdict
	}{
		{driver.OutcomeMedium, 3, 0x0c, 0, badVolume(tape.ReadOnly)},
		{driver.OutcomeMedium, 3, 0x11, 0, otherTry},
		{driver.OutcomeMedium, 0, 0, 0, otherTry},
		{driver.OutcomeMedium, 3, 0x30, 3, request},
		{driver.OutcomeMedium, 3, 0x30, 1, badVolume(tape.OtherDrive)},
		{driver.OutcomeMedium, 3, 0x00, 0x17, tape.Verdict{Fault: tape.FaultDrive, Do: tape.CleanDrive}},
		{driver.OutcomeHardware, 4, 0x44, 0, brokenDrive},
		{driver.OutcomeHardware, 4, 0x53, 0, tape.Verdict{Permanent: true, Do: tape.StopDrive}},
		{driver.OutcomeHardware, 4, 8, 1, otherDrive},
		{driver.OutcomeHardware, 0, 0, 0, brokenDrive},
		{driver.OutcomeWriteProtected, 7, 0x27, 0, badVolume(tape.OtherVolume)},
		{driver.OutcomeIllegalRequest, 7, 0x74, 0x71, request},
		{driver.OutcomeUnitAttention, 6, 0x29, 0, nobody},
		{driver.OutcomeEndOfMedium, 0xd, 0, 2, badVolume(tape.OtherVolume)},
		{driver.OutcomeTimeout, 0, 0, 0, otherDrive},
		{driver.OutcomeGone, 3, 0x0c, 0, tape.Verdict{Fault: tape.FaultDrive, Do: tape.Retry}}, // the process died, whatever sense was left lying about
		{driver.OutcomeUnknown, 0, 0, 0, nobody},
		{driver.Outcome(200), 0, 0, 0, tape.Verdict{}},
	} {
		t.Run(fmt.Sprintf("%v %x/%02x/%02x", c.o, c.key, c.asc, c.ascq), func(t *testing.T) {
			is := is.New(t)
			s := driver.Sense{Key: c.key, ASC: c.asc, ASCQ: c.ascq, Info: driver.Unknown}
			got, why := tape.Judge(c.o, s)
			is.Equal(got, c.want)
			is.True(why != "")
			// The same from an error, however it is wrapped, and whatever its text.
			err := fmt.Errorf("reading: %w", &driver.Error{Op: "x", Outcome: c.o, Sense: s, Text: "the drive is broken, the volume is bad"})
			is.Equal(tape.VerdictOf(err), c.want)
			is.Equal(tape.OutcomeOf(err), c.o)
		})
	}
}

// Every outcome has a verdict with a reason of its own.
func TestEveryOutcomeIsJudged(t *testing.T) {
	is := is.New(t)
	_, none := tape.Judge(driver.Outcome(200), driver.Sense{})
	for o := driver.OutcomeNone; o <= driver.OutcomeGone; o++ {
		_, why := tape.Judge(o, driver.Sense{})
		is.True(why != none)
	}
}

func TestErrorMatchesItsOutcome(t *testing.T) {
	is := is.New(t)
	err := error(&tape.Error{Op: "write block", Drive: "D1", Volume: "VO0001", Position: tape.Position{Block: 7, File: 2},
		Err: &driver.Error{Op: "write block", Outcome: driver.OutcomeEndOfMedium}})
	is.True(errors.Is(err, tape.ErrEndOfMedium))
	is.True(!errors.Is(err, tape.ErrMedium))
	is.Equal(err.Error(), "volume VO0001: drive D1: at file 2, block 7: write block: end of medium")
	is.Equal(tape.OutcomeOf(nil), driver.OutcomeNone)
	is.Equal(tape.OutcomeOf(context.Canceled), driver.OutcomeUnknown)
	is.Equal(tape.VerdictOf(context.Canceled), tape.Verdict{})
	is.Equal(tape.VerdictOf(nil), tape.Verdict{})
}
