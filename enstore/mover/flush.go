package mover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape"
)

// written is one file that is on its way to be safe.
type written struct {
	src    source
	a      wire.Assignment
	dead   bool // space without a file: torn or refused after it was begun
	size   int64
	onTape int64 // what it takes there, wrapper included
	sum    uint32
	sanity crc.Sanity
	first  int64            // the drive's number of its first block
	at     catalog.Location // of its data
	end    catalog.Location // where the next file begins
	phases wire.Phases
	done   time.Time // when its filemark was sent
}

// group holds the files written since the last flush and makes them safe together. Its flush may be
// called by the writer or by the timer of the oldest file; one at a time.
type group struct {
	ctx   context.Context
	m     *Mover
	lease wire.Lease
	feed  *feed

	mu     sync.Mutex // held through a flush: adding a file waits for it
	files  []written  // dead ones included, in the order on tape
	bytes  int64      // their sum
	grant  catalog.Grant
	eod    catalog.Location // as the catalogue has it
	end    catalog.Location // behind the last complete file
	seq    uint64           // flushes of this lease
	timer  *time.Timer      // runs while files is not empty
	failed error            // no further flush; the files have been failed
}

func newGroup(ctx context.Context, m *Mover, lease wire.Lease, g catalog.Grant, fd *feed, flushes uint64) *group {
	return &group{ctx: ctx, m: m, lease: lease, feed: fd, grant: g, eod: g.Volume.EOD, end: g.Volume.EOD, seq: flushes}
}

func (g *group) volume() string { return string(g.grant.Volume.Label) }

// room is how many bytes the volume still takes, by the catalogue's count and ours.
func (g *group) room() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.grant.Volume.Remaining - g.bytes
}

// add takes a file whose filemark has been sent, and flushes if the policy says so.
func (g *group) add(w written) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed != nil {
		g.drop(&w, wire.Restarted(g.failed, g.volume()))
		return g.failed
	}
	g.end = w.end
	g.files = append(g.files, w)
	g.bytes += w.onTape
	p := g.m.opts.Flush
	if g.bytes >= p.Bytes || len(g.files) >= p.Files {
		return g.flushLocked(false)
	}
	if g.timer == nil {
		g.timer = time.AfterFunc(p.Age, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			_ = g.flushLocked(false) // kept in failed; the writer meets it at its next step
		})
	}
	return nil
}

// flush makes everything safe that was added. full closes the volume in the same transaction.
func (g *group) flush(full bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if full && g.failed == nil && g.end == g.eod {
		return g.commit(full)
	}
	return g.flushLocked(full)
}

// flushLocked is the flush of house rules: a synchronous filemark command, the position
// compared, one transaction, and then the clients are told.
func (g *group) flushLocked(full bool) error {
	g.disarm()
	if g.failed != nil || g.end == g.eod {
		return g.failed
	}
	t := time.Now()
	g.m.opts.Step("mover: before sync")
	at, err := g.feed.sync()
	if err != nil {
		if !errors.Is(err, tape.ErrEndOfMedium) { // then what is before the end is still to be saved
			g.failLocked(err)
		}
		return err
	}
	if at.File < g.end.File {
		err := &tape.Error{Op: "flush", Drive: g.m.opts.Drive, Volume: g.volume(), Position: at, Verdict: tape.Verdict{Fault: tape.FaultDrive, Do: tape.OtherDrive}, Err: fmt.Errorf("tape file %d expected: %w", g.end.File, tape.ErrPosition)}
		g.failLocked(err)
		return err
	}
	g.m.opts.Step("mover: sync done")
	for i := range g.files {
		g.files[i].phases.Flush = time.Since(t)
	}
	return g.commit(full)
}

// commit records what is known to be on tape and tells the clients. Caller holds mu.
func (g *group) commit(full bool) error {
	t := time.Now()
	c := catalog.Commit{
		Lease: g.lease.ID, Seq: g.seq + 1, Volume: g.grant.Volume.Label, Epoch: g.grant.Epoch,
		From: g.eod, To: g.end, Full: full, Drive: g.m.opts.Drive,
	}
	left := g.grant.Volume.Remaining
	var files []written
	for _, w := range g.files {
		left -= w.onTape
		if w.dead {
			c.DeadBytes += w.onTape
			continue
		}
		files = append(files, w)
		c.Files = append(c.Files, g.newFile(w))
	}
	c.Remaining = max(left, 0)
	g.m.opts.Step("mover: before commit")
	res, err := g.m.record(g.ctx, c)
	if err != nil {
		g.failLocked(err)
		return err
	}
	g.m.opts.Step("mover: committed")
	g.seq++
	g.eod = g.end
	g.grant.Volume.EOD = g.end
	g.grant.Volume.Remaining = c.Remaining
	g.files, g.bytes = nil, 0
	g.settle(files, res, time.Since(t))
	return nil
}

// settle tells the library what was recorded, and then the clients: whoever has heard that a file is stored finds it settled.
func (g *group) settle(files []written, res []catalog.FileResult, took time.Duration) {
	settled := make([]wire.Settlement, len(files))
	for i, w := range files {
		w.phases.Commit = took
		settled[i].Request = w.a.Request
		file, err := res[i].File, res[i].Err
		if f := res[i].Earlier; f != nil && f.Size == w.size && f.Adler == w.sum {
			file, err = *f, nil // an attempt whose outcome was unknown had succeeded
		}
		if err != nil {
			settled[i].Err = wire.AsError(err, "put", w.a.Put.Key)
			continue
		}
		rec := wire.RecordOf(file, w.phases)
		settled[i].Record = &rec
		g.m.tally.file()
	}
	// A library that cannot be told asks the catalogue by request id when it is back.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(g.ctx), settleTime)
	defer cancel()
	if err := g.m.opts.Dispatcher.Settle(ctx, g.lease.ID, settled); err != nil {
		g.m.log.Warn("library not told of a flush", "volume", g.volume(), "error", err)
	}
	g.m.opts.Step("mover: library told")
	for i, w := range files {
		if settled[i].Err != nil {
			w.src.fail(settled[i].Err)
		} else {
			w.src.stored(*settled[i].Record)
		}
	}
	g.m.opts.Step("mover: clients told")
}

// record does the flush transaction. If its outcome is unknown the catalogue is asked by lease and
// sequence number before anything else happens to the volume.
func (m *Mover) record(ctx context.Context, c catalog.Commit) ([]catalog.FileResult, error) {
	ctx = context.WithoutCancel(ctx)
	flush, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	res, err := m.opts.Catalog.Flush(flush, c)
	if err == nil || errors.Is(err, catalog.ErrFenced) {
		return res, err
	}
	m.log.Warn("flush transaction failed, asking for its outcome", "volume", c.Volume, "error", err)
	ask, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if res, e := m.opts.Catalog.FlushOutcome(ask, c.Lease, c.Seq); e == nil {
		return res, nil
	}
	return nil, fmt.Errorf("volume %s: record %d files: %w", c.Volume, len(c.Files), err)
}

func (g *group) newFile(w written) catalog.NewFile {
	p := w.a.Put
	return catalog.NewFile{
		Request: w.a.Request, Parent: w.a.Parent, Name: w.a.Name, Location: w.at, Header: w.first,
		Size: w.size, Adler: w.sum, SanitySize: w.sanity.Size, SanitySum: w.sanity.Sum,
		Path: p.Key, UID: p.UID, GID: p.GID, Mode: p.Mode, MTime: p.MTime,
	}
}

// saveBeforeEnd records the files that were complete when the tape ended, and closes the
// volume. What is torn behind them, the file in work included, stays beyond the recorded end of
// data and is sent again. On a volume that held nothing else the torn file is too large for any,
// and the volume stays open for others.
func (g *group) saveBeforeEnd(inWork *written) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.disarm()
	if g.failed != nil {
		g.drop(inWork, wire.Restarted(g.failed, g.volume()))
		return g.failed
	}
	g.feed.drain()
	at, err := g.m.vol.load.SyncEnd(g.ctx)
	if err != nil {
		g.failLocked(err)
		g.drop(inWork, wire.Restarted(err, g.volume()))
		return err
	}
	whole := 0
	for whole < len(g.files) && g.files[whole].end.File <= at.File {
		whole++
	}
	lost := g.files[whole:]
	if inWork != nil {
		lost = append(lost, *inWork)
	}
	g.files, g.end = g.files[:whole], g.eod
	if whole > 0 {
		g.end = g.files[whole-1].end
	}
	alone := whole == 0 && g.eod.File == 1
	if !alone {
		err = g.commit(true)
	}
	for i := range lost {
		why := wire.Restarted(tape.ErrEndOfMedium, g.volume())
		if alone && i == 0 && lost[i].src != nil {
			why = wire.Errorf(wire.TooLarge, lost[i].a.Put.Key, "the file does not fit on the empty volume %s", g.volume())
		}
		g.drop(&lost[i], why)
	}
	g.files = nil
	g.failed = tape.ErrEndOfMedium
	return err
}

// fail gives up every file since the last flush.
func (g *group) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failLocked(err)
}

func (g *group) failLocked(err error) {
	g.disarm()
	if g.failed == nil {
		g.failed = err
	}
	for i := range g.files {
		g.drop(&g.files[i], wire.Restarted(err, g.volume()))
	}
	g.files, g.bytes = nil, 0
}

// drop tells client and library that a file has failed.
func (g *group) drop(w *written, err error) {
	if w == nil || w.src == nil {
		return
	}
	g.m.settle(g.ctx, g.lease, w.a.Request, nil, err)
	w.src.fail(err)
	w.src = nil
}

func (g *group) disarm() {
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
}

// stop ends the group at the end of its lease; nothing is flushed any more.
func (g *group) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.disarm()
	if g.failed == nil {
		g.failed = context.Canceled
	}
}
