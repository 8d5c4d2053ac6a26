package ssc

import (
	"context"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/scsi/reach"
)

var _ driver.OpenDrive = OpenDrive

// OpenDrive opens a drive of this machine, or of an iSCSI target. Its settings:
//
//	device     generic SCSI device of Linux, like /dev/sg3; or else
//	portal     the target's address, like 192.0.2.7:3260
//	target     its iSCSI name
//	lun        the drive's logical unit
//	initiator  our iSCSI name; default that of iscsi.Options. Beside these
//	maxBlock   the longest block to be used, in bytes; 1 MiB
//
// It fails with OutcomeConfig if a setting is wrong, or the unit is no tape drive, and with OutcomeHeld if another has the device open.
func OpenDrive(ctx context.Context, c driver.Config) (driver.Drive, error) {
	var t struct {
		reach.Settings
		MaxBlock int `json:"maxBlock"`
	}
	if err := c.Decode(&t); err != nil {
		return nil, err
	}
	s, err := t.Open(ctx)
	if err != nil {
		return nil, err
	}
	d, err := Open(ctx, s, Options{MaxBlock: t.MaxBlock})
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return d, nil
}
