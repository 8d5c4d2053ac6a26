package sqlitestore_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/schema"
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
	s, err := sqlitestore.Open(context.Background(), filepath.Join(tb.TempDir(), "catalogue.db"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return newFleetIn(tb, s, n)
}

func newFleetIn(tb testing.TB, s *sqlitestore.Store, n int) *fleet {
	tb.Helper()
	is := is.New(tb)
	ctx := context.Background()
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
	const rounds = 25
	took := f.run(t, rounds)
	syncs, commits = f.s.Syncs()-syncs, f.s.Commits()-commits
	t.Logf("%d commits, %d syncs, %.0f commits/s", commits, syncs, float64(commits)/took.Seconds())
	is.True(commits >= committers*rounds)
	is.True(syncs*16 <= commits) // at most one synchronisation for 16 commits
}

// BenchmarkRatioFlush64 compares 64 committers, each doing the whole flush transaction and
// waiting until it is durable, with a bare loop that puts 64 of the same commits into one
// SQL transaction: rounds of both in turn, the median of the ratio of their speeds.
func BenchmarkRatioFlush64(b *testing.B) {
	const rounds, commitsEach = 15, 20
	for b.Loop() {
		f, bare := newFleet(b, committers), newBareLoop(b, committers)
		f.run(b, commitsEach) // warm both up
		bare.run(b, commitsEach)
		var ratios, rates []float64
		for range rounds {
			took := f.run(b, commitsEach)
			bareTook := bare.run(b, commitsEach)
			ratios = append(ratios, bareTook.Seconds()/took.Seconds())
			rates = append(rates, committers*commitsEach/took.Seconds())
		}
		slices.Sort(ratios)
		slices.Sort(rates)
		b.ReportMetric(ratios[rounds/2], "of-bare-loop")
		b.ReportMetric(ratios[0], "of-bare-loop-min")
		b.ReportMetric(ratios[rounds-1], "of-bare-loop-max")
		b.ReportMetric(rates[rounds/2], "commits/s")
		b.ReportMetric(rates[0], "commits/s-min")
	}
}

// bareLoop does what a flush does in SQL, and nothing else: no queue, no savepoints, no
// rules.
type bareLoop struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	n     int
	file  int64
	seq   int64
}

func newBareLoop(tb testing.TB, n int) *bareLoop {
	tb.Helper()
	is := is.New(tb)
	name := filepath.Join(tb.TempDir(), "bare.db")
	s, err := sqlitestore.Open(tb.Context(), name) // for the tables
	is.NoErr(err)
	is.NoErr(s.Update(tb.Context(), func(tx catalog.Tx) error {
		for i := range n {
			lease := catalog.NewLeaseID()
			is.NoErr(tx.AddVolume(catalog.Volume{Label: bareLabel(i), Library: "LTO8", Family: catalog.Family{Group: "cms", Family: "raw", Wrapper: "cpio_odc"}, MediaType: "LTO8",
				Capacity: 12e12, Remaining: 12e12, EOD: catalog.Location{File: 1}, Epoch: 1, Holder: lease, Declared: time.Now(), Intent: &catalog.Intent{Lease: lease, Epoch: 1, Drive: "drive"}}))
		}
		return tx.AddEntry(catalog.Entry{ID: catalog.RootEntry, Dir: true})
	}))
	is.NoErr(s.Close())
	db, err := sql.Open("sqlite", "file:"+name+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-16384)&_pragma=wal_autocheckpoint(4096)")
	is.NoErr(err)
	tb.Cleanup(func() { is.NoErr(db.Close()) })
	conn, err := db.Conn(context.Background())
	is.NoErr(err)
	tb.Cleanup(func() { is.NoErr(conn.Close()) })
	return &bareLoop{conn: conn, stmts: map[string]*sql.Stmt{}, n: n}
}

func bareLabel(i int) catalog.Label { return catalog.Label(fmt.Sprintf("VO%04dL8", i)) }

func (l *bareLoop) stmt(tb testing.TB, query string) *sql.Stmt {
	if l.stmts[query] == nil {
		stmt, err := l.conn.PrepareContext(context.Background(), query)
		if err != nil {
			tb.Fatal(err)
		}
		l.stmts[query] = stmt
	}
	return l.stmts[query]
}

func (l *bareLoop) exec(tb testing.TB, query string, args ...any) {
	if _, err := l.stmt(tb, query).ExecContext(context.Background(), args...); err != nil {
		tb.Fatal(err)
	}
}

// run commits rounds transactions.
func (l *bareLoop) run(tb testing.TB, rounds int) time.Duration {
	tb.Helper()
	start := time.Now()
	for range rounds {
		l.file++
		l.exec(tb, "begin immediate")
		for i := range l.n {
			l.commit(tb, bareLabel(i))
		}
		l.exec(tb, schema.UpdateEventCounter, l.seq)
		l.exec(tb, "commit")
	}
	return time.Since(start)
}

func (l *bareLoop) commit(tb testing.TB, label catalog.Label) {
	now := time.Now()
	v, err := schema.ScanVolume(l.stmt(tb, schema.SelectVolume).QueryRowContext(context.Background(), string(label)))
	if err != nil {
		tb.Fatal(err)
	}
	l.seq++
	number := 170000000000000 + l.seq
	bfid := catalog.BFID(fmt.Sprintf("ENST%011d", number))
	name := fmt.Sprintf("%s-%d.root", label, l.file)
	f := catalog.File{BFID: bfid, Request: catalog.NewRequestID(), Volume: label, Location: v.EOD, Size: 1 << 20, Adler: 0x34677ad2, SanitySize: 65536, SanitySum: 1,
		Family: v.Family, Library: v.Library, Path: "/cms/raw/" + name, Entry: catalog.EntryID(number), Mode: 0o644, MTime: now, Created: now, Drive: "drive", Level: catalog.OnTape}
	e := catalog.Entry{ID: f.Entry, Parent: catalog.RootEntry, Name: name, BFID: bfid, Size: f.Size, Mode: f.Mode, MTime: now, Created: now}
	l.exec(tb, schema.InsertEntry, schema.EntryArgs(&e)...)
	l.exec(tb, schema.InsertFile, schema.FileArgs(&f)...)
	data, err := json.Marshal(catalog.FileEvent{Request: f.Request, Volume: label, Location: f.Location.String(), Size: f.Size, Adler: f.Adler, Level: f.Level, Path: catalog.Bytes(f.Path)})
	if err != nil {
		tb.Fatal(err)
	}
	l.exec(tb, schema.InsertEvent, schema.EventArgs(&catalog.Event{Seq: uint64(l.seq), Time: now, Kind: catalog.FileStored, Subject: string(bfid), Data: data})...)
	v.EOD.File++
	v.Intent.From = v.EOD
	flush := catalog.FlushRecord{Lease: v.Holder, Seq: uint64(l.file), Volume: label, Epoch: 1, From: f.Location, To: v.EOD, At: now.UnixMicro(), Results: []catalog.FlushedFile{{Request: f.Request, BFID: bfid}}}
	args, err := schema.FlushArgs(&flush)
	if err != nil {
		tb.Fatal(err)
	}
	l.exec(tb, schema.InsertFlush, args...)
	v.Remaining -= f.Size
	v.Files, v.Bytes, v.LastAccess = v.Files+1, v.Bytes+f.Size, now
	l.exec(tb, schema.MoveVolume, schema.MoveArgs(&v)...)
}
