package catalog

import (
	"context"
	"fmt"
)

// DriveEvent is the data of events about drives.
type DriveEvent struct {
	Volume   Label  `json:"volume,omitempty"`   // that was in the drive
	Alerts   []int  `json:"alerts,omitempty"`   // numbers of TapeAlert flags
	Cleaning string `json:"cleaning,omitempty"` // how urgently cleaning is wanted, or the cleaning cartridge that did it
	Why      string `json:"why,omitempty"`
}

// maxAlerts is how many TapeAlert flags there are.
const maxAlerts = 64

// RecordDrive records an event about a drive: DriveAlerts, DriveWantsCleaning, DriveCleaned or DriveNotCleaned. The catalogue keeps nothing
// else of drives.
func (c *Catalog) RecordDrive(ctx context.Context, drive string, kind EventKind, e DriveEvent) error {
	switch kind {
	case DriveAlerts, DriveWantsCleaning, DriveCleaned, DriveNotCleaned:
	default:
		return invalid("drive %s: %q is no event of a drive", drive, kind)
	}
	if drive == "" {
		return invalid("an event of a drive without a name")
	}
	if err := checkText("drive "+drive, drive, string(e.Volume), e.Cleaning, e.Why); err != nil {
		return err
	}
	if len(e.Alerts) > maxAlerts {
		return invalid("drive %s: %d alerts", drive, len(e.Alerts))
	}
	if err := c.store.Update(ctx, func(tx Tx) error { return Append(tx, c.Now(), kind, drive, e) }); err != nil {
		return fmt.Errorf("drive %s: %w", drive, err)
	}
	return nil
}
