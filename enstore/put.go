package enstore

import (
	"context"
	"sync"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/enstore/wire"
)

// PutOptions say what is known of a file in advance and what is wanted. The zero value is useful; what it
// leaves open costs little more than a detour over the site's disk.
type PutOptions struct {
	// Size in bytes; 0 or less: not known. Formats that state the size in front of the data
	// take a file of unknown size only over the site's spool.
	Size int64
	// Expect is the Adler-32 (seed 1) that the content must have; nil: whatever it has.
	Expect *uint32
	// Commit is the level at which Commit returns; 0 means OnTape.
	Commit Level
	// Rate is how many bytes a second the source gives; 0: not known. A source slower than the
	// drive can stream goes over the site's spool.
	Rate int64
	// Class is what the caller calls this kind of work: kept and shown, and there for the site's rules. Of requests
	// that wait, those of larger Priority go first; below 0 is background work.
	Class    string
	Priority int
	// Dataset names what the file belongs to. Files of one dataset are written side by side where that is possible.
	Dataset string
	// Deadline is when the file should be stored; a request is moved ahead as its deadline comes near. Zero: none.
	Deadline time.Time

	Mode     uint32 // permission bits; 0 means 0644
	UID, GID uint32
	MTime    time.Time // zero means now
	User     string    // who asks; "" means Options.User

	// ID names the request; zero means a new one. A program that may be killed and wants to ask
	// later what became of it chooses its own.
	ID RequestID

	// Progress, if set, is called at most four times a second, and when the state changes. Calls
	// do not overlap; they must not block.
	Progress func(Progress)
}

func (c *Client) newPut(key string, o PutOptions) (wire.Put, error) {
	if err := CheckKey(key); err != nil {
		return wire.Put{}, asError(err, "put", key)
	}
	if key == "/" {
		return wire.Put{}, wire.Errorf(wire.Invalid, `key "/"`, "is a directory")
	}
	if o.Rate < 0 {
		return wire.Put{}, wire.Errorf(wire.Invalid, key, "rate of %d bytes/s", o.Rate)
	}
	if o.Commit > Verified {
		return wire.Put{}, wire.Errorf(wire.Invalid, key, "no such commit level: %d", o.Commit)
	}
	p := wire.Put{
		ID: o.ID, Key: key, Size: o.Size, Sum: o.Expect, Level: o.Commit, Rate: o.Rate, Class: o.Class,
		Priority: o.Priority, Dataset: o.Dataset, Deadline: o.Deadline, Host: c.host, Mode: o.Mode, UID: o.UID, GID: o.GID, MTime: o.MTime, User: o.User,
	}
	if p.ID.IsZero() {
		p.ID = catalog.NewRequestID()
	}
	if p.Size <= 0 {
		p.Size = wire.UnknownSize
	}
	if p.Level == 0 {
		p.Level = OnTape
	}
	if p.Mode == 0 {
		p.Mode = 0o644
	}
	if p.MTime.IsZero() {
		p.MTime = time.Now()
	}
	if p.User == "" {
		p.User = c.opts.User
	}
	return p, nil
}

// accept has a request admitted. The same id may be asked again, so a lost answer does no harm.
func (c *Client) accept(ctx context.Context, p wire.Put) (wire.Ticket, error) {
	for n := 1; ; n++ {
		t, err := c.control.Accept(ctx, p)
		if err == nil || n == 3 || ctx.Err() != nil || KindOf(err) != wire.Unavailable {
			return t, asError(err, "put", p.Key)
		}
		if err := pause(ctx, n+1); err != nil {
			return t, asError(err, "put", p.Key)
		}
	}
}

// Put begins to store a file that comes as a stream. It returns when the site has admitted the
// request, or refused it: with Busy, Quota, NoSpace, TooLarge, NotAllowed, Invalid or Exists. The
// end of ctx, at any time before Commit has returned, aborts the file.
//
// If the key is stored already and may have the same content, nothing is sent: the Writer compares
// what it is given with the stored file's size and checksum.
func (c *Client) Put(ctx context.Context, key string, o PutOptions) (*Writer, error) {
	put, err := c.newPut(key, o)
	if err != nil {
		return nil, err
	}
	ctx, end, err := c.begin(ctx, key)
	if err != nil {
		return nil, err
	}
	t, err := c.accept(ctx, put)
	if err != nil {
		end()
		return nil, err
	}
	w := &Writer{
		c: c, ctx: ctx, end: end, put: put, stored: t.Stored, spooled: t.Spooled,
		sum: uint32(crc.Seed1), connected: make(chan struct{}), settled: make(chan struct{}), over: make(chan struct{}),
	}
	w.rep = reporter{fn: o.Progress, total: put.Size}
	go w.run()
	return w, nil
}

// Writer takes one file. Its methods are for one goroutine, but for Abort. It holds resources until
// Commit has returned without an error, Abort was called, or its context has ended.
type Writer struct {
	c       *Client
	ctx     context.Context
	end     func()
	put     wire.Put
	rep     reporter
	stored  *Record // compare with this, do not send
	spooled bool

	connected chan struct{} // closed when the next four are set
	conn      *wire.Conn
	early     *Record // the request has ended well without us
	connErr   error

	settled chan struct{} // closed when the site need not be told to give up
	once    sync.Once
	over    chan struct{} // closed at the end of run

	size   int64  // taken so far
	sum    uint32 // of that, in compare mode
	err    error  // kept; what Write and Commit return from now on
	sent   bool   // everything is sent; only the result is missing
	record *Record
}

// run connects in the background and, if the Writer is given up, tells the site.
func (w *Writer) run() {
	defer close(w.over)
	defer w.end()
	if w.stored == nil {
		w.conn, w.early, w.connErr = w.c.connect(w.ctx, w.put.ID, wire.WriteData, &w.rep)
	}
	close(w.connected)
	select {
	case <-w.settled:
	case <-w.ctx.Done():
	}
	if w.conn != nil {
		_ = w.conn.Close()
	}
	select {
	case <-w.settled:
	default:
		if w.stored == nil {
			w.c.giveUp(w.put.ID)
		}
	}
}

// Spooled tells whether the stream goes to the site's disk first. Then Commit for level
// Cached need not wait for a drive.
func (w *Writer) Spooled() bool { return w.spooled }

// Request is the request's name.
func (w *Writer) Request() RequestID { return w.put.ID }

// Write sends the next bytes of the file. It blocks until a drive, or the spool, takes them: that
// is the only buffer between a fast source and a slow site. An error is kept and comes again from
// Write and Commit. If the source cannot be read again and the error is ErrRestart, the file must be
// put once more from its beginning.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.sent || w.record != nil {
		return 0, wire.Errorf(wire.Invalid, w.put.Key, "write after commit")
	}
	if len(p) == 0 {
		return 0, nil
	}
	if w.put.Size != wire.UnknownSize && w.size+int64(len(p)) > w.put.Size {
		return 0, w.fail(wire.Errorf(wire.Changed, w.put.Key, "longer than the %d bytes declared", w.put.Size))
	}
	if w.stored != nil {
		return w.compare(p)
	}
	if err := w.wait(w.ctx); err != nil {
		return 0, err
	}
	n, err := w.conn.Write(p)
	w.size += int64(n)
	if err != nil {
		return n, w.fail(cut(err, w.put.Key, 0))
	}
	w.rep.report(Streaming, w.size)
	return n, nil
}

// compare takes bytes in compare mode.
func (w *Writer) compare(p []byte) (int, error) {
	if w.size+int64(len(p)) > w.stored.Size {
		return 0, w.fail(differs(w.put.Key, *w.stored))
	}
	w.sum = crc.UpdateAdler(w.sum, p)
	w.size += int64(len(p))
	w.rep.report(Streaming, w.size)
	return len(p), nil
}

func differs(key string, stored Record) error {
	return wire.Errorf(wire.Exists, key, "is stored already with other content: %d bytes, adler32 %08x", stored.Size, stored.Adler)
}

// wait blocks until there is a connection.
func (w *Writer) wait(ctx context.Context) error {
	select {
	case <-w.connected:
	case <-ctx.Done():
	}
	switch { // select takes either of two that are ready; an end counts first
	case ctx.Err() != nil:
		return contextError(ctx, nil, w.put.Key)
	case w.connErr != nil:
		return w.fail(asError(w.connErr, "put", w.put.Key))
	case w.conn == nil:
		return w.fail(wire.Errorf(wire.Invalid, w.put.Key, "request %s has ended already", w.put.ID))
	}
	return nil
}

// fail keeps an error, tells the site of it and lets the resources go.
func (w *Writer) fail(err error) error {
	if w.ctx.Err() != nil {
		err = contextError(w.ctx, err, w.put.Key)
	}
	w.err = asError(err, "put", w.put.Key)
	select {
	case <-w.connected:
		if w.conn != nil && (KindOf(err) == wire.Changed || KindOf(err) == wire.Checksum) {
			w.conn.Fail(err)
		}
	default:
	}
	w.end()
	return w.err
}

// Commit ends the file and returns when it has reached the level asked for. Without an error from
// Commit nothing is certain. If ctx ends while the last bytes are sent, the file is aborted; if it ends
// later, Commit may be called again to go on waiting. After success it returns the same record.
//
// When the outcome is in doubt, because the connection broke at the end, Commit asks the site for it.
func (w *Writer) Commit(ctx context.Context) (Record, error) {
	switch {
	case w.record != nil:
		return *w.record, nil
	case w.err != nil:
		return Record{}, w.err
	case w.ctx.Err() != nil: // before anything is sent: half a file must not become a whole one
		return Record{}, w.fail(w.ctx.Err())
	case ctx.Err() != nil:
		return Record{}, contextError(ctx, nil, w.put.Key)
	}
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.ctx, cancel)()
	rec, err := w.commit(both)
	switch {
	case err == nil:
		w.record = &rec
		w.rep.report(Securing, rec.Size)
		w.settle()
		return rec, nil
	case w.err != nil:
		return Record{}, w.err
	case ctx.Err() != nil && w.ctx.Err() == nil:
		return Record{}, contextError(ctx, err, w.put.Key) // not kept: ask again
	case rec.Level > 0:
		w.err = err // stored, though less safely than was asked
		w.settle()
		return rec, err
	}
	return Record{}, w.fail(err)
}

func (w *Writer) commit(ctx context.Context) (Record, error) {
	if w.stored != nil {
		return w.compared(ctx)
	}
	if !w.sent {
		if err := w.finish(ctx); err != nil {
			return Record{}, err
		}
		w.sent = true
	}
	rec, err := w.conn.AwaitResult(ctx)
	if err != nil && broken(err) && ctx.Err() == nil {
		rec, err = w.c.outcome(ctx, w.put.ID, 0)
	}
	if err != nil {
		return Record{}, err
	}
	return w.c.reach(ctx, rec, w.put.Level)
}

// finish checks the promises and sends the end.
func (w *Writer) finish(ctx context.Context) error {
	if err := w.wait(ctx); err != nil {
		return err
	}
	size, sum := w.conn.Sum()
	if err := w.promised(size, sum); err != nil {
		return w.fail(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = w.conn.Close() })
	err := w.conn.Finish(size, sum)
	if !stop() || err != nil {
		return w.fail(contextError(ctx, cut(err, w.put.Key, 0), w.put.Key))
	}
	return nil
}

// promised compares what came with PutOptions.
func (w *Writer) promised(size int64, sum uint32) error {
	switch {
	case w.put.Size != wire.UnknownSize && size != w.put.Size:
		return wire.Errorf(wire.Changed, w.put.Key, "%d bytes, %d were declared", size, w.put.Size)
	case w.put.Sum != nil && sum != *w.put.Sum:
		return wire.Errorf(wire.Checksum, w.put.Key, "adler32 is %08x, %08x was expected", sum, *w.put.Sum)
	}
	return nil
}

// compared ends compare mode.
func (w *Writer) compared(ctx context.Context) (Record, error) {
	if err := w.promised(w.size, w.sum); err != nil {
		return Record{}, w.fail(err)
	}
	if !same(*w.stored, w.size, w.sum) {
		return Record{}, w.fail(differs(w.put.Key, *w.stored))
	}
	return w.c.reach(ctx, *w.stored, w.put.Level)
}

// same tells whether a stored file has this content. Old catalogues hold checksums of either seed.
func same(rec Record, size int64, sum uint32) bool {
	return rec.Size == size && crc.Matches(rec.Adler, sum, size)
}

func (w *Writer) settle() {
	w.once.Do(func() { close(w.settled) })
	<-w.over
}

// Abort gives the file up. The volume stays as it was, but for some dead space. After a
// successful Commit, or a second time, it does nothing; it may be called at any time
// from any goroutine.
func (w *Writer) Abort() {
	w.end()
	<-w.over
}
