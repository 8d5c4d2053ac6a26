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
	Read    Kind = 1 // a file from a known volume
	Write   Kind = 2 // a file to some volume of a family
	Verify  Kind = 3 // as Read, but nobody takes the bytes: only whether they are right counts
	Migrate Kind = 4 // as Read, to be written to another volume
)

// String gives "read", "write", "verify" or "migrate".
func (k Kind) String() string {
	switch k {
	case Read:
		return "read"
	case Write:
		return "write"
	case Verify:
		return "verify"
	case Migrate:
		return "migrate"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// OfVolume tells whether requests of this kind are for a known volume, and wait in its group.
func (k Kind) OfVolume() bool { return k == Read || k == Verify || k == Migrate }

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
	Class    string    // what the client called this kind of work; for rules
	Priority int       // higher goes earlier; clipped to +-MaxPriority; below 0 is background work, which gives way to all other
	Accepted time.Time // from when on it ages; a time after that of its event counts as that of the event

	// Admin is the administrative priority, of data acquisition for example: 0 is none. A request that has one goes before all
	// that have not, whatever the shares, and a drive is freed for it at the next file boundary.
	Admin    int
	Host     string    // of the client; for rules and limits
	User     string    // who asks; for rules, limits and shares
	Path     string    // of the file; for rules only, the machine does not keep it
	Dataset  string    // what belongs together: written side by side, and finished together when little of it is left
	Deadline time.Time // by when it should be done, zero: none
	Copies   []Copy    // reads: where the same file is besides
}

// Copy is a further place of a file that is to be read.
type Copy struct {
	Library  Library
	Volume   Volume
	Position Position
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
	Why      Why // this lease, and not another one, was next
}
