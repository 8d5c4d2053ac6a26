package mover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/wrapper"
)

// read does one read lease: files of one volume in the order of the lease.
// ctx and hold are as in write.
func (m *Mover) read(ctx, hold context.Context, lease wire.Lease) (err error) {
	var waiting []offered
	defer func() { m.giveBack(ctx, lease, waiting, err) }()
	waiting = m.offer(ctx, lease, lease.Assignments)

	var ph wire.Phases
	if err := m.mount(ctx, lease.Grant.Volume.Label, false, &ph); err != nil {
		return err
	}
	if err := m.checkLabel(ctx); err != nil {
		return err
	}
	for {
		if len(waiting) < ahead {
			more, err := m.more(ctx, lease, len(waiting) == 0)
			if err != nil && ctx.Err() == nil {
				return err
			}
			waiting = append(waiting, m.offer(ctx, lease, more)...)
		}
		if len(waiting) == 0 || ctx.Err() != nil {
			return context.Cause(hold)
		}
		next := waiting[0]
		waiting = waiting[1:]
		if !m.begin(ctx, lease, next) {
			continue
		}
		if err := m.readFile(ctx, hold, lease, next, ph); err != nil {
			return err
		}
		ph = wire.Phases{}
	}
}

// readFile sends one file to its client. The error ends the lease; what concerns this file
// alone is told to its client.
func (m *Mover) readFile(ctx, hold context.Context, lease wire.Lease, o offered, ph wire.Phases) error {
	a := o.assignment
	c, err := m.connect(ctx, o)
	if err != nil {
		m.settle(ctx, lease, a.Request, nil, err)
		return nil
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	ph.Queued = o.queued
	err = m.send(hold, lease, a, c, &ph)
	if err == nil {
		rec := wire.RecordOf(*a.File, ph)
		m.tally.file()
		m.settle(ctx, lease, a.Request, &rec, nil)
		return nil
	}
	volume := string(lease.Grant.Volume.Label)
	var peer *peerError
	switch {
	case ctx.Err() != nil:
		m.settle(ctx, lease, a.Request, nil, wire.Restarted(context.Cause(ctx), volume))
		return context.Cause(hold)
	case errors.As(err, &peer):
		m.settle(ctx, lease, a.Request, nil, wire.Errorf(wire.Cancelled, a.File.Path, "the client went away: %v", peer.error))
		return nil
	case m.vol.load.Err() != nil || tape.VerdictOf(err).Fault == tape.FaultDrive:
		e := wire.Restarted(err, volume)
		m.settle(ctx, lease, a.Request, nil, e)
		c.Fail(e)
		return err
	}
	m.log.Error("file cannot be read", "volume", volume, "file", a.File.Location.File, "bfid", a.File.BFID, "error", err)
	m.settle(ctx, lease, a.Request, nil, err)
	c.Fail(err)
	if e := m.suspect(ctx, lease, err); e != nil {
		m.log.Warn("volume not inhibited", "volume", volume, "error", e)
	}
	return nil
}

var errChecksum = errors.New("the data on tape are not those that the catalogue recorded")

// peerError is an error of the client's connection, as against one of the tape.
type peerError struct{ error }

func (e *peerError) Unwrap() error { return e.error }

// locate goes to the first block of a tape file: by its number, if it is known and the drive can, else over filemarks.
func (m *Mover) locate(ctx context.Context, to tape.Position) error {
	if m.drive.Capabilities().LocatesByBlock && to.Block != driver.Unknown {
		return m.vol.load.LocateBlock(ctx, to)
	}
	return m.vol.load.LocateFile(ctx, to.File)
}

// send reads the file from tape into the connection and checks it on the way.
func (m *Mover) send(ctx context.Context, lease wire.Lease, a wire.Assignment, c *wire.Conn, ph *wire.Phases) error {
	file := a.File
	f, err := m.format(file.Family.Wrapper)
	if err != nil {
		return err
	}
	t := time.Now()
	first := file.Location.File - int64(f.Layout().Data)
	if err := m.locate(ctx, tape.Position{Block: file.Header, File: first}); err != nil {
		return m.media(file, err)
	}
	ph.Locate = time.Since(t)
	t = time.Now()
	size := lease.Grant.Volume.BlockSize
	if size == 0 { // not known: room for the longest
		size = maxBlock
	}
	if err := m.buffers.lend(size); err != nil {
		return err
	}
	p := newPull(ctx, m.vol.load, m.buffers, f.Layout().TapeFiles)
	defer func() { p.stop(); m.takeBuffersBack(m.vol.load) }()
	r, err := wrapper.NewReader(p, f, file.Size)
	if err != nil {
		return m.media(file, err)
	}
	if _, err := r.WriteTo(peer{c}); err != nil {
		return m.media(file, err)
	}
	if !crc.Matches(file.Adler, r.Sum(), file.Size) {
		return &wire.Error{Kind: wire.Checksum, Op: "get", Subject: file.Path,
			Text: fmt.Sprintf("volume %s tape file %d: adler32 is %08x on tape, %08x in the catalogue", file.Volume, file.Location.File, r.Sum(), file.Adler),
			Err:  &tape.Error{Op: "verify", Drive: m.opts.Drive, Volume: string(file.Volume), Position: m.vol.load.Position(), Verdict: tape.Verdict{Fault: tape.FaultVolume, Permanent: true, Do: tape.NoAccess}, Err: errChecksum}}
	}
	ph.Stream = time.Since(t)
	if err := c.Finish(file.Size, r.Sum()); err != nil {
		return &peerError{err}
	}
	return nil
}

// media names the file and its place in an error of the tape; one of the client's connection
// passes as it is.
func (m *Mover) media(file *catalog.File, err error) error {
	var peer *peerError
	if errors.As(err, &peer) {
		return err
	}
	return &wire.Error{Kind: wire.Media, Op: "get", Subject: file.Path, Text: fmt.Sprintf("volume %s tape file %d: %v", file.Volume, file.Location.File, err), Err: err}
}

// peer is the client's connection with its errors marked.
type peer struct{ c *wire.Conn }

func (w peer) Write(p []byte) (int, error) {
	n, err := w.c.Write(p)
	if err != nil {
		err = &peerError{err}
	}
	return n, err
}

// maxBlock is the longest block that is expected on a volume whose block size is not known, in bytes.
const maxBlock = 1 << 20

// pull is the buffer between the tape side, which reads ahead, and the network side. It is a
// wrapper.BlockReader for the network side, and may be used up to the end of one file.
type pull struct {
	full chan pulled
	free chan []byte
	quit chan struct{}
	done chan struct{}
	last []byte // handed out by the last ReadBlock
	err  error  // of the tape; set before full is closed
}

type pulled struct {
	block []byte // nil: a filemark
	buf   []byte
}

// readAhead is how many blocks are read ahead of the client at most.
const readAhead = 64

// newPull begins to read at the load's position, into buffers that were lent for it, and reads ahead over so many tape
// files and no further: the next file may have to be located.
func newPull(ctx context.Context, l *tape.Load, bufs *buffers, tapeFiles int) *pull {
	p := &pull{full: make(chan pulled, readAhead), free: make(chan []byte, readAhead), quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		defer close(p.full)
		p.err = p.tapeSide(ctx, l, bufs, tapeFiles)
	}()
	return p
}

// empty gives a buffer to read into, or nil once the network side has stopped.
func (p *pull) empty(bufs *buffers, made *int) (buf []byte) {
	select {
	case <-p.quit:
		return nil
	case buf = <-p.free:
		return buf
	default:
	}
	if *made < readAhead {
		if buf = bufs.take(); buf != nil {
			*made++
			return buf
		}
	}
	select {
	case <-p.quit:
		return nil
	case buf = <-p.free:
		return buf
	}
}

// tapeSide reads blocks until the network side stops it, an error, or the end of data.
func (p *pull) tapeSide(ctx context.Context, l *tape.Load, bufs *buffers, tapeFiles int) error {
	for made := 0; tapeFiles > 0; {
		buf := p.empty(bufs, &made)
		if buf == nil {
			return nil
		}
		n, c, err := l.ReadBlock(ctx, buf)
		switch {
		case err != nil:
			return err
		case c == driver.EndOfData:
			return nil
		case c == driver.Filemark:
			p.full <- pulled{buf: buf}
			tapeFiles--
		default:
			p.full <- pulled{block: buf[:n], buf: buf}
		}
	}
	return nil
}

// ReadBlock returns the next block, valid until the next call, or io.EOF at a filemark.
func (p *pull) ReadBlock() ([]byte, error) {
	if p.last != nil {
		p.free <- p.last
		p.last = nil
	}
	b, ok := <-p.full
	switch {
	case !ok && p.err != nil:
		return nil, p.err
	case !ok:
		return nil, io.ErrUnexpectedEOF // end of data where a file should be
	}
	p.last = b.buf
	if b.block == nil {
		return nil, io.EOF
	}
	return b.block, nil
}

// stop ends the tape side; afterwards the load may be used otherwise.
func (p *pull) stop() {
	close(p.quit)
	<-p.done
}
