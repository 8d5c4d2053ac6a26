package iscsi

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// ErrProtocol is wrapped by errors about a target that breaks the protocol.
var ErrProtocol = errors.New("iscsi: protocol error")

func broken(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// Opcodes (RFC 7143, 11.2.1.2).
const (
	opNopOut    = 0x00
	opCommand   = 0x01
	opLogin     = 0x03
	opText      = 0x04
	opDataOut   = 0x05
	opLogout    = 0x06
	opNopIn     = 0x20
	opResponse  = 0x21
	opLoginIn   = 0x23
	opTextIn    = 0x24
	opDataIn    = 0x25
	opLogoutIn  = 0x26
	opR2T       = 0x31
	opAsync     = 0x32
	opReject    = 0x3f
	immediate   = 0x40 // bit of an opcode
	final       = 0x80 // bit of byte 1
	noTag       = 0xffffffff
	headerSize  = 48
	maxSegment  = 1 << 20 // of data, as we declare it
	maxText     = 64 << 10
	defaultSize = 8192 // MaxRecvDataSegmentLength of a target that declares none
)

// header is the basic header segment of a PDU (RFC 7143, 11.2.1).
type header [headerSize]byte

func (h *header) op() byte             { return h[0] & 0x3f }
func (h *header) dataLength() int      { return int(h[5])<<16 | int(h[6])<<8 | int(h[7]) }
func (h *header) put(at int, v uint32) { binary.BigEndian.PutUint32(h[at:], v) }
func (h *header) get(at int) uint32    { return binary.BigEndian.Uint32(h[at:]) }
func (h *header) setDataLength(n int)  { h[5], h[6], h[7] = byte(n>>16), byte(n>>8), byte(n) }
func (h *header) setLUN(lun int)       { h[8], h[9] = byte(lun>>8), byte(lun); h[8] |= flat(lun) }

// flat is the addressing method of a unit's number: peripheral below 256, else flat space (SAM-5, 4.7.7).
func flat(lun int) byte {
	if lun < 256 {
		return 0
	}
	return 0x40
}

// wire sends and receives PDUs.
type wire struct {
	c net.Conn
	r *bufio.Reader
	h header // the last one received
}

var padding [4]byte

func padded(n int) int { return (n + 3) &^ 3 }

// send sends a PDU. The data are not copied.
func (w *wire) send(h *header, data []byte) error {
	h.setDataLength(len(data))
	if len(data) == 0 {
		_, err := w.c.Write(h[:])
		return err
	}
	b := net.Buffers{h[:], data}
	if p := padded(len(data)) - len(data); p > 0 {
		b = append(b, padding[:p])
	}
	_, err := b.WriteTo(w.c)
	return err
}

// next receives a header, and checks how much data come behind it.
func (w *wire) next() (*header, error) {
	if _, err := io.ReadFull(w.r, w.h[:]); err != nil {
		return nil, err
	}
	if w.h[4] != 0 { // additional header segments: at most 255 words, and nothing in them is for us
		if _, err := w.r.Discard(int(w.h[4]) * 4); err != nil {
			return nil, err
		}
	}
	if n := w.h.dataLength(); n > maxSegment {
		return nil, broken("opcode %#02x brings %d bytes, %d were declared the most", w.h.op(), n, maxSegment)
	}
	return &w.h, nil
}

// data receives the data of the last header into b, which has just their length.
func (w *wire) data(b []byte) error {
	if _, err := io.ReadFull(w.r, b); err != nil {
		return err
	}
	_, err := w.r.Discard(padded(len(b)) - len(b))
	return err
}

// small receives data of at most so many bytes.
func (w *wire) small(most int) ([]byte, error) {
	n := w.h.dataLength()
	if n > most {
		return nil, broken("opcode %#02x brings %d bytes, %d would do", w.h.op(), n, most)
	}
	b := make([]byte, n)
	return b, w.data(b)
}

// pairs are keys and values of a text.
type pairs map[string]string

// parsePairs decodes "key=value" with a NUL behind each (RFC 7143, 6.1). A key that comes twice is an error, but for the names
// of a list, which addTo handles.
func parsePairs(b []byte, add func(key, value string) error) error {
	for _, p := range strings.Split(string(b), "\x00") {
		if p == "" {
			continue
		}
		k, v, ok := strings.Cut(p, "=")
		if !ok || k == "" || len(k) > 63 {
			return broken("text %.40q is no key and value", p)
		}
		if err := add(k, v); err != nil {
			return err
		}
	}
	return nil
}

func (p pairs) add(k, v string) error {
	if _, twice := p[k]; twice {
		return broken("key %s comes twice", k)
	}
	p[k] = v
	return nil
}

func text(kv ...string) []byte { return []byte(strings.Join(kv, "\x00") + "\x00") }
