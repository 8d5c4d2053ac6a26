package enstore

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/enstore/wire"
)

// GetOptions say how a file is wanted. The zero value is useful.
type GetOptions struct {
	// Class is what the caller calls this kind of work: kept and shown, and there for the site's rules. Of requests
	// that wait, those of larger Priority go first; below 0 is background work.
	Class    string
	Priority int
	// Dataset names the files that are wanted together: the last few of them are moved ahead.
	Dataset string
	// Deadline is when the file should be there; a request is moved ahead as its deadline comes near. Zero: none.
	Deadline time.Time
	User     string // who asks; "" means Options.User
	// Overwrite lets GetFile replace a file.
	Overwrite bool
	// Progress as in PutOptions.
	Progress func(Progress)
}

// Get begins to read a file, by key or by BFID. It returns when the site has admitted the request; the first
// Read then waits for the drive. The Reader must be closed; the end of ctx closes it too.
func (c *Client) Get(ctx context.Context, key string, o GetOptions) (*Reader, error) {
	name, bfid, err := names("get", key)
	if err != nil {
		return nil, err
	}
	ctx, end, err := c.begin(ctx, key)
	if err != nil {
		return nil, err
	}
	r := &Reader{c: c, ctx: ctx, key: key, sum: uint32(crc.Seed1), rep: reporter{fn: o.Progress, total: -1}}
	r.get = wire.Get{Key: name, Class: o.Class, Priority: o.Priority, Dataset: o.Dataset, Deadline: o.Deadline, Host: c.host, User: cmp.Or(o.User, c.opts.User)}
	if bfid != "" {
		r.get.Key, r.get.BFID = "", bfid
	}
	if err := r.recall(); err != nil {
		end()
		return nil, err
	}
	over := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(over)
		r.release()
		end()
	})
	r.stop = func() { end(); <-over }
	return r, nil
}

// Reader gives the content of one file. Read is for one goroutine; Close may be called at any
// time.
type Reader struct {
	c    *Client
	ctx  context.Context
	key  string
	get  wire.Get
	rep  reporter
	stop func()

	mu    sync.Mutex // guards the next four; not held while something blocks
	conn  *wire.Conn
	id    RequestID
	ended bool // the request needs no cancelling

	record   Record
	size     int64  // delivered
	sum      uint32 // of that
	attempts int    // that failed
	turns    int    // that came to nothing
	err      error
}

// recall asks for the file; once more, if an earlier request has ended.
func (r *Reader) recall() error {
	r.get.ID = catalog.NewRequestID()
	var t wire.Ticket
	for n := 1; ; n++ {
		var err error
		if t, err = r.c.control.Recall(r.ctx, r.get); err == nil {
			break
		}
		if n == 3 || KindOf(err) != wire.Unavailable || pause(r.ctx, n+1) != nil {
			return asError(err, "get", r.key)
		}
	}
	if t.Stored == nil {
		return wire.Errorf(wire.Internal, r.key, "the site does not say what it will send")
	}
	if r.size > 0 && (t.Stored.Size != r.record.Size || t.Stored.Adler != r.record.Adler) {
		return wire.Errorf(wire.Changed, r.key, "was replaced while it was read")
	}
	r.record = *t.Stored
	r.rep.total = r.record.Size
	r.mu.Lock()
	r.id, r.ended = r.get.ID, false
	r.mu.Unlock()
	return nil
}

// Record tells what is known of the file: size, checksum, volume. It may be called at once.
func (r *Reader) Record() Record { return r.record }

// Read gives the next bytes. io.EOF comes only after size and checksum of the whole file were found
// right; before that the bytes are not to be trusted. If a drive or connection fails, the Reader
// asks for the file again and skips what it has delivered, after it has checked that this is the same.
// When that fails too many times the error is ErrRestart, and Error.SafeBytes says how many bytes
// were delivered.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	for {
		n, err := r.read(p)
		if err == nil || err == io.EOF {
			r.err = err
			return n, err
		}
		if r.ctx.Err() != nil {
			r.err = contextError(r.ctx, err, r.key)
			return n, r.err
		}
		if turnedAway(err) {
			r.turns++
		} else {
			r.attempts++
		}
		if !again(err) || r.attempts >= r.c.opts.Attempts || r.turns >= turns {
			r.err = r.lost(err)
			return n, r.err
		}
		r.hangUp()
		if n > 0 {
			return n, nil
		}
		if err := pause(r.ctx, r.attempts+r.turns); err != nil {
			r.err = contextError(r.ctx, err, r.key)
			return 0, r.err
		}
	}
}

// lost is the error after the last attempt.
func (r *Reader) lost(err error) error {
	if !again(err) || r.size == 0 {
		return asError(err, "get", r.key)
	}
	return &Error{Kind: wire.Restart, Op: "get", Subject: r.key, Text: "stream cut: " + err.Error(), SafeBytes: r.size, Err: err}
}

// read gives bytes over the connection there is, or makes one.
func (r *Reader) read(p []byte) (int, error) {
	conn, err := r.connected()
	if err != nil {
		return 0, err
	}
	n, err := conn.Read(p)
	if n > 0 {
		r.size, r.sum = conn.Received()
		r.rep.report(Streaming, r.size)
	}
	if err == io.EOF {
		err = r.verify()
	}
	return n, err
}

// verify compares the whole file with the catalogue.
func (r *Reader) verify() error {
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	if !same(r.record, r.size, r.sum) {
		return wire.Errorf(wire.Checksum, r.key, "%d bytes with adler32 %08x came, the catalogue says %d and %08x", r.size, r.sum, r.record.Size, r.record.Adler)
	}
	return io.EOF
}

// connected gives a connection that stands behind the last byte delivered.
func (r *Reader) connected() (*wire.Conn, error) {
	r.mu.Lock()
	conn := r.conn
	r.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	if r.ended {
		if err := r.recall(); err != nil {
			return nil, err
		}
	}
	conn, done, err := r.c.connect(r.ctx, r.id, wire.ReadData, &r.rep)
	if _, ok := errors.AsType[*ended](err); ok || done != nil {
		// The site has settled the request and we have not got everything: the next attempt
		// is another request.
		r.mu.Lock()
		r.ended = true
		r.mu.Unlock()
		if err == nil {
			err = wire.Errorf(wire.Restart, r.key, "the site takes the request for done")
		}
	}
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.conn = conn
	r.mu.Unlock()
	if r.ctx.Err() != nil { // release may have come before the connection
		r.hangUp()
		return nil, r.ctx.Err()
	}
	return conn, r.skip(conn)
}

// skip reads what was delivered before.
func (r *Reader) skip(conn *wire.Conn) error {
	if r.size == 0 {
		return nil
	}
	n, err := io.CopyN(io.Discard, conn, r.size)
	if err == io.EOF || err == nil && n == r.size {
		if _, sum := conn.Received(); err != nil || sum != r.sum {
			return wire.Errorf(wire.Checksum, r.key, "the first %d bytes differ from what was delivered before", r.size)
		}
	}
	return err
}

// hangUp ends the connection.
func (r *Reader) hangUp() {
	r.mu.Lock()
	conn := r.conn
	r.conn = nil
	r.mu.Unlock()
	if conn != nil {
		_ = conn.Close()
	}
}

// WriteTo gives the whole rest of the file to w, in larger pieces than io.Copy would.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	buf := make([]byte, 256<<10)
	total := int64(0)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			m, werr := w.Write(buf[:n])
			total += int64(m)
			if werr == nil && m < n {
				werr = io.ErrShortWrite
			}
			if werr != nil {
				return total, werr
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// release ends what the site does for the Reader.
func (r *Reader) release() {
	r.mu.Lock()
	conn, id, ended := r.conn, r.id, r.ended
	r.mu.Unlock()
	if conn != nil {
		_ = conn.Close()
	}
	if !ended {
		r.c.giveUp(id)
	}
}

// Close ends the Reader. A file that was not read to its end is given up.
func (r *Reader) Close() error {
	r.stop()
	return nil
}
