// Package filetape is a tape library in a directory: a robot, drives, and cartridges
// that are files.
//
// Its nouns: a library is a directory made by [Create]; a cartridge is an image in it,
// added by [AddVolume]; drives and the robot are opened with [OpenDrive] and
// [OpenChanger], each by one process at a time. What a drive has flushed (a synchronous
// WriteFilemarks that returned good) survives kills and power cuts; what it has not
// flushed is gone after one, whatever the file holds.
//
//	fsys := disk.OS()
//	err := filetape.Create(fsys, "/srv/tape", filetape.Options{Drives: 2, Slots: 8})
//	err = filetape.AddVolume(fsys, "/srv/tape", "VO0001", filetape.VolumeOptions{Capacity: 12e12})
//	robot, err := filetape.OpenChanger(ctx, driver.Config(`{"dir":"/srv/tape"}`))
//	err = robot.Move(ctx, filetape.SlotAddress(0), filetape.DriveAddress(0))
//	drive, err := filetape.OpenDrive(ctx, driver.Config(`{"dir":"/srv/tape","drive":0}`))
//	err = drive.Load(ctx)
//	_, err = drive.WriteBlock(ctx, block)
//	_, err = drive.WriteFilemarks(ctx, 1, false) // safe from here on
//
// Engines hold the drive as a *tape.Drive.
//
// # The directory
//
//	robot.json            which cartridge is where, and what kind it is
//	volumes/LABEL.tap     the image of a cartridge
//	volumes/LABEL.idx     its index
//	volumes/LABEL.mN      the older filemarks of a long index, N a number
//	locks/driveN          held by the process that has drive N open
//	locks/changer         held by the process that has the robot open
//	locks/volume-LABEL    held by a drive while the cartridge is loaded in it
//	locks/inventory       held while robot.json is changed
//
// Locks are those of [disk.TryLock]: they end with their process, and the file names it.
// A label is 1 to 32 letters, digits, '-' or '_'; two that differ only in case are
// the same, because on some file systems their images would be.
//
// # The image
//
// LABEL.tap is a SIMH tape image in its standard form, which many programs read. All numbers are
// 32 bits, little-endian. The tape is a sequence of objects from offset 0:
//
//	block       n (4 bytes, 1 to 0x00ffffff), n bytes, a zero byte if n is odd, n again (4 bytes)
//	filemark    0x00000000 (4 bytes)
//	erase gap   0xfffffffe (4 bytes): not an object, skipped; never written
//	end mark    0xffffffff (4 bytes): end of data
//
// A length whose high byte is not zero is refused: those bits flag errors and other
// things that we do not model. Each flush writes an end mark behind the last object and pads with zeros to
// a multiple of 4096 bytes; the padding goes when the cartridge is unloaded.
//
// An image without index is scanned. Its end of data is the end mark, or the end of the file, or
// where the last record is torn: longer than the file, or without its second length and nothing but zeros from there
// to the end of the file. A torn first record is no end of data but damage: it may be any file. Zeros to the end of the file are end of data, because that is what a file system leaves where
// a size was kept and the data was not; but exactly one or two words of zeros are one or two
// filemarks, because that is how programs end a tape that write no end mark. Anything else that is no
// object is damage: what stands before it can be read, reading there is
// OutcomeMedium, and the cartridge is write protected; where nothing stands before it, it cannot be loaded.
//
// # The index
//
// LABEL.idx is replaced atomically at each flush, after the image has been synced. It says where the data that is durable ends;
// what lies behind that in the image does not exist. All numbers are little-endian:
//
//	offset size
//	 0     8    "EnTapIdx"
//	 8     4    version, 1; a newer one is refused
//	12     4    flags, 0
//	16     8    end of data: offset in the image
//	24     8    objects before it: blocks and filemarks
//	32     8    filemarks before it
//	40     8    how many of them, the first ones, are in the file LABEL.mN; 0: there is none
//	48     8    N
//	56     4    CRC-32C of the whole of LABEL.mN
//	60     4    0
//	64     16 each: the other filemarks: offset in the image, number of objects before it
//	last   4    CRC-32C of all before
//
// LABEL.mN is filemarks only, 16 bytes each; the index may use fewer than it holds. It is never changed:
// when more than 1024 filemarks would stand in the index, all go to a new file with the next N. That bounds
// what a flush writes.
//
// A write below the durable end first makes an index durable that ends there, and only then touches the image: a crash
// between overwriting and the next flush leaves what stood before the place of
// overwriting, and nothing after it. At no time does the index claim what was overwritten. The
// file layer must keep the bytes of a sector that a write does not change, as disks do.
//
// # Whose fault
//
// A full disk, and any failure to write the image or its index, is OutcomeHardware: the drive has no room for its tape, or cannot reach it, and
// no volume is to blame. A full disk has sense 4/08/00, which passes; other errors 4/44/00. What cannot be read,
// or is not what was written as far as lengths and index tell, is OutcomeMedium. A flipped bit inside a block is not noticed here: the file's checksum is for that.
//
// After a failed write nothing since the last flush is on tape. The drive stands at the durable
// end and refuses to write, with the same error, until it is told to go somewhere (Load, Rewind, Locate, Space).
// Going elsewhere after writing flushes, as real drives do.
//
// The package does not compress, encrypt or check content, and has no import/export port.
package filetape
