package library

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/namespace"
	"github.com/enstore-go/sdk/enstore/spool"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/order"
)

// Options say what a Library works with. Dir, Catalog and Tree are required; a zero field has the default named at it.
type Options struct {
	Dir     string  // of the journal; made if it is not there
	FS      disk.FS // where Dir is; the machine's
	Catalog *catalog.Catalog
	Tree    *namespace.Tree
	Spool   Spool // nil: streams that need one are refused

	// Fits says which wrapper a file gets whose directory asks for one of that name: the same, or another if
	// it is too large for it. The error says why none will do. Nil: every file fits.
	Fits func(wrapper string, p wire.Put) (string, error)

	// Streams names the wrappers that take a file whose size is not known in front; only "null" does.
	Streams []string

	MinRate       int64          // bytes/s; a client that promises less goes to the spool; 0: none does
	MaxRequests   int            // requests on their way at once, beyond which clients are told Busy; 100,000
	MaxAttempts   int            // how often a request is tried; 5
	LeaseTime     time.Duration  // how long a lease lasts without a sign of life; 1 minute
	ClientTimeout time.Duration  // how long a request waits in the queue whose client does not ask for its turn; 1 minute
	JournalSize   int64          // bytes above which a new journal is begun; 64 MiB
	MaxPerUser    int            // of those, of one user; 0: as many as there may be
	Queue         queue.Settings // how the queue decides

	// Robots names the robot that serves each drive, for limits of robots. A drive that is not there has none.
	Robots map[string]string

	// Reel tells how a volume's tape is laid out, by which its reads are put into order; nil says that nobody knows: then they
	// go by position. ReelOf.
	Reel func(catalog.Volume) *order.Tape

	Logger hclog.Logger // nil: silence

	// Step, if set, is called before and after each durable act, for tests that kill the process there.
	Step func(name string)
}

// Spool keeps streams on disk until they are on tape. *spool.Spool is one, and its documentation says what the methods
// promise.
type Spool interface {
	Reserve(p wire.Put) error
	Receive(p wire.Put, done func(spool.Info, error) error) (wire.Turn, error)
	Info(id catalog.RequestID) (spool.Info, bool)
	List() []spool.Info
	Remove(id catalog.RequestID) error
}

var errOptions = errors.New("library: incomplete options")

func (o *Options) check() error {
	if o.Dir == "" || o.Catalog == nil || o.Tree == nil {
		return fmt.Errorf("%w: Dir, Catalog and Tree are required", errOptions)
	}
	if o.FS == nil {
		o.FS = disk.OS()
	}
	if o.Streams == nil {
		o.Streams = []string{"null"}
	}
	if o.Fits == nil {
		o.Fits = func(wrapper string, _ wire.Put) (string, error) { return wrapper, nil }
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Reel == nil {
		o.Reel = ReelOf
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	def(&o.MaxRequests, 100_000)
	def(&o.MaxAttempts, 5)
	def(&o.LeaseTime, time.Minute)
	def(&o.ClientTimeout, time.Minute)
	def(&o.JournalSize, 64<<20)
	return nil
}

func def[T ~int | ~int64](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// needsSpool tells whether a file must be on disk before it can go to tape.
func (o *Options) needsSpool(wrapper string, p wire.Put) bool {
	return p.Size == wire.UnknownSize && !slices.Contains(o.Streams, wrapper) || p.Rate > 0 && p.Rate < o.MinRate
}
