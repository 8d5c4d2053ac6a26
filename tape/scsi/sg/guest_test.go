//go:build linux

package sg_test

import (
	"testing"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
	"github.com/enstore-go/sdk/tape/scsi/scsitest/guest"
	"github.com/enstore-go/sdk/tape/scsi/ssc"
)

func TestMain(m *testing.M) { guest.Main(m) }

func open(t testing.TB, d *guest.Drive) (driver.Drive, error) {
	c, err := driver.ConfigOf(map[string]any{"device": d.SG})
	if err != nil {
		return nil, err
	}
	return ssc.OpenDrive(t.Context(), c)
}

func TestInsideKit(t *testing.T) {
	guest.InsideKit(t, open, func(d *guest.Drive) string { return d.ST })
}

func TestInsideBadSpot(t *testing.T) { guest.InsideBadSpot(t, open) }

func TestInsideStuckDrive(t *testing.T) {
	guest.InsideStuck(t, open, driver.OutcomeNotReady, driver.OutcomeNone)
}

// TestSCSIDebug runs the kit on the kernel's emulated drive, and the other tests that need it.
func TestSCSIDebug(t *testing.T) {
	guest.Judge(t, "../../testdata/targets/sg.json", drivertest.Target{Name: "scsi_debug, through sg", Kind: "drive"}, map[string]string{
		"space over blocks":                 "backwards it counts the filemark that stopped it",
		"a flush truncates nothing":         "WRITE FILEMARKS of none ends the data where the tape stands",
		"a walk at random by spacing":       "backwards it begins one object too early, and goes to before the load point",
		"early warning, then end of medium": "the block that it says did not fit is there",
	})
}
