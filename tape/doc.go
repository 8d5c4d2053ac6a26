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
// # Targets
//
// What the conformance kit, package drivertest, finds of each drive and robot that the tests can reach: + kept, . not tried because the target has no
// way to, a number: broken by a fault of the target's own, named below. Made of the recorded runs, which the tests of each target
// compare with what they find.
//
// Drives:
//
//	A  memtape
//	B  memtape, as a plugin
//	C  filetape
//	D  filetape, plugin drive-file
//	E  tgt 1.0.85, over iSCSI
//	F  scsi_debug, through sg
//	G  scsi_debug, through st
//
//	rule                                                       A  B  C  D  E   F   G
//	identity                                                   +  +  +  +  +   +   +
//	blank tape                                                 +  +  +  +  1   +   +
//	status                                                     +  +  +  +  +   +   +
//	write and read                                             +  +  +  +  +   +   +
//	filemarks                                                  +  +  +  +  +   +   +
//	odd lengths                                                +  +  +  +  +   +   +
//	longest block                                              +  +  +  +  +   +   +
//	block too long                                             +  +  +  +  +   +   +
//	buffers are the caller's                                   +  +  +  +  +   +   +
//	positions                                                  +  +  +  +  +   +   +
//	many blocks                                                +  +  +  +  +   +   +
//	an ended context                                           +  +  +  +  +   +   +
//	one user at a time                                         +  2  +  +  .   +   +
//	rewind                                                     +  +  +  +  +   +   +
//	locate                                                     +  +  +  +  .   +   +
//	locate beyond end of data                                  +  +  +  +  .   +   +
//	space over blocks                                          +  +  +  +  3   4   +
//	space over filemarks                                       +  +  +  +  5   +   +
//	space to end of data                                       +  +  +  +  +   +   +
//	motion keeps what was written                              +  +  +  +  +   +   +
//	overwriting truncates                                      +  +  +  +  6   +   +
//	a filemark truncates too                                   +  +  +  +  +   +   +
//	overwriting from the load point                            +  +  +  +  +   +   +
//	a flush truncates nothing                                  +  +  +  +  +   7   8
//	reading truncates nothing                                  +  +  +  +  +   +   +
//	write after read                                           +  +  +  +  +   +   +
//	append                                                     +  +  +  +  +   +   +
//	Enstore's double filemark                                  +  +  +  +  9   +   +
//	flush                                                      +  +  +  +  +   +   +
//	flushed data outlives Close                                +  2  +  +  +   +   +
//	what was not flushed is lost from its end                  +  2  +  +  +   +   +
//	an error comes at the latest with the flush                +  .  .  .  .   .   .
//	a block that cannot be read                                +  .  .  .  .   .   .
//	unload writes the buffer                                   +  +  +  +  +   +   +
//	early warning, then end of medium                          +  +  +  +  10  11  +
//	a full tape reads and is overwritten                       +  +  +  +  +   +   +
//	write protection                                           +  +  +  +  .   .   .
//	write once                                                 +  +  +  +  .   .   .
//	load and unload                                            +  +  +  +  +   +   +
//	empty drive                                                +  +  +  +  +   .   .
//	a reset ends the load                                      +  .  .  .  .   +   +
//	close is for good                                          +  2  +  +  +   +   +
//	a label                                                    +  +  +  +  +   +   +
//	locate everywhere                                          +  +  +  +  .   +   +
//	positions are the volume's                                 +  2  +  +  .   +   +
//	a walk at random                                           +  +  +  +  .   +   +
//	a walk at random by spacing                                +  +  +  +  12  13  14
//	close in the middle of a call                              +  2  +  +  +   +   +
//	health                                                     +  +  +  +  .   .   .
//	health of a write-once cartridge                           +  +  +  +  .   .   .
//	health of an empty drive                                   +  +  +  +  .   .   .
//	cartridge memory, log pages and TapeAlert of a real drive  never run
//	cleaning cartridge in a real drive                         never run
//	initialisation of an LTO-9 cartridge                       never run
//	recommended access order of a drive                        never run
//	ends of wraps told by a drive                              never run
//	logical block protection                                   never run
//	encryption in the drive                                    never run
//	persistent reservations                                    never run
//	host adapter by fibre or SAS                               never run
//	robot with import and export ports                         never run
//
//	1  tgt 1.0.85, over iSCSI: spacing back over blocks at the load point is good
//	2  memtape, as a plugin: its cartridge ends with its process
//	3  tgt 1.0.85, over iSCSI: it does not stop at a filemark
//	4  scsi_debug, through sg: backwards it counts the filemark that stopped it
//	5  tgt 1.0.85, over iSCSI: backwards it lands a block too early
//	6  tgt 1.0.85, over iSCSI: spacing into end of data does not tell how far it came
//	7  scsi_debug, through sg: WRITE FILEMARKS of none ends the data where the tape stands
//	8  scsi_debug, through st: WRITE FILEMARKS of none ends the data where the tape stands
//	9  tgt 1.0.85, over iSCSI: spacing back over filemarks lands a block too early
//	10  tgt 1.0.85, over iSCSI: there is no early warning, and the end comes once and then no more
//	11  scsi_debug, through sg: the block that it says did not fit is there
//	12  tgt 1.0.85, over iSCSI: what is said of spacing above
//	13  scsi_debug, through sg: backwards it begins one object too early, and goes to before the load point
//	14  scsi_debug, through st: backwards it begins one object too early
//
// Robots:
//
//	A  memtape
//	B  filetape
//	C  command, plugin robot-command
//	D  operator, plugin robot-operator
//	E  tgt 1.0.85, over iSCSI
//
//	rule                           A  B  C  D  E
//	identity                       +  +  +  +  +
//	inventory                      +  +  +  +  +
//	mount and dismount             +  +  +  +  +
//	between slots                  +  +  +  +  +
//	every drive                    +  +  +  +  +
//	empty source                   +  +  +  +  +
//	full destination               +  +  +  +  +
//	unknown address                +  +  +  +  +
//	a held cartridge stays         +  +  +  .  +
//	everything stays over Close    +  +  +  +  +
//	one user at a time             +  +  .  +  .
//	an ended context               +  +  +  +  +
//	two users race                 .  .  +  .  +
//	close in the middle of a move  +  +  +  +  +
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
