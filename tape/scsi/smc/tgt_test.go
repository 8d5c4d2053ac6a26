package smc_test

import (
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
	"github.com/enstore-go/sdk/tape/scsi"
	"github.com/enstore-go/sdk/tape/scsi/iscsi"
	"github.com/enstore-go/sdk/tape/scsi/scsitest"
	"github.com/enstore-go/sdk/tape/scsi/smc"
	"github.com/enstore-go/sdk/tape/scsi/ssc"
)

func dial(t testing.TB, lib *scsitest.TGT, lun int) scsi.Transport {
	t.Helper()
	s, err := iscsi.Dial(t.Context(), iscsi.Unit{Portal: lib.Portal, Target: lib.Target, LUN: lun}, iscsi.Options{})
	is.New(t).NoErr(err)
	return s
}

// The robot of tgt keeps every rule.
func TestTGT(t *testing.T) {
	found := drivertest.TestChanger(t, func(t testing.TB) *drivertest.Robot {
		lib := scsitest.Start(t, scsitest.Options{Drives: 2, Slots: 5})
		drives := make([]driver.Drive, len(lib.Drives))
		for i, lun := range lib.Drives {
			d, err := ssc.Open(t.Context(), dial(t, lib, lun), ssc.Options{})
			is.New(t).NoErr(err)
			t.Cleanup(func() { d.Close() })
			drives[i] = d
		}
		return &drivertest.Robot{
			Open: func() (driver.Changer, error) {
				s, err := iscsi.Dial(t.Context(), iscsi.Unit{Portal: lib.Portal, Target: lib.Target, LUN: lib.Robot}, iscsi.Options{})
				if err != nil {
					return nil, err
				}
				return smc.Open(t.Context(), s, smc.Options{})
			},
			Hold:    func(n int) error { return drives[n].Load(t.Context()) },
			Release: func(n int) error { return drives[n].Unload(t.Context()) },
		}
	})
	drivertest.Judge(t, "../../testdata/targets/tgt-robot.json", drivertest.Target{Name: "tgt 1.0.85, over iSCSI", Kind: "robot"}, found, nil)
}

// The robot of tgt knows its drives by their serial numbers, and looks anew when told.
func TestBaysOfTGT(t *testing.T) {
	is := is.New(t)
	lib := scsitest.Start(t, scsitest.Options{Drives: 2, Slots: 5})
	s := dial(t, lib, lib.Robot)
	bays, err := smc.Bays(t.Context(), s)
	is.NoErr(err)
	is.NoErr(s.Close())
	is.Equal(len(bays), 2)
	is.Equal(bays[0], smc.Bay{Number: 0, Address: scsitest.FirstDrive, Identity: "STGT    VTL-TAPE        DRV00001"})
	is.Equal(bays[1], smc.Bay{Number: 1, Address: scsitest.FirstDrive + 1, Identity: "STGT    VTL-TAPE        DR"}) // cut, as its last descriptors are
	c, err := driver.ConfigOf(map[string]any{"portal": lib.Portal, "target": lib.Target, "lun": lib.Robot, "rescan": true})
	is.NoErr(err)
	r, err := smc.OpenChanger(t.Context(), c)
	is.NoErr(err)
	is.NoErr(r.Close())
}
