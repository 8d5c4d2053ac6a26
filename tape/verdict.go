package tape

import (
	"fmt"

	"github.com/enstore-go/sdk/tape/driver"
)

// Fault is who an error is blamed on.
type Fault uint8

// The faults. The numbers may be stored and do not change.
const (
	FaultUnknown Fault = iota // cannot be told; two drives or two volumes with the same error will show
	FaultRequest              // what was asked is wrong, the hardware is well
	FaultDrive                // the drive or robot: try another one
	FaultVolume               // the cartridge: another drive may read it, none should write it
)

func (f Fault) String() string {
	switch f {
	case FaultRequest:
		return "request"
	case FaultDrive:
		return "drive"
	case FaultVolume:
		return "volume"
	}
	return "unknown"
}

// Advice is what to do about an error. One advice is the first thing to do; what follows from it if it does not help is the
// engine's to decide.
type Advice uint8

// The advice. The numbers may be stored and do not change.
const (
	NoAdvice    Advice = iota // nothing is known that would help
	Retry                     // the same again: nobody is to blame
	OtherDrive                // the same with another drive; this one goes on with other volumes
	CleanDrive                // clean the drive, then the same again
	StopDrive                 // use the drive no more, and call an operator
	OtherVolume               // write on another volume; nothing is wrong with this one
	ReadOnly                  // write no more on the volume, and copy what is on it
	NoAccess                  // leave the volume alone, and call an operator
	MendRequest               // mend the request or the configuration; as it is it fails always
)

var adviceTexts = [...]string{
	"nothing known", "try again", "try another drive", "clean the drive", "stop the drive and call an operator", "take another volume",
	"write no more on the volume, copy it", "leave the volume alone and call an operator", "mend the request",
}

// String is for people: "try another drive".
func (a Advice) String() string {
	if int(a) < len(adviceTexts) {
		return adviceTexts[a]
	}
	return fmt.Sprintf("advice %d", uint8(a))
}

// Verdict says whose fault an error is, whether it stays, and what to do. Permanent means
// that the same request with the same drive or volume, whichever is at fault, will fail
// again; a permanent verdict on a volume after a write says nothing against reading it.
type Verdict struct {
	Fault     Fault
	Permanent bool
	Do        Advice
}

func (v Verdict) String() string {
	s := v.Fault.String()
	if v.Permanent {
		s += ", permanent"
	}
	if v.Do != NoAdvice {
		s += ": " + v.Do.String()
	}
	return s
}

const any8 = -1 // matches every key, code or qualifier

// senseVerdicts is the first half of the judgement: what the drive's sense data say. The first row that matches decides.
// Codes and what they mean are those of SPC-5, annex F, and SSC-5; from says who taught the judgement: the standards
// (std), Enstore's movers on FTT's errors (ftt), or drives that answered so (seen).
var senseVerdicts = []struct {
	key, asc, ascq int
	verdict        Verdict
	why            string
	from           string
}{
	{any8, 0x00, 0x17, Verdict{FaultDrive, false, CleanDrive}, "the drive asks for cleaning", "std"},
	{any8, 0x5d, any8, Verdict{FaultDrive, true, StopDrive}, "the drive expects to fail", "std"},
	{2, 0x04, 0x01, Verdict{FaultDrive, false, Retry}, "the drive is becoming ready", "std"},
	{2, 0x04, 0x03, Verdict{FaultDrive, true, StopDrive}, "the drive waits for a person", "std"},
	{2, 0x04, 0x07, Verdict{FaultDrive, false, Retry}, "the drive is busy with something long", "std"},
	{2, 0x04, 0x12, Verdict{FaultDrive, true, StopDrive}, "the drive is offline", "std"},
	{2, 0x30, 0x03, Verdict{FaultDrive, false, Retry}, "a cleaning cartridge is at work", "std"},
	{2, 0x3a, any8, Verdict{FaultUnknown, false, Retry}, "no cartridge where one should be: the robot, the drive's sensor or the cartridge", "ftt"},
	{2, any8, any8, Verdict{FaultDrive, false, OtherDrive}, "the drive is not ready", "ftt"},
	{3, 0x09, any8, Verdict{FaultUnknown, false, OtherDrive}, "the head does not find its track", "std"},
	{3, 0x0c, any8, Verdict{FaultVolume, true, ReadOnly}, "unrecovered write error: the drive has tried other stretches of tape already", "ftt"},
	{3, 0x11, 0x12, Verdict{FaultVolume, false, OtherDrive}, "the cartridge's memory cannot be read", "std"},
	{3, 0x11, any8, Verdict{FaultVolume, false, OtherDrive}, "unrecovered read error: another drive may read it", "ftt"},
	{3, 0x14, any8, Verdict{FaultVolume, false, OtherDrive}, "what was looked for is not on the tape, or cannot be read", "ftt"},
	{3, 0x15, any8, Verdict{FaultUnknown, false, OtherDrive}, "positioning failed in the mechanics", "std"},
	{3, 0x30, 0x03, Verdict{FaultRequest, true, MendRequest}, "a cleaning cartridge was mounted as a volume", "std"},
	{3, 0x30, 0x07, Verdict{FaultDrive, true, StopDrive}, "cleaning failed", "std"},
	{3, 0x30, 0x0d, Verdict{FaultVolume, true, NoAccess}, "the write-once cartridge may have been tampered with", "std"},
	{3, 0x30, 0x01, Verdict{FaultVolume, true, OtherDrive}, "this drive does not know the cartridge's format", "std"},
	{3, 0x30, 0x02, Verdict{FaultVolume, true, OtherDrive}, "this drive cannot read the cartridge's format", "std"},
	{3, 0x30, any8, Verdict{FaultVolume, true, NoAccess}, "this kind of cartridge does not fit the drive", "std"},
	{3, 0x31, any8, Verdict{FaultVolume, true, NoAccess}, "the format of the medium is damaged", "std"},
	{3, 0x33, any8, Verdict{FaultVolume, true, NoAccess}, "the tape has not the length it should have", "std"},
	{3, 0x3b, any8, Verdict{FaultUnknown, false, OtherDrive}, "positioning failed", "std"},
	{3, 0x50, any8, Verdict{FaultUnknown, false, OtherDrive}, "the drive cannot append, or lost the position of append", "std"},
	{3, 0x51, any8, Verdict{FaultVolume, true, ReadOnly}, "erase failed", "std"},
	{3, 0x52, any8, Verdict{FaultVolume, true, NoAccess}, "the cartridge is faulty", "std"},
	{3, 0x53, any8, Verdict{FaultUnknown, true, StopDrive}, "load or eject failed: cartridge or mechanics", "ftt"},
	{3, any8, any8, Verdict{FaultVolume, false, OtherDrive}, "an error of the medium", "ftt"},
	{4, 0x08, any8, Verdict{FaultDrive, false, OtherDrive}, "the way to the drive failed", "std"},
	{4, 0x51, any8, Verdict{FaultUnknown, true, OtherDrive}, "erase failed: cartridge or drive", "std"},
	{4, 0x53, any8, Verdict{FaultUnknown, true, StopDrive}, "load or eject failed: cartridge or mechanics", "ftt"},
	{4, any8, any8, Verdict{FaultDrive, true, StopDrive}, "the drive is broken", "ftt"},
	{5, 0x30, 0x05, Verdict{FaultVolume, true, OtherDrive}, "this drive cannot write the cartridge's format", "std"},
	{5, 0x30, 0x08, Verdict{FaultVolume, true, OtherDrive}, "this drive cannot add to the cartridge's format", "std"},
	{5, 0x3b, 0x0d, Verdict{FaultRequest, false, Retry}, "the place was not free", "std"},
	{5, 0x3b, 0x0e, Verdict{FaultUnknown, false, Retry}, "no cartridge where one should be: the robot, the drive's sensor or the cartridge", "std"},
	{5, any8, any8, Verdict{FaultRequest, true, MendRequest}, "the drive does not accept such a request", "std"},
	{6, any8, any8, Verdict{FaultUnknown, false, Retry}, "reset, reload, reservation or the like: the state is lost, nobody is to blame", "std"},
	{7, 0x26, any8, Verdict{FaultRequest, true, MendRequest}, "encryption: no key, or the wrong one", "std"},
	{7, 0x74, any8, Verdict{FaultRequest, true, MendRequest}, "encryption: no key, or the wrong one", "std"},
	{7, 0x30, 0x0c, Verdict{FaultVolume, true, NoAccess}, "overwriting of a write-once cartridge was tried: somebody believes that it ends earlier", "std"},
	{7, any8, any8, Verdict{FaultVolume, true, OtherVolume}, "the volume may not be written", "ftt"},
	{8, any8, any8, Verdict{FaultVolume, true, NoAccess}, "blank tape where data should be", "ftt"},
	{0xb, 0x47, any8, Verdict{FaultDrive, false, OtherDrive}, "the way to the drive garbles", "std"},
	{0xb, 0x4b, any8, Verdict{FaultDrive, false, OtherDrive}, "the way to the drive garbles", "std"},
	{0xb, any8, any8, Verdict{FaultUnknown, false, Retry}, "the command was aborted", "std"},
	{0xd, any8, any8, Verdict{FaultVolume, true, OtherVolume}, "the volume is full", "ftt"},
	{0xe, any8, any8, Verdict{FaultVolume, false, OtherDrive}, "what is on tape differs from what was compared with it", "std"},
}

// outcomeVerdicts is the second half: the outcome alone, where there is no sense.
var outcomeVerdicts = map[driver.Outcome]struct {
	verdict Verdict
	why     string
}{
	driver.OutcomeNone:           {Verdict{}, "no failure"},
	driver.OutcomeUnknown:        {Verdict{FaultUnknown, false, Retry}, "the answer was lost"},
	driver.OutcomeIllegalRequest: {Verdict{FaultRequest, true, MendRequest}, "the request is wrong"},
	driver.OutcomeConfig:         {Verdict{FaultRequest, true, MendRequest}, "the configuration is wrong"},
	driver.OutcomeNoMedium:       {Verdict{FaultUnknown, false, Retry}, "no cartridge where one should be: the robot, the drive's sensor or the cartridge"},
	driver.OutcomeFull:           {Verdict{FaultRequest, false, Retry}, "the place was not free"},
	driver.OutcomeNotReady:       {Verdict{FaultDrive, false, OtherDrive}, "the drive is not ready"},
	driver.OutcomeHeld:           {Verdict{FaultDrive, false, Retry}, "somebody else has it, and may give it back"},
	driver.OutcomeUnitAttention:  {Verdict{FaultUnknown, false, Retry}, "reset, reload, reservation or the like: the state is lost, nobody is to blame"},
	driver.OutcomeWriteProtected: {Verdict{FaultVolume, true, OtherVolume}, "the volume may not be written"},
	driver.OutcomeBlankCheck:     {Verdict{FaultVolume, true, NoAccess}, "blank tape where data should be"},
	driver.OutcomeEndOfData:      {Verdict{FaultVolume, true, NoAccess}, "the volume ends before the place asked for"},
	driver.OutcomeEndOfMedium:    {Verdict{FaultVolume, true, OtherVolume}, "the volume is full"},
	driver.OutcomeBlockTooLong:   {Verdict{FaultRequest, true, MendRequest}, "the buffer is too short for what is on tape"},
	driver.OutcomeMedium:         {Verdict{FaultVolume, false, OtherDrive}, "an error of the medium; a second drive will tell"},
	driver.OutcomeHardware:       {Verdict{FaultDrive, true, StopDrive}, "the drive is broken"},
	driver.OutcomeAborted:        {Verdict{FaultUnknown, false, Retry}, "the command was aborted"},
	driver.OutcomeTimeout:        {Verdict{FaultDrive, false, OtherDrive}, "the drive does not answer"},
	driver.OutcomeGone:           {Verdict{FaultDrive, false, Retry}, "the drive's process died, and may be started again"},
}

// Judge is the one place where a failure is blamed on somebody. It returns the verdict
// and a sentence for people with its reason. It looks at the outcome and the sense
// data only, at the outcome first where that tells a thing of the system's own (gone,
// timed out, held, configuration), which no drive has sense for.
func Judge(o driver.Outcome, s driver.Sense) (Verdict, string) {
	switch o {
	case driver.OutcomeNone, driver.OutcomeConfig, driver.OutcomeHeld, driver.OutcomeTimeout, driver.OutcomeGone:
	default:
		if s.Key|s.ASC|s.ASCQ == 0 {
			break
		}
		for _, r := range senseVerdicts {
			if (r.key == any8 || r.key == int(s.Key)) && (r.asc == any8 || r.asc == int(s.ASC)) && (r.ascq == any8 || r.ascq == int(s.ASCQ)) {
				return r.verdict, r.why
			}
		}
	}
	if r, ok := outcomeVerdicts[o]; ok {
		return r.verdict, r.why
	}
	return Verdict{}, "an outcome that this version does not know"
}
