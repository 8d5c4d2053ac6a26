package queue

import (
	"cmp"
	"slices"
	"time"
)

// Estimate is when a request will be done, about.
type Estimate struct {
	Start  Span
	Finish Span
	Ahead  time.Duration // drive time of the work that goes before it, about
	Drives int           // that serve its library
}

// Span is a point in time that is not known: it will be between Early and Late in four cases of five, and before Middle in half of
// them, as far as what happens is like what happened.
type Span struct{ Early, Middle, Late time.Time }

// Estimates are made in two steps. A plain sum says how much work goes before a request, and how long the drives need for that by
// the numbers of Settings. How far off such sums are is then learned: for a sample of requests the machine keeps what it said when they
// came, and compares that with what happened; the tenth, the median and the ninetieth of those ratios, among the last of about the same
// length, make the interval. What is learned holds for what is alike: a new kind of work is estimated badly until some of it was done.

const (
	ringSize   = 256 // ratios that are kept of one kind
	ringLeast  = 20  // below so many, those of other lengths are asked
	samplesMax = 4096
	one        = 1024 // a ratio of 1
)

// past is what was learned.
type past struct {
	samples map[RequestID]sample
	starts  map[bucket]*ring
	ends    map[bucket]*ring
}

// sample is what was said of a request when it came.
type sample struct {
	At     int64
	Start  int64 // ns from then on
	Finish int64
	Begun  bool
	Write  bool
}

// bucket is the estimates of about one length: the power of four of its seconds.
type bucket struct {
	Write bool
	Size  int
}

// ring is the last ratios, in parts of 1024.
type ring struct {
	Ratios []int64
	Next   int
}

func newPast() past {
	return past{samples: map[RequestID]sample{}, starts: map[bucket]*ring{}, ends: map[bucket]*ring{}}
}

func bucketOf(write bool, ns int64) bucket {
	b := bucket{Write: write}
	for s := ns / int64(time.Second); s >= 4; s /= 4 {
		b.Size++
	}
	return b
}

func (r *ring) add(v int64) {
	if len(r.Ratios) < ringSize {
		r.Ratios = append(r.Ratios, v)
		return
	}
	r.Ratios[r.Next] = v
	r.Next = (r.Next + 1) % ringSize
}

func learn(rings map[bucket]*ring, b bucket, said, was int64) {
	r := rings[b]
	if r == nil {
		r = &ring{}
		rings[b] = r
	}
	said = max(said, int64(time.Second))
	r.add(min(mulDiv(max(was, 0), one, said), 1<<30))
}

// quantiles gives the tenth, the median and the ninetieth of the ratios that are likest to an estimate.
func quantiles(rings map[bucket]*ring, b bucket) [3]int64 {
	var all []int64
	for d := 0; d < 12 && len(all) < ringLeast; d++ {
		for _, size := range slices.Compact([]int{b.Size - d, b.Size + d}) {
			if r := rings[bucket{b.Write, size}]; r != nil {
				all = append(all, r.Ratios...)
			}
		}
	}
	if len(all) < ringLeast {
		return [3]int64{one / 4, one, 4 * one}
	}
	slices.Sort(all)
	n := int64(len(all))
	// The ranks of split conformal prediction: with n ratios, the next one is between these two in four cases of five.
	low, high := max((n+1)/10-1, 0), min((9*(n+1)+9)/10-1, n-1)
	return [3]int64{all[low], all[n/2], all[high]}
}

// observe keeps what would be said of a new request, for some of them: the more groups have to be looked at for it, the fewer.
func (m *Machine) observe(r *request) {
	if r.seq%uint64(16+len(m.groups)/16) != 0 || len(m.past.samples) >= samplesMax {
		return
	}
	start, finish, _, ok := m.sum(r)
	if ok {
		m.past.samples[r.id] = sample{At: m.now, Start: start, Finish: finish, Write: r.kind == Write}
	}
}

func (m *Machine) unobserve(id RequestID) { delete(m.past.samples, id) }

// begun learns from a request that was given to a lease.
func (m *Machine) begun(r *request) {
	s, ok := m.past.samples[r.id]
	if !ok || s.Begun {
		return
	}
	learn(m.past.starts, bucketOf(s.Write, s.Start), s.Start, m.now-s.At)
	s.Begun = true
	m.past.samples[r.id] = s
}

// ended learns from a request that is done.
func (m *Machine) ended(id RequestID) {
	s, ok := m.past.samples[id]
	if !ok {
		return
	}
	delete(m.past.samples, id)
	if s.Begun {
		learn(m.past.ends, bucketOf(s.Write, s.Finish), s.Finish, m.now-s.At)
	}
}

// sum adds up what goes before a request, and how long that takes from now on. It is false if something holds the request back of which
// nobody knows when it ends.
func (m *Machine) sum(r *request) (start, finish int64, ahead Estimate, ok bool) {
	if l := r.lease; l != nil {
		start, finish = m.leaseSum(l, r)
		return start, finish, Estimate{Drives: 1}, true
	}
	g := r.lane.group
	for _, o := range m.obstacles(r) {
		switch o.Reason {
		case OnHold, Held, Blocked, NoRoom, Suspect, VolumeElsewhere:
			return 0, 0, ahead, false
		}
	}
	drives := 0
	var work int64
	for _, d := range m.drives {
		if !d.serves(g.pool) || d.blamed || d.lease == nil && !d.ready {
			continue
		}
		drives++
		if l := d.lease; l != nil && l.group != nil && l.group != g {
			work += m.leaseWork(l)
		}
	}
	if drives == 0 {
		return 0, 0, ahead, false
	}
	own := m.inGroup(r)
	if len(g.leases) == 0 || g.write && len(g.leases) < g.width {
		work += m.before(r)
		start = work / int64(drives)
		if !m.mountedFor(g) {
			start += int64(m.s.MountTime)
		}
	} else {
		for _, l := range g.leases {
			start += m.leaseWork(l)
		}
		start /= int64(len(g.leases))
	}
	if g.write {
		own /= int64(max(min(g.width, drives), 1))
	}
	start = min(start+own, 1<<60)
	finish = start + m.s.service(1, r.size)
	return start, finish, Estimate{Ahead: time.Duration(work), Drives: drives}, true
}

// inGroup is the work of a request's own group that is done before it, as if all its requests were of one size.
func (m *Machine) inGroup(r *request) int64 {
	g := r.lane.group
	if g.n == 0 {
		return 0
	}
	n := g.before(r.place())
	return m.s.service(n, mulDiv(g.bytes, int64(n), int64(g.n)))
}

// before is the work of other groups that go before a request's, on the same drives. It counts what waits for something else than drives
// as well, if that will end by itself; and does not look at what is parked, so that it does not depend on what has been looked at already.
func (m *Machine) before(r *request) int64 {
	g := r.lane.group
	admin, weight := m.standing(g, r)
	var work int64
	for _, o := range m.groups {
		if o == g || o.n == 0 || o.pool.tree != g.pool.tree || o.pool.held(o.write) || o.roomAt >= 0 || !o.write && (o.volume.blocked != "" || o.volume.blamed) {
			continue
		}
		if a, w := m.standing(o, o.urgent()); a > admin || a == admin && w < weight {
			work = min(work+int64(m.s.MountTime)+m.s.service(o.n, o.bytes), 1<<60)
		}
	}
	return work
}

// standing is what decides between groups, shares aside: that of the most urgent request, or of u, if only it waits, held.
func (m *Machine) standing(g *group, u *request) (admin int16, weight int64) {
	if first := g.urgent(); first != nil {
		u = first
	}
	return u.admin, m.dueOf(g, u) - m.s.useful(g.n, g.bytes)
}

// leaseWork is what a lease still has to do.
func (m *Machine) leaseWork(l *lease) int64 {
	var work int64
	if l.mounting {
		work = int64(m.s.MountTime)
	}
	for _, o := range l.requests {
		work = min(work+m.s.service(1, o.size), 1<<60)
	}
	return work
}

// leaseSum is when a request of a lease begins and ends.
func (m *Machine) leaseSum(l *lease, r *request) (start, finish int64) {
	if l.mounting {
		start = int64(m.s.MountTime)
	}
	for _, o := range l.requests {
		if o == r {
			break
		}
		start = min(start+m.s.service(1, o.size), 1<<60)
	}
	return start, start + m.s.service(1, r.size)
}

// Estimate says when a request will begin and be done, about. It is false for a request that the machine does not know, and for one that is
// held back by something of which nobody knows when it ends: Explain tells. It looks at every group that waits.
func (m *Machine) Estimate(id RequestID) (Estimate, bool) {
	r := m.requests[id]
	if r == nil {
		return Estimate{}, false
	}
	start, finish, e, ok := m.sum(r)
	if !ok {
		return Estimate{}, false
	}
	e.Start, e.Finish = m.span(m.past.starts, r.kind == Write, start), m.span(m.past.ends, r.kind == Write, finish)
	if r.lease != nil {
		e.Start = Span{at(m.now), at(m.now), at(m.now)}
	}
	if e.Finish.Early.Before(e.Start.Early) {
		e.Finish.Early = e.Start.Early
	}
	return e, true
}

func (m *Machine) span(rings map[bucket]*ring, write bool, ns int64) Span {
	q := quantiles(rings, bucketOf(write, ns))
	then := func(ratio int64) time.Time {
		return at(min(m.now+scale(max(ns, int64(time.Second)), ratio), latest.UnixNano()))
	}
	return Span{then(q[0]), then(q[1]), then(q[2])}
}

// scale is ns x ratio, without overflow.
func scale(ns, ratio int64) int64 {
	if whole := ns / one; whole > (1<<61)/max(ratio, 1) {
		return 1 << 61
	}
	return ns/one*ratio + ns%one*ratio/one
}

// Delay is how long a new request of a library would wait for its turn, about, if it were the last: for clients that are told to come
// again. It looks at every group.
func (m *Machine) Delay(library Library) time.Duration {
	var p *pool
	for _, o := range m.pools {
		if o.name == library {
			p = o
		}
	}
	if p == nil { // a question makes no library
		return 0
	}
	var work int64
	for _, g := range m.groups {
		if g.n > 0 && g.pool.tree == p.tree {
			work = min(work+int64(m.s.MountTime)+m.s.service(g.n, g.bytes), 1<<60)
		}
	}
	drives := 0
	for _, d := range m.drives {
		if !d.serves(p) {
			continue
		}
		drives++
		if d.lease != nil && d.lease.group != nil {
			work = min(work+m.leaseWork(d.lease), 1<<60)
		}
	}
	return time.Duration(work / int64(max(drives, 1)))
}

// savedPast is what a snapshot keeps of what was learned.
type savedPast struct {
	Samples      []savedSample
	Starts, Ends []savedRing
}

type savedSample struct {
	ID     RequestID
	Sample sample
}

type savedRing struct {
	Bucket bucket
	Ring   ring
}

func (p *past) save() savedPast {
	var out savedPast
	for id, s := range p.samples {
		out.Samples = append(out.Samples, savedSample{id, s})
	}
	slices.SortFunc(out.Samples, func(a, b savedSample) int { return slices.Compare(a.ID[:], b.ID[:]) })
	out.Starts, out.Ends = saveRings(p.starts), saveRings(p.ends)
	return out
}

func saveRings(rings map[bucket]*ring) []savedRing {
	var out []savedRing
	for b, r := range rings {
		out = append(out, savedRing{b, ring{slices.Clone(r.Ratios), r.Next}})
	}
	slices.SortFunc(out, func(a, b savedRing) int {
		if a.Bucket.Write != b.Bucket.Write {
			if a.Bucket.Write {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.Bucket.Size, b.Bucket.Size)
	})
	return out
}

func (p *past) load(s savedPast) {
	for _, one := range s.Samples {
		p.samples[one.ID] = one.Sample
	}
	for _, r := range s.Starts {
		p.starts[r.Bucket] = &ring{r.Ring.Ratios, max(r.Ring.Next, 0) % ringSize}
	}
	for _, r := range s.Ends {
		p.ends[r.Bucket] = &ring{r.Ring.Ratios, max(r.Ring.Next, 0) % ringSize}
	}
}
