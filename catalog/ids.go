package catalog

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"
)

// RequestID is the idempotency key of one request, chosen by whoever makes it. At most
// one file is ever recorded for a request.
type RequestID [16]byte

// LeaseID names the right to use one volume in one drive.
type LeaseID [16]byte

// EntryID names a directory or file of the built-in name space, however it is renamed.
type EntryID uint64

// RootEntry is the directory "/", which always exists.
const RootEntry EntryID = 1

// NewRequestID makes an id that no other call makes; ids made in a later millisecond sort
// later.
func NewRequestID() RequestID { return newID() }

// NewLeaseID makes an id that no other call makes; ids made in a later millisecond sort
// later.
func NewLeaseID() LeaseID { return newID() }

// newID is a UUID of version 7 (RFC 9562): 48 bits of milliseconds, 74 random ones.
// google/uuid would do, but brings database/sql into every client.
func newID() (id [16]byte) {
	rand.Read(id[:]) // never fails
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(time.Now().UnixMilli()))
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// ParseRequestID reads the text form, that of a UUID. The error wraps ErrInvalid.
func ParseRequestID(s string) (RequestID, error) { return parseID("request", s) }

// ParseLeaseID reads the text form, that of a UUID. The error wraps ErrInvalid.
func ParseLeaseID(s string) (LeaseID, error) { return parseID("lease", s) }

// idGroups are the bytes of an id between the hyphens of its text.
var idGroups = [...][2]int{{0, 4}, {4, 6}, {6, 8}, {8, 10}, {10, 16}}

// parseID takes the form with hyphens only, in digits of either case.
func parseID(what, s string) (id [16]byte, err error) {
	fail := invalid("%s id %.40q", what, s)
	if len(s) != 36 {
		return id, fail
	}
	at := 0
	for i, g := range idGroups {
		if i > 0 {
			if s[at] != '-' {
				return [16]byte{}, fail
			}
			at++
		}
		n := 2 * (g[1] - g[0])
		if _, err := hex.Decode(id[g[0]:g[1]], []byte(s[at:at+n])); err != nil {
			return [16]byte{}, fail
		}
		at += n
	}
	return id, nil
}

func formatID(id [16]byte) []byte {
	text := make([]byte, 0, 36)
	for i, g := range idGroups {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, id[g[0]:g[1]])
	}
	return text
}

func (id RequestID) String() string { return string(formatID(id)) }
func (id LeaseID) String() string   { return string(formatID(id)) }
func (id EntryID) String() string   { return strconv.FormatUint(uint64(id), 10) }

// IsZero tells whether the id is unset.
func (id RequestID) IsZero() bool { return id == RequestID{} }

// IsZero tells whether the id is unset.
func (id LeaseID) IsZero() bool { return id == LeaseID{} }

// MarshalText gives the canonical form.
func (id RequestID) MarshalText() ([]byte, error) { return formatID(id), nil }

// MarshalText gives the canonical form.
func (id LeaseID) MarshalText() ([]byte, error) { return formatID(id), nil }

// UnmarshalText reads what MarshalText gives. The error wraps ErrInvalid.
func (id *RequestID) UnmarshalText(text []byte) error {
	parsed, err := ParseRequestID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

// UnmarshalText reads what MarshalText gives. The error wraps ErrInvalid.
func (id *LeaseID) UnmarshalText(text []byte) error {
	parsed, err := ParseLeaseID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}
