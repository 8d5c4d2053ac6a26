package catalog

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxFile is the highest number of a tape file that a location cookie can name.
const MaxFile = 9_999_999

// maxBlock is the highest block that a location cookie can name.
const maxBlock = 999_999_999

// Location is a place on a volume. File is the number of filemarks in front of it: the
// volume's label is file 0, and the first file with data is 1 (2 behind cern labels).
// Block is the drive's block number, if it is known: see HasBlock.
type Location struct {
	Partition   int
	Block, File int64
}

// HasBlock tells whether Block is known. Enstore always wrote 0, which only the label
// can have; so 0 and less mean that it is not.
func (l Location) HasBlock() bool {
	return l.Block > 0 || l.Block == 0 && l.File == 0 && l.Partition == 0
}

// Valid tells whether the location can be written as a cookie without loss, an unknown
// or too large block aside.
func (l Location) Valid() bool {
	return l.Partition >= 0 && l.Partition <= 9999 && l.File >= 0 && l.File <= MaxFile
}

// String is Enstore's location cookie, "0000_000000000_0000042": partition, block (0 if
// it is unknown or has more than nine digits), tape file.
func (l Location) String() string {
	block := l.Block
	if block < 0 || block > maxBlock {
		block = 0
	}
	return fmt.Sprintf("%04d_%09d_%07d", l.Partition, block, l.File)
}

// ParseLocation reads a location cookie: exactly 4, 9 and 7 digits with "_" between
// them. The error wraps ErrInvalid.
func ParseLocation(s string) (Location, error) {
	if len(s) != 22 || s[4] != '_' || s[14] != '_' ||
		!allOf(s[:4], isDigit) || !allOf(s[5:14], isDigit) || !allOf(s[15:], isDigit) {
		return Location{}, invalid("location cookie %.40q", s)
	}
	partition, _ := strconv.Atoi(s[:4])
	block, _ := strconv.ParseInt(s[5:14], 10, 64)
	file, _ := strconv.ParseInt(s[15:], 10, 64)
	return Location{Partition: partition, Block: block, File: file}, nil
}

// FileNumber reads the tape file out of a cookie as leniently as Enstore's own readers:
// the third of three parts, or the whole text if it has no "_"; a trailing "L" is
// dropped. The error wraps ErrInvalid.
func FileNumber(cookie string) (int64, error) {
	part := cookie
	if strings.Contains(cookie, "_") {
		parts := strings.SplitN(cookie, "_", 4)
		if len(parts) != 3 {
			return 0, invalid("location cookie %.40q", cookie)
		}
		part = parts[2]
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(part, "L"), 10, 63)
	if err != nil {
		return 0, invalid("location cookie %.40q", cookie)
	}
	return int64(n), nil
}
