package scsi

import "encoding/binary"

// ReportDensities asks what densities a drive has, or, with medium, those of the cartridge in it, for an answer of n bytes
// (SSC-5, 7.11, REPORT DENSITY SUPPORT).
func ReportDensities(medium bool, n int) []byte {
	return []byte{0x44, flag(medium), 0, 0, 0, 0, 0, byte(n >> 8), byte(n), 0}
}

// Density is one way of writing a tape.
type Density struct {
	Code, Second  uint8 // the codes of MODE SELECT; Second is another for the same
	Writable      bool
	Default       bool
	BitsPerMM     int
	Width         int // of the tape, in tenths of a millimetre
	Tracks        int
	Capacity      int64 // bytes, of the longest tape
	Organisation  string
	Name, Comment string
}

const densitySize = 52

// ParseDensities decodes the answer to ReportDensities. A descriptor that is cut short ends the list with an error and what
// came before.
func ParseDensities(b []byte) ([]Density, error) {
	if len(b) < 4 {
		return nil, malformed("densities", len(b), "no header")
	}
	b = b[:max(4, min(len(b), 2+int(binary.BigEndian.Uint16(b))))]
	var all []Density
	for at := 4; at < len(b); {
		if at+densitySize > len(b) {
			return all, malformed("densities", at, "a descriptor is cut short")
		}
		d := b[at : at+densitySize]
		all = append(all, Density{
			Code: d[0], Second: d[1], Writable: d[2]&0x80 != 0, Default: d[2]&0x20 != 0, BitsPerMM: get24(d[5:]),
			Width: int(binary.BigEndian.Uint16(d[8:])), Tracks: int(binary.BigEndian.Uint16(d[10:])),
			Capacity:     int64(binary.BigEndian.Uint32(d[12:])) * 1e6,
			Organisation: text(d[16:24]), Name: text(d[24:32]), Comment: text(d[32:52]),
		})
		n := densitySize
		if d[2]&0x01 != 0 { // its length is told
			n = 5 + int(binary.BigEndian.Uint16(d[3:]))
		}
		if n < densitySize {
			return all, malformed("densities", at+3, "a descriptor of %d bytes", n)
		}
		at += n
	}
	return all, nil
}
