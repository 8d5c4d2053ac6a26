package library_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/memstore"
	"github.com/enstore-go/sdk/catalog/namespace"
	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/enstore/spool"
	"github.com/enstore-go/sdk/enstore/wire"
)

// manager is a library manager on a real disk, with a catalogue in memory.
func manager(b *testing.B, change func(*library.Options)) (*library.Library, library.Options) {
	b.Helper()
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	cat, err := catalog.Open(b.Context(), memstore.New(), nil)
	must(err)
	tree := namespace.New(cat)
	for tag, value := range map[namespace.Tag]string{
		namespace.Library: "L1", namespace.StorageGroup: "sg", namespace.FileFamily: "ff", namespace.Width: "1", namespace.Wrapper: "cpio_odc",
	} {
		must(tree.SetTag(b.Context(), "/", tag, value))
	}
	must(cat.AddVolume(b.Context(), catalog.Volume{Label: "V00001L8", Library: "L1", MediaType: "LTO8", Capacity: 12e12}))
	o := library.Options{Dir: b.TempDir(), Catalog: cat, Tree: tree, MaxRequests: 2_000_000, ClientTimeout: time.Hour}
	change(&o)
	l, err := library.Open(b.Context(), o)
	must(err)
	b.Cleanup(func() { _ = l.Close() })
	return l, o
}

// BenchmarkRatioAccept compares how many requests 64 callers have accepted, durably, with a bare loop that appends 64 of the same records to a file and
// syncs it once (goal: at least 0.5).
func BenchmarkRatioAccept(b *testing.B) {
	const callers, each = 64, 8
	l, o := manager(b, func(*library.Options) {})
	bare, err := os.Create(filepath.Join(o.Dir, "bare"))
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()
	n := 0
	next := func() wire.Put { n++; return put(fmt.Sprintf("/f%08d", n)) }
	first := next()
	record, err := json.Marshal(map[string]any{"t": "accept", "id": first.ID, "at": time.Now(), "put": first, "parent": 1, "name": "f00000001", "library": "L1", "family": "sg.ff.cpio_odc", "width": 1})
	if err != nil {
		b.Fatal(err)
	}
	var ratios []float64
	for b.Loop() {
		puts := make([][]wire.Put, callers)
		for i := range puts {
			for range each {
				puts[i] = append(puts[i], next())
			}
		}
		begun := time.Now()
		for range each {
			for range callers {
				if _, err := bare.Write(record); err != nil {
					b.Fatal(err)
				}
			}
			if err := bare.Sync(); err != nil {
				b.Fatal(err)
			}
		}
		loop := time.Since(begun)
		begun = time.Now()
		var all sync.WaitGroup
		for _, mine := range puts {
			all.Go(func() {
				for _, p := range mine {
					if _, err := l.Accept(context.Background(), p); err != nil {
						b.Error(err)
					}
				}
			})
		}
		all.Wait()
		ratios = append(ratios, float64(loop)/float64(time.Since(begun)))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "ratio")
}

// everything is a spool that has every file whole.
type everything struct{ *fakeSpool }

func (everything) Info(id catalog.RequestID) (spool.Info, bool) {
	return spool.Info{ID: id, Size: 1 << 30, Adler: 1}, true
}
func (everything) List() []spool.Info { return nil }

// BenchmarkRecovery is the start of a library manager whose journal holds a million requests (goal: at most 10 s).
func BenchmarkRecovery(b *testing.B) {
	const n = 1_000_000
	l, o := manager(b, func(o *library.Options) {
		o.Spool, o.JournalSize = everything{&fakeSpool{files: map[catalog.RequestID]spool.Info{}}}, 1<<40
	})
	var all sync.WaitGroup
	for part := range 64 {
		all.Go(func() {
			for i := range n / 64 {
				p := put(fmt.Sprintf("/f%02d-%06d", part, i))
				p.Size, p.Sum = wire.UnknownSize, nil
				if _, err := l.Accept(context.Background(), p); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		l, err := library.Open(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if len(l.Requests()) < n/64*64 {
			b.Fatalf("%d requests", len(l.Requests()))
		}
		_ = l.Close()
		b.StartTimer()
	}
}
