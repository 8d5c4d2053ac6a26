package library_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape/order"
)

// Reads of a serpentine tape are given in an order that costs less time than that of their positions, whatever came when,
// and each once.
func TestReadsGoByPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 0)
		b.is.NoErr(b.cat.AddVolume(b.ctx, catalog.Volume{Label: label(1), Library: "L1", MediaType: "LTO8", Capacity: 1e12})) // less than there is on it
		m := b.mover("d0")
		m.pause = synctest.Wait
		m.blocks = 500_000 // the files lie all over the tape, as if others lay between
		var keys []string
		for n := range 90 {
			keys = append(keys, fmt.Sprintf("/d/f%02d", n))
			b.accept(put(keys[n]))
		}
		m.next()
		m.work()
		b.is.NoErr(b.lib.VolumeLeft(b.ctx, label(1)))
		m.mounted = ""

		rand.New(rand.NewPCG(1, 2)).Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		for n, key := range keys {
			_, err := b.lib.Recall(b.ctx, wire.Get{ID: catalog.NewRequestID(), Key: key})
			b.is.NoErr(err)
			synctest.Wait() // so that every run plans the same
			if n == 59 {    // the rest comes while the tape is at work
				m.next()
			}
		}
		served := m.work()

		v, err := b.cat.Volume(b.ctx, label(1))
		b.is.NoErr(err)
		var files []order.File
		for _, key := range served {
			e, err := b.tree.Lookup(b.ctx, key)
			b.is.NoErr(err)
			f, err := b.cat.File(b.ctx, e.BFID)
			b.is.NoErr(err)
			files = append(files, order.File{Start: max(f.Header, 0), End: max(f.Header, 0) + 4097, Number: f.Location.File})
		}
		v.EOD.Block += 5000
		reel := library.ReelOf(v)
		way := make([]int, len(files))
		for i := range way {
			way[i] = i
		}
		got, err := order.Judge(reel, 0, files, way)
		b.is.NoErr(err)
		slices.SortFunc(way, func(i, j int) int { return int(files[i].Start - files[j].Start) })
		plain, err := order.Judge(reel, 0, files, way)
		b.is.NoErr(err)
		b.is.True(got.Total < plain.Total*8/10)
		slices.Sort(served)
		slices.Sort(keys)
		b.is.Equal(served, keys)
	})
}

// A read far away is served, however many come that are nearer.
func TestNoReadIsPutOffForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 0)
		b.is.NoErr(b.cat.AddVolume(b.ctx, catalog.Volume{Label: label(1), Library: "L1", MediaType: "LTO8", Capacity: 12e12}))
		m := b.mover("d0")
		for n := range 40 {
			m.blocks = 500
			if n == 38 {
				m.blocks = 195_000 // the last file is at the other end of the first wrap
			}
			b.accept(put(fmt.Sprintf("/d/f%02d", n)))
			if n == 0 {
				m.next()
			}
			as := m.lease.Assignments
			if n > 0 {
				var err error
				as, err = b.lib.More(b.ctx, m.lease.ID, 0)
				b.is.NoErr(err)
			}
			rec := m.flush(as[0])
			m.settle(as[0], &rec, nil)
		}
		m.release(nil, wire.FaultUnknown)
		b.is.NoErr(b.lib.VolumeLeft(b.ctx, label(1)))
		m.mounted = ""

		recall := func(n int) {
			_, err := b.lib.Recall(b.ctx, wire.Get{ID: catalog.NewRequestID(), Key: fmt.Sprintf("/d/f%02d", n)})
			b.is.NoErr(err)
		}
		recall(39)
		random := rand.New(rand.NewPCG(1, 2))
		more := func(n int) {
			for range n {
				recall(random.IntN(38))
			}
			synctest.Wait()
		}
		more(30)
		m.next()
		read := 0
		for served := false; !served; {
			as := m.lease.Assignments
			if read > 0 {
				var err error
				as, err = b.lib.More(b.ctx, m.lease.ID, 0)
				b.is.NoErr(err)
			}
			for _, a := range as {
				rec := wire.RecordOf(*a.File, wire.Phases{})
				m.settle(a, &rec, nil)
				served = served || a.File.Path == "/d/f39"
			}
			more(len(as)) // as many as were read
			if read += len(as); read > 300 {
				t.Fatal("still not served after 300 others")
			}
		}
	})
}

func TestReelOf(t *testing.T) {
	is := is.New(t)
	v := catalog.Volume{MediaType: "LTO-9", Capacity: 18e12, BlockSize: 1 << 18}
	is.Equal(library.ReelOf(v).Blocks(), int64(18e12)>>18)
	v.EOD = catalog.Location{File: 1000, Block: 1e8} // it was compressed
	is.Equal(library.ReelOf(v).Blocks(), int64(1e8))
	for _, o := range []catalog.Volume{{MediaType: "file", Capacity: 18e12, BlockSize: 1 << 18}, {MediaType: "LTO9", Capacity: 18e12}, {MediaType: "LTO9", BlockSize: 1 << 18}} {
		is.Equal(library.ReelOf(o), nil)
	}
}
