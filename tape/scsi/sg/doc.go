// Package sg carries SCSI commands to a device of the Linux kernel, through its generic SCSI driver: /dev/sg0 and on.
//
//	d, err := sg.Open("/dev/sg3")
//	r, err := d.Exec(ctx, scsi.TestUnitReady(), nil, nil)
//
// A device is open once: a second Open of it, by whomever, is ErrHeld. The kernel's tape driver st can be open beside it all the same, and
// what moves the tape through both is lost: a drive is used through this package or through package linuxst, never both.
//
// A command is given to the kernel and its end waited for, so that the end of a context is the end of the wait. The kernel cannot be
// made to take a command back; it ends it when the context's deadline has come, or after [NoDeadline], and until then the unit may be busy.
//
// The package knows version 3 of the interface (struct sg_io_hdr of include/scsi/sg.h), commands of at most 16 bytes, and moves
// data in one direction. Elsewhere than on Linux, Open fails.
package sg
