package catalog

import (
	"strconv"

	"github.com/google/uuid"
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
func NewRequestID() RequestID { return [16]byte(newID()) }

// NewLeaseID makes an id that no other call makes; ids made in a later millisecond sort
// later.
func NewLeaseID() LeaseID { return [16]byte(newID()) }

// newID is a UUID of version 7 (RFC 9562); it falls back to the random kind only if the clock cannot
// be read.
func newID() uuid.UUID {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.New()
	}
	return id
}

// ParseRequestID reads the text form, that of a UUID. The error wraps ErrInvalid.
func ParseRequestID(s string) (RequestID, error) { return parseID("request", s) }

// ParseLeaseID reads the text form, that of a UUID. The error wraps ErrInvalid.
func ParseLeaseID(s string) (LeaseID, error) { return parseID("lease", s) }

// parseID takes the form with hyphens only, in digits of either case.
func parseID(what, s string) ([16]byte, error) {
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return [16]byte{}, invalid("%s id %.40q", what, s)
	}
	return id, nil
}

func (id RequestID) String() string { return uuid.UUID(id).String() }
func (id LeaseID) String() string   { return uuid.UUID(id).String() }
func (id EntryID) String() string   { return strconv.FormatUint(uint64(id), 10) }

// IsZero tells whether the id is unset.
func (id RequestID) IsZero() bool { return id == RequestID{} }

// IsZero tells whether the id is unset.
func (id LeaseID) IsZero() bool { return id == LeaseID{} }

// MarshalText gives the canonical form.
func (id RequestID) MarshalText() ([]byte, error) { return uuid.UUID(id).MarshalText() }

// MarshalText gives the canonical form.
func (id LeaseID) MarshalText() ([]byte, error) { return uuid.UUID(id).MarshalText() }

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
