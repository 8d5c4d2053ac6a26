package enstore

import (
	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
)

// The nouns of lower packages that appear in this one's API.
type (
	Record    = wire.Record       // what is known of a stored file
	Phases    = wire.Phases       // where the time of a transfer went
	Entry     = wire.Entry        // a name in a directory
	Event     = wire.Event        // something that happened at the site
	Tag       = wire.Tag          // the name of a directory's tag
	Tags      = wire.Tags         // the tags in force at a directory
	Error     = wire.Error        // every error of this package but io.EOF
	Kind      = wire.Kind         // what sort of error it is
	State     = wire.State        // what a transfer is waiting for
	Level     = catalog.Level     // how safe a file is
	RequestID = catalog.RequestID // names one request
)

// The levels of safety, in order.
const (
	Accepted = catalog.Accepted
	Cached   = catalog.Cached
	OnTape   = catalog.OnTape
	Verified = catalog.Verified
)

// The states of a transfer.
const (
	Waiting   = wire.Waiting
	Streaming = wire.Streaming
	Securing  = wire.Securing
)

// The tags of a directory.
const (
	TagLibrary = wire.TagLibrary
	TagGroup   = wire.TagGroup
	TagFamily  = wire.TagFamily
	TagWidth   = wire.TagWidth
	TagWrapper = wire.TagWrapper
)

// The kinds of errors, for errors.Is.
var (
	ErrNotFound    = wire.ErrNotFound
	ErrExists      = wire.ErrExists // the key is taken by other content
	ErrInvalid     = wire.ErrInvalid
	ErrNotAllowed  = wire.ErrNotAllowed
	ErrBusy        = wire.ErrBusy // Error.RetryAfter says when to come again
	ErrQuota       = wire.ErrQuota
	ErrNoSpace     = wire.ErrNoSpace
	ErrTooLarge    = wire.ErrTooLarge
	ErrNoAccess    = wire.ErrNoAccess
	ErrOffline     = wire.ErrOffline
	ErrLocked      = wire.ErrLocked
	ErrChecksum    = wire.ErrChecksum
	ErrChanged     = wire.ErrChanged // the source is not what was declared
	ErrMedia       = wire.ErrMedia
	ErrDrive       = wire.ErrDrive
	ErrRestart     = wire.ErrRestart // Error.SafeBytes says from which byte nothing is safe
	ErrFenced      = wire.ErrFenced
	ErrCancelled   = wire.ErrCancelled
	ErrTimeout     = wire.ErrTimeout
	ErrUnavailable = wire.ErrUnavailable
	ErrInternal    = wire.ErrInternal
)

// KindOf classifies any error.
func KindOf(err error) Kind { return wire.KindOf(err) }
