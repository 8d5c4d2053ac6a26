package tape

import "fmt"

// alertVerdicts judge TapeAlert flags (SSC-5, annex A), where a flag that is set means something for whoever uses the drive.
// Flags that only tell that an operation failed blame nobody: its sense data do.
var alertVerdicts = map[int]struct {
	verdict Verdict
	why     string
}{
	1:  {Verdict{FaultUnknown, false, NoAdvice}, "reading becomes difficult"},
	2:  {Verdict{FaultUnknown, false, NoAdvice}, "writing becomes difficult"},
	3:  {Verdict{FaultUnknown, false, NoAdvice}, "an error could not be corrected"},
	4:  {Verdict{FaultVolume, true, ReadOnly}, "the cartridge is bad: copy it"},
	5:  {Verdict{FaultUnknown, false, OtherDrive}, "reading failed"},
	6:  {Verdict{FaultUnknown, false, OtherDrive}, "writing failed"},
	7:  {Verdict{FaultVolume, true, ReadOnly}, "the cartridge is at the end of its life"},
	8:  {Verdict{FaultVolume, true, ReadOnly}, "the cartridge is not of data grade"},
	9:  {Verdict{FaultVolume, true, OtherVolume}, "the cartridge is write protected"},
	10: {Verdict{FaultRequest, false, Retry}, "removal was asked for while it is forbidden"},
	11: {Verdict{FaultRequest, true, MendRequest}, "a cleaning cartridge was treated as a volume"},
	12: {Verdict{FaultVolume, true, OtherDrive}, "the cartridge's format does not fit the drive"},
	13: {Verdict{FaultVolume, true, NoAccess}, "the tape is torn, and can be taken out"},
	14: {Verdict{FaultVolume, true, StopDrive}, "the tape is torn, and cannot be taken out"},
	15: {Verdict{FaultVolume, true, ReadOnly}, "the cartridge's memory failed"},
	16: {Verdict{FaultUnknown, false, Retry}, "the cartridge was ejected in the middle of work"},
	17: {Verdict{FaultVolume, true, OtherVolume}, "this drive can only read the cartridge's format"},
	18: {Verdict{FaultVolume, false, NoAdvice}, "the cartridge's directory is damaged: locates are slow until all of it was read"},
	19: {Verdict{FaultVolume, true, ReadOnly}, "the cartridge is nearly worn out"},
	20: {Verdict{FaultDrive, false, CleanDrive}, "the drive must be cleaned now"},
	21: {Verdict{FaultDrive, false, CleanDrive}, "the drive is due for cleaning"},
	22: {Verdict{FaultRequest, true, MendRequest}, "the cleaning cartridge is used up"},
	23: {Verdict{FaultRequest, true, MendRequest}, "the cleaning cartridge does not fit"},
	24: {Verdict{FaultVolume, false, NoAdvice}, "the tape wants to be wound from end to end"},
	25: {Verdict{FaultDrive, false, NoAdvice}, "one of the drive's ports failed"},
	26: {Verdict{FaultDrive, true, StopDrive}, "a fan of the drive failed"},
	27: {Verdict{FaultDrive, true, StopDrive}, "a power supply of the drive failed"},
	28: {Verdict{FaultDrive, false, NoAdvice}, "the drive's power consumption is out of range"},
	29: {Verdict{FaultDrive, false, NoAdvice}, "the drive is due for maintenance"},
	30: {Verdict{FaultDrive, true, StopDrive}, "the drive is broken: reset it"},
	31: {Verdict{FaultDrive, true, StopDrive}, "the drive is broken"},
	32: {Verdict{FaultDrive, false, OtherDrive}, "the way to the host is bad"},
	33: {Verdict{FaultUnknown, false, Retry}, "the cartridge must be taken out and put in again"},
	34: {Verdict{FaultDrive, false, NoAdvice}, "new firmware was not taken"},
	35: {Verdict{FaultDrive, false, NoAdvice}, "the drive is too humid or too dry"},
	36: {Verdict{FaultDrive, false, NoAdvice}, "the drive is too hot or too cold"},
	37: {Verdict{FaultDrive, false, NoAdvice}, "the drive's voltage is out of range"},
	38: {Verdict{FaultDrive, true, StopDrive}, "the drive expects to fail"},
	39: {Verdict{FaultDrive, false, StopDrive}, "the drive wants diagnostics"},
	50: {Verdict{FaultUnknown, false, NoAdvice}, "statistics were lost"},
	51: {Verdict{FaultVolume, false, NoAdvice}, "the cartridge's directory was not written: locates are slow until all of it was read"},
	52: {Verdict{FaultVolume, true, ReadOnly}, "the cartridge's system area cannot be written: copy it"},
	53: {Verdict{FaultVolume, true, ReadOnly}, "the cartridge's system area cannot be read: copy it"},
	54: {Verdict{FaultVolume, true, NoAccess}, "the begin of data is not found"},
	55: {Verdict{FaultUnknown, true, StopDrive}, "loading failed: cartridge or drive"},
	56: {Verdict{FaultUnknown, true, StopDrive}, "unloading failed: cartridge or drive"},
	57: {Verdict{FaultDrive, false, NoAdvice}, "the drive does not hear its robot"},
	58: {Verdict{FaultDrive, true, StopDrive}, "the drive's firmware failed"},
	59: {Verdict{FaultVolume, true, NoAccess}, "the write-once cartridge may have been tampered with"},
	60: {Verdict{FaultVolume, true, NoAccess}, "overwriting of a write-once cartridge was tried"},
}

// JudgeAlert is Judge for a TapeAlert flag of a drive, from 1 to 64.
func JudgeAlert(flag int) (Verdict, string) {
	if r, ok := alertVerdicts[flag]; ok {
		return r.verdict, r.why
	}
	return Verdict{}, fmt.Sprintf("TapeAlert flag %d, which this version does not know", flag)
}
