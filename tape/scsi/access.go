package scsi

import (
	"encoding/binary"
	"slices"
)

// A drive that knows how its tape is laid out tells the order in which extents are best read (recommended access order), and
// where its wraps end. The layout is that of the SCSI references of LTO-8 and LTO-9 drives.

// Extent is a stretch of a tape that is to be read.
type Extent struct {
	Name       [10]byte // the caller's, given back
	Partition  uint8
	Begin, End uint64 // logical objects; End is the last one
}

const extentSize = 32

// MaxExtents bounds what is sent and believed; drives take a few thousand.
const MaxExtents = 1 << 14

// GenerateAccessOrder gives extents to a drive, to be put into order if reorder, else only to be estimated (GENERATE RECOMMENDED
// ACCESS ORDER, A4h/1Dh). It returns the command and the parameters to be sent; at most MaxExtents.
func GenerateAccessOrder(all []Extent, reorder bool) (cdb, out []byte) {
	all = all[:min(len(all), MaxExtents)]
	out = make([]byte, 8, 8+extentSize*len(all))
	binary.BigEndian.PutUint32(out[4:], uint32(extentSize*len(all)))
	for _, e := range all {
		d := make([]byte, extentSize)
		binary.BigEndian.PutUint16(d, extentSize-2)
		copy(d[5:], e.Name[:])
		d[15] = e.Partition
		binary.BigEndian.PutUint64(d[16:], e.Begin)
		binary.BigEndian.PutUint64(d[24:], e.End)
		out = append(out, d...)
	}
	cdb = make([]byte, 12)
	cdb[0], cdb[1], cdb[2] = 0xa4, 0x1d, 1+flag(reorder)
	binary.BigEndian.PutUint32(cdb[6:], uint32(len(out)))
	return cdb, out
}

// ReceiveAccessOrder asks for the order, from byte offset of the list on, for an answer of n bytes (RECEIVE RECOMMENDED ACCESS
// ORDER, A3h/1Dh).
func ReceiveAccessOrder(offset, n int) []byte {
	c := make([]byte, 12)
	c[0], c[1] = 0xa3, 0x1d
	binary.BigEndian.PutUint32(c[2:], uint32(offset))
	binary.BigEndian.PutUint32(c[6:], uint32(n))
	return c
}

// ReceiveAccessLimits asks how many extents a drive takes; the answer has 4 bytes.
func ReceiveAccessLimits() []byte {
	c := ReceiveAccessOrder(0, 4)
	c[1] |= 0x80
	return c
}

// ParseAccessLimits decodes how many extents a drive takes, and how long the description of one may be, in bytes.
func ParseAccessLimits(b []byte) (extents, size int, err error) {
	if len(b) < 4 {
		return 0, 0, malformed("access order", len(b), "4 bytes are wanted")
	}
	return int(binary.BigEndian.Uint16(b)), int(binary.BigEndian.Uint16(b[2:])), nil
}

// ParseAccessOrder decodes the extents in the order in which they are best read. What drives tell of each beyond the extent is
// passed over. A descriptor that overruns ends the list with an error and what came before.
func ParseAccessOrder(b []byte) ([]Extent, error) {
	if len(b) < 8 {
		return nil, malformed("access order", len(b), "no header")
	}
	if n := int64(binary.BigEndian.Uint32(b[4:])); n < int64(len(b)-8) {
		b = b[:8+n]
	}
	var all []Extent
	for at := 8; at < len(b); {
		if at+extentSize > len(b) {
			return all, malformed("access order", at, "an extent overruns")
		}
		d, n := b[at:], 2+int(binary.BigEndian.Uint16(b[at:]))
		if n < extentSize || n > len(d) {
			return all, malformed("access order", at, "an extent of %d bytes", n)
		}
		e := Extent{Partition: d[15], Begin: binary.BigEndian.Uint64(d[16:]), End: binary.BigEndian.Uint64(d[24:])}
		copy(e.Name[:], d[5:])
		all = append(all, e)
		at += n
	}
	return all, nil
}

// ReadWrapEnds asks for the last objects of all wraps, for an answer of n bytes (READ END OF WRAP POSITION, A3h/1Fh/45h, long form).
func ReadWrapEnds(n int) []byte {
	c := make([]byte, 12)
	c[0], c[1], c[2], c[3] = 0xa3, 0x1f, 0x45, 0x02
	binary.BigEndian.PutUint32(c[6:], uint32(n))
	return c
}

// WrapEnd is the end of one wrap.
type WrapEnd struct {
	Wrap, Partition int
	Object          uint64 // the last logical object on it
}

// ParseWrapEnds decodes the ends of wraps, by their numbers. A list that is cut short gives what is there.
func ParseWrapEnds(b []byte) ([]WrapEnd, error) {
	if len(b) < 4 {
		return nil, malformed("ends of wraps", len(b), "no header")
	}
	b = b[4:max(4, min(len(b), 2+int(binary.BigEndian.Uint16(b))))]
	all := make([]WrapEnd, 0, len(b)/12)
	for ; len(b) >= 12; b = b[12:] {
		all = append(all, WrapEnd{
			Wrap: int(binary.BigEndian.Uint16(b)), Partition: int(binary.BigEndian.Uint16(b[2:])),
			Object: uint64(binary.BigEndian.Uint16(b[6:]))<<32 | uint64(binary.BigEndian.Uint32(b[8:])),
		})
	}
	slices.SortStableFunc(all, func(a, b WrapEnd) int { return a.Wrap - b.Wrap })
	return all, nil
}
