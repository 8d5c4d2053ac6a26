package scsi

import "encoding/binary"

// ElementKind is what a place in a robot is (SMC-3, table 9).
type ElementKind uint8

// The kinds.
const (
	AnyElement       ElementKind = 0
	TransportElement ElementKind = 1
	SlotElement      ElementKind = 2
	PortElement      ElementKind = 3
	DriveElement     ElementKind = 4
)

// InitializeElementStatus has the robot look at every place (SMC-3, 6.2). It may take many minutes.
func InitializeElementStatus() []byte { return []byte{0x07, 0, 0, 0, 0, 0} }

// InitializeRange has it look at count places from first on (SMC-3, 6.3); the first bit of byte 1 says that the range is meant, and not all.
func InitializeRange(first, count int) []byte {
	return []byte{0x37, 1, byte(first >> 8), byte(first), 0, 0, byte(count >> 8), byte(count), 0, 0}
}

// MoveMedium moves a cartridge. hand is the transport's address; 0 is the default one (SMC-3, 6.6).
func MoveMedium(hand, from, to int) []byte {
	return []byte{0xa5, 0, byte(hand >> 8), byte(hand), byte(from >> 8), byte(from), byte(to >> 8), byte(to), 0, 0, 0, 0}
}

// ExchangeMedium moves from to to, and what was there to third (SMC-3, 6.1).
func ExchangeMedium(hand, from, to, third int) []byte {
	return []byte{0xa6, 0, byte(hand >> 8), byte(hand), byte(from >> 8), byte(from), byte(to >> 8), byte(to), byte(third >> 8), byte(third), 0, 0}
}

// PositionToElement moves the hand (SMC-3, 6.8).
func PositionToElement(hand, to int) []byte {
	return []byte{0x2b, 0, byte(hand >> 8), byte(hand), byte(to >> 8), byte(to), 0, 0, 0, 0}
}

// ReadElementStatus asks for the state of up to count places of a kind from address first on, with bar codes and, if identities, the
// drives' identities, for an answer of n bytes (SMC-3, 6.11). Ask for one kind at a time: known robots overlay the pages of several.
func ReadElementStatus(k ElementKind, first, count, n int, identities bool) []byte {
	c := make([]byte, 12)
	c[0], c[1] = 0xb8, 0x10|byte(k)&0xf
	binary.BigEndian.PutUint16(c[2:], uint16(first))
	binary.BigEndian.PutUint16(c[4:], uint16(count))
	c[6] = flag(identities)
	put24(c[7:], n)
	return c
}

// Element is one place of a robot.
type Element struct {
	Kind      ElementKind
	Address   int
	Full      bool
	Access    bool // the hand can get at it
	Except    bool // something is wrong, as ASC and ASCQ say
	ASC, ASCQ uint8
	Import    bool // of a port: a person put the cartridge there
	// Source is the address of the slot from which the cartridge came, if SourceValid.
	Source      int
	SourceValid bool
	// Label is the bar code, without the blanks or NULs that robots fill it with; "" if there is none or it was not read.
	Label string
	// Identity of the drive in a place of drives, if it was asked for and told: often its serial number with vendor and product.
	Identity string
}

// ParseElements decodes the answer to ReadElementStatus (SMC-3, 6.11). It believes the lengths of pages and descriptors as far as
// there are bytes, and no count: robots give wrong ones, or cut the last descriptor. A descriptor that is too short for its
// address and flags ends the list without an error if it is the last of the answer. Which element is said to be the first is ignored.
func ParseElements(b []byte) ([]Element, error) {
	if len(b) < 8 {
		return nil, malformed("element status", len(b), "no header")
	}
	var all []Element
	labels := string(b) // once, for all
	for at := 8; at+8 <= len(b); {
		h := b[at : at+8]
		kind := ElementKind(h[0] & 0xf)
		size, total := int(binary.BigEndian.Uint16(h[2:])), get24(h[5:])
		at += 8
		if size < 4 {
			return all, malformed("element status", at-6, "descriptors of %d bytes", size)
		}
		if kind < TransportElement || kind > DriveElement {
			return all, malformed("element status", at-8, "elements of kind %d", kind)
		}
		end := min(len(b), at+total)
		if all == nil {
			all = make([]Element, 0, (end-at)/size+1)
		}
		for at < end {
			d, t := b[at:min(end, at+size)], labels[at:min(end, at+size)]
			if len(d) < 4 {
				return all, nil // cut off
			}
			all = append(all, parseElement(kind, h[1], d, t))
			at += size
		}
		at = end
	}
	return all, nil
}

// parseElement decodes a descriptor; t is the same bytes, for its texts.
func parseElement(kind ElementKind, flags byte, d []byte, t string) Element {
	e := Element{
		Kind: kind, Address: int(binary.BigEndian.Uint16(d)),
		Full: d[2]&0x01 != 0, Except: d[2]&0x04 != 0, Access: d[2]&0x08 != 0 || kind == TransportElement, Import: d[2]&0x02 != 0 && kind == PortElement,
	}
	if len(d) >= 6 {
		e.ASC, e.ASCQ = d[4], d[5]
	}
	if len(d) >= 12 && d[9]&0x80 != 0 {
		e.SourceValid, e.Source = true, int(binary.BigEndian.Uint16(d[10:]))
	}
	at := 12
	if flags&0x80 != 0 { // a primary volume tag: 32 characters of label, the rest is of no use here
		if len(d) >= at+32 && e.Full {
			e.Label = clean(t[at : at+32])
		}
		at += 36
	}
	if flags&0x40 != 0 {
		at += 36
	}
	if len(d) >= at+4 && d[at+3] > 0 {
		e.Identity = clean(t[at+4 : min(len(d), at+4+int(d[at+3]))])
	}
	return e
}
