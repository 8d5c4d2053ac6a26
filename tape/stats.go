package tape

import (
	"maps"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

// Stats counts what a drive did since NewDrive, or within one load.
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
