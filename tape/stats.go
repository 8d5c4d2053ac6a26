package tape

import (
	"maps"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

// Stats counts what a drive did since NewDrive, or within one load: that is, one mount of a volume.
//
// Who comes from FTT finds its statistics here:
//
//	VENDOR_ID PRODUCT_ID FIRMWARE SERIAL_NUM      driver.Identity
//	USER_READ USER_WRITE N_READS N_WRITES         BytesRead BytesWritten BlocksRead BlocksWritten
//	READ_COUNT WRITE_COUNT                        Bytes of driver.Health's Read and Written, as on the medium; with the line
//	READ_COMP WRITE_COMP TRANS_COMPRESS           above they give the compression
//	READ_ERRORS WRITE_ERRORS UNC_READ UNC_WRITE   Corrected and Uncorrected of the same
//	HARD_ERRORS SENSE_KEY SCSI_ASC SCSI_ASCQ      Errors; driver.Sense in each error
//	UNDERRUN                                      Stops
//	FILE_NUMBER BLOCK_NUMBER BLOC_LOC             Position
//	BOT EOM PEOT FMK ILI                          driver.Condition and outcomes of each command
//	READY WRITE_PROT REMAIN_TAPE BLOCK_TOTAL      driver.Status
//	CLEANING_BIT CLEANED_BIT                      Drive.Cleaning; Cleanings of driver.Health
//	MEDIA_END_LIFE NEARING_MEDIA_END_LIFE         TapeAlert flags 7 and 19, Drive.Alerts
//	DENSITY TRANS_DENSITY MEDIA_TYPE              driver.Health's Cartridge
//	POWER_HOURS MOTION_HOURS                      driver.Health
//
// Not kept: BLOCK_SIZE, as blocks have the length that they are written with; RETRIES, FAIL_RETRIES, TRACK_RETRY and RESETS, as
// nothing is repeated here and no drive is reset; CUR_PART and MOUNT_PART, as there is one partition; and CONTROLLER, COUNT_ORIGIN,
// ERROR_CODE, PF, TNP and TUR_STATUS, which told of FTT's own means.
type Stats struct {
	Loads, Unloads              int64
	BlocksRead, BytesRead       int64
	BlocksWritten, BytesWritten int64 // taken by the drive
	FilemarksWritten            int64
	FilemarksPassed             int64 // read or spaced over, either way
	Locates, Rewinds, Spaces    int64 // commands of motion
	Syncs                       int64 // synchronous flushes
	EarlyWarnings               int64
	Stops                       int64                    // times the tape came to rest in a transfer, as far as Drive.Health was told
	Commands                    int64                    // of any kind
	Errors                      map[driver.Outcome]int64 // failed commands by outcome
	Time                        Times                    // spent in the driver
}

// Times is where time went, by kind of command.
type Times struct {
	Command time.Duration // Identify, Status, Position
	Load    time.Duration // Load, Unload
	Locate  time.Duration // Rewind, Locate, Space
	Read    time.Duration
	Write   time.Duration
	Mark    time.Duration // filemarks without waiting
	Flush   time.Duration // synchronous flushes
}

// Total is the sum of all kinds.
func (t Times) Total() time.Duration {
	return t.Command + t.Load + t.Locate + t.Read + t.Write + t.Mark + t.Flush
}

func (s *Stats) clone() Stats {
	c := *s
	c.Errors = maps.Clone(s.Errors)
	if c.Errors == nil {
		c.Errors = map[driver.Outcome]int64{}
	}
	return c
}

// fail counts a failed command.
func (s *Stats) fail(o driver.Outcome) {
	if s.Errors == nil {
		s.Errors = map[driver.Outcome]int64{}
	}
	s.Errors[o]++
}
