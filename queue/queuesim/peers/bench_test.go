package peers_test

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/queue/queuesim/peers"
)

// site answers a decider as drives do that need no time, so that only the decider is measured.
type site struct {
	b       *testing.B
	d       decider
	now     time.Time
	n       int
	applied int
	pending []queue.Event
	lease   map[queue.LeaseID]*queue.Lease
	volumes int // for writes
	over    map[queue.LeaseID]bool
}

func newSite(b *testing.B, d decider) *site {
	return &site{b: b, d: d, now: start, lease: map[queue.LeaseID]*queue.Lease{}, over: map[queue.LeaseID]bool{}}
}

func (s *site) apply(e queue.Event) {
	decisions, err := s.d.Apply(e)
	if err != nil {
		s.b.Fatalf("%#v: %v", e, err)
	}
	s.applied++
	for _, d := range decisions {
		s.answer(d)
	}
}

func (s *site) later(es ...queue.Event) { s.pending = append(s.pending, es...) }

// answer finishes what a lease was given and asks for more.
func (s *site) answer(d queue.Decision) {
	switch d := d.(type) {
	case queue.Grant:
		l := d.Lease
		s.lease[l.ID] = &l
		if l.Kind == queue.Write {
			s.volumes++
			l.Volume = queue.Volume(fmt.Sprint("W", s.volumes))
			s.later(queue.VolumeChosen{Time: s.now, Lease: l.ID, Volume: l.Volume, Room: -1})
		}
		s.finish(l.ID, l.Requests)
	case queue.Extend:
		s.finish(d.Lease, d.Requests)
	case queue.Yield:
		l := s.lease[d.Lease]
		delete(s.lease, d.Lease)
		s.later(queue.LeaseEnded{Time: s.now, Lease: l.ID}, s.ready(l.Drive))
	case queue.Dismount:
		s.later(queue.LeaseEnded{Time: s.now, Lease: d.Lease}, s.ready(d.Drive))
	}
}

func (s *site) finish(l queue.LeaseID, ids []queue.RequestID) {
	for _, id := range ids {
		s.later(queue.Finished{Time: s.now, ID: id}, queue.Submitted{Time: s.now, Request: s.next()})
	}
	s.later(queue.LeaseMore{Time: s.now, Lease: l})
}

func (s *site) ready(d queue.Drive) queue.Event {
	return queue.DriveReady{Time: s.now, Drive: d, Libraries: []queue.Library{library(int(d[0]))}}
}

func library(i int) queue.Library { return queue.Library(fmt.Sprint("L", i%8)) }

// next is another request: four reads in five, of 25,000 volumes, by 20 storage groups, 5 priorities and 50 hosts.
func (s *site) next() queue.Request {
	s.n++
	i := s.n
	v := i * 7919 % 25_000
	q := queue.Request{ID: id(i), Kind: queue.Read, Library: library(v), Size: 1 << 30, Accepted: s.now, Priority: i % 5, Host: fmt.Sprint("h", i*31%50)}
	q.Family = family(fmt.Sprint("g", v%20), "raw")
	if i%5 == 0 {
		q.Kind, q.Width, q.Family.Family = queue.Write, 2, fmt.Sprint("f", v%7)
	} else {
		q.Volume, q.Position.File = queue.Volume(fmt.Sprint("V", v)), int64(i*31%1000)
	}
	return q
}

// step applies the next event; when there is none, time passes.
func (s *site) step() {
	if len(s.pending) == 0 {
		s.now = s.d.Wake()
		if s.now.IsZero() {
			s.b.Fatal("nothing happens any more")
		}
		s.apply(queue.Tick{Time: s.now})
		return
	}
	e := s.pending[0]
	s.pending = s.pending[1:]
	s.now = s.now.Add(10 * time.Millisecond)
	s.apply(e)
}

// BenchmarkApply is one event, among 100,000 waiting requests on 190 drives.
func BenchmarkApply(b *testing.B) {
	hosts := []peers.HostLimit{{Host: regexp.MustCompile("h"), Most: 6}}
	for _, c := range []struct {
		name string
		make func() decider
	}{
		{"enstore", func() decider { return peers.NewEnstore(peers.EnstoreSettings{}) }},
		{"enstore with host limits", func() decider { return peers.NewEnstore(peers.EnstoreSettings{Hosts: hosts}) }},
		{"cta", func() decider {
			return peers.NewCTA(peers.CTASettings{MinFiles: 4, ReadMaxDrives: map[string]int{"g1": 2, "g2": 3}})
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := newSite(b, c.make())
			for range 100_000 {
				s.apply(queue.Submitted{Time: s.now, Request: s.next()})
			}
			for i := range 190 {
				s.apply(s.ready(queue.Drive(fmt.Sprintf("%c%03d", 'a'+i%8, i))))
			}
			b.ReportAllocs()
			for b.Loop() {
				s.step()
			}
		})
	}
}
