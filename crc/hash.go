package crc

import (
	"encoding/binary"
	"errors"
	"hash"
)

// Adler32 is an Adler-32 being computed. It is a [hash.Hash32], and its state can be stored
// with MarshalBinary and taken up again later. The zero value starts from [Seed0].
type Adler32 struct {
	seed Seed
	sum  uint32
}

var _ hash.Hash32 = (*Adler32)(nil)

// NewAdler32 gives an Adler-32 of no bytes yet.
func NewAdler32(seed Seed) *Adler32 {
	return &Adler32{seed: seed, sum: uint32(seed)}
}

// Write adds bytes. It always takes all of them.
func (a *Adler32) Write(p []byte) (int, error) {
	a.sum = UpdateAdler(a.sum, p)
	return len(p), nil
}

// Sum32 is the checksum of the bytes so far.
func (a *Adler32) Sum32() uint32 { return a.sum }

// Sum appends the checksum to b, in four bytes, highest first.
func (a *Adler32) Sum(b []byte) []byte { return binary.BigEndian.AppendUint32(b, a.sum) }

// Reset goes back to the seed.
func (a *Adler32) Reset() { a.sum = uint32(a.seed) }

// Size is the length of a checksum in bytes, 4.
func (a *Adler32) Size() int { return 4 }

// BlockSize is 4, as in hash/adler32; writes of any length are as good.
func (a *Adler32) BlockSize() int { return 4 }

// The stored state: these four bytes, then seed and sum, four bytes each, highest first.
const (
	stateMagic = "ead\x01"
	stateSize  = len(stateMagic) + 8
)

// ErrState means the bytes given to UnmarshalBinary are not a stored state.
var ErrState = errors.New("adler32: not a stored state")

// AppendBinary appends the state to b.
func (a *Adler32) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, stateMagic...)
	b = binary.BigEndian.AppendUint32(b, uint32(a.seed))
	return binary.BigEndian.AppendUint32(b, a.sum), nil
}

// MarshalBinary gives the state.
func (a *Adler32) MarshalBinary() ([]byte, error) {
	return a.AppendBinary(make([]byte, 0, stateSize))
}

// UnmarshalBinary goes on from a stored state, its seed included, or gives [ErrState]
// and changes nothing.
func (a *Adler32) UnmarshalBinary(b []byte) error {
	if len(b) != stateSize || string(b[:len(stateMagic)]) != stateMagic {
		return ErrState
	}
	seed := binary.BigEndian.Uint32(b[len(stateMagic):])
	sum := binary.BigEndian.Uint32(b[len(stateMagic)+4:])
	if !valid(sum) && sum != seed {
		return ErrState
	}
	a.seed, a.sum = Seed(seed), sum
	return nil
}
