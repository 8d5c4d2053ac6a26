package mover_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/mover"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/memtape"
)

// events waits for one of a kind, and returns all of the drive up to it that were not returned before.
func (r *rig) events(until catalog.EventKind) (kinds []catalog.EventKind, last catalog.DriveEvent) {
	r.t.Helper()
	for {
		r.is.NoErr(r.cat.Watch(r.ctx, r.told))
		es, err := r.cat.Events(r.ctx, r.told, 100)
		r.is.NoErr(err)
		for _, e := range es {
			r.told = e.Seq
			if e.Subject != "d0" {
				continue
			}
			kinds = append(kinds, e.Kind)
			last = catalog.DriveEvent{}
			r.is.NoErr(json.Unmarshal(e.Data, &last))
			if e.Kind == until {
				return kinds, last
			}
		}
	}
}

// cleaners puts cleaning cartridges into the robot, each with its uses.
func (r *rig) cleaners(uses map[string]int) {
	for l, n := range uses {
		_, err := r.lib.AddVolume(l, memtape.VolumeOptions{Cleanings: n})
		r.is.NoErr(err)
	}
}

// dismount has the mover put its volume away.
func (r *rig) dismount(l catalog.Label) wire.Release {
	r.leases <- wire.Lease{ID: catalog.NewLeaseID(), Kind: wire.DismountLease, Drive: "d0", Grant: catalog.Grant{Volume: catalog.Volume{Label: l}}, Expires: time.Now().Add(r.life)}
	return <-r.released
}

// A drive that wants to be cleaned is, as soon as it has nothing to do; what it told is recorded.
func TestADriveIsCleaned(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	r.cleaners(map[string]int{"CLN001L1": 5})
	r.cleaning = []string{"CLN001L1"}
	r.restart(nil)
	out, rel := r.write(family, patterns(1000), nil)
	is.NoErr(out[0].err)
	is.Equal(rel.Mounted, catalog.Label("VO0001"))
	s := r.m.Status()
	is.True(s.Open && s.Volume == "VO0001" && s.Identity.Product == "MEMTAPE")
	is.NoErr(r.lib.Soil(0, driver.CleaningDue))
	is.NoErr(r.lib.Alert(0, 19, driver.CleaningUnknown))
	is.Equal(r.dismount("VO0001").Err, nil)

	kinds, e := r.events(catalog.DriveCleaned)
	is.Equal(kinds, []catalog.EventKind{catalog.DriveAlerts, catalog.DriveWantsCleaning, catalog.DriveCleaned})
	is.Equal(e.Cleaning, "CLN001L1")
	out, _ = r.write(family, patterns(1000), nil) // the drive works again
	is.NoErr(out[0].err)
	s = r.m.Status()
	is.Equal(s.Cleaning, driver.CleaningNone)
	is.True(s.Alerts.Has(19) && !s.Alerts.Has(21)) // what has not to do with it stays
	is.Equal(s.Health.Cartridge.Barcode, "VO0001")
	is.True(!s.Asked.IsZero())
	is.NoErr(r.lib.Soil(0, driver.CleaningDue)) // again, so soon
	is.Equal(r.dismount("VO0001").Err, nil)
	out, _ = r.write(family, patterns(1000), nil)
	is.NoErr(out[0].err)
	is.Equal(r.m.Status().Cleaning, driver.CleaningDue) // that would use up all cartridges
	r.halt()
	es, err := r.lib.Changer().Inventory(t.Context())
	is.NoErr(err)
	is.True(slices.ContainsFunc(es, func(e driver.Element) bool { return e.Kind == driver.Slot && e.Label == "CLN001L1" })) // it was brought home
}

// A drive that must be cleaned before anything else puts its volume away for it, once the lease is done that found out.
func TestADriveThatMustBeCleanedNow(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	r.cleaners(map[string]int{"CLN001L1": 5})
	r.cleaning = []string{"CLN001L1"}
	r.restart(nil)
	out, _ := r.write(family, patterns(1000), nil)
	is.NoErr(out[0].err)
	is.NoErr(r.lib.Soil(0, driver.CleaningNow))
	got, errs := r.read(r.file(out[0].rec))
	is.NoErr(errs[0])
	is.Equal(got[0], pattern(0, 1000))
	kinds, _ := r.events(catalog.DriveCleaned)
	is.Equal(kinds, []catalog.EventKind{catalog.DriveAlerts, catalog.DriveWantsCleaning, catalog.DriveCleaned})
	got, errs = r.read(r.file(out[0].rec))
	is.NoErr(errs[0])
	is.Equal(got[0], pattern(0, 1000))
}

// A cartridge that is used up, one that is no cleaning cartridge and one that is not there are passed over.
func TestCleaningCartridgesThatAreOfNoUse(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	r.cleaners(map[string]int{"CLN001L1": 1, "CLN002L1": 1})
	_, err := r.lib.AddVolume("DATA01", memtape.VolumeOptions{})
	is.NoErr(err)
	r.cleaning = []string{"CLN009L1", "DATA01", "CLN001L1", "CLN002L1"}
	for _, used := range []string{"CLN001L1", "CLN002L1"} {
		is.NoErr(r.lib.Soil(0, driver.CleaningDue))
		r.restart(nil) // a new one knows nothing of what was of no use before
		_, e := r.events(catalog.DriveCleaned)
		is.Equal(e.Cleaning, used)
		r.halt()
	}
	is.NoErr(r.lib.Soil(0, driver.CleaningDue))
	r.restart(nil)
	_, e := r.events(catalog.DriveNotCleaned)
	is.True(e.Why != "")
	out, _ := r.write(family, patterns(1000), nil) // dirty or not
	is.NoErr(out[0].err)
	is.Equal(r.m.Status().Cleaning, driver.CleaningDue)
}

// Without cleaning cartridges the drive works on, and whoever looks is told.
func TestADriveThatNobodyCleans(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	is.NoErr(r.lib.Soil(0, driver.CleaningNow))
	r.restart(nil)
	kinds, e := r.events(catalog.DriveWantsCleaning)
	is.Equal(kinds, []catalog.EventKind{catalog.DriveAlerts, catalog.DriveWantsCleaning})
	is.Equal(e.Cleaning, "needed now")
	out, _ := r.write(family, patterns(1000), nil)
	is.NoErr(out[0].err)
	is.Equal(r.m.Status().Cleaning, driver.CleaningNow)
}

// A cleaning cartridge that the catalogue takes for a volume is taken out again, and not asked for any more.
func TestACleaningCartridgeIsNoVolume(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{Cleanings: 3}, mover.FlushPolicy{}, "VO0001")
	g, err := r.cat.ChooseForWrite(r.ctx, catalog.Choice{Lease: catalog.NewLeaseID(), Library: "lib", Family: family, Width: 1, Drive: "d0"})
	is.NoErr(err)
	r.leases <- wire.Lease{ID: g.Lease, Kind: wire.WriteLease, Drive: "d0", Grant: g, Family: family, Expires: time.Now().Add(r.life)}
	rel := <-r.released
	is.True(rel.Err != nil)
	is.Equal(rel.Fault, wire.FaultVolume)
	is.Equal(rel.Mounted, catalog.Label(""))
	v := r.volume("VO0001")
	is.True(v.State[catalog.SystemAccess].Is(catalog.NoAccess))
}
