package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/schema"
)

// member is one Update that waits to take part in a commit. Its function runs in the
// goroutine of the Update, when the committer gives it its turn: so a panic, or the end of
// that goroutine, is the caller's own.
type member struct {
	fn      func(catalog.Tx) error
	claimed atomic.Bool // by the committer, or by the caller whose context ended
	turn    chan *tx    // from the committer: run now, in this transaction
	ran     chan error  // to the committer: what fn said
	done    chan error  // from the committer: what Update says
}

// errGone is what the committer hears of a member whose fn did not return.
var errGone = errors.New("transaction: the caller's function did not return")

// Update implements catalog.Store.
func (s *Store) Update(ctx context.Context, fn func(catalog.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-s.closing:
		return catalog.ErrClosed
	default:
	}
	m := &member{fn: fn, turn: make(chan *tx), ran: make(chan error), done: make(chan error, 1)}
	select {
	case s.queue <- m:
	case <-s.closing:
		return catalog.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	ended := ctx.Done()
	for {
		select {
		case t := <-m.turn:
			m.run(t)
		case err := <-m.done:
			return err
		case <-ended:
			if m.claimed.CompareAndSwap(false, true) {
				return ctx.Err()
			}
			ended = nil // too late: the outcome is coming
		}
	}
}

// run runs fn once and tells the committer, whatever happens.
func (m *member) run(t *tx) {
	err := errGone
	defer func() {
		t.ended = true
		m.ran <- err
	}()
	if err = m.fn(t); err == nil {
		err = t.failed
	}
}

// committer is the goroutine that owns the writing connection. It takes the first member
// that waits and as many more as come while it works, and commits them together; it never
// waits for more to come, so a lone Update costs one synchronisation and no delay.
type committer struct {
	store *Store
	ses   *session
	seq   uint64 // the last event's number, in the transaction
	wrote bool   // the transaction has changed something
}

func (c *committer) run() {
	for {
		select {
		case m := <-c.store.queue:
			c.batch(m)
			c.checkpoint()
		case <-c.store.closing:
			if err := c.ses.close(); err != nil {
				c.store.closeErr = err
			}
			return
		}
	}
}

// batch commits first and those that come while it is at work. A member that failed hears of it when
// the others are durable, not before: what it failed over may be what one of them just did, and
// it must find that when it looks.
func (c *committer) batch(first *member) {
	if err := c.begin(); err != nil {
		if first.claimed.CompareAndSwap(false, true) {
			first.done <- fmt.Errorf("catalogue: %w", err)
		}
		return
	}
	var all, good []*member
	failed := map[*member]error{}
	var broken error
	for m := first; m != nil; m = c.next(len(all)) {
		if !m.claimed.CompareAndSwap(false, true) {
			continue
		}
		all = append(all, m)
		var err error
		if err, broken = c.member(m); err == nil {
			good = append(good, m)
		} else {
			failed[m] = err
		}
		if broken != nil {
			break
		}
	}
	if broken == nil {
		broken = c.commit()
	}
	if broken == nil {
		c.release(good)
		for m, err := range failed {
			m.done <- err
		}
		return
	}
	c.rollback()
	for _, m := range all {
		c.single(m)
	}
}

// yields is how often the committer lets other goroutines run before it finds that nobody
// waits: those that the last commit released are on their way with their next Update.
const yields = 3

// next is the next member of a batch that has n, or nil.
func (c *committer) next(n int) *member {
	for i := 0; n < maxBatch; i++ {
		select {
		case m := <-c.store.queue:
			return m
		default:
		}
		if i == yields {
			break
		}
		runtime.Gosched()
	}
	return nil
}

// member runs one member between savepoints. If the whole transaction is broken, broken says
// why; a member that failed itself has been undone.
func (c *committer) member(m *member) (err, broken error) {
	if err := c.ses.exec("savepoint member"); err != nil {
		return nil, err
	}
	seq, wrote := c.seq, c.wrote
	err = c.turn(m)
	if err == nil {
		return nil, c.ses.exec("release member")
	}
	c.seq, c.wrote = seq, wrote
	if undo := errors.Join(c.ses.exec("rollback to member"), c.ses.exec("release member")); undo != nil {
		return err, undo
	}
	return err, nil
}

// turn has the member run its function.
func (c *committer) turn(m *member) error {
	t := &tx{ses: c.ses, seq: &c.seq, wrote: &c.wrote}
	m.turn <- t
	return <-m.ran
}

// single runs one member in a transaction of its own.
func (c *committer) single(m *member) {
	err := c.begin()
	if err == nil {
		err = c.turn(m)
		if err == nil {
			err = c.commit()
		}
		if err == nil {
			c.release([]*member{m})
			return
		}
		c.rollback()
	}
	m.done <- err
}

func (c *committer) begin() (err error) {
	if err := c.ses.exec("begin immediate"); err != nil {
		return err
	}
	c.wrote = false
	if c.seq, err = c.ses.eventCounter(); err != nil {
		c.rollback()
	}
	return err
}

func (c *committer) commit() error {
	if c.wrote {
		if err := c.ses.exec(schema.UpdateEventCounter, int64(c.seq)); err != nil {
			return fmt.Errorf("catalogue: %w", err)
		}
		c.store.syncs.Add(1)
	}
	if err := c.ses.exec("commit"); err != nil {
		return fmt.Errorf("catalogue: commit: %w", err)
	}
	return nil
}

// rollback ends the transaction; it fails if SQLite has done so itself.
func (c *committer) rollback() { _ = c.ses.exec("rollback") }

// release tells members that they are durable.
func (c *committer) release(good []*member) {
	c.store.commits.Add(int64(len(good)))
	c.store.announce(c.seq)
	for _, m := range good {
		m.done <- nil
	}
}

// checkpoint moves the log into the file when it has grown long. A failure is not told:
// the log stays, nothing is lost, and what is wrong with the disk meets the next commit.
func (c *committer) checkpoint() {
	if !c.wrote {
		return
	}
	var busy, pages, moved int64
	if err := c.ses.row("pragma wal_checkpoint(noop)").Scan(&busy, &pages, &moved); err != nil || pages-moved < checkpoint {
		return
	}
	if err := c.ses.row("pragma wal_checkpoint(passive)").Scan(&busy, &pages, &moved); err == nil {
		c.store.syncs.Add(2)
	}
}
