// Package ssc is a tape drive over any SCSI transport: a driver.Drive that speaks the sequential-access commands (SSC-5).
//
// Nouns: those of packages driver and scsi. [Open] takes a transport to the drive's logical unit; [OpenDrive] makes one from a
// plugin's table.
//
//	s, err := iscsi.Dial(ctx, iscsi.Unit{Portal: "192.0.2.7:3260", Target: name, LUN: 1}, iscsi.Options{})
//	d, err := ssc.Open(ctx, s, ssc.Options{})
//
// # How it reads what drives say
//
// Blocks are of variable length: each command moves one. Whenever a drive reports a condition, the length is
// reckoned from what was asked for and the residue in its sense data; the transport's count is not believed, because drives
// are known that send stale bytes. A condition whose residue is missing or absurd is an error.
//
// A load begins with the attentions that stand; later ones are OutcomeUnitAttention and end it. While a cartridge is loaded
// its removal is prevented, so that a robot is refused it.
//
// Where a drive cannot tell its position, or cannot locate, the driver finds out when it is opened and says so in its Capabilities.
//
// # Health
//
// A drive whose log or cartridge memory can be read is a driver.HealthReporter: log pages 02, 03, 0C, 14, 17, 2E and 31, the attributes
// of the cartridge's memory, and of IBM's drives from LTO-7 on the ends of wraps. Page 2E clears the flags that it tells, and is read by Health
// alone, last; that the drive wants cleaning is told by Status from page 0C, which clears nothing. Write-once cartridges are known by
// their memory, the drive's mode or its medium type. A cleaning cartridge is told as such (2/30/03); Unload waits for its work.
//
// The time-outs of an LTO drive are those of its generation; the first load of an LTO-9 cartridge may take two hours, and is
// waited for.
//
// It knows no fixed blocks on tape, no partitions, no encryption, no logical block protection, and reserves nothing: of an iSCSI target, a second
// host is kept out by nobody.
package ssc
