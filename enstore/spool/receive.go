package spool

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape/disk"
)

// incoming is one stream that is expected or being received.
type incoming struct {
	cancel  context.CancelCauseFunc
	settled chan struct{} // closed once the file is complete or nothing of it is left
	unheard bool          // nobody wants to know what becomes of it; guarded by Spool.mu
}

// cut ends the stream and waits until it is settled.
func (in *incoming) cut(why error) {
	in.cancel(why)
	<-in.settled
}

// Receive tells where the client of a request is to connect, and takes the stream in the
// background. Space is reserved as by Reserve. A stream of the same request that is still being received is cut
// first. Busy: there is no room now, or too many streams come in; TooLarge: there can never be room; Exists: the file
// is complete.
//
// When it is over, done is called once, from a goroutine of the Spool, unless Remove came first. Without an
// error the whole stream is there, has been checked against End, p.Size and p.Sum, and is durable; the client
// then hears that it is Cached, or the error that done returns; then the file stays until it is
// removed. With an error the stream has failed and nothing of it is left, the reservation included (Timeout:
// nobody came); the client hears that error, after done has returned. done must not call Close. If the stream
// is cut by another Receive, done may be called after that has returned.
func (s *Spool) Receive(p wire.Put, done func(Info, error) error) (wire.Turn, error) {
	s.mu.Lock()
	if f := s.files[p.ID]; f != nil && f.stream != nil {
		in := f.stream
		s.mu.Unlock()
		in.cut(wire.Errorf(wire.Restart, subject(p.ID), "its client connects anew"))
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	if n := s.streams(); n >= s.o.Streams {
		return wire.Turn{}, &wire.Error{Kind: wire.Busy, Subject: subject(p.ID), Text: "the spool receives too many streams", RetryAfter: retryAfter}
	}
	f, err := s.reserve(p)
	if err != nil {
		return wire.Turn{}, err
	}
	if f.info != nil || f.stream != nil {
		return wire.Turn{}, wire.Errorf(wire.Exists, subject(p.ID), "is in the spool, or another stream of it")
	}
	turn := wire.Turn{Address: s.o.Listener.Addr(), Token: wire.NewToken()}
	pending, err := s.o.Listener.Expect(turn.Token, wire.WriteData, p.ID)
	if err != nil {
		s.forget(p.ID)
		return wire.Turn{}, err
	}
	ctx, cancel := context.WithCancelCause(s.ctx)
	f.stream = &incoming{cancel: cancel, settled: make(chan struct{})}
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		defer cancel(nil)
		defer pending.Close()
		s.receive(ctx, p, pending, done)
	}()
	return turn, nil
}

func (s *Spool) streams() (n int) {
	for _, f := range s.files {
		if f.stream != nil {
			n++
		}
	}
	return n
}

// receive sees one stream through.
func (s *Spool) receive(ctx context.Context, p wire.Put, pending *wire.Pending, done func(Info, error) error) {
	c, err := pending.Wait(ctx)
	if err != nil {
		if s.settle(p.ID, nil) {
			_ = done(Info{}, because(ctx, err)) // there is nobody to hear it
		}
		return
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	c.SetStall(s.o.Stall)
	c.LeaveSum()
	info, err := s.take(ctx, p, c)
	if !stop() && err == nil {
		err = s.discard(p.ID, context.Cause(ctx)) // cut at the last moment
	}
	if err != nil {
		err = because(ctx, err)
		if s.settle(p.ID, nil) {
			_ = done(Info{}, err) // before the client hears: it may ask for its next turn at once
		}
		c.Fail(err)
		return
	}
	if !s.settle(p.ID, &info) {
		return
	}
	if err := done(info, nil); err != nil {
		c.Fail(err)
		return
	}
	s.o.Step("spool: before the client is told")
	rec := record(p, info)
	_ = c.Result(&rec, nil) // a client that is gone asks for the outcome
}

// record is what the client is told of a complete file.
func record(p wire.Put, i Info) wire.Record {
	return wire.Record{
		Key: p.Key, Size: i.Size, Adler: i.Adler, SanitySize: i.SanitySize, SanitySum: i.SanitySum,
		Level: catalog.Cached, Request: i.ID, Stored: i.Cached, Mode: p.Mode, UID: p.UID, GID: p.GID, MTime: p.MTime,
	}
}

// because gives the reason of a cut in place of what it caused.
func because(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	if cause := context.Cause(ctx); cause != context.Canceled {
		return cause
	}
	return wire.Errorf(wire.Unavailable, "spool", "closing: %w", err)
}

// settle ends a stream: with a complete file, or with nothing left of it. It tells whether somebody wants
// to hear of it.
func (s *Spool) settle(id catalog.RequestID, info *Info) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[id]
	in := f.stream
	close(in.settled)
	f.stream = nil
	if info == nil {
		s.forget(id)
		return !in.unheard
	}
	f.info = info
	s.used += info.Size - f.reserved
	f.reserved = info.Size
	s.stir()
	return !in.unheard
}

// take receives the data and makes the file complete. After an error there is nothing of it on disk,
// as far as the disk lets itself be cleaned.
func (s *Spool) take(ctx context.Context, p wire.Put, c *wire.Conn) (Info, error) {
	if err := c.Ready(); err != nil {
		return Info{}, err
	}
	f, err := s.create(p.ID)
	if err != nil {
		return Info{}, s.failed("receive "+p.ID.String(), err)
	}
	m, err := s.store(ctx, p, c, f)
	if err == nil {
		s.o.Step("spool: data written")
		if err = f.Sync(); err != nil {
			err = s.failed("receive "+p.ID.String(), err)
		}
	}
	if e := f.Close(); err == nil && e != nil {
		err = s.failed("receive "+p.ID.String(), e)
	}
	if err != nil {
		return Info{}, s.discard(p.ID, err)
	}
	s.o.Step("spool: data synced")
	sanity := m.Sanity()
	info := Info{ID: p.ID, Key: catalog.Bytes(p.Key), Size: m.Size(), Adler: m.Sum(), SanitySize: sanity.Size, SanitySum: sanity.Sum, Cached: time.Now().UTC()}
	text, err := appendInfo(nil, info)
	if err == nil {
		// This syncs the directory and with it the name of the data, too.
		err = disk.WriteFileAtomic(s.o.FS, s.infoPath(p.ID), text, 0o600)
	}
	if err != nil {
		return Info{}, s.discard(p.ID, s.failed("receive "+p.ID.String(), err))
	}
	s.o.Step("spool: complete")
	return info, nil
}

// create makes a new data file.
func (s *Spool) create(id catalog.RequestID) (disk.File, error) {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	f, err := s.o.FS.OpenFile(s.dataPath(id), flags, 0o600)
	if !errors.Is(err, fs.ErrExist) {
		return f, err
	}
	// Left by an attempt that the disk did not let be cleaned up.
	if err := s.erase(id); err != nil {
		return nil, err
	}
	return s.o.FS.OpenFile(s.dataPath(id), flags, 0o600)
}

// discard deletes what there is of a file and gives err.
func (s *Spool) discard(id catalog.RequestID, err error) error {
	// What cannot be deleted now is torn, and the next Open deletes it. Should a valid .json be
	// among it, the file comes back whole then, which is no lie about its content.
	_ = s.erase(id)
	return err
}

// store writes what comes to f and checks it against what was promised.
func (s *Spool) store(ctx context.Context, p wire.Put, c *wire.Conn, f io.Writer) (*crc.Meter, error) {
	m := crc.NewMeter()
	buf := make([]byte, bufferSize)
	for {
		n, err := fill(c, buf)
		if n > 0 {
			if p.Size >= 0 && m.Size()+int64(n) > p.Size {
				return nil, wire.Errorf(wire.Changed, p.Key, "longer than the %d bytes declared", p.Size)
			}
			_, _ = m.Write(buf[:n]) // never fails
			if err := s.grow(ctx, p, m.Size()); err != nil {
				return nil, err
			}
			if _, err := f.Write(buf[:n]); err != nil {
				return nil, s.failed("receive "+p.ID.String(), err)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	_, adler := c.End()
	switch {
	case adler != m.Sum():
		return nil, wire.Errorf(wire.Checksum, p.Key, "adler32 of what came is %08x, of what was sent %08x", m.Sum(), adler)
	case p.Size >= 0 && m.Size() != p.Size:
		return nil, wire.Errorf(wire.Changed, p.Key, "%d bytes, %d were declared", m.Size(), p.Size)
	case p.Sum != nil && *p.Sum != m.Sum():
		return nil, wire.Errorf(wire.Checksum, p.Key, "adler32 is %08x, %08x was expected", m.Sum(), *p.Sum)
	}
	return m, nil
}

// fill reads until p is full or there is no more: large writes are what disks like.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = r.Read(p[n:])
		n += k
	}
	return n, err
}

// grow sees to it that size bytes are reserved, and waits for room if need be.
func (s *Spool) grow(ctx context.Context, p wire.Put, size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[p.ID]
	for size > f.reserved {
		if more := max(min(minReserve, s.o.Capacity-s.used), size-f.reserved); s.used+more <= s.o.Capacity {
			f.reserved += more
			s.used += more
			return nil
		}
		if s.stuck() {
			return wire.Errorf(wire.NoSpace, p.Key, "the spool is full: it holds %d bytes, and nothing is left in it that could go to tape", s.o.Capacity)
		}
		s.waiting++
		changed := s.changed
		s.mu.Unlock()
		var err error
		select {
		case <-changed:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		s.mu.Lock()
		s.waiting--
		if err != nil {
			return err
		}
	}
	return nil
}

// stuck tells whether waiting for room is in vain: no complete file may leave, and every other
// stream waits as well. Reservations of clients that have not come yet end by themselves.
func (s *Spool) stuck() bool {
	streams := 0
	for _, f := range s.files {
		switch {
		case f.info != nil || f.stream == nil:
			return false
		default:
			streams++
		}
	}
	return s.waiting+1 >= streams
}
