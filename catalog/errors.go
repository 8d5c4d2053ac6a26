package catalog

import (
	"errors"
	"fmt"
)

// The errors of a catalogue. Every error it returns wraps one of these, or is the
// context's or the store's own failure; its text begins with the subject
// ("volume VO1234: not found").
var (
	ErrNotFound   = errors.New("not found")
	ErrExists     = errors.New("exists")
	ErrInvalid    = errors.New("invalid")                                 // the request can never succeed as it stands
	ErrFenced     = errors.New("fenced")                                  // another lease, or another end of data, has taken the place of the caller's
	ErrNoVolume   = errors.New("no volume to write on")                   // nothing usable now; it may come
	ErrWidth      = errors.New("family already has its width of volumes") // wait until one of its leases ends
	ErrTooLarge   = errors.New("larger than an empty volume")             // no volume of the library could ever take it
	ErrNotAllowed = errors.New("not allowed")                             // an inhibit, a deletion mark or a write protection is in the way
	ErrStored     = fmt.Errorf("request already stored: %w", ErrExists)   // the request id is that of a file recorded earlier
	ErrNotDir     = errors.New("not a directory")                         // a file stands where a directory is needed
	ErrIsDir      = errors.New("is a directory")                          // a directory stands where a file is needed
	ErrNotEmpty   = errors.New("directory not empty")                     // only empty directories are removed
	ErrClosed     = errors.New("store closed")                            // the store was closed
)

// invalid tells which input is wrong and why.
func invalid(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrInvalid)...)
}
