package linuxst

import (
	"context"
	"fmt"

	"github.com/enstore-go/sdk/tape/driver"
)

var _ driver.OpenDrive = OpenDrive

// settings are a plugin's table.
type settings struct {
	Device   string `json:"device"`
	MinBlock int    `json:"minBlock"`
	MaxBlock int    `json:"maxBlock"`
}

// OpenDrive opens a drive of this machine. Its settings:
//
//	device    non-rewinding tape device of Linux, like /dev/nst0
//	minBlock  the shortest block that the drive takes, in bytes, which st does not tell; 1
//	maxBlock  the longest block to be used, in bytes; 1 MiB
//
// It fails with OutcomeConfig if a setting is wrong or the device is no such device, and with OutcomeHeld if another has it open.
func OpenDrive(ctx context.Context, c driver.Config) (driver.Drive, error) {
	s := settings{MinBlock: 1, MaxBlock: 1 << 20}
	if err := c.Decode(&s); err != nil {
		return nil, err
	}
	switch {
	case s.Device == "":
		return nil, fail("open", driver.OutcomeConfig, "device: missing: a non-rewinding tape device like /dev/nst0")
	case s.MinBlock < 1 || s.MaxBlock < s.MinBlock || s.MaxBlock > maxBlock:
		return nil, fail("open", driver.OutcomeConfig, "minBlock and maxBlock: they have to be from 1 to %d, the first not above the second", maxBlock)
	}
	return open(ctx, s)
}

// maxBlock is the longest block that a SCSI command can move.
const maxBlock = 1<<24 - 1

func fail(op string, o driver.Outcome, format string, args ...any) error {
	return &driver.Error{Op: op, Outcome: o, Sense: driver.Sense{Info: driver.Unknown}, Text: fmt.Sprintf(format, args...)}
}
