package sqlitestore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/sqlitestore"
)

// committers is how many drives commit at once, each on its own volume.
const committers = 64

// fleet is a catalogue with a write lease for every committer.
type fleet struct {
	s      *sqlitestore.Store
	c      *catalog.Catalog
	drives []*drive
}

// drive flushes one file after the other.
type drive struct {
	c    *catalog.Catalog
	g    catalog.Grant
	dir  catalog.EntryID
	seq  uint64
	file int64
}

func newFleet(tb testing.TB, n int) *fleet {
	tb.Helper()
	is := is.New(tb)
	ctx := context.Background()
	s, err := sqlitestore.Open(ctx, filepath.Join(tb.TempDir(), "catalogue.db"))
	is.NoErr(err)
	tb.Cleanup(func() { is.NoErr(s.Close()) })
	c, err := catalog.Open(ctx, s, nil)
	is.NoErr(err)
	f := &fleet{s: s, c: c}
	family := catalog.Family{Group: "cms", Family: "raw", Wrapper: "cpio_odc"}
	for i := range n {
		label := catalog.Label(fmt.Sprintf("VO%04dL8", i))
		is.NoErr(c.AddVolume(ctx, catalog.Volume{Label: label, Library: "LTO8", MediaType: "LTO8", Capacity: 12e12}))
		g, err := c.ChooseForWrite(ctx, catalog.Choice{Lease: catalog.NewLeaseID(), Library: "LTO8", Family: family, Width: n, Drive: fmt.Sprint("drive", i)})
		is.NoErr(err)
		g, err = c.Labelled(ctx, g.Lease, g.Volume.Label, g.Epoch, 256<<10)
		is.NoErr(err)
		f.drives = append(f.drives, &drive{c: c, g: g, dir: catalog.RootEntry, file: 1})
	}
	return f
}

// commit is the next flush, of one file.
func (d *drive) commit() catalog.Commit {
	d.seq++
	d.file++
	return catalog.Commit{Lease: d.g.Lease, Seq: d.seq, Volume: d.g.Volume.Label, Epoch: d.g.Epoch,
		From: catalog.Location{File: d.file - 1}, To: catalog.Location{File: d.file}, Remaining: -1, Drive: "drive",
		Files: []catalog.NewFile{{Request: catalog.NewRequestID(), Parent: d.dir, Name: fmt.Sprintf("%s-%d.root", d.g.Volume.Label, d.file),
			Location: catalog.Location{File: d.file - 1}, Size: 1 << 20, Adler: 0x34677ad2, SanitySize: 65536, SanitySum: 1,
			Path: fmt.Sprintf("/cms/raw/%s-%d.root", d.g.Volume.Label, d.file), Mode: 0o644, MTime: time.Unix(1.7e9, 0)}}}
}

func (d *drive) flush(ctx context.Context) error {
	results, err := d.c.Flush(ctx, d.commit())
	if err == nil {
		err = results[0].Err
	}
	return err
}

// run has every drive flush rounds times, all at once.
func (f *fleet) run(tb testing.TB, rounds int) time.Duration {
	tb.Helper()
	var wg sync.WaitGroup
	errs := make([]error, len(f.drives))
	start := time.Now()
	for i, d := range f.drives {
		wg.Go(func() {
			for range rounds {
				if errs[i] = d.flush(context.Background()); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			tb.Fatal(err)
		}
	}
	return time.Since(start)
}

func TestCommittersShareSyncs(t *testing.T) {
	is := is.New(t)
	f := newFleet(t, committers)
	syncs, commits := f.s.Syncs(), f.s.Commits()
	const rounds = 50
	took := f.run(t, rounds)
	syncs, commits = f.s.Syncs()-syncs, f.s.Commits()-commits
	t.Logf("%d commits, %d syncs, %.0f commits/s", commits, syncs, float64(commits)/took.Seconds())
	is.True(commits >= committers*rounds)
	is.True(syncs*16 <= commits) // at most one synchronisation for 16 commits
}

var _ = slices.Sort[[]int]
