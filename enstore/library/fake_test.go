package library_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/memstore"
	"github.com/enstore-go/sdk/catalog/namespace"
	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/enstore/spool"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape/disk"
)

const gib = 1 << 30

// bench is a library manager with a catalogue, a disk and a spool that survive it.
type bench struct {
	is    *is.I
	ctx   context.Context
	cat   *catalog.Catalog
	tree  *namespace.Tree
	fs    *disk.Forgetful
	spool *fakeSpool
	opts  library.Options
	lib   *library.Library
}

// newBench opens a library L1 with volumes V00001L8 and on, of 100 GiB each, and a directory /d for it.
func newBench(t *testing.T, volumes int) *bench { return newBenchOver(t, memstore.New(), volumes) }

func newBenchOver(t *testing.T, store catalog.Store, volumes int) *bench {
	b := &bench{is: is.New(t), ctx: t.Context(), fs: disk.NewForgetful()}
	var err error
	b.cat, err = catalog.Open(b.ctx, store, nil)
	b.is.NoErr(err)
	b.tree = namespace.New(b.cat)
	_, err = b.tree.Mkdir(b.ctx, "/d", namespace.Attr{})
	b.is.NoErr(err)
	for tag, value := range map[namespace.Tag]string{
		namespace.Library: "L1", namespace.StorageGroup: "sg", namespace.FileFamily: "ff", namespace.Width: "1", namespace.Wrapper: "cpio_odc",
	} {
		b.is.NoErr(b.tree.SetTag(b.ctx, "/d", tag, value))
	}
	for n := range volumes {
		b.addVolume(n + 1)
	}
	b.spool = &fakeSpool{files: map[catalog.RequestID]spool.Info{}, expected: map[catalog.RequestID]func(spool.Info, error) error{}}
	b.opts = library.Options{Dir: "/journal", FS: b.fs, Catalog: b.cat, Tree: b.tree, Spool: b.spool}
	b.open()
	t.Cleanup(func() { _ = b.lib.Close() })
	return b
}

func (b *bench) addVolume(n int) {
	b.is.NoErr(b.cat.AddVolume(b.ctx, catalog.Volume{Label: label(n), Library: "L1", MediaType: "LTO8", Capacity: 100 * gib}))
}

func label(n int) catalog.Label { return catalog.Label(fmt.Sprintf("V%05dL8", n)) }

func (b *bench) open() {
	b.is.Helper()
	b.opts.FS = b.fs
	var err error
	b.lib, err = library.Open(b.ctx, b.opts)
	b.is.NoErr(err)
}

// reopen ends the library manager and starts another one.
func (b *bench) reopen() {
	b.is.Helper()
	b.is.NoErr(b.lib.Close())
	b.open()
}

func put(key string) wire.Put {
	sum := uint32(1)
	return wire.Put{ID: catalog.NewRequestID(), Key: key, Size: gib, Sum: &sum, Level: catalog.OnTape}
}

func (b *bench) accept(p wire.Put) catalog.RequestID {
	b.is.Helper()
	t, err := b.lib.Accept(b.ctx, p)
	b.is.NoErr(err)
	b.is.Equal(t.ID, p.ID)
	b.is.True(t.Stored == nil)
	return p.ID
}

func (b *bench) kindIs(err error, k wire.Kind) {
	b.is.Helper()
	if !errors.Is(err, k) {
		b.is.Equal(err, k)
	}
}

// fakeMover is a mover without drive or tape: it flushes each assignment to the catalogue.
type fakeMover struct {
	*bench
	drive   string
	mounted catalog.Label
	lease   wire.Lease
	eod     catalog.Location
	seq     uint64
	pause   func() // called before more is asked for
	blocks  int64  // of a file on tape with its filemark; 0: the drive tells no block numbers
}

func (b *bench) mover(name string) *fakeMover { return &fakeMover{bench: b, drive: name} }

func (m *fakeMover) report() wire.DriveReport {
	return wire.DriveReport{Drive: m.drive, Libraries: []catalog.LibraryName{"L1"}, Mounted: m.mounted}
}

// next gets a lease and mounts its volume.
func (m *fakeMover) next() wire.Lease {
	m.is.Helper()
	l, err := m.lib.Next(m.ctx, m.report())
	m.is.NoErr(err)
	m.take(l)
	return l
}

func (m *fakeMover) take(l wire.Lease) {
	m.is.Helper()
	m.lease, m.seq, m.mounted = l, 0, l.Grant.Volume.Label
	if l.Kind == wire.DismountLease {
		m.mounted = ""
	}
	if l.Kind == wire.WriteLease && l.Grant.Volume.EOD.File == 0 {
		g, err := m.cat.Labelled(m.ctx, l.ID, l.Grant.Volume.Label, l.Grant.Epoch, 256<<10)
		m.is.NoErr(err)
		m.lease.Grant = g
	}
	m.eod = m.lease.Grant.Volume.EOD
}

// flush writes an assignment: the catalogue has it then, and the library does not know.
func (m *fakeMover) flush(a wire.Assignment) wire.Record {
	m.is.Helper()
	m.seq++
	end := catalog.Location{File: m.eod.File + 1}
	if m.blocks > 0 {
		end.Block = max(m.eod.Block, 2) + m.blocks // the label and its filemark
	}
	header := int64(-1)
	if m.eod.HasBlock() {
		header = m.eod.Block
	}
	sum := uint32(1)
	if a.Put.Sum != nil {
		sum = *a.Put.Sum
	}
	g := m.lease.Grant
	rs, err := m.cat.Flush(m.ctx, catalog.Commit{
		Lease: m.lease.ID, Seq: m.seq, Volume: g.Volume.Label, Epoch: g.Epoch, From: m.eod, To: end, Remaining: -1, Drive: m.drive,
		Files: []catalog.NewFile{{Request: a.Request, Parent: a.Parent, Name: a.Name, Path: a.Put.Key, Location: catalog.Location{File: m.eod.File}, Header: header, Size: max(a.Put.Size, 0), Adler: sum}},
	})
	m.is.NoErr(err)
	m.is.NoErr(rs[0].Err)
	m.eod = end
	return wire.RecordOf(rs[0].File, wire.Phases{})
}

func (m *fakeMover) settle(a wire.Assignment, rec *wire.Record, err error) {
	m.is.Helper()
	m.is.NoErr(m.lib.Settle(m.ctx, m.lease.ID, []wire.Settlement{{Request: a.Request, Record: rec, Err: wire.AsError(err, "transfer", "")}}))
}

// work does assignments and asks for more until there are none, and releases the lease. It gives the keys in order.
func (m *fakeMover) work() []string {
	m.is.Helper()
	var keys []string
	as := m.lease.Assignments
	for len(as) > 0 {
		for _, a := range as {
			if a.File != nil {
				keys = append(keys, a.File.Path)
				rec := wire.RecordOf(*a.File, wire.Phases{})
				m.settle(a, &rec, nil)
				continue
			}
			keys = append(keys, a.Put.Key)
			rec := m.flush(a)
			m.settle(a, &rec, nil)
		}
		if m.pause != nil {
			m.pause()
		}
		var err error
		as, err = m.lib.More(m.ctx, m.lease.ID, 0)
		m.is.NoErr(err)
	}
	m.release(nil, wire.FaultUnknown)
	return keys
}

func (m *fakeMover) release(err error, f wire.Fault) {
	m.is.Helper()
	if m.lease.Kind == wire.WriteLease {
		g := m.lease.Grant
		m.is.NoErr(m.cat.EndIntent(m.ctx, m.lease.ID, g.Volume.Label, g.Epoch))
	}
	m.is.NoErr(m.lib.Release(m.ctx, m.lease.ID, wire.Release{Mounted: m.mounted, Err: wire.AsError(err, "lease", ""), Fault: f}))
}

// leases is Next in the background, for what must not come, or not yet.
func (m *fakeMover) leases() <-chan wire.Lease {
	ch := make(chan wire.Lease, 1)
	go func() {
		if l, err := m.lib.Next(m.ctx, m.report()); err == nil {
			ch <- l
		}
		close(ch)
	}()
	return ch
}

var _ library.Spool = (*spool.Spool)(nil)

// fakeSpool keeps sizes and checksums; the test says when a stream ends.
type fakeSpool struct {
	mu       sync.Mutex
	files    map[catalog.RequestID]spool.Info
	expected map[catalog.RequestID]func(spool.Info, error) error
	full     bool
	turns    int
}

func (s *fakeSpool) Reserve(wire.Put) error {
	if s.full {
		return &wire.Error{Kind: wire.Busy, Subject: "spool", Text: "is full", RetryAfter: time.Minute}
	}
	return nil
}

func (s *fakeSpool) Receive(p wire.Put, done func(spool.Info, error) error) (wire.Turn, error) {
	s.mu.Lock()
	old := s.expected[p.ID]
	s.expected[p.ID] = done
	s.turns++
	turn := wire.Turn{Address: fmt.Sprint("spool ", s.turns), Token: wire.NewToken()}
	s.mu.Unlock()
	if old != nil {
		_ = old(spool.Info{}, wire.Errorf(wire.Restart, "spool", "its client connects anew"))
	}
	return turn, nil
}

// stream ends the client's stream; the result is what the client hears.
func (s *fakeSpool) stream(id catalog.RequestID, size int64, sum uint32, err error) error {
	s.mu.Lock()
	done := s.expected[id]
	delete(s.expected, id)
	i := spool.Info{ID: id, Size: size, Adler: sum}
	if err == nil {
		s.files[id] = i
	}
	s.mu.Unlock()
	return done(i, err)
}

func (s *fakeSpool) Info(id catalog.RequestID) (spool.Info, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.files[id]
	return i, ok
}

func (s *fakeSpool) List() []spool.Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.files))
}

func (s *fakeSpool) Remove(id catalog.RequestID) error {
	s.mu.Lock()
	done := s.expected[id]
	delete(s.files, id)
	delete(s.expected, id)
	s.mu.Unlock()
	if done != nil {
		_ = done(spool.Info{}, wire.Errorf(wire.Cancelled, "spool", "removed"))
	}
	return nil
}

func (s *fakeSpool) has(id catalog.RequestID) bool {
	_, ok := s.Info(id)
	return ok
}
