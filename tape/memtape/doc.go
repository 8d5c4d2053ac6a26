// Package memtape is a tape library in memory: the reference implementation of
// driver.Drive and driver.Changer, and what tests of engines run on.
//
// A [Library] has cartridges in slots, drives and a robot between them. What a drive
// wrote to a cartridge is read by whichever drive gets it next. [Options] and
// [VolumeOptions] have the knobs: capacity and early warning, write protection, WORM, block
// limits, drives that report no position or cannot locate, a write buffer whose
// errors come late, and a timing model in the time of package time, so
// that a testing/synctest bubble runs it in no time at all. [As] makes it that of a real drive: wraps, locates, the rate
// of the tape, and what it costs to stop it.
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
// A drive is a driver.HealthReporter. [Library.Soil] makes it want cleaning, and a volume with Cleanings is a cartridge that does
// it. With [Streaming] it tells how often its tape stopped.
//
// # Time
//
//	timing := memtape.As(order.LTO9)
//	timing.Streaming.Scale = 1e6 // a cartridge of 18 MB stands for one of 18 TB
//	lib := memtape.New(memtape.Options{Timing: timing})
//
// A thousand files written without a gap take the time that they take at the rate of the tape (TestStreaming); a writer below the
// drive's lowest speed makes it stop every few seconds (TestSlowWriters); reads take the time that package order plans for
// them, within 2 % (TestRecall).
//
// The whole of a cartridge is held in memory. Nothing is persistent.
package memtape
