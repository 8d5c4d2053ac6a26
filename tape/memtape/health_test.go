package memtape_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/memtape"
)

// A drive that wants cleaning is cleaned by a cleaning cartridge, which is no volume, takes its time, and is used up in the end.
func TestCleaning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		lib := memtape.New(memtape.Options{Timing: memtape.Timing{Clean: 2 * time.Minute}})
		slot, err := lib.AddVolume("CLN001L1", memtape.VolumeOptions{Cleanings: 1})
		is.NoErr(err)
		d, r := lib.Drive(0), lib.Changer()
		ctx := t.Context()
		is.Equal(health(t, d).Cleaning, driver.CleaningNone)
		is.NoErr(lib.Soil(0, driver.CleaningNow))
		s, err := d.Status(ctx)
		is.NoErr(err)
		is.True(s.NeedsClean && !s.Cleaning)
		h := health(t, d)
		is.Equal(h.Cleaning, driver.CleaningNow)
		is.Equal(h.Alerts.Flags(), []int{20})
		h = health(t, d)
		is.Equal(h.Cleaning, driver.CleaningNow)
		is.Equal(h.Alerts, driver.Alerts(0)) // reading clears them

		is.NoErr(r.Move(ctx, slot, memtape.FirstDrive))
		s, err = d.Status(ctx)
		is.NoErr(err)
		is.True(s.Present && s.Cleaning && !s.Loaded)
		err = d.Load(ctx)
		is.Equal(outcome(err), driver.OutcomeNotReady)
		is.Equal(err.(*driver.Error).Sense, driver.Sense{Key: 2, ASC: 0x30, ASCQ: 3, Info: driver.Unknown})
		is.Equal(outcome(r.Move(ctx, memtape.FirstDrive, slot)), driver.OutcomeHeld) // it is at work
		is.True(lib.Insert("CLN001L1", 0) == nil)                                    // it is there already
		h = health(t, d)
		is.Equal(h.Cartridge.Kind, driver.CartridgeCleaning)
		is.Equal(h.Alerts.Flags(), []int{11})
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		is.Equal(outcome(d.Unload(short)), driver.OutcomeUnknown)
		is.Equal(took(func() { is.NoErr(d.Unload(ctx)) }), 2*time.Minute-time.Second)
		is.NoErr(r.Move(ctx, memtape.FirstDrive, slot))
		h = health(t, d)
		is.Equal(h.Cleaning, driver.CleaningNone)
		is.Equal(h.Cleanings, int64(1))

		is.NoErr(lib.Soil(0, driver.CleaningDue))
		is.NoErr(r.Move(ctx, slot, memtape.FirstDrive))
		h = health(t, d)
		is.Equal(h.Alerts.Flags(), []int{21, 22}) // the cartridge is used up
		is.Equal(h.Cleaning, driver.CleaningDue)
		is.NoErr(r.Move(ctx, memtape.FirstDrive, slot))
		is.True(lib.Soil(1, driver.CleaningDue) != nil) // no such drive
	})
}

func TestHealthOfACartridge(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{Window: 2})
	_, err := lib.AddVolume("VO0001", memtape.VolumeOptions{Capacity: 1000, WORM: true})
	is.NoErr(err)
	is.NoErr(lib.Insert("VO0001", 0))
	d := lib.Drive(0)
	ctx := t.Context()
	is.NoErr(d.Load(ctx))
	is.NoErr(d.Load(ctx)) // the same load
	for range 3 {
		_, err = d.WriteBlock(ctx, make([]byte, 100))
		is.NoErr(err)
	}
	h := health(t, d)
	is.Equal(h.Cartridge, driver.Cartridge{Maker: "ENSTORE", Serial: "VO0001", Barcode: "VO0001", Kind: driver.CartridgeWORM,
		Density: driver.Unknown, Loads: 1, Capacity: 1000, Remaining: 700})
	is.Equal(h.Written.Bytes, int64(100)) // two blocks are in the buffer
	is.Equal(h.Stops, driver.Unknown)
	is.NoErr(d.Rewind(ctx))
	is.NoErr(lib.Damage("VO0001", 1, driver.Sense{}))
	_, _, err = d.ReadBlock(ctx, make([]byte, 100))
	is.NoErr(err)
	_, _, err = d.ReadBlock(ctx, make([]byte, 100))
	is.Equal(outcome(err), driver.OutcomeMedium)
	h = health(t, d)
	is.Equal(h.Written, driver.Traffic{Bytes: 300})
	is.Equal(h.Read, driver.Traffic{Bytes: 100, Uncorrected: 1})
	is.Equal(h.Alerts.Flags(), []int{3, 5})
	is.NoErr(d.Unload(ctx))
	is.NoErr(d.Load(ctx))
	h = health(t, d)
	is.Equal(h.Read, driver.Traffic{}) // of this load
	is.Equal(h.Loads, int64(2))
	is.Equal(h.Cartridge.Loads, int64(2))
	is.NoErr(d.Close())
	_, err = d.(driver.HealthReporter).Health(ctx)
	is.Equal(outcome(err), driver.OutcomeGone)
}
