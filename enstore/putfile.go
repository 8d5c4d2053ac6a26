package enstore

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/enstore/wire"
)

// PutFile stores a file of this machine, and returns when it has reached the level asked for. Size, mode,
// owner and time of change are the file's unless o says otherwise. When a drive, a
// volume or a connection fails on the way it begins again by itself.
//
// A file that changes while it is read, or has not the size in o, is ErrChanged; content that has not the
// checksum in o is ErrChecksum. Nothing of it is stored then. If the key is stored
// already, the file is only read and compared: the same content gives the old record, other
// content ErrExists.
func (c *Client) PutFile(ctx context.Context, key, path string, o PutOptions) (Record, error) {
	src, err := newSource(path)
	if err != nil {
		return Record{}, err
	}
	put, err := c.newPut(key, src.fill(o))
	if err != nil {
		return Record{}, err
	}
	put.Again = true
	put.Size = src.info.Size() // newPut takes 0 for unknown
	if o.Size > 0 && o.Size != put.Size {
		return Record{}, wire.Errorf(wire.Changed, path, "%d bytes, %d were declared", put.Size, o.Size)
	}
	ctx, end, err := c.begin(ctx, key)
	if err != nil {
		return Record{}, err
	}
	defer end()
	rec, err := c.putFile(ctx, put, src, &reporter{fn: o.Progress, total: put.Size})
	if err != nil {
		if ctx.Err() != nil {
			err = contextError(ctx, err, key)
		}
		return rec, asError(err, "put", key)
	}
	return rec, nil
}

// putFile makes attempts until one succeeds or makes no sense.
func (c *Client) putFile(ctx context.Context, put wire.Put, src *source, r *reporter) (Record, error) {
	for n := 1; ; n++ {
		if err := pause(ctx, n); err != nil {
			return Record{}, err
		}
		t, err := c.accept(ctx, put)
		if err != nil {
			return Record{}, err
		}
		if t.Stored != nil {
			if err := src.compare(ctx, put, *t.Stored, r); err != nil {
				return Record{}, err
			}
			return c.reach(ctx, *t.Stored, put.Level)
		}
		rec, err := c.sendFile(ctx, put, src, r)
		if err == nil {
			return c.reach(ctx, rec, put.Level)
		}
		if !again(err) || n >= c.opts.Attempts || ctx.Err() != nil {
			c.giveUp(put.ID)
			return Record{}, err
		}
		if _, ok := errors.AsType[*ended](err); ok {
			put.ID = catalog.NewRequestID() // that one is settled, and not well
		}
	}
}

// sendFile is one attempt.
func (c *Client) sendFile(ctx context.Context, put wire.Put, src *source, r *reporter) (Record, error) {
	conn, done, err := c.connect(ctx, put.ID, wire.WriteData, r)
	if err != nil {
		return Record{}, err
	}
	if done != nil {
		return *done, nil // an attempt before this one did arrive
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := src.send(ctx, conn, put, r); err != nil {
		conn.Fail(err)
		return Record{}, err
	}
	if err := conn.Finish(conn.Sum()); err != nil {
		return Record{}, err
	}
	return conn.AwaitResult(ctx)
}

// source is a file that is read from its start as often as needed.
type source struct {
	path string
	info os.FileInfo // as it was at first
}

func newSource(path string) (*source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, wire.Errorf(wire.Invalid, path, "is no regular file and cannot be read twice: use Put")
	}
	return &source{path, info}, nil
}

func unreadable(path string, err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return wire.Errorf(KindOf(err), path, "%s: %w", pe.Op, pe.Err)
	}
	return wire.Errorf(KindOf(err), path, "%w", err)
}

// fill takes from the file what the options leave open.
func (s *source) fill(o PutOptions) PutOptions {
	if o.Mode == 0 {
		o.Mode = uint32(s.info.Mode().Perm())
	}
	if o.MTime.IsZero() {
		o.MTime = s.info.ModTime()
	}
	if o.UID == 0 && o.GID == 0 {
		o.UID, o.GID = owner(s.info)
	}
	return o
}

// open opens the file and makes sure that it is still the one it was.
func (s *source) open() (*os.File, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, unreadable(s.path, err)
	}
	if err := s.unchanged(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func (s *source) unchanged(f *os.File) error {
	now, err := f.Stat()
	switch {
	case err != nil:
		return unreadable(s.path, err)
	case !os.SameFile(now, s.info):
		return wire.Errorf(wire.Changed, s.path, "was replaced by another file")
	case now.Size() != s.info.Size():
		return wire.Errorf(wire.Changed, s.path, "has %d bytes now, had %d", now.Size(), s.info.Size())
	case !now.ModTime().Equal(s.info.ModTime()):
		return wire.Errorf(wire.Changed, s.path, "was changed while it was read")
	}
	return nil
}

// drawer reads a source's declared bytes and reports them.
type drawer struct {
	f    *os.File
	left int64
	size int64
	r    *reporter
	ctx  context.Context
}

func (d *drawer) Read(p []byte) (int, error) {
	if err := d.ctx.Err(); err != nil {
		return 0, err
	}
	if d.left == 0 {
		return 0, io.EOF
	}
	n, err := d.f.Read(p[:min(int64(len(p)), d.left)])
	d.left -= int64(n)
	d.r.report(Streaming, d.size-d.left)
	return n, err
}

// read passes the file's content to take and makes sure that it was the declared one all the time.
func (s *source) read(ctx context.Context, r *reporter, take func(io.Reader) error) error {
	f, err := s.open()
	if err != nil {
		return err
	}
	defer f.Close()
	d := &drawer{f: f, left: s.info.Size(), size: s.info.Size(), r: r, ctx: ctx}
	if err := take(d); err != nil {
		if _, ok := errors.AsType[*os.PathError](err); ok {
			return unreadable(s.path, err)
		}
		return err
	}
	if d.left > 0 {
		return wire.Errorf(wire.Changed, s.path, "ended %d bytes short of %d", d.left, d.size)
	}
	if n, _ := f.Read(make([]byte, 1)); n > 0 {
		return wire.Errorf(wire.Changed, s.path, "is longer than the %d bytes it had", d.size)
	}
	return s.unchanged(f)
}

// send sends the content but not the end.
func (s *source) send(ctx context.Context, conn *wire.Conn, put wire.Put, r *reporter) error {
	err := s.read(ctx, r, func(src io.Reader) error {
		_, err := conn.ReadFrom(src)
		return err
	})
	if err != nil {
		return err
	}
	_, sum := conn.Sum()
	return s.expected(put, sum)
}

func (s *source) expected(put wire.Put, sum uint32) error {
	if put.Sum != nil && *put.Sum != sum {
		return wire.Errorf(wire.Checksum, s.path, "adler32 is %08x, %08x was expected", sum, *put.Sum)
	}
	return nil
}

// compare tells whether the file has the content of a stored one.
func (s *source) compare(ctx context.Context, put wire.Put, stored Record, r *reporter) error {
	if stored.Size != s.info.Size() {
		return differs(put.Key, stored)
	}
	sum := crc.NewAdler32(crc.Seed1)
	buf := make([]byte, 256<<10)
	err := s.read(ctx, r, func(src io.Reader) error {
		_, err := io.CopyBuffer(struct{ io.Writer }{sum}, src, buf)
		return err
	})
	if err != nil {
		return err
	}
	if err := s.expected(put, sum.Sum32()); err != nil {
		return err
	}
	if !same(stored, stored.Size, sum.Sum32()) {
		return differs(put.Key, stored)
	}
	return nil
}
