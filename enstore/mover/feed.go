package mover

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
)

// feed is the buffer between the network side, which fills blocks, and the tape side, which
// writes them: one goroutine takes what comes in order and hands it to the drive. It is a
// wrapper.BlockWriter for the network side.
//
// An error of the drive is kept: every later call returns it, and nothing more is written.
type feed struct {
	ctx       context.Context
	load      *tape.Load
	blockSize int

	ops  chan op
	bufs *buffers
	cur  []byte // the buffer handed out last

	early   atomic.Bool  // the drive has given early warning
	idle    atomic.Int64 // nanoseconds that the tape side had nothing to do
	sent    int64        // bytes handed in so far; network side only
	next    int64        // the object number that the next op gets, or driver.Unknown; network side only
	file    int64        // filemarks handed in so far, from the load point; network side only
	halt    chan struct{}
	failure error     // why, once halt is closed
	once    sync.Once // guards failure
	closing sync.Once
	done    sync.WaitGroup
}

// op is a block, a filemark (block nil) or a flush (reply set).
type op struct {
	block []byte
	reply chan synced
}

type synced struct {
	at  tape.Position
	err error
}

// opsAhead is how many blocks and filemarks may wait for the drive. As a rule the buffers, which are
// fewer, are the bound.
const opsAhead = 4096

// newFeed starts the tape side at the load's position, with buffers that were lent for it.
func newFeed(ctx context.Context, l *tape.Load, bufs *buffers) *feed {
	at := l.Position()
	f := &feed{
		ctx: ctx, load: l, blockSize: bufs.size, bufs: bufs, ops: make(chan op, opsAhead),
		next: at.Block, file: at.File, halt: make(chan struct{}),
	}
	f.done.Add(1)
	go f.tapeSide()
	return f
}

// tapeSide writes what comes until close.
func (f *feed) tapeSide() {
	defer f.done.Done()
	for {
		began := time.Now()
		o, open := <-f.ops
		if !open {
			return
		}
		f.idle.Add(int64(time.Since(began)))
		if f.err() != nil {
			if o.reply != nil {
				o.reply <- synced{err: f.failure}
			}
			continue
		}
		var c driver.Condition
		var err error
		switch {
		case o.reply != nil:
			at, err := f.load.Sync(f.ctx)
			if err != nil {
				f.fail(err)
			}
			o.reply <- synced{at, err}
			continue
		case o.block != nil:
			c, err = f.load.WriteBlock(f.ctx, o.block)
			f.bufs.give(o.block)
		default:
			c, err = f.load.WriteFilemarks(f.ctx, 1)
		}
		if c == driver.EarlyWarning {
			f.early.Store(true)
		}
		if err != nil {
			f.fail(err)
		}
	}
}

func (f *feed) fail(err error) {
	f.once.Do(func() { f.failure = err; close(f.halt) })
}

// err is the error that stopped the tape side, or nil.
func (f *feed) err() error {
	select {
	case <-f.halt:
		return f.failure
	default:
		return nil
	}
}

// Buffer returns the buffer for the next block. It waits while all are on their way to tape.
func (f *feed) Buffer() ([]byte, error) {
	if f.cur != nil {
		return f.cur, f.err()
	}
	for {
		if f.cur = f.bufs.take(); f.cur != nil {
			return f.cur, f.err()
		}
		select {
		case <-f.bufs.freed:
		case <-f.halt:
			return nil, f.failure
		case <-f.ctx.Done():
			f.fail(context.Cause(f.ctx)) // no fault of the client's
			return nil, f.err()
		}
	}
}

var errNoBuffer = errors.New("mover: block written without a buffer")

// WriteBlock sends the first n bytes of the last Buffer to tape as one block.
func (f *feed) WriteBlock(n int) error {
	if f.cur == nil || n <= 0 || n > len(f.cur) {
		return errNoBuffer
	}
	b := f.cur[:n]
	f.cur = nil
	f.sent += int64(n)
	return f.send(op{block: b})
}

// WriteFilemark sends a filemark to tape.
func (f *feed) WriteFilemark() error {
	f.file++
	return f.send(op{})
}

func (f *feed) send(o op) error {
	if err := f.err(); err != nil {
		return err
	}
	if f.next != driver.Unknown {
		f.next++
	}
	f.ops <- o // never blocks for long: the tape side drains it also after an error
	return nil
}

// sync has everything sent so far flushed to tape and returns the verified position. It may be
// called beside the network side.
func (f *feed) sync() (tape.Position, error) {
	reply := make(chan synced, 1)
	f.ops <- op{reply: reply}
	r := <-reply
	return r.at, r.err
}

// drain ends the tape side; what was sent is written first. It may be called again.
func (f *feed) drain() {
	f.closing.Do(func() { close(f.ops) })
	f.done.Wait()
}
