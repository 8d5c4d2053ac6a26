package queue_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/enstore-go/sdk/queue"
)

// scanner is the queue as one would write it first: it looks through all requests for the one that goes next.
type scanner struct {
	requests []queue.Request
	busy     map[queue.Volume]bool
}

func (s *scanner) next() int {
	best := -1
	for i := range s.requests {
		q := &s.requests[i]
		if q.Kind == queue.Read && s.busy[q.Volume] {
			continue
		}
		if best < 0 || q.Accepted.Before(s.requests[best].Accepted) {
			best = i
		}
	}
	return best
}

// lap is the time of one turn of a drive, the mean of n.
func lap(n int, turn func()) float64 {
	start := time.Now()
	for range n {
		turn()
	}
	return float64(time.Since(start)) / float64(n)
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// turner gives one whole turn of a drive of a loaded machine: see BenchmarkSelectNext.
func turner(b *testing.B, m *queue.Machine) func() {
	apply := func(e queue.Event) []queue.Decision {
		d, err := m.Apply(e)
		if err != nil {
			b.Fatal(err)
		}
		return d
	}
	d := apply(queue.DriveReady{Time: start, Drive: "bench", Libraries: []queue.Library{"L"}})
	n := m.Len()
	return func() {
		g, ok := d[0].(queue.Grant)
		if !ok {
			b.Fatalf("%T", d[0])
		}
		if g.Lease.Kind == queue.Write {
			apply(queue.VolumeChosen{Time: start, Lease: g.Lease.ID, Volume: "W1", Room: 0})
		}
		apply(queue.Finished{Time: start, ID: g.Lease.Requests[0], Well: true})
		apply(queue.LeaseEnded{Time: start, Lease: g.Lease.ID})
		n++
		q := queue.Request{ID: id(n), Kind: g.Lease.Kind, Library: "L", Size: 1 << 30, Family: g.Lease.Family, Width: g.Lease.Width}
		if q.Kind == queue.Read {
			q.Volume, q.Position.File = g.Lease.Volume, int64(n%1000)
		}
		apply(queue.Submitted{Time: start, Request: q})
		d = apply(queue.DriveReady{Time: start, Drive: "bench", Libraries: []queue.Library{"L"}})
	}
}

// BenchmarkRatioSelectNext compares one whole turn of a drive, in which the next request is chosen and who waited for its volume is woken, at a million
// waiting requests with the same at a thousand (goal: at most 10), and with 50,000 volumes instead of 100 at a hundred thousand (goal: at most 10).
func BenchmarkRatioSelectNext(b *testing.B) {
	few, many := turner(b, loaded(1e3, 100)), turner(b, loaded(1e6, 100))
	narrow, wide := turner(b, loaded(1e5, 100)), turner(b, loaded(1e5, 50_000))
	var growth, spread []float64
	for b.Loop() {
		const n = 2000
		a, c := lap(n, few), lap(n, many)
		growth = append(growth, c/a)
		a, c = lap(n, narrow), lap(n, wide)
		spread = append(spread, c/a)
	}
	b.ReportMetric(median(growth), "ratio")
	b.ReportMetric(median(spread), "volumes-ratio")
}

// BenchmarkRatioScan compares one whole turn of a drive with looking through all requests once, both at a million (goal: at most 1/1000).
func BenchmarkRatioScan(b *testing.B) {
	many := turner(b, loaded(1e6, 100))
	s := &scanner{busy: map[queue.Volume]bool{}}
	for i := range int(1e6) {
		q := queue.Request{ID: id(i + 1), Kind: queue.Read, Volume: queue.Volume(fmt.Sprint("V", i*7919%100)), Accepted: start.Add(time.Duration(1e6-i) * time.Millisecond)}
		if i%5 == 0 {
			q.Kind = queue.Write
		}
		s.requests = append(s.requests, q)
	}
	for i := range 10 {
		s.busy[queue.Volume(fmt.Sprint("V", i))] = true
	}
	var ratios []float64
	for b.Loop() {
		turn, scan := lap(2000, many), lap(3, func() { s.next() })
		ratios = append(ratios, turn/scan)
	}
	b.ReportMetric(median(ratios), "ratio")
}

// BenchmarkRatioPut compares putting a request into the queue, finding it and cancelling it, at a million waiting requests with the same at a thousand
// (goal: at most 10).
func BenchmarkRatioPut(b *testing.B) {
	step := func(m *queue.Machine) func() {
		n := m.Len()
		return func() {
			n++
			q := queue.Request{ID: id(n), Kind: queue.Read, Library: "L", Size: 1 << 30, Volume: queue.Volume(fmt.Sprint("V", n%100)), Position: queue.Position{File: int64(n * 31 % 1000)}, Accepted: start}
			for _, e := range []queue.Event{queue.Submitted{Time: start, Request: q}, queue.Cancelled{Time: start, ID: q.ID}} {
				if _, ok := e.(queue.Cancelled); ok {
					if _, ok := m.Find(q.ID); !ok {
						b.Fatal("lost")
					}
				}
				if _, err := m.Apply(e); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	few, many := step(loaded(1e3, 100)), step(loaded(1e6, 100))
	var ratios []float64
	for b.Loop() {
		a, c := lap(5000, few), lap(5000, many)
		ratios = append(ratios, c/a)
	}
	b.ReportMetric(median(ratios), "ratio")
}
