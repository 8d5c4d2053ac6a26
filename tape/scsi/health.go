package scsi

import "encoding/binary"

// Log pages and mode pages that tell of health, beside those of log.go.
const (
	LogStatistics = 0x14 // of the drive in its life (SSC-5, 8.2)
	LogCapacity   = 0x31 // LTO: room of the partitions in MiB

	PageMedium = 0x1d // medium configuration: the first bit of its data is set for a write-once cartridge (SSC-5, 8.5)

	PageSequential = 0xb0 // of vital product data: what a tape drive can (SSC-5, 8.6)
)

// ParseLogPages decodes log page LogSupported: the pages that a unit has (SPC-5, 7.3.19).
func ParseLogPages(b []byte) ([]uint8, error) {
	if len(b) < 4 {
		return nil, malformed("log pages", len(b), "no header")
	}
	if b[0]&0x3f != LogSupported {
		return nil, malformed("log pages", 0, "page %#02x, %#02x was asked for", b[0]&0x3f, LogSupported)
	}
	var all []uint8
	for _, p := range b[4:min(len(b), 4+int(binary.BigEndian.Uint16(b[2:])))] {
		all = append(all, p&0x3f)
	}
	return all, nil
}

// ParseWORM tells from PageSequential whether a drive takes write-once cartridges. Targets are known that answer with the page of a disk,
// which has the same number and is longer: it tells nothing.
func ParseWORM(b []byte) (bool, error) {
	p, err := page(b, PageSequential)
	if err != nil {
		return false, err
	}
	return len(p) >= 1 && len(p) < 12 && p[0]&1 != 0, nil
}

// Density codes of LTO. M8 is an LTO-7 cartridge that an LTO-8 drive formatted.
const (
	DensityLTO5  = 0x58
	DensityLTO6  = 0x5a
	DensityLTO7  = 0x5c
	DensityM8    = 0x5d
	DensityLTO8  = 0x5e
	DensityLTO9  = 0x60
	DensityLTO10 = 0x62
	DensityPA10  = 0x63 // LTO-10's longer tape
)
