package scsi

import "encoding/binary"

// put24 puts 24 bits.
func put24(b []byte, n int) { b[0], b[1], b[2] = byte(n>>16), byte(n>>8), byte(n) }

func get24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// MaxTransfer is the longest block, or the most blocks, of one Read or Write: 24 bits.
const MaxTransfer = 1<<24 - 1

func six(op, flags byte, n int) []byte {
	c := []byte{op, flags, 0, 0, 0, 0}
	put24(c[2:], n)
	return c
}

// ReadBlockLimits asks for the shortest and longest block (SSC-5, 7.7). The answer has 6 bytes.
func ReadBlockLimits() []byte { return []byte{0x05, 0, 0, 0, 0, 0} }

// BlockLimits are in bytes. Max 0 is no limit.
type BlockLimits struct {
	Min, Max    int
	Granularity int // lengths are multiples of it
}

// ParseBlockLimits decodes the answer to ReadBlockLimits.
func ParseBlockLimits(b []byte) (BlockLimits, error) {
	if len(b) < 6 {
		return BlockLimits{}, malformed("block limits", len(b), "6 bytes are wanted")
	}
	return BlockLimits{Granularity: 1 << min(b[0]&0x1f, 24), Max: get24(b[1:]), Min: int(binary.BigEndian.Uint16(b[4:]))}, nil
}

// Read reads one block of up to n bytes, in variable mode (SSC-5, 6.5). A block of another length is sense data with ILI.
func Read(n int) []byte { return six(0x08, 0, n) }

// ReadFixed reads n blocks of the fixed length.
func ReadFixed(n int) []byte { return six(0x08, 1, n) }

// Write writes one block of n bytes, in variable mode (SSC-5, 6.12).
func Write(n int) []byte { return six(0x0a, 0, n) }

// WriteFixed writes n blocks of the fixed length.
func WriteFixed(n int) []byte { return six(0x0a, 1, n) }

// WriteFilemarks writes n filemarks (SSC-5, 6.14). Without immediate everything before, and they, are on tape when it ends; n may be 0.
func WriteFilemarks(n int, immediate bool) []byte { return six(0x10, flag(immediate), n) }

func flag(on bool) byte {
	if on {
		return 1
	}
	return 0
}

// What Space moves over (SSC-5, table 52).
const (
	SpaceBlocks    = 0
	SpaceFilemarks = 1
	SpaceEndOfData = 3
)

// MaxSpace is the most that one Space moves over, in either direction: 24 bits with a sign.
const MaxSpace = 1<<23 - 1

// Space moves over n blocks or filemarks, backwards if n is negative (SSC-5, 6.11, SPACE(6)).
func Space(what uint8, n int) []byte { return six(0x11, what, n) }

// SpaceFar is Space for any number (SSC-5, 6.12, SPACE(16)).
func SpaceFar(what uint8, n int64) []byte {
	c := make([]byte, 16)
	c[0], c[1] = 0x91, what&0xf
	binary.BigEndian.PutUint64(c[4:], uint64(n))
	return c
}

// Verify reads n blocks of the fixed length, or in variable mode one block of n bytes, without sending them (SSC-5, 6.13, VERIFY(6)).
func Verify(n int, fixed bool) []byte { return six(0x13, flag(fixed), n) }

// Rewind goes to the load point (SSC-5, 7.11). With immediate it returns when the motion has begun.
func Rewind(immediate bool) []byte { return []byte{0x01, flag(immediate), 0, 0, 0, 0} }

// LoadUnload loads the cartridge, or unloads it (SSC-5, 7.2).
func LoadUnload(load bool) []byte { return []byte{0x1b, 0, 0, 0, flag(load), 0} }

// Erase makes everything from here on blank: with long it overwrites it, which takes hours (SSC-5, 6.2).
func Erase(long bool) []byte { return []byte{0x19, flag(long), 0, 0, 0, 0} }

// Locate goes to a block, by its number (SSC-5, 6.3, LOCATE(10)).
func Locate(block uint32) []byte {
	c := make([]byte, 10)
	c[0] = 0x2b
	binary.BigEndian.PutUint32(c[3:], block)
	return c
}

// What LocateTo goes to (SSC-5, table 42).
const (
	ToBlock     = 0
	ToFile      = 1
	ToEndOfData = 3
)

// LocateTo goes to a block or to a tape file, by its number, or to end of data (SSC-5, 6.4, LOCATE(16)).
func LocateTo(what uint8, n uint64) []byte {
	c := make([]byte, 16)
	c[0], c[1] = 0x92, what<<3
	binary.BigEndian.PutUint64(c[4:], n)
	return c
}

// ReadPosition asks where the tape stands, in the short form of 20 bytes (SSC-5, 7.8).
func ReadPosition() []byte { return []byte{0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0} }

// ReadPositionLong asks so in the long form of 32 bytes, which has the number of the tape file.
func ReadPositionLong() []byte { return []byte{0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0} }

// ReadPositionExtended asks so in the extended form of 32 bytes, which has long numbers and what is in the buffer.
func ReadPositionExtended() []byte { return []byte{0x34, 8, 0, 0, 0, 0, 0, 0, 32, 0} }

// Position is where the tape stands. What is not known is not known: never 0.
type Position struct {
	LoadPoint    bool
	EndOfTape    bool // beyond early warning
	Partition    uint32
	BlockKnown   bool
	Block        uint64
	FileKnown    bool
	File         uint64 // filemarks before it; the long form only
	BufferKnown  bool
	BufferBlocks uint32 // objects not yet on tape; the short and the extended form
	BufferBytes  uint64 // bytes not yet on tape; the extended form only
}

// ParsePosition decodes the short form (SSC-5, table 65). Drives that do not know where they are say so by a bit.
func ParsePosition(b []byte) (Position, error) {
	if len(b) < 20 {
		return Position{}, malformed("position", len(b), "20 bytes are wanted")
	}
	p := Position{LoadPoint: b[0]&0x80 != 0, EndOfTape: b[0]&0x40 != 0, Partition: uint32(b[1])}
	if unknown := b[0]&0x04 != 0; !unknown {
		p.BlockKnown, p.Block = true, uint64(binary.BigEndian.Uint32(b[4:]))
	}
	if unknown := b[0]&0x20 != 0; !unknown {
		p.BufferKnown, p.BufferBlocks = true, uint32(get24(b[13:]))
	}
	if p.BlockKnown && b[0]&0x02 != 0 { // the numbers do not fit the form
		p.BlockKnown, p.Block = false, 0
	}
	return p, nil
}

// ParsePositionLong decodes the long form (SSC-5, table 67).
func ParsePositionLong(b []byte) (Position, error) {
	if len(b) < 32 {
		return Position{}, malformed("position", len(b), "32 bytes are wanted")
	}
	p := Position{LoadPoint: b[0]&0x80 != 0, EndOfTape: b[0]&0x40 != 0, Partition: binary.BigEndian.Uint32(b[4:])}
	if unknown := b[0]&0x04 != 0; !unknown {
		p.BlockKnown, p.Block = true, binary.BigEndian.Uint64(b[8:])
	}
	if unknown := b[0]&0x08 != 0; !unknown {
		p.FileKnown, p.File = true, binary.BigEndian.Uint64(b[16:])
	}
	return p, nil
}

// ParsePositionExtended decodes the extended form (SSC-5, table 68).
func ParsePositionExtended(b []byte) (Position, error) {
	if len(b) < 32 {
		return Position{}, malformed("position", len(b), "32 bytes are wanted")
	}
	p := Position{LoadPoint: b[0]&0x80 != 0, EndOfTape: b[0]&0x40 != 0, Partition: uint32(b[1])}
	if unknown := b[0]&0x04 != 0; !unknown {
		p.BlockKnown, p.Block = true, binary.BigEndian.Uint64(b[8:])
	}
	if unknown := b[0]&0x20 != 0; !unknown {
		p.BufferKnown, p.BufferBlocks, p.BufferBytes = true, uint32(get24(b[5:])), binary.BigEndian.Uint64(b[24:])
	}
	return p, nil
}
