//go:build linux && (amd64 || arm64)

package linuxst_test

import (
	"testing"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
	"github.com/enstore-go/sdk/tape/linuxst"
	"github.com/enstore-go/sdk/tape/scsi/scsitest/guest"
)

func TestMain(m *testing.M) { guest.Main(m) }

func open(t testing.TB, d *guest.Drive) (driver.Drive, error) {
	c, err := driver.ConfigOf(map[string]any{"device": d.ST, "minBlock": guest.Shortest})
	if err != nil {
		return nil, err
	}
	return linuxst.OpenDrive(t.Context(), c)
}

func TestInsideKit(t *testing.T) {
	guest.InsideKit(t, open, func(d *guest.Drive) string { return d.SG })
}

func TestInsideBadSpot(t *testing.T) { guest.InsideBadSpot(t, open) }

func TestInsideStuckDrive(t *testing.T) {
	guest.InsideStuck(t, open, driver.OutcomeGone, driver.OutcomeHeld)
}

// TestSCSIDebug runs the kit on the kernel's emulated drive, and the other tests that need it.
func TestSCSIDebug(t *testing.T) {
	guest.Judge(t, "../testdata/targets/st.json", drivertest.Target{Name: "scsi_debug, through st", Kind: "drive"}, map[string]string{
		"a flush truncates nothing":   "WRITE FILEMARKS of none ends the data where the tape stands",
		"a walk at random by spacing": "backwards it begins one object too early",
	})
}
