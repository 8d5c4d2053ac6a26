// Package tape is what engines hold of a tape drive and a robot.
//
// A [Drive] is one drive behind the vendor's [driver.Drive]. A [Load] is one stay of a
// cartridge in it, and the unit of trust: every movement of tape belongs to a load,
// which counts each block and filemark, compares its count with what the drive
// reports, and ends for good as soon as it can no longer be trusted. A [Changer] is a
// robot spoken to by volume label. An [Error] carries a [Verdict]: whose fault it
// is (the request's, the drive's, the volume's), and whether trying again may help.
//
//	d, err := tape.NewDrive(ctx, vendorDrive, nil)
//	l, err := d.Load(ctx)
//	v, _, err := l.ReadLabel(ctx)           // is it the right cartridge?
//	end, err := l.CheckEnd(ctx, eod)        // do tape and catalogue agree?
//	_, err = l.WriteBlock(ctx, block)       // taken by the drive, not yet safe
//	_, err = l.WriteFilemarks(ctx, 1)
//	p, err := l.Sync(ctx)                   // safe, and the tape stands at p
//	err = l.Unload(ctx)
//
// # Positions
//
// A [Position] counts from the load point: Block is the number of objects (blocks and
// filemarks) before it, File the number of filemarks. [driver.Unknown] is a value of its
// own and never means 0. What the drive reports is compared with what was counted
// when a load begins, before the first write after any other motion, in Sync, and
// after every locate. A difference is ErrPosition and ends the load: blocks
// are somewhere else than they should be, and nothing written since the last Sync
// may be believed. For a drive that reports nothing, the count is all there is.
//
// # The end of a load
//
// Unit attention, a gone plugin, a time-out, an answer that was lost, a cartridge
// that is no longer there, a wrong position: the load ends, [Load.Err] says why, and
// all its methods return ErrLoadEnded from then on. [Drive.Load] begins another,
// whose position is proved anew. Nothing that moves the tape is ever repeated by this
// package. A failed write, and above all a deferred one, ends the load for writing:
// reading goes on.
//
// # Health and cleaning
//
// [Drive.Health] tells what drive and cartridge know of themselves: errors, bytes, loads, room, TapeAlert flags. Reading the
// flags clears them in the drive, so nothing but Health reads them, and the Drive keeps them. [Drive.Cleaning], and NeedsClean
// of [Drive.Status], say that the drive wants cleaning; a robot puts a cleaning cartridge in, [Drive.Clean] waits for its work. A cleaning
// cartridge is never a load: [Drive.Load] fails with ErrCleaning.
//
// # Time
//
// Every call of the vendor's code gets a deadline from its [driver.Timeouts]. If it
// does not return within DriveOptions.Grace after the deadline or the end of the
// caller's context, it is abandoned: the caller gets ErrTimeout, the load is over, and
// all further calls fail the same way until the abandoned one has
// returned, because calls of a driver are never concurrent. [Drive.Idle] waits for
// that. Until then a buffer given to the abandoned call belongs to it.
//
// # Cost
//
// Beyond the driver, a block costs 3 microseconds and 10 small allocations, none of them of the block's
// length: BenchmarkWriteBlock, on a core of a Xeon. A load remembers the places of at most 65,536 files.
//
// The package keeps no catalogue, reads no configuration, retries nothing and starts no
// goroutine other than the one that carries a call to the driver.
package tape
