// Package smc is a robot over any SCSI transport: a driver.Changer that speaks the media changer commands (SMC-3).
//
// Nouns: those of packages driver and scsi. [Open] takes a transport to the robot's logical unit; [OpenChanger] makes one from a
// plugin's table.
//
//	s, err := iscsi.Dial(ctx, iscsi.Unit{Portal: "192.0.2.7:3260", Target: name, LUN: 3}, iscsi.Options{})
//	r, err := smc.Open(ctx, s, smc.Options{})
//
// Drives are numbered from 0 in the order of their addresses. Element status is asked for one kind at a time, because robots
// are known that garble several. Inventory remembers it for Options.Fresh, until the robot tells of an attention: a door was
// opened, a port used. A move is not made on memory: it asks for its two places first.
//
// A cartridge that a drive holds is refused by the robot, if the drive has prevented its removal, as package ssc has it do.
// A second host is kept out by nobody.
package smc
