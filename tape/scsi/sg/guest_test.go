//go:build linux

package sg_test

import (
	"os"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
	"github.com/enstore-go/sdk/tape/scsi/scsitest/guest"
	"github.com/enstore-go/sdk/tape/scsi/ssc"
)

const envInside = "ENSTORE_SG_INSIDE" // this program is the guest's

func TestMain(m *testing.M) {
	if os.Getenv(envInside) == "" {
		os.Exit(m.Run())
	}
	guest.Check(rig)
}

// rig is scsi_debug's drive through sg, in the guest.
func rig(t testing.TB, s drivertest.Scratch) *drivertest.Rig {
	if s.None || s.WORM || s.WriteProtect {
		return nil
	}
	d := guest.Load(t)
	longest := 0
	if s.Capacity > 0 {
		longest = guest.Shortest // its capacity is a number of blocks
	}
	return &drivertest.Rig{MaxBlock: longest, Reset: func() error { return guest.Reset(d.ST) }, Open: func() (driver.Drive, error) {
		c, err := driver.ConfigOf(map[string]any{"device": d.SG})
		if err != nil {
			return nil, err
		}
		sd, err := ssc.OpenDrive(t.Context(), c)
		if err != nil {
			return nil, err
		}
		return guest.Remember(sd), nil
	}}
}

// known are the rules that scsi_debug cannot keep, each by a fault of its own.
var known = map[string]string{
	"space over blocks":                 "backwards it counts the filemark that stopped it",
	"a flush truncates nothing":         "it does",
	"early warning, then end of medium": "the block that it says did not fit is there",
}

// TestSCSIDebug runs the kit on the kernel's emulated drive, through its generic driver.
func TestSCSIDebug(t *testing.T) {
	is := is.New(t)
	m := guest.New(t)
	m.Build(".")
	rules := 0
	m.Boot(func(line string) bool {
		r, ok := guest.Judge(line)
		if !ok {
			t.Log(line)
			return true
		}
		rules++
		why, expected := known[r.Rule]
		switch {
		case r.Verdict == drivertest.Broken && !expected:
			t.Errorf("%s: %s", r.Rule, r.Text)
		case r.Verdict == drivertest.Kept && expected:
			t.Errorf("%s is kept, and was believed to be broken: %s", r.Rule, why)
		}
		t.Logf("%-9s %-45s %s", r.Verdict, r.Rule, why+r.Text)
		return true
	}, envInside+"=1")
	is.True(rules > 30)
}
