//go:build unix

package plugins

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/enstore-go/sdk/tape/driver"
)

// The data socket carries messages of a fixed size in both directions. The host sends
// operations, the plugin answers each one, in order. A block travels beside its message: in the
// ring, or, without a ring, directly behind the message in the stream.
//
//	offset  size  field
//	0       1     kind
//	1       1     condition   (answers; a driver.Condition)
//	2       2     mark, 0x4553 little endian: tells a message from anything else
//	4       4     length      (of a block or of an encoded error; filemarks: their number)
//	8       8     sequence    (operations count from 0; set-up: the size of a slot)
//
// Numbers are little endian. Neither side sends an index into the ring: operation n uses slot n
// modulo the number of slots, which both count for themselves.
type frame struct {
	kind   frameKind
	cond   driver.Condition
	length uint32
	seq    uint64
}

const (
	frameSize = 16
	frameMark = 0x4553
)

type frameKind uint8

// The numbers cross the process border and never change.
const (
	frameSetupRing   frameKind = iota + 1 // host: length slots of seq bytes in the memory that comes with it
	frameSetupStream                      // host: length operations at a time, blocks of at most seq bytes, in the stream
	frameWrite                            // host: write a block of length bytes
	frameMarks                            // host: write length filemarks, without waiting for the tape
	frameRead                             // host: read a block of at most length bytes
	frameResume                           // host: has heard of the failure; what follows is meant
	frameDone                             // plugin: carried out; a read has length bytes
	frameFailed                           // plugin: failed with the error in the length bytes that follow
	frameSkipped                          // plugin: not carried out, because an earlier one failed
)

var errFrame = errors.New("not a message of the data socket")

func (f frame) append(b []byte) []byte {
	b = append(b, byte(f.kind), byte(f.cond))
	b = binary.LittleEndian.AppendUint16(b, frameMark)
	b = binary.LittleEndian.AppendUint32(b, f.length)
	return binary.LittleEndian.AppendUint64(b, f.seq)
}

// parseFrame checks form only; whether a kind and a length are right depends on the state of
// the conversation.
func parseFrame(b []byte) (frame, error) {
	if len(b) < frameSize || binary.LittleEndian.Uint16(b[2:]) != frameMark {
		return frame{}, fmt.Errorf("%w: % x", errFrame, b[:min(len(b), frameSize)])
	}
	f := frame{
		kind:   frameKind(b[0]),
		cond:   driver.Condition(b[1]),
		length: binary.LittleEndian.Uint32(b[4:]),
		seq:    binary.LittleEndian.Uint64(b[8:]),
	}
	if f.kind < frameSetupRing || f.kind > frameSkipped || f.cond > driver.LoadPoint {
		return frame{}, fmt.Errorf("%w: kind %d, condition %d", errFrame, f.kind, f.cond)
	}
	return f, nil
}

// Bounds of everything that crosses the border.
const (
	maxSlots      = maxWindow
	maxSlotSize   = 16 << 20  // bytes; SCSI's own limit for a block is 2^24-1
	maxConfig     = 1 << 20   // bytes of a device's table
	maxMessage    = 16 << 20  // bytes of one gRPC message: the inventory of a robot with 10^5 slots
	maxErrorBytes = 4096      // bytes of an encoded error
	maxOp         = 64        // bytes
	maxText       = 2048      // bytes of an error's text
	maxRaw        = 252       // bytes of raw sense, SPC's limit
	maxWord       = 256       // bytes of a label, serial number or other short text of a device
	maxMarks      = 1 << 20   // filemarks in one command
	slotAlign     = 64 * 1024 // bytes: slots begin on page borders on every system, as O_DIRECT wants
)

// slotSize is the room that a slot needs for blocks of up to n bytes.
func slotSize(n int) int { return (n + slotAlign - 1) / slotAlign * slotAlign }
