package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/enstore"
)

// attempts bounds how often a file is sent.
const attempts = 10

// store streams a file to tape while it grows, and returns when it is safe. o.Size is that of the whole
// file, 0 if it is not known yet. If the stream is cut, because a drive or its process
// failed, the file is sent again from its beginning: that is what the copy is for.
func store(ctx context.Context, c *enstore.Client, key string, own *ownCopy, o enstore.PutOptions, again func(error)) (enstore.Record, error) {
	for n := 1; ; n++ {
		rec, err := send(ctx, c, key, own, o)
		if err == nil {
			return rec, own.matches(rec)
		}
		if !errors.Is(err, enstore.ErrRestart) || n == attempts {
			return rec, err
		}
		again(err)
	}
}

// send is one attempt. Write blocks while the site cannot take more; the detector does not notice, it
// writes into the copy.
func send(ctx context.Context, c *enstore.Client, key string, own *ownCopy, o enstore.PutOptions) (enstore.Record, error) {
	o.Commit = enstore.OnTape // which is also the default: Commit returns when the file is so safe
	w, err := c.Put(ctx, key, o)
	if err != nil {
		return enstore.Record{}, err // refused before any byte: errors.Is tells why
	}
	defer w.Abort() // harmless after Commit
	for at := 0; ; {
		data, err := own.next(ctx, at)
		if err == io.EOF {
			return w.Commit(ctx) // only this says that the file is safe
		}
		if err != nil {
			return enstore.Record{}, err
		}
		if _, err := w.Write(data); err != nil {
			return enstore.Record{}, err
		}
		at += len(data)
	}
}

// ownCopy is the program's own copy of a file: it grows while data are taken, and is dropped when the
// file is safe. Here it lies in memory; a larger program has it on a disk.
type ownCopy struct {
	mu     sync.Mutex
	more   *sync.Cond
	data   []byte
	closed bool
	sum    uint32 // Adler-32, seed 1
}

func newCopy() *ownCopy {
	o := &ownCopy{sum: uint32(crc.Seed1)}
	o.more = sync.NewCond(&o.mu)
	return o
}

// Write adds an event. It never waits for the tape.
func (o *ownCopy) Write(event []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.data = append(o.data, event...)
	o.sum = crc.UpdateAdler(o.sum, event)
	o.more.Broadcast()
	return len(event), nil
}

// Close says that the file has ended.
func (o *ownCopy) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.more.Broadcast()
	return nil
}

// chunk is how much is sent at a time.
const chunk = 256 << 10

// next gives a chunk of what there is from byte at on, and waits for it; io.EOF at the end of the file.
func (o *ownCopy) next(ctx context.Context, at int) ([]byte, error) {
	defer context.AfterFunc(ctx, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.more.Broadcast()
	})()
	o.mu.Lock()
	defer o.mu.Unlock()
	for at == len(o.data) && !o.closed && ctx.Err() == nil {
		o.more.Wait()
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case at == len(o.data):
		return nil, io.EOF
	}
	return o.data[at:min(len(o.data), at+chunk)], nil // what is there does not change any more
}

// matches compares what the site has recorded with what was taken: the last look before the copy
// goes.
func (o *ownCopy) matches(rec enstore.Record) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if rec.Level < enstore.OnTape || rec.Copies < 1 {
		return fmt.Errorf("%s: only %s, with %d copies on tape", rec.Key, rec.Level, rec.Copies)
	}
	if rec.Size != int64(len(o.data)) || rec.Adler != o.sum {
		return fmt.Errorf("%s: %d bytes, adler32 %08x are recorded; %d, %08x were taken", rec.Key, rec.Size, rec.Adler, len(o.data), o.sum)
	}
	return nil
}
