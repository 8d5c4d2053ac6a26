package wrapper

import (
	"fmt"
	"time"
)

// File is what a header on tape can tell of a file. A format takes what it has room for
// and leaves the rest.
//
// What ParseHeader returns comes from a tape: it is no safe path and no safe name until
// the caller has checked it.
type File struct {
	// Path is the absolute path in the name space, as bytes, with its leading slash.
	Path string
	// Size is the number of data bytes. -1: not known; only null can write that.
	Size int64
	// Mode is a Unix st_mode, with the bits of the file type: 0100644, not 0644.
	Mode uint32
	// UID and GID are the owner's numbers. cpio_odc keeps the low 16 bits.
	UID, GID uint32
	// MTime is when the data were last changed. cpio_odc keeps seconds, cern nothing.
	MTime time.Time
	// User is the owner's name. cern keeps 14 bytes.
	User string
	// StorageGroup and Family are where the file belongs. cern keeps 8 bytes of the group.
	StorageGroup, Family string
	// Volume is the label of the cartridge.
	Volume string
	// BlockSize is the size in bytes of every block but the last. 0: that of the first
	// buffer which the BlockWriter gives.
	BlockSize int
	// Site and Host are where the mover runs. cern keeps 8 and 10 bytes.
	Site, Host string
	// DriveVendor, DriveProduct and DriveSerial name the drive. cern keeps 8, 8, 12 bytes.
	DriveVendor, DriveProduct, DriveSerial string
	// BFID is the file's number in the catalogue, if it is known already. cern keeps 20.
	BFID string
	// Created is when the labels are written. Zero: when NewWriter is called.
	Created time.Time
	// Version names the writing program. cern keeps 13 bytes.
	Version string
	// Sequence counts the files of the volume from 1. 0: not told, as Enstore leaves it.
	Sequence int64
	// Compressed tells that the drive's compression is on.
	Compressed bool
}

// Limits are what a format can hold.
type Limits struct {
	// MaxSize is the size in bytes of the largest file.
	MaxSize int64
	// MaxPath is the length in bytes of the longest path, its leading slash included.
	MaxPath int
	// SizeFirst tells that the size must be known before the first byte is written.
	SizeFirst bool
}

// Layout says how many tape files a file takes, and which of them has the data.
type Layout struct {
	// TapeFiles is the number of tape files, and so of filemarks.
	TapeFiles int
	// Data is the index of the tape file with the data, from 0. If it is 0, the header
	// stands in front of the data in that same tape file; if it is 1, it is a record of
	// its own in tape file 0. If TapeFiles is larger than Data+1, a label record
	// follows in the next tape file.
	Data int
}

// VolumeLabel says which label a volume of a format starts with.
type VolumeLabel struct {
	// Standard is byte 79 of VOL1: '0' or '3'.
	Standard byte
	// UserLabels tells that UVL1 and UVL2 follow in the same record.
	UserLabels bool
}

// End is what stands behind the data of a file.
type End struct {
	// Sum is the Adler-32 of the data as written on tape, of either seed (see
	// crc.Matches). It counts only if HasSum is set.
	Sum    uint32
	HasSum bool
}

// Format is one way in which a file lies on tape. A Format has no state; its methods may be
// called from many goroutines. Wherever bytes from a tape come in, any bytes may come: an
// error is the answer, never a panic.
type Format interface {
	// Name is the format's name as the third part of a volume family has it: "cpio_odc".
	Name() string
	// Limits are constant.
	Limits() Limits
	// Check tells whether the file can be written: ErrTooLarge (a *TooLargeError),
	// ErrPathTooLong, ErrPath or ErrSize. Whatever passes can be written.
	Check(f File) error
	// Layout is constant.
	Layout() Layout
	// VolumeLabel is constant.
	VolumeLabel() VolumeLabel
	// Header gives the bytes in front of the data. Layout says where they lie.
	Header(f File) ([]byte, error)
	// Trailer gives the bytes behind the data in the data's tape file. size bytes were
	// written, sum is their Adler-32 seeded with 1.
	Trailer(f File, size int64, sum uint32) ([]byte, error)
	// Label gives the record of the last tape file; nil if Layout has none.
	Label(f File, size int64, sum uint32) ([]byte, error)
	// DeadLabel is what Label is for a file given up after size bytes.
	DeadLabel(f File, size int64) ([]byte, error)
	// Detect tells whether first, the first block of the first tape file of a file, may
	// be of this format.
	Detect(first []byte) bool
	// ParseHeader reads the header at the start of first, and gives the number of bytes by
	// which the data lie behind the start of their tape file. A header that is not of
	// this format, or does not end within first, is ErrHeader. File.Size is -1 if the
	// header does not tell. Nothing returned refers to first.
	ParseHeader(first []byte) (File, int, error)
	// CheckEnd judges what stands behind size bytes of data: tail, the first bytes of the
	// rest of the data's tape file (all of it, or at least TailLen bytes), and label, the
	// record of the last tape file (nil if Layout has none). ErrDead: the file was given
	// up; ErrLong: there is more data; ErrHeader: labels that are none or
	// contradict. f is what ParseHeader gave, or has only its Size.
	CheckEnd(f File, size int64, tail, label []byte) (End, error)
}

const (
	// MinBlock is the smallest block size a Writer takes: each format's header fits into
	// it, with data behind. Volumes use 64 KiB and more.
	MinBlock = 4096
	// MaxBlock is the largest block size a Writer takes, what 24 bits of length in a tape
	// drive's command can say, rounded down to whole 512 bytes.
	MaxBlock = 1<<24 - 512
	// TailLen is how much CheckEnd needs to see of what lies behind the data.
	TailLen = 1024
	// headerLen bounds the part of a first block that is copied and parsed: the longest
	// header that six octal digits and a 16-bit mask allow in cpio_odc.
	headerLen = 76 + 1<<16
)

// Fits tells whether the file can be written in the format: nil, or what Check says. An
// error that is ErrTooLarge is a *TooLargeError and names formats that could hold it.
func Fits(f Format, file File) error { return f.Check(file) }

// Detect finds the format of a file from first, the first block of its first tape
// file. Formats that know themselves by a magic are asked first, in the order given;
// Null, which fits everything, is the answer only if it is among the formats and no other
// fits. ErrUnknown if none does.
func Detect(first []byte, formats ...Format) (Format, error) {
	var fallback Format
	for _, f := range formats {
		if f == Null {
			fallback = f
		} else if f.Detect(first) {
			return f, nil
		}
	}
	if fallback == nil {
		return nil, fmt.Errorf("wrapper: block that begins %q: %w", first[:min(len(first), 16)], ErrUnknown)
	}
	return fallback, nil
}
