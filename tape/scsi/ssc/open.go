package ssc

import (
	"context"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/scsi/iscsi"
)

var _ driver.OpenDrive = OpenDrive

// OpenDrive opens a drive of an iSCSI target. Its settings:
//
//	portal     the target's address, like 192.0.2.7:3260
//	target     its iSCSI name
//	lun        the drive's logical unit
//	initiator  our iSCSI name; default that of iscsi.Options
//	maxBlock   the longest block to be used, in bytes; 1 MiB
//
// It fails with OutcomeConfig if a setting is wrong, or the unit is no tape drive.
func OpenDrive(ctx context.Context, c driver.Config) (driver.Drive, error) {
	var t struct {
		iscsi.Settings
		MaxBlock int `json:"maxBlock"`
	}
	if err := c.Decode(&t); err != nil {
		return nil, err
	}
	s, err := t.Dial(ctx)
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
