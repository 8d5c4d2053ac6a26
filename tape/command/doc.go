// Package command is a robot behind commands: a driver.Changer for libraries that SCSI does not drive, such as those of ACSLS
// or AML, whose makers give programs to mount and dismount.
//
// Nouns: those of package driver; a command is an argument list that the site configures, started without a shell. [OpenChanger]
// makes a robot of a plugin's table, which a site writes as
//
//	[robot.silo]
//	plugin = "robot-command"
//	[robot.silo.config]
//	mount = ["/opt/silo/mount", "{volume}", "{drive}"]
//	dismount = ["/opt/silo/dismount", "{volume}", "{drive}"]
//	inventory = ["/opt/silo/list"]
//	drives = ["0,0,1,3", "0,0,1,4"]
//	exitCodes = { "3" = "no medium", "4" = "full", "5" = "busy" }
//	timeout = "15m"
//
// # The inventory
//
// The inventory command prints one line for each place, of fields with blanks or tabs between them, in any order of lines:
//
//	slot 1000 VO0001L8       a slot with a cartridge
//	slot 1001 -              an empty one
//	drive 0 VO0002L8 held    a drive that has its cartridge loaded and would not give it
//	drive 0,0,1,4 -          a drive by its name in drives
//	port 2000 ?              a port with a cartridge whose label is not known
//	hand 3000 -              the robot's hand
//
// A line that is empty or begins with # says nothing. Numbers are the addresses of Move, each for one place only: drives are
// 0 to 999, which are their numbers for the site too, everything else is 1000 to 999999999. A label is 1 to 32 characters of printable ASCII without
// blanks, and does not begin with a dash, '?' or '#'. Output beyond 16 MiB or 100,000 places, a line that does not fit, a place or label that comes twice: the
// robot is believed in nothing, which is OutcomeHardware with the line's number.
//
// # Moves
//
// Before a move the inventory is read, or the query command if there is one, which prints the lines of at least the two places {from} and {to}.
// An empty source, a full destination, a held cartridge, an unknown address are found out there. From slot or port to drive is mount, from drive to
// slot or port dismount, all else move, and refused if there is no such command. What an exit code means is told by exitCodes; 0 is success, and
// every other code that is not named is OutcomeUnknown, as is the end by a signal or by the time-out, which kills the
// command with all that it started. After that the caller looks: Inventory tells what became of it, as the robot has it then.
//
// The package keeps no state, retries nothing, and excludes nobody: that is the robot's own matter. A command that runs when this
// process dies runs on to its end.
package command
