package enstore

import (
	"context"
	"iter"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
)

// Options change how a Client works. The zero value is good.
type Options struct {
	// User is who the requests are from, if PutOptions do not say.
	User string
	// Dial connects to a data port; nil is the ordinary net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Attempts bounds how often a file is begun again after a drive, a volume or a connection failed.
	// Default 8.
	Attempts int
}

// Client stores and retrieves files at one site. Its methods may be called from several goroutines.
type Client struct {
	control wire.Control
	opts    Options
	host    string // this machine's name; "" if it has none

	mu     sync.Mutex
	closed bool
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup // transfers
}

// New gives a Client of a site. The control is not closed by the Client.
func New(control wire.Control, o *Options) *Client {
	c := &Client{control: control}
	c.host, _ = os.Hostname()
	if o != nil {
		c.opts = *o
	}
	if c.opts.Attempts <= 0 {
		c.opts.Attempts = 8
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Close aborts transfers that still run and waits until they have ended. Further calls fail
// with Unavailable.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.work.Wait()
	return nil
}

// begin joins a caller's context with the client's life. The function it returns is to be called at
// the end of the work.
func (c *Client) begin(ctx context.Context, subject string) (context.Context, func(), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, wire.Errorf(wire.Unavailable, subject, "the client is closed")
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, wire.AsError(err, "", subject)
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.ctx, cancel)
	c.work.Add(1)
	return ctx, sync.OnceFunc(func() { stop(); cancel(); c.work.Done() }), nil
}

// Stat tells what is known of a file, by key or by BFID.
func (c *Client) Stat(ctx context.Context, key string) (Record, error) {
	key, _, err := names("stat", key)
	if err != nil {
		return Record{}, err
	}
	rec, err := c.control.Stat(ctx, key)
	return rec, asError(err, "stat", key)
}

// WaitFor blocks until a file has reached a level, or never will.
func (c *Client) WaitFor(ctx context.Context, key string, level Level) (Record, error) {
	ctx, end, err := c.begin(ctx, key)
	if err != nil {
		return Record{}, err
	}
	defer end()
	rec, err := c.Stat(ctx, key)
	if err != nil {
		return rec, err
	}
	return c.reach(ctx, rec, level)
}

// listPage is how many entries or events are asked for at a time.
const listPage = 500

// List gives the entries of a directory in bytewise order of their names. An error is the last thing it
// yields.
func (c *Client) List(ctx context.Context, dir string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := CheckKey(dir); err != nil {
			yield(Entry{}, asError(err, "list", dir))
			return
		}
		for after := ""; ; {
			es, err := c.control.List(ctx, dir, after, listPage)
			if err != nil {
				yield(Entry{}, asError(err, "list", dir))
				return
			}
			for _, e := range es {
				if !yield(e, nil) {
					return
				}
			}
			if len(es) == 0 {
				return
			}
			last := es[len(es)-1].Name
			if last <= after {
				yield(Entry{}, wire.Errorf(wire.Internal, dir, "entries do not come in order after %q", after))
				return
			}
			after = last
		}
	}
}

// Events gives what happens at the site, from the event after since on, and waits for more until ctx ends. Keep
// Event.Seq to go on from there another time; 0 begins with the first event there is. The
// last thing it yields is an error.
func (c *Client) Events(ctx context.Context, since uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		ctx, end, err := c.begin(ctx, "events")
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer end()
		for {
			es, err := c.control.Events(ctx, since, listPage, true)
			if err != nil {
				yield(Event{}, asError(err, "events", "events"))
				return
			}
			for _, e := range es {
				if e.Seq <= since {
					yield(Event{}, wire.Errorf(wire.Internal, "events", "event %d came after %d", e.Seq, since))
					return
				}
				since = e.Seq
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// Mkdir makes a directory. The one above it must exist.
func (c *Client) Mkdir(ctx context.Context, dir string) error { return c.mkdir(ctx, dir, false) }

// MkdirAll makes a directory and those above it that are missing. One that is there already is no error.
func (c *Client) MkdirAll(ctx context.Context, dir string) error { return c.mkdir(ctx, dir, true) }

func (c *Client) mkdir(ctx context.Context, dir string, parents bool) error {
	if err := CheckKey(dir); err != nil {
		return asError(err, "mkdir", dir)
	}
	return asError(c.control.Mkdir(ctx, dir, parents), "mkdir", dir)
}

// Remove marks a file deleted, or removes an empty directory. The bytes stay on tape until the
// volume is recycled.
func (c *Client) Remove(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return asError(err, "remove", key)
	}
	return asError(c.control.Remove(ctx, key), "remove", key)
}

// SetTag sets a tag of a directory; it holds for what is stored below from now on. An empty value
// removes the tag, so that the one of the directory above holds again.
func (c *Client) SetTag(ctx context.Context, dir string, tag Tag, value string) error {
	if err := CheckKey(dir); err != nil {
		return asError(err, "tag", dir)
	}
	return asError(c.control.SetTag(ctx, dir, tag, value), "tag", dir)
}

// Tags gives the tags in force at a directory, inherited ones included.
func (c *Client) Tags(ctx context.Context, dir string) (Tags, error) {
	if err := CheckKey(dir); err != nil {
		return Tags{}, asError(err, "tags", dir)
	}
	t, err := c.control.Tags(ctx, dir)
	return t, asError(err, "tags", dir)
}

// asError is wire.AsError as an error: nil stays nil.
func asError(err error, op, subject string) error {
	if err == nil {
		return nil
	}
	return wire.AsError(err, op, subject)
}

// Bounds of a key, in bytes.
const (
	MaxKey  = 4096
	MaxName = catalog.MaxEntryName // of each part between slashes
)

// CheckKey tells whether a key can exist: an absolute path of parts that are not empty, "."
// or "..", without zero bytes, within MaxKey and MaxName. The error's kind is Invalid.
func CheckKey(key string) error {
	bad := func(why string) error { return wire.Errorf(wire.Invalid, "key "+quote(key), "%s", why) }
	switch {
	case key == "":
		return bad("is empty")
	case len(key) > MaxKey:
		return bad("is longer than 4096 bytes")
	case key[0] != '/':
		return bad("is not absolute")
	case key == "/":
		return nil
	}
	for part := range strings.SplitSeq(key[1:], "/") {
		if err := catalog.CheckEntryName(part); err != nil {
			return bad(strings.TrimSuffix(err.Error(), ": "+catalog.ErrInvalid.Error()))
		}
	}
	return nil
}

// names tells whether a name is a key or a BFID.
func names(op, name string) (key string, bfid catalog.BFID, err error) {
	if name != "" && name[0] != '/' {
		b, err := catalog.ParseBFID(name)
		if err != nil {
			return name, "", wire.Errorf(wire.Invalid, quote(name), "neither an absolute path nor a BFID")
		}
		return name, b, nil
	}
	return name, "", asError(CheckKey(name), op, name)
}
