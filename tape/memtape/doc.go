// Package memtape is a tape library in memory: the reference implementation of
// driver.Drive and driver.Changer, and what tests of engines run on.
//
// A [Library] has cartridges in slots, drives and a robot between them. What a drive
// wrote to a cartridge is read by whichever drive gets it next. [Options] and
// [VolumeOptions] have the knobs: capacity and early warning, write protection, WORM, block
// limits, drives that report no position or cannot locate, a write buffer whose
// errors come late, and a timing model in the time of package time, so
// that a testing/synctest bubble runs it in no time at all.
//
//	lib := memtape.New(memtape.Options{Drives: 2, Slots: 8})
//	lib.AddVolume("VO0001", memtape.VolumeOptions{})
//	robot := lib.Changer()
//	drive := lib.Drive(0)
//
// A drive with Window > 0 keeps up to so many objects in its buffer. They go to the cartridge
// when the buffer overflows, at a flush and before any motion. A bad spot ([Library.Damage])
// shows only then: the error comes with a later command, deferred, and everything
// in the buffer is lost. Close loses the buffer too, as a power cut does.
//
// The whole of a cartridge is held in memory. Nothing is persistent.
package memtape
