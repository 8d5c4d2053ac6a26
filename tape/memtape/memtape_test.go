package memtape_test

import (
	"testing"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
	"github.com/enstore-go/sdk/tape/memtape"
)

func harness(o memtape.Options) drivertest.Harness {
	return func(t testing.TB, s drivertest.Scratch) *drivertest.Rig {
		lib := memtape.New(o)
		if !s.None {
			lib.AddVolume("TST001", memtape.VolumeOptions{Capacity: s.Capacity, WriteProtect: s.WriteProtect, WORM: s.WORM})
			lib.Insert("TST001", 0)
		}
		return &drivertest.Rig{
			Open:   func() (driver.Drive, error) { return lib.OpenDrive(0) },
			Damage: func(n int64) error { return lib.Damage("TST001", int(n), driver.Sense{}) },
			Reset:  func() error { return lib.Reset(0) },
		}
	}
}

// Every kind of drive that the knobs make keeps the contract.
func TestDrive(t *testing.T) {
	for name, o := range map[string]memtape.Options{
		"plain":        {},
		"window":       {Window: 4},
		"no files":     {NoFiles: true, Window: 1},
		"no positions": {NoPositions: true, NoLocate: true, Window: 3},
		"no locate":    {NoLocate: true},
		"limits":       {MinBlock: 64, MaxBlock: 256 << 10},
		"one length":   {MinBlock: 32768, MaxBlock: 32768},
	} {
		t.Run(name, func(t *testing.T) {
			found := drivertest.TestDrive(t, harness(o))
			if name == "plain" {
				drivertest.Judge(t, "../testdata/targets/memtape.json", drivertest.Target{Name: "memtape", Kind: "drive"}, found, nil)
			}
		})
	}
}

func TestChanger(t *testing.T) {
	found := drivertest.TestChanger(t, func(t testing.TB) *drivertest.Robot {
		lib := memtape.New(memtape.Options{Drives: 2, Slots: 4})
		lib.AddVolume("TST001", memtape.VolumeOptions{})
		lib.AddVolume("TST002", memtape.VolumeOptions{})
		drives := []driver.Drive{lib.Drive(0), lib.Drive(1)}
		return &drivertest.Robot{
			Open:      func() (driver.Changer, error) { return lib.OpenChanger() },
			Hold:      func(n int) error { return drives[n].Load(t.Context()) },
			Release:   func(n int) error { return drives[n].Unload(t.Context()) },
			Exclusive: true,
		}
	})
	drivertest.Judge(t, "../testdata/targets/memtape-robot.json", drivertest.Target{Name: "memtape", Kind: "robot"}, found, nil)
}

func BenchmarkDrive(b *testing.B) { drivertest.RunBenchmarks(b, harness(memtape.Options{})) }
