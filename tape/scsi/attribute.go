package scsi

import (
	"encoding/binary"
	"math"
	"strconv"
)

// ReadAttributes asks for the attributes of a cartridge's memory from one on, for an answer of n bytes (SPC-5, 6.18, attribute values).
func ReadAttributes(first uint16, n int) []byte {
	c := make([]byte, 16)
	c[0] = 0x8c
	binary.BigEndian.PutUint16(c[8:], first)
	binary.BigEndian.PutUint32(c[10:], uint32(n))
	return c
}

// WriteAttributes writes attributes of the host's own part of a cartridge's memory (SPC-5, 6.50, WRITE ATTRIBUTE): those of numbers
// 0800h to 0BFFh. It returns the command and the parameters to be sent.
func WriteAttributes(all ...Attribute) (cdb, out []byte) {
	out = make([]byte, 4)
	for _, a := range all {
		out = binary.BigEndian.AppendUint16(out, a.ID)
		format := byte(0)
		if a.Text {
			format = attributeFormatText
		}
		out = append(out, format)
		v := a.Value[:min(len(a.Value), math.MaxUint16)]
		out = binary.BigEndian.AppendUint16(out, uint16(len(v)))
		out = append(out, v...)
	}
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	cdb = make([]byte, 16)
	cdb[0], cdb[1] = 0x8d, 1 // written through
	binary.BigEndian.PutUint32(cdb[10:], uint32(len(out)))
	return cdb, out
}

// Attributes of a cartridge (SPC-5, 7.4).
const (
	AttributeRemaining   = 0x0000 // MiB in the partition
	AttributeMaximum     = 0x0001 // MiB
	AttributeAlerts      = 0x0002
	AttributeLoads       = 0x0003
	AttributeMaker       = 0x0400
	AttributeSerial      = 0x0401
	AttributeDensity     = 0x0405
	AttributeMediumType  = 0x0408 // 0x00: data, 0x01: cleaning, 0x80: write once
	AttributeBarcode     = 0x0806
	attributeFormatText  = 1
	attributeFormatText2 = 2
)

// Attribute is one value of a cartridge's memory.
type Attribute struct {
	ID       uint16
	ReadOnly bool
	Text     bool // else Value is a big-endian number or bytes
	Value    []byte
}

// Number is a binary value of up to 8 bytes.
func (a Attribute) Number() (uint64, bool) {
	if a.Text {
		n, err := strconv.ParseUint(text(a.Value), 10, 64)
		return n, err == nil
	}
	return LogParameter{Value: a.Value}.Number()
}

// String is a value of text.
func (a Attribute) String() string { return text(a.Value) }

// ParseAttributes decodes the answer to ReadAttributes. An attribute that overruns ends the list with an error and what
// came before.
func ParseAttributes(b []byte) ([]Attribute, error) {
	if len(b) < 4 {
		return nil, malformed("attributes", len(b), "no header")
	}
	if n := int64(binary.BigEndian.Uint32(b)); n < int64(len(b)-4) {
		b = b[:4+n]
	}
	var all []Attribute
	for at := 4; at < len(b); {
		if at+5 > len(b) {
			return all, malformed("attributes", at, "an attribute without header")
		}
		n := int(binary.BigEndian.Uint16(b[at+3:]))
		if at+5+n > len(b) {
			return all, malformed("attributes", at, "attribute %#04x of %d bytes overruns", binary.BigEndian.Uint16(b[at:]), n)
		}
		f := b[at+2] & 3
		all = append(all, Attribute{
			ID: binary.BigEndian.Uint16(b[at:]), ReadOnly: b[at+2]&0x80 != 0, Text: f == attributeFormatText || f == attributeFormatText2,
			Value: append([]byte(nil), b[at+5:at+5+n]...),
		})
		at += 5 + n
	}
	return all, nil
}
