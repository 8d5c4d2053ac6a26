package queue_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/enstore-go/sdk/queue"
)

// loaded gives a machine with n requests, four in five of them reads, over so many volumes; a tenth of the volumes is
// in work, and one drive has just ended its lease.
func loaded(n, volumes int) *queue.Machine {
	m := machine(queue.Settings{Batch: 1})
	must := func(e queue.Event) []queue.Decision {
		d, err := m.Apply(e)
		if err != nil {
			panic(err)
		}
		return d
	}
	for i := range n {
		q := queue.Request{ID: id(i + 1), Kind: queue.Read, Library: "L", Size: 1 << 30, Accepted: start.Add(time.Duration(i) * time.Millisecond)}
		if i%5 == 0 {
			q.Kind, q.Family, q.Width = queue.Write, family(fmt.Sprint("f", i%20)), 2
		} else {
			q.Volume, q.Position.File = queue.Volume(fmt.Sprint("V", i*7919%volumes)), int64(i*31%1000)
		}
		must(queue.Submitted{Time: q.Accepted, Request: q})
	}
	for i := range max(volumes/10, 1) {
		must(queue.DriveReady{Time: start, Drive: queue.Drive(fmt.Sprintf("d%05d", i)), Libraries: []queue.Library{"L"}})
	}
	return m
}

// BenchmarkSelectNext is one whole turn of a drive: its lease ends with the volume dismounted, its request is finished,
// and the next one is chosen; every volume that comes free un-parks who waited for it.
func BenchmarkSelectNext(b *testing.B) {
	for _, n := range []int{1e3, 1e4, 1e5, 1e6} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { turns(b, loaded(n, 100)) })
	}
	for _, volumes := range []int{5_000, 50_000} {
		b.Run(fmt.Sprintf("100000 on %d volumes", volumes), func(b *testing.B) { turns(b, loaded(1e5, volumes)) })
	}
}

func turns(b *testing.B, m *queue.Machine) {
	turn := turner(b, m)
	b.ReportAllocs()
	for b.Loop() {
		turn()
	}
}

// BenchmarkMemory tells what a waiting request costs, all in.
func BenchmarkMemory(b *testing.B) {
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		m := loaded(1e6, 25_000)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(m.Len()), "B/request")
	}
}
