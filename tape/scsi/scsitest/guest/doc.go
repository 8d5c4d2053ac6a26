// Package guest starts a small Linux machine in an emulator, for tests of what only a kernel can do: it has the SCSI tape driver st, the
// generic one sg, scsi_debug with its emulated tape drive, and, if wanted, a disk, so that its power can be cut.
//
//	m := guest.New(t)                             // skips the test where it cannot run
//	m.Build(".")                                  // this package's tests are its program
//	m.Boot(func(l string) bool { fmt.Println(l); return true }, "MODE=inside")
//
// Inside, [Load] makes the tape drive. What it does other than the standards want is listed at [Known].
//
// The kernel is Debian's, fetched once into the user's cache directory. Nothing of it is installed. With the environment variable
// ENSTORE_JUDGES set to "required", a test fails where the machine cannot run.
package guest
