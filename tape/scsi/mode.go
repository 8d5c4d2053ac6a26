package scsi

import "encoding/binary"

// ModeSense asks for a mode page, or PageAll, with the block descriptor, for an answer of n bytes (SPC-5, 6.14, MODE SENSE(10)).
func ModeSense(page uint8, n int) []byte {
	return []byte{0x5a, 0, page & 0x3f, 0, 0, 0, 0, byte(n >> 8), byte(n), 0}
}

// Mode pages.
const (
	PageNone        = 0x00 // header and block descriptor alone
	PageCompression = 0x0f
	PageElements    = 0x1d
	PageAll         = 0x3f
)

// Mode is the answer to ModeSense.
type Mode struct {
	Medium         uint8 // medium type, whose values are the maker's
	WriteProtected bool
	Buffered       uint8 // 0: not, 1: writes end when the drive has taken the block
	Density        uint8
	BlockLength    int // bytes; 0 is variable mode
	Pages          []ModePage
}

// ModePage is one page: what stands behind its two or four bytes of header.
type ModePage struct {
	Page, Sub uint8
	Data      []byte
}

// ParseMode decodes the answer to ModeSense. A page that overruns ends the list with an error and what came before.
func ParseMode(b []byte) (Mode, error) {
	if len(b) < 8 {
		return Mode{}, malformed("mode", len(b), "no header")
	}
	m := Mode{Medium: b[2], WriteProtected: b[3]&0x80 != 0, Buffered: b[3] >> 4 & 7}
	b = b[:min(len(b), 2+int(binary.BigEndian.Uint16(b)))]
	if len(b) < 8 {
		return m, malformed("mode", 0, "a length of %d", len(b))
	}
	descriptors := int(binary.BigEndian.Uint16(b[6:]))
	if 8+descriptors > len(b) {
		return m, malformed("mode", 6, "block descriptors of %d bytes overrun", descriptors)
	}
	if descriptors >= 8 {
		m.Density, m.BlockLength = b[8], get24(b[13:])
	}
	at := 8 + descriptors
	for at < len(b) {
		p, n := ModePage{Page: b[at] & 0x3f}, 0
		switch {
		case b[at]&0x40 != 0 && at+4 <= len(b): // with a subpage
			p.Sub, n = b[at+1], int(binary.BigEndian.Uint16(b[at+2:]))
			at += 4
		case b[at]&0x40 == 0 && at+2 <= len(b):
			n = int(b[at+1])
			at += 2
		default:
			return m, malformed("mode", at, "a page without header")
		}
		if at+n > len(b) {
			return m, malformed("mode", at, "page %#02x of %d bytes overruns", p.Page, n)
		}
		p.Data = append([]byte(nil), b[at:at+n]...)
		m.Pages = append(m.Pages, p)
		at += n
	}
	return m, nil
}

// ModeSelect sets block length (0: variable mode), density (0: the default) and buffered mode. It returns the command and
// the parameters to be sent (SPC-5, 6.11, MODE SELECT(6), as every drive knows it; SSC-5, 8.5).
func ModeSelect(blockLength int, density uint8, buffered bool) (cdb, out []byte) {
	out = make([]byte, 12)
	out[2] = flag(buffered) << 4
	out[3] = 8
	out[4] = density
	put24(out[9:], blockLength)
	return []byte{0x15, 0x10, 0, 0, byte(len(out)), 0}, out
}

// Addresses are where a robot's elements are: first address and number of each kind.
type Addresses struct {
	Transport, Slots, Ports, Drives Range
}

// Range are count elements from First on.
type Range struct{ First, Count int }

// ParseAddresses decodes the data of PageElements (SMC-3, 7.3.4).
func ParseAddresses(p ModePage) (Addresses, error) {
	if p.Page != PageElements || len(p.Data) < 16 {
		return Addresses{}, malformed("element addresses", len(p.Data), "page %#02x of %d bytes", p.Page, len(p.Data))
	}
	r := func(at int) Range {
		return Range{int(binary.BigEndian.Uint16(p.Data[at:])), int(binary.BigEndian.Uint16(p.Data[at+2:]))}
	}
	return Addresses{Transport: r(0), Slots: r(4), Ports: r(8), Drives: r(12)}, nil
}
