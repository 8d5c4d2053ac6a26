package scsi

import "encoding/binary"

// Device types (SPC-5, table 147).
const (
	TypeTape    = 0x01
	TypeChanger = 0x08
)

// TestUnitReady asks whether the unit is ready (SPC-5, 6.47).
func TestUnitReady() []byte { return make([]byte, 6) }

// RequestSense fetches sense data of up to n bytes, at most MaxSense (SPC-5, 6.39).
func RequestSense(n int) []byte { return []byte{0x03, 0, 0, 0, byte(min(n, MaxSense)), 0} }

// Inquiry asks who the unit is, for an answer of n bytes: 96 holds all of it (SPC-5, 6.7).
func Inquiry(n int) []byte { return []byte{0x12, 0, 0, byte(n >> 8), byte(n), 0} }

// InquiryPage asks for a page of vital product data.
func InquiryPage(page uint8, n int) []byte { return []byte{0x12, 1, page, byte(n >> 8), byte(n), 0} }

// Pages of vital product data.
const (
	PageSupported  = 0x00
	PageSerial     = 0x80
	PageIdentities = 0x83
)

// InquiryData are a unit's answer to Inquiry. Texts are without the blanks behind them, and with anything that is not ASCII for
// print replaced by '?'.
type InquiryData struct {
	Type      uint8 // peripheral device type: TypeTape, TypeChanger
	Connected bool  // there is a unit at this address
	Removable bool
	Vendor    string
	Product   string
	Revision  string
}

// ParseInquiry decodes a standard answer of at least 36 bytes.
func ParseInquiry(b []byte) (InquiryData, error) {
	if len(b) < 36 {
		return InquiryData{}, malformed("inquiry", len(b), "%d bytes, 36 are the least", len(b))
	}
	return InquiryData{
		Type: b[0] & 0x1f, Connected: b[0]>>5 == 0, Removable: b[1]&0x80 != 0,
		Vendor: text(b[8:16]), Product: text(b[16:32]), Revision: text(b[32:36]),
	}, nil
}

// text is a field of ASCII, left-justified and filled with blanks or NULs. Every other byte that is not for print becomes '?'.
func text(b []byte) string { return clean(string(b)) }

// clean is text of a string, of which it is a part if it need not be changed.
func clean(s string) string {
	for len(s) > 0 && blank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	for len(s) > 0 && blank(s[0]) {
		s = s[1:]
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return printable(s)
		}
	}
	return s
}

func blank(c byte) bool { return c == ' ' || c == 0 }

func printable(s string) string {
	b := []byte(s)
	for i, c := range b {
		switch {
		case c == 0:
			b[i] = ' '
		case c < ' ' || c > '~':
			b[i] = '?'
		}
	}
	return string(b)
}

// page checks the header of a page of vital product data and returns what it holds.
func page(b []byte, want uint8) ([]byte, error) {
	if len(b) < 4 {
		return nil, malformed("vital product data", len(b), "no header")
	}
	if b[1] != want {
		return nil, malformed("vital product data", 1, "page %#02x, %#02x was asked for", b[1], want)
	}
	return b[4:min(len(b), 4+int(binary.BigEndian.Uint16(b[2:])))], nil
}

// ParseSupportedPages lists the pages of vital product data that a unit has.
func ParseSupportedPages(b []byte) ([]uint8, error) {
	p, err := page(b, PageSupported)
	return append([]uint8(nil), p...), err
}

// ParseSerial decodes the serial number of PageSerial.
func ParseSerial(b []byte) (string, error) {
	p, err := page(b, PageSerial)
	return text(p), err
}

// Identity is a designator of PageIdentities (SPC-5, 7.7.6.2).
type Identity struct {
	Kind        uint8 // 1: T10 vendor, 2: EUI-64, 3: NAA, 8: SCSI name
	Association uint8 // 0: of the unit, 1: of the port, 2: of the target device
	Binary      bool
	Value       []byte
}

// ParseIdentities decodes PageIdentities. A designator that overruns ends the list with an error and what came before.
func ParseIdentities(b []byte) ([]Identity, error) {
	p, err := page(b, PageIdentities)
	if err != nil {
		return nil, err
	}
	var all []Identity
	for at := 4; len(p) > 0; {
		if len(p) < 4 || len(p) < 4+int(p[3]) {
			return all, malformed("identities", at, "a designator overruns")
		}
		n := 4 + int(p[3])
		all = append(all, Identity{Kind: p[1] & 0xf, Association: p[1] >> 4 & 3, Binary: p[0]&0xf == 1, Value: append([]byte(nil), p[4:n]...)})
		p, at = p[n:], at+n
	}
	return all, nil
}

// ReportLUNs asks for the units of a target, for an answer of n bytes (SPC-5, 6.33).
func ReportLUNs(n int) []byte {
	c := make([]byte, 12)
	c[0] = 0xa0
	binary.BigEndian.PutUint32(c[6:], uint32(n))
	return c
}

// ParseLUNs decodes the units' numbers of 8 bytes each. A list that is cut short gives what is there.
func ParseLUNs(b []byte) ([]uint64, error) {
	if len(b) < 8 {
		return nil, malformed("units", len(b), "no header")
	}
	n := min(int64(binary.BigEndian.Uint32(b)), int64(len(b)-8)) / 8
	all := make([]uint64, n)
	for i := range all {
		all[i] = binary.BigEndian.Uint64(b[8+8*i:])
	}
	return all, nil
}

// PreventRemoval forbids or allows to take the medium out (SPC-5, 6.16; SSC-5, 7.1).
func PreventRemoval(on bool) []byte {
	c := []byte{0x1e, 0, 0, 0, 0, 0}
	if on {
		c[4] = 1
	}
	return c
}

// ReportSupported asks whether the unit knows a command, for an answer of n bytes (SPC-5, 6.34).
func ReportSupported(op uint8, n int) []byte {
	c := make([]byte, 12)
	c[0], c[1], c[2], c[3] = 0xa3, 0x0c, 0x01, op
	binary.BigEndian.PutUint32(c[6:], uint32(n))
	return c
}

// ParseSupported decodes the answer: known is false if the unit cannot tell just now.
func ParseSupported(b []byte) (supported, known bool, err error) {
	if len(b) < 2 {
		return false, false, malformed("supported command", len(b), "no header")
	}
	support := b[1] & 7
	return support == 3 || support == 5, support != 0, nil
}
