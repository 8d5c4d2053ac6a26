package filetape

import (
	"fmt"
	"testing"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
)

// scratchLibrary makes a library of one drive with a cartridge of the wanted kind in it, or none.
func scratchLibrary(t testing.TB, fsys disk.FS, dir string, s drivertest.Scratch) library {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(Create(fsys, dir, Options{Drives: 2, Slots: 3}))
	l := library{fsys, dir}
	if s.None {
		return l
	}
	must(AddVolume(fsys, dir, "TST001", VolumeOptions{Capacity: s.Capacity, WORM: s.WORM, WriteProtect: s.WriteProtect}))
	r, err := newChanger(l)
	must(err)
	must(r.Move(t.Context(), SlotAddress(0), DriveAddress(0)))
	must(r.Close())
	return l
}

func TestDriveKit(t *testing.T) {
	for name, table := range map[string]map[string]any{
		"direct": {}, "buffered": {"direct": false}, "unsynced": {"sync": false},
	} {
		t.Run(name, func(t *testing.T) {
			found := drivertest.TestDrive(t, func(t testing.TB, s drivertest.Scratch) *drivertest.Rig {
				dir := t.TempDir()
				scratchLibrary(t, disk.OS(), dir, s)
				table := map[string]any{"dir": dir, "sync": table["sync"], "direct": table["direct"]}
				return &drivertest.Rig{Open: func() (driver.Drive, error) {
					c, err := driver.ConfigOf(table)
					if err != nil {
						return nil, err
					}
					return OpenDrive(t.Context(), c)
				}}
			})
			if name == "direct" {
				drivertest.Judge(t, "../testdata/targets/filetape.json", drivertest.Target{Name: "filetape", Kind: "drive"}, found, nil)
			}
		})
	}
	t.Run("forgetful", func(t *testing.T) {
		drivertest.TestDrive(t, func(t testing.TB, s drivertest.Scratch) *drivertest.Rig {
			l := scratchLibrary(t, disk.NewForgetful(), "/library", s)
			return &drivertest.Rig{Open: func() (driver.Drive, error) {
				d, err := newDrive(l, 0, true)
				if err != nil {
					return nil, err
				}
				return d, nil
			}}
		})
	})
}

func TestChangerKit(t *testing.T) {
	found := drivertest.TestChanger(t, func(t testing.TB) *drivertest.Robot {
		dir, fsys := t.TempDir(), disk.OS()
		if err := Create(fsys, dir, Options{Drives: 2, Slots: 4}); err != nil {
			t.Fatal(err)
		}
		for _, label := range []string{"TST001", "TST002", "TST003"} {
			if err := AddVolume(fsys, dir, label, VolumeOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		c := driver.Config(fmt.Sprintf(`{"dir":%q}`, dir))
		drives := map[int]driver.Drive{}
		return &drivertest.Robot{
			Open: func() (driver.Changer, error) { return OpenChanger(t.Context(), c) },
			Hold: func(n int) error {
				d, err := OpenDrive(t.Context(), driver.Config(fmt.Sprintf(`{"dir":%q,"drive":%d}`, dir, n)))
				if err != nil {
					return err
				}
				drives[n] = d
				return d.Load(t.Context())
			},
			Release: func(n int) error {
				if err := drives[n].Unload(t.Context()); err != nil {
					return err
				}
				return drives[n].Close()
			},
			Exclusive: true,
		}
	})
	drivertest.Judge(t, "../testdata/targets/filetape-robot.json", drivertest.Target{Name: "filetape", Kind: "robot"}, found, nil)
}

func BenchmarkDrive(b *testing.B) {
	for _, table := range []string{`{"dir":%q}`, `{"dir":%q,"direct":false}`, `{"dir":%q,"null":true}`} {
		b.Run(table, func(b *testing.B) {
			drivertest.RunBenchmarks(b, func(t testing.TB, s drivertest.Scratch) *drivertest.Rig {
				dir := t.TempDir()
				scratchLibrary(t, disk.OS(), dir, s)
				c := driver.Config(fmt.Sprintf(table, dir))
				return &drivertest.Rig{Open: func() (driver.Drive, error) { return OpenDrive(t.Context(), c) }}
			})
		})
	}
}
