package queue

import (
	"encoding/hex"
	"fmt"
	"time"
)

// RequestID names a request; the engine chooses it, usually a UUID.
type RequestID [16]byte

// String gives 32 lower-case hex digits, for example "0192f7c1a2b37c4d8e5f60718293a4b5".
func (id RequestID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText gives the text of String.
func (id RequestID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *RequestID) UnmarshalText(text []byte) error {
	if len(text) != 2*len(id) {
		return fmt.Errorf("request id %.40q: not 32 hex digits", text)
	}
	_, err := hex.Decode(id[:], text)
	if err != nil {
		return fmt.Errorf("request id %q: not 32 hex digits", text)
	}
	return nil
}

// LeaseID numbers the leases of one machine from 1 on, in the order in which they were granted.
type LeaseID uint64

// Library names a library: the drives and volumes that belong together, for example "LTO9".
type Library string

// Drive names a drive, for example "LTO9-03".
type Drive string

// Volume names a cartridge by its label, for example "VO1234L8". The empty Volume is no volume.
type Volume string

// Family is a volume family: one volume holds files of one family only.
type Family struct {
	Group   string // storage group, for example "minos"
	Family  string // file family, for example "raw"
	Wrapper string // for example "cpio_odc"
}

// String gives the three names with dots between, for example "minos.raw.cpio_odc".
func (f Family) String() string { return f.Group + "." + f.Family + "." + f.Wrapper }

// IsZero tells whether no family is named.
func (f Family) IsZero() bool { return f == Family{} }

// Kind is what a request wants done. The numbers are part of the journal's format.
type Kind uint8

const (
	Read  Kind = 1 // a file from a known volume
	Write Kind = 2 // a file to some volume of a family
)

// String gives "read" or "write".
func (k Kind) String() string {
	switch k {
	case Read:
		return "read"
	case Write:
		return "write"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Position is a place on a volume. Reads of a volume are served by File, then Block, ascending.
type Position struct {
	File  int64 // filemarks before it
	Block int64 // logical block, -1 if unknown
}

// Request is one file to be moved.
type Request struct {
	ID       RequestID
	Kind     Kind
	Library  Library
	Family   Family    // for a read the family of the volume, if known: writes then find the volume mounted
	Width    int       // writes: so many volumes of the family may be written at once, at least 1; the newest request's counts for its group
	Size     int64     // bytes, -1 if unknown
	Volume   Volume    // reads: where the file is
	Position Position  // reads
	Class    string    // what the client called this kind of work; kept and shown, not interpreted
	Priority int       // higher goes earlier; clipped to +-MaxPriority
	Accepted time.Time // from when on it ages; a time after that of its event counts as that of the event
}

// Lease is one volume for one drive, and what to do with it.
type Lease struct {
	ID       LeaseID
	Drive    Drive
	Kind     Kind
	Library  Library
	Family   Family // writes: of the files; reads: of the volume, if known
	Width    int    // writes
	Volume   Volume // writes: empty until VolumeChosen
	Requests []RequestID
}
