package wire

import (
	"context"

	"github.com/enstore-go/sdk/catalog"
)

// Control is what a client may ask of a site. A site in the same process implements it directly;
// across machines it is served by the control protocol. Every error is an *Error or
// the context's.
//
// All methods may be called from several goroutines at once. Each may be asked again after an
// answer was lost: requests carry their id, the rest are idempotent or fail with Exists or NotFound.
type Control interface {
	// Accept admits a file for writing. When it returns without an error the request is
	// durable. The same request id again gives the same ticket. A key that is stored already with
	// the size and checksum of p gives a Ticket with Stored set and nothing is queued; if p leaves
	// size or checksum open, Stored is set too, and the client is to compare its content with the
	// record. A key with other content is Exists.
	Accept(ctx context.Context, p Put) (Ticket, error)

	// Recall admits a request to read a file. Like Accept it is idempotent by the request's id.
	Recall(ctx context.Context, g Get) (Ticket, error)

	// Await blocks until somebody expects the client's connection for this request, or
	// until the request has ended: then it returns its error, or Turn.Done.
	// It may be called any number of times; after a connection was lost or refused it gives the next.
	Await(ctx context.Context, id catalog.RequestID) (Turn, error)

	// Cancel gives a request up. One that has ended is left as it is, and that is no error.
	Cancel(ctx context.Context, id catalog.RequestID) error

	// Outcome blocks until the request is settled and gives its record or its error. The
	// outcome of a write may be asked long after it ended.
	//
	// A write counts as settled at the given level, or when it has ended; level 0 is the one that its Put asked for.
	Outcome(ctx context.Context, id catalog.RequestID, level catalog.Level) (Record, error)

	// Stat tells about one file by key or by BFID.
	Stat(ctx context.Context, key string) (Record, error)

	// List gives at most max entries of a directory whose names follow after ("": from the
	// first), in bytewise order of their names.
	List(ctx context.Context, dir, after string, max int) ([]Entry, error)

	// Mkdir makes a directory; with parents also those above it that are missing, and
	// a directory that is there already is then no error.
	Mkdir(ctx context.Context, dir string, parents bool) error

	// Remove marks a file deleted, or removes an empty directory.
	Remove(ctx context.Context, key string) error

	// SetTag sets a tag of a directory; an empty value removes it, so that it is inherited again.
	SetTag(ctx context.Context, dir string, tag Tag, value string) error

	// Tags gives the tags in force at a directory, inherited ones included.
	Tags(ctx context.Context, dir string) (Tags, error)

	// Events gives at most max events that follow since, oldest first. With wait it blocks
	// until there is one.
	Events(ctx context.Context, since uint64, max int, wait bool) ([]Event, error)
}
