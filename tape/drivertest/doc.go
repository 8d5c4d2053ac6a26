// Package drivertest proves that a driver.Drive or driver.Changer keeps its contract.
//
// An implementation's own test is a few lines: it hands [TestDrive] a [Harness], which
// makes a [Rig], a drive with a scratch cartridge of the wanted kind in it, as often as
// it is asked:
//
//	func TestDrive(t *testing.T) {
//		drivertest.TestDrive(t, func(t testing.TB, s drivertest.Scratch) *drivertest.Rig {
//			lib := memtape.New(memtape.Options{})
//			if !s.None {
//				lib.AddVolume("TST001", memtape.VolumeOptions{Capacity: s.Capacity, WORM: s.WORM})
//				lib.Insert("TST001", 0)
//			}
//			return &drivertest.Rig{Open: func() (driver.Drive, error) { return lib.OpenDrive(0) }}
//		})
//	}
//
// Each rule is a subtest with a name and an explanation, which a failure prints: why engines
// rely on it and what breaks if it is not kept. What a rig does not offer (a nil
// function, a nil Rig for a kind of cartridge) or the drive's Capabilities exclude is
// skipped, and says so; the end of the test's log lists all of it. A drive with
// nothing skipped has been tried in everything the contract says.
//
// Run the kit twice: on the bare implementation, and on it behind the plugin border. The
// scratch cartridges are overwritten. [RunBenchmarks] measures what the kit proved.
//
// The kit cannot see what is on the medium other than through the drive: durability over
// power cuts is for the implementation's own tests.
package drivertest
