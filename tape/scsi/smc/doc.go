// Package smc is a robot over any SCSI transport: a driver.Changer that speaks the media changer commands (SMC-3).
//
// Nouns: those of packages driver and scsi. [Open] takes a transport to the robot's logical unit; [OpenChanger] makes one from a
// plugin's table.
//
//	s, err := iscsi.Dial(ctx, iscsi.Unit{Portal: "192.0.2.7:3260", Target: name, LUN: 3}, iscsi.Options{})
//	r, err := smc.Open(ctx, s, smc.Options{})
//
// Drives are numbered from 0 in the order of their addresses. Element status is asked for one kind at a time, because robots
// are known that garble several, and nothing of it is kept from one call to the next: doors are opened and cartridges moved by
// hand. An attention before an inventory is such a sign and is absorbed; before a move it is an error, and the caller looks again.
//
// A cartridge that a drive holds is refused by the robot, if the drive has prevented its removal, as package ssc has it do.
// A second host is kept out by nobody.
package smc
