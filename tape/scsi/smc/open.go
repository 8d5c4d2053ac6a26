package smc

import (
	"context"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/scsi/reach"
)

var _ driver.OpenChanger = OpenChanger

// OpenChanger opens a robot of this machine, or of an iSCSI target. Its settings:
//
//	device     generic SCSI device of Linux, like /dev/sg3; or else
//	portal     the target's address, like 192.0.2.7:3260
//	target     its iSCSI name
//	lun        the robot's logical unit
//	initiator  our iSCSI name; default that of iscsi.Options. Beside these
//	rescan     true: have the robot look at every place anew, now; for re-inventories
//
// It fails with OutcomeConfig if a setting is wrong, or the unit is no robot, and with OutcomeHeld if another has the device open.
func OpenChanger(ctx context.Context, c driver.Config) (driver.Changer, error) {
	var t struct {
		reach.Settings
		Rescan bool `json:"rescan"`
	}
	if err := c.Decode(&t); err != nil {
		return nil, err
	}
	s, err := t.Open(ctx)
	if err != nil {
		return nil, err
	}
	r, err := Open(ctx, s, Options{Rescan: t.Rescan})
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return r, nil
}
