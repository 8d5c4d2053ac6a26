package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
)

// Open makes an empty store for one test. The kit closes it; what else is to be removed is
// removed by t.Cleanup.
type Open func(t testing.TB) catalog.Store

// testCase is one rule.
type testCase struct {
	name string
	rule string // what a store that fails the case does not keep
	run  func(is *is.I, b *bench)
}

// Test runs all cases, each on a store of its own.
func Test(t *testing.T, open Open) {
	for _, group := range []struct {
		name  string
		cases []testCase
	}{{"rows", rowCases}, {"transactions", transactionCases}, {"volumes", volumeCases}, {"leases", leaseCases}, {"flushes", flushCases}, {"files", fileCases}} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Cleanup(func() {
						if t.Failed() {
							t.Logf("the rule: %s", c.rule)
						}
					})
					c.run(is.New(t), newBench(t, open))
				})
			}
		})
	}
}

// bench is a store with a catalogue and a clock that only the test moves.
type bench struct {
	t   testing.TB
	ctx context.Context
	s   catalog.Store
	c   *catalog.Catalog
	at  time.Time
	ids uint64
}

// start is the time at which every test begins: that of the vectors of BFIDs.
var start = time.Unix(1_700_000_000, 250_000_000)

func newBench(t testing.TB, open Open) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	b := &bench{t: t, ctx: ctx, at: start}
	b.s = open(t)
	t.Cleanup(func() {
		cancel()
		if err := b.s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	b.reopen()
	return b
}

// reopen gives the bench a new catalogue over the same store, as after a restart.
func (b *bench) reopen() {
	b.t.Helper()
	c, err := catalog.Open(b.ctx, b.s, &catalog.Options{Brand: "gcms", Now: func() time.Time { return b.at }})
	if err != nil {
		b.t.Fatalf("open: %v", err)
	}
	b.c = c
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) update(fn func(tx catalog.Tx) error) {
	b.t.Helper()
	b.must(b.s.Update(b.ctx, fn))
}

func (b *bench) view(fn func(tx catalog.Tx) error) {
	b.t.Helper()
	b.must(b.s.View(b.ctx, fn))
}

// id is a new id, the same in every run.
func (b *bench) id() (id [16]byte) {
	b.ids++
	copy(id[:], fmt.Sprintf("id%014d", b.ids))
	return id
}

func (b *bench) lease() catalog.LeaseID     { return catalog.LeaseID(b.id()) }
func (b *bench) request() catalog.RequestID { return catalog.RequestID(b.id()) }

const (
	library = catalog.LibraryName("LTO8")
	tera    = int64(1e12)
)

var raw = catalog.Family{Group: "cms", Family: "raw", Wrapper: "cpio_odc"}

// blank declares a volume that nobody has written.
func (b *bench) blank(l catalog.Label) {
	b.t.Helper()
	b.must(b.c.AddVolume(b.ctx, catalog.Volume{Label: l, Library: library, MediaType: "LTO8", Capacity: 12 * tera}))
}

// writer is a lease on a labelled volume.
func (b *bench) writer(l catalog.Label) catalog.Grant {
	b.t.Helper()
	if _, err := b.c.Volume(b.ctx, l); err != nil {
		b.blank(l)
	}
	var others []catalog.Label
	for v, err := range b.c.Volumes(b.ctx, catalog.Filter{}) {
		b.must(err)
		if v.Label != l {
			others = append(others, v.Label)
		}
	}
	g, err := b.c.ChooseForWrite(b.ctx, catalog.Choice{Lease: b.lease(), Library: library, Family: raw, Width: 100, Veto: others, Drive: "drive0"})
	b.must(err)
	if g.Volume.EOD.File == 0 {
		g, err = b.c.Labelled(b.ctx, g.Lease, l, g.Epoch, 256<<10)
		b.must(err)
	}
	return g
}

// file is a new file of one megabyte at a tape file.
func (b *bench) file(at int64, name string) catalog.NewFile {
	f := catalog.NewFile{Request: b.request(), Location: catalog.Location{File: at}, Header: 100 * at, Size: 1e6, Adler: 0xffffffff,
		SanitySize: 65536, SanitySum: 0x80000001, Path: "/" + name, UID: 4294967294, GID: 1, Mode: 0o644, MTime: time.Unix(0, 0)}
	if name != "" {
		f.Parent, f.Name = catalog.RootEntry, name
	}
	return f
}

// commit is a flush of these files, one behind the other.
func (b *bench) commit(g catalog.Grant, seq uint64, files ...catalog.NewFile) catalog.Commit {
	from := g.Volume.EOD
	return catalog.Commit{Lease: g.Lease, Seq: seq, Volume: g.Volume.Label, Epoch: g.Epoch, From: from,
		To: catalog.Location{File: from.File + int64(len(files))}, Files: files, Remaining: -1, Drive: "drive0"}
}

// store flushes one file as the first flush of a new lease, which ends then.
func (b *bench) store(l catalog.Label, name string) catalog.File {
	b.t.Helper()
	g := b.writer(l)
	results, err := b.c.Flush(b.ctx, b.commit(g, 1, b.file(g.Volume.EOD.File, name)))
	b.must(err)
	b.must(results[0].Err)
	b.must(b.c.EndIntent(b.ctx, g.Lease, l, g.Epoch))
	return results[0].File
}

// volume reads a volume.
func (b *bench) volume(l catalog.Label) catalog.Volume {
	b.t.Helper()
	v, err := b.c.Volume(b.ctx, l)
	b.must(err)
	return v
}
