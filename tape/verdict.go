package tape

import "github.com/enstore-go/sdk/tape/driver"

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

// Verdict says whose fault an error is, and whether it stays. Permanent means
// that the same request with the same drive or volume, whichever is at fault, will fail
// again; a permanent verdict on a volume after a write says nothing against reading it.
type Verdict struct {
	Fault     Fault
	Permanent bool
}

func (v Verdict) String() string {
	if v.Permanent {
		return v.Fault.String() + ", permanent"
	}
	return v.Fault.String()
}

const any8 = -1 // matches every key, code or qualifier

// senseVerdicts is the first half of the judgement: what the drive's sense data say.
// The first row that matches decides. Codes are those of SPC-4 and SSC-4, annex D.
var senseVerdicts = []struct {
	key, asc, ascq int
	verdict        Verdict
	why            string
}{
	{any8, 0x00, 0x17, Verdict{FaultDrive, false}, "the drive asks for cleaning"},
	{2, 0x30, 0x03, Verdict{FaultDrive, false}, "a cleaning cartridge is at work"},
	{2, 0x3a, any8, Verdict{FaultUnknown, false}, "no cartridge where one should be: the robot, the drive's sensor or the cartridge"},
	{2, 0x04, 0x03, Verdict{FaultDrive, true}, "the drive waits for a person"},
	{2, 0x04, 0x12, Verdict{FaultDrive, true}, "the drive is offline"},
	{2, any8, any8, Verdict{FaultDrive, false}, "the drive is not ready"},
	{3, 0x30, 0x03, Verdict{FaultRequest, true}, "a cleaning cartridge was mounted as a volume"},
	{3, 0x30, 0x07, Verdict{FaultDrive, true}, "cleaning failed"},
	{3, 0x30, any8, Verdict{FaultVolume, true}, "this kind of cartridge does not fit the drive"},
	{3, 0x0c, any8, Verdict{FaultVolume, true}, "unrecovered write error: the drive has tried other stretches of tape already"},
	{3, 0x11, any8, Verdict{FaultVolume, false}, "unrecovered read error: another drive may read it"},
	{3, 0x14, any8, Verdict{FaultVolume, false}, "what was looked for is not on the tape, or cannot be read"},
	{3, 0x15, any8, Verdict{FaultUnknown, false}, "positioning failed in the mechanics"},
	{3, 0x31, any8, Verdict{FaultVolume, true}, "the format of the medium is damaged"},
	{3, 0x33, any8, Verdict{FaultVolume, true}, "the tape has not the length it should have"},
	{3, 0x3b, any8, Verdict{FaultUnknown, false}, "positioning failed"},
	{3, 0x50, any8, Verdict{FaultUnknown, false}, "the drive cannot append, or lost the position of append"},
	{3, 0x51, any8, Verdict{FaultVolume, true}, "erase failed"},
	{3, 0x52, any8, Verdict{FaultVolume, true}, "the cartridge is faulty"},
	{3, 0x53, any8, Verdict{FaultUnknown, true}, "load or eject failed: cartridge or mechanics"},
	{3, any8, any8, Verdict{FaultVolume, false}, "an error of the medium"},
	{4, 0x08, any8, Verdict{FaultDrive, false}, "the way to the drive failed"},
	{4, 0x53, any8, Verdict{FaultUnknown, true}, "load or eject failed: cartridge or mechanics"},
	{4, 0x51, any8, Verdict{FaultUnknown, true}, "erase failed: cartridge or drive"},
	{4, any8, any8, Verdict{FaultDrive, true}, "the drive is broken"},
	{5, any8, any8, Verdict{FaultRequest, true}, "the drive does not accept such a request"},
	{6, any8, any8, Verdict{FaultUnknown, false}, "reset, reload, reservation or the like: the state is lost, nobody is to blame"},
	{7, 0x26, any8, Verdict{FaultRequest, true}, "encryption: no key, or the wrong one"},
	{7, 0x74, any8, Verdict{FaultRequest, true}, "encryption: no key, or the wrong one"},
	{7, any8, any8, Verdict{FaultVolume, true}, "the volume may not be written"},
	{8, any8, any8, Verdict{FaultVolume, true}, "blank tape where data should be"},
	{0xb, any8, any8, Verdict{FaultUnknown, false}, "the command was aborted"},
	{0xd, any8, any8, Verdict{FaultVolume, true}, "the volume is full"},
}

// outcomeVerdicts is the second half: the outcome alone, where there is no sense.
var outcomeVerdicts = map[driver.Outcome]struct {
	verdict Verdict
	why     string
}{
	driver.OutcomeNone:           {Verdict{}, "no failure"},
	driver.OutcomeUnknown:        {Verdict{FaultUnknown, false}, "the answer was lost"},
	driver.OutcomeIllegalRequest: {Verdict{FaultRequest, true}, "the request is wrong"},
	driver.OutcomeConfig:         {Verdict{FaultRequest, true}, "the configuration is wrong"},
	driver.OutcomeNoMedium:       {Verdict{FaultUnknown, false}, "no cartridge where one should be: the robot, the drive's sensor or the cartridge"},
	driver.OutcomeFull:           {Verdict{FaultRequest, false}, "the place was not free"},
	driver.OutcomeNotReady:       {Verdict{FaultDrive, false}, "the drive is not ready"},
	driver.OutcomeHeld:           {Verdict{FaultDrive, false}, "somebody else has it, and may give it back"},
	driver.OutcomeUnitAttention:  {Verdict{FaultUnknown, false}, "reset, reload, reservation or the like: the state is lost, nobody is to blame"},
	driver.OutcomeWriteProtected: {Verdict{FaultVolume, true}, "the volume may not be written"},
	driver.OutcomeBlankCheck:     {Verdict{FaultVolume, true}, "blank tape where data should be"},
	driver.OutcomeEndOfData:      {Verdict{FaultVolume, true}, "the volume ends before the place asked for"},
	driver.OutcomeEndOfMedium:    {Verdict{FaultVolume, true}, "the volume is full"},
	driver.OutcomeBlockTooLong:   {Verdict{FaultRequest, true}, "the buffer is too short for what is on tape"},
	driver.OutcomeMedium:         {Verdict{FaultVolume, false}, "an error of the medium; a second drive will tell"},
	driver.OutcomeHardware:       {Verdict{FaultDrive, true}, "the drive is broken"},
	driver.OutcomeAborted:        {Verdict{FaultUnknown, false}, "the command was aborted"},
	driver.OutcomeTimeout:        {Verdict{FaultDrive, false}, "the drive does not answer"},
	driver.OutcomeGone:           {Verdict{FaultDrive, false}, "the drive's process died, and may be started again"},
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
