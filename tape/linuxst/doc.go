// Package linuxst is a tape drive behind the tape driver of the Linux kernel, st: /dev/nst0 and on, by MTIO commands.
//
//	c, err := driver.ConfigOf(map[string]any{"device": "/dev/nst0"})
//	d, err := linuxst.OpenDrive(ctx, c)
//
// It is for machines where the generic driver sg is not to be had, and for drives whose host adapter has a tape driver of its own. Package ssc
// over sg knows more: st keeps sense data to itself, so that an error of the medium and one of the drive look the same here and
// come as OutcomeMedium, of which a second drive will tell; health, write-once cartridges, capacity and the state of the buffer are not known. A drive is used through
// one of the two, never both: each believes that nobody else moves the tape.
//
// # What st adds
//
// st holds the drive for one user. It writes a filemark when a program that was writing is killed; behind what was flushed, where whoever finds it
// may overwrite it. This package never lets it write one by itself otherwise. Past early warning st refuses every other write; those are tried again,
// if the position tells that nothing was written. What became of a command that failed is told from positions, among others that a read failed because
// the data end there.
//
// Positions are those of READ POSITION, as logical objects. Where st is not set up for that (its option scsi2logical), OpenDrive sets it, which
// needs the right to administer the system. A drive that does not know positions is refused: it needs package ssc.
//
// A command cannot be taken back from st: when a context ends, its command is left to end by itself, and the drive can only be closed.
//
// It knows no fixed blocks on tape and no partitions. Elsewhere than on Linux on amd64 or arm64, OpenDrive fails.
package linuxst
