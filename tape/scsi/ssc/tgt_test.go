package ssc_test

import (
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
	"github.com/enstore-go/sdk/tape/scsi"
	"github.com/enstore-go/sdk/tape/scsi/iscsi"
	"github.com/enstore-go/sdk/tape/scsi/scsitest"
	"github.com/enstore-go/sdk/tape/scsi/ssc"
)

// rig is a drive of tgt with a cartridge in it, or none.
func rig(t testing.TB, s drivertest.Scratch) *drivertest.Rig {
	t.Helper()
	if s.WORM || s.WriteProtect {
		return nil
	}
	lib := scsitest.Start(t, scsitest.Options{Capacity: s.Capacity})
	if !s.None {
		load(t, lib)
	}
	return &drivertest.Rig{Open: func() (driver.Drive, error) {
		c, err := iscsi.Dial(t.Context(), iscsi.Unit{Portal: lib.Portal, Target: lib.Target, LUN: lib.Drives[0]}, iscsi.Options{})
		if err != nil {
			return nil, err
		}
		return ssc.Open(t.Context(), c, ssc.Options{})
	}}
}

// load has the robot put a cartridge into the drive.
func load(t testing.TB, lib *scsitest.TGT) {
	t.Helper()
	is := is.New(t)
	c, err := iscsi.Dial(t.Context(), iscsi.Unit{Portal: lib.Portal, Target: lib.Target, LUN: lib.Robot}, iscsi.Options{})
	is.NoErr(err)
	u := scsi.NewUnit(c)
	defer u.Close()
	is.NoErr(u.Greet(t.Context()))
	_, err = u.Must(t.Context(), "move", scsi.MoveMedium(0, scsitest.FirstSlot, scsitest.FirstDrive), nil, nil)
	is.NoErr(err)
}

// known are the rules that tgt cannot keep, each by a fault of its own that scsitest.Known lists.
var known = map[string]string{
	"blank tape":                        "spacing back over blocks at the load point is good",
	"space over blocks":                 "it does not stop at a filemark",
	"space over filemarks":              "backwards it lands a block too early",
	"overwriting truncates":             "spacing into end of data does not tell how far it came",
	"Enstore's double filemark":         "spacing back over filemarks lands a block too early",
	"a walk at random by spacing":       "what is said of spacing above",
	"early warning, then end of medium": "there is no early warning, and the end comes once and then no more",
}

func TestTGT(t *testing.T) {
	var found []drivertest.Result
	err := drivertest.CheckDrive(t.Context(), func(tb testing.TB, s drivertest.Scratch) *drivertest.Rig { return rig(tb, s) }, func(r drivertest.Result) {
		found = append(found, r)
	})
	is.New(t).NoErr(err)
	drivertest.Judge(t, "../../testdata/targets/tgt.json", drivertest.Target{Name: "tgt 1.0.85, over iSCSI", Kind: "drive"}, found, known)
}
