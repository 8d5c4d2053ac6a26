package smc

import (
	"context"

	"github.com/enstore-go/sdk/tape/scsi"
)

// Bay is a place of a robot for a drive.
type Bay struct {
	Number   int // of the drive, from 0, as the robot's inventory has it
	Address  int
	Identity string // what the robot knows of the drive in it: its serial number, mostly with vendor and product before it; "" if it does not tell
}

// Bays asks a robot which drives it has, over a transport to its logical unit, which stays open. A robot that does not tell identities
// gives bays without them.
func Bays(ctx context.Context, t scsi.Transport) ([]Bay, error) {
	r, err := newRobot(ctx, t)
	if err != nil {
		return nil, err
	}
	drives := r.parts()[3]
	es, err := r.elements(ctx, drives, drives.at, true)
	if err != nil { // some robots refuse to be asked so
		if es, err = r.elements(ctx, drives, drives.at, false); err != nil {
			return nil, err
		}
	}
	bays := make([]Bay, 0, len(es))
	for _, e := range es {
		bays = append(bays, Bay{Number: e.Address - r.at.Drives.First, Address: e.Address, Identity: e.Identity})
	}
	return bays, nil
}
