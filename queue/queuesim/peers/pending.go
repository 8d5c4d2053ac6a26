package peers

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/enstore-go/sdk/queue"
)

// maxPriority is MAX_PRI of Enstore: priorities are clipped to it.
const maxPriority = 1_000_001

// pending is the queue of one library manager: a half for requests with an administrative priority, a half for all others.
// In each half requests stand in bundles: reads of one volume, writes of one family. Bundles are looked at in the order of
// their best requests, which Enstore calls tags.
type pending struct {
	age    aging
	byHost bool // lanes of hosts are worth having, since hosts have limits
	ids    map[queue.RequestID]bool
	halves [2]half
	groups map[string]int // requests of each storage group
}

const (
	regular = 0
	admin   = 1
)

// lowest is before every place of a file.
var lowest = queue.Position{File: -1}

// aging is what waiting is worth.
type aging struct {
	delta int
	every time.Duration
}

// priority is what a base priority has grown to.
func (a aging) priority(base int, since, now int64) int {
	if a.every <= 0 {
		return base
	}
	return base + a.delta*int((now-since)/int64(a.every))
}

// before tells whether a goes before b.
func (a aging) before(x, y *request, now int64) bool {
	px, py := a.priority(rank(x), x.at, now), a.priority(rank(y), y.at, now)
	return cmp.Or(cmp.Compare(py, px), byAge(x, y)) < 0
}

// rank is the priority by which a request is ordered in its half.
func rank(r *request) int { return min(r.base, maxPriority) + min(max(r.admin, 0), maxPriority) }

func halfOf(r *request) int {
	if r.admin >= 0 {
		return admin
	}
	return regular
}

type half struct {
	bundles map[bundleKey]*bundle
	lanes   []*lane // in no order that matters
	byKey   map[laneKey]*lane
	n       int
	walk    uint64
}

type bundleKey struct {
	family queue.Family // writes
	volume queue.Volume // reads
}

// bundle is what stands under one key.
type bundle struct {
	key    bundleKey
	half   *half
	group  string
	host   string         // the one client host of all its requests, "" if there are several
	hosts  map[string]int // only if hosts matter
	levels []*level       // by priority, highest first
	places list[*request] // reads, as they lie
	n      int
	parked bool   // not to be looked at
	seen   uint64 // by this walk
}

// level is the requests of one base priority in a bundle. They all age alike, so their order never changes.
type level struct {
	bundle *bundle
	rank   int
	ages   list[*request]
	head   *request // by which it is filed in its lane
	lane   *lane
}

type laneKey struct {
	group, host string
	rank        int
}

// lane is the levels of one base priority, storage group and host: their order never changes either, and a walk can leave
// them out together.
type lane struct {
	laneKey
	levels list[*level]
	at     cursor[*level]
	index  int
}

func newPending(a aging, byHost bool) *pending {
	p := &pending{age: a, byHost: byHost, ids: map[queue.RequestID]bool{}, groups: map[string]int{}}
	for i := range p.halves {
		p.halves[i] = half{bundles: map[bundleKey]*bundle{}, byKey: map[laneKey]*lane{}}
	}
	return p
}

func keyOf(r *request) bundleKey {
	if r.Kind == queue.Write {
		return bundleKey{family: r.Family}
	}
	return bundleKey{volume: r.Volume}
}

// insert tells whether the request is new.
func (p *pending) insert(r *request) bool {
	if p.ids[r.ID] {
		return false
	}
	p.ids[r.ID] = true
	h := &p.halves[halfOf(r)]
	b := h.bundles[keyOf(r)]
	if b == nil {
		b = &bundle{key: keyOf(r), half: h, group: r.Family.Group, places: list[*request]{compare: byPlace}}
		if p.byHost {
			b.host, b.hosts = r.Host, map[string]int{}
		}
		h.bundles[b.key] = b
	}
	h.n++
	b.n++
	p.groups[b.group]++
	if p.byHost {
		b.hosts[r.Host]++
		b.settleHost()
	}
	if r.Kind != queue.Write {
		b.places.insert(r)
	}
	v := b.level(rank(r))
	v.ages.insert(r)
	v.file()
	r.bundle, r.level = b, v
	return true
}

func (p *pending) remove(r *request) {
	b, v := r.bundle, r.level
	delete(p.ids, r.ID)
	b.half.n--
	b.n--
	if p.groups[b.group]--; p.groups[b.group] == 0 {
		delete(p.groups, b.group)
	}
	b.places.remove(r)
	v.ages.remove(r)
	v.file()
	if v.ages.n == 0 {
		b.levels = slices.DeleteFunc(b.levels, func(o *level) bool { return o == v })
	}
	if p.byHost {
		if b.hosts[r.Host]--; b.hosts[r.Host] == 0 {
			delete(b.hosts, r.Host)
			b.settleHost()
		}
	}
	if b.n == 0 {
		delete(b.half.bundles, b.key)
	}
	r.bundle, r.level = nil, nil
}

// settleHost notes whether all requests of a bundle come from one host.
func (b *bundle) settleHost() {
	host := ""
	if len(b.hosts) == 1 {
		for host = range b.hosts {
		}
	}
	if host != b.host {
		b.host = host
		b.refile()
	}
}

// park keeps a bundle from being looked at, or no longer.
func (b *bundle) park(parked bool) {
	if b != nil && b.parked != parked {
		b.parked = parked
		b.refile()
	}
}

func (b *bundle) refile() {
	for _, v := range b.levels {
		v.file()
	}
}

func (b *bundle) level(rank int) *level {
	i, found := slices.BinarySearchFunc(b.levels, rank, func(v *level, rank int) int { return cmp.Compare(rank, v.rank) })
	if !found {
		b.levels = slices.Insert(b.levels, i, &level{bundle: b, rank: rank, ages: list[*request]{compare: byAge}})
	}
	return b.levels[i]
}

// file puts a level where it belongs now.
func (v *level) file() {
	b := v.bundle
	head, _ := v.ages.first()
	want := laneKey{b.group, b.host, v.rank}
	if v.lane != nil && v.head == head && v.lane.laneKey == want && !b.parked {
		return
	}
	if v.lane != nil {
		v.lane.levels.remove(v)
		b.half.close(v.lane)
		v.lane = nil
	}
	v.head = head
	if head != nil && !b.parked {
		v.lane = b.half.lane(want)
		v.lane.levels.insert(v)
	}
}

func (h *half) lane(key laneKey) *lane {
	l := h.byKey[key]
	if l == nil {
		l = &lane{laneKey: key, index: len(h.lanes)}
		l.levels.compare = func(a, b *level) int { return byAge(a.head, b.head) }
		h.byKey[key] = l
		h.lanes = append(h.lanes, l)
	}
	return l
}

// close drops a lane that is empty.
func (h *half) close(l *lane) {
	if l.levels.n > 0 {
		return
	}
	delete(h.byKey, l.laneKey)
	last := h.lanes[len(h.lanes)-1]
	h.lanes[l.index], last.index = last, l.index
	h.lanes = h.lanes[:len(h.lanes)-1]
}

// bundlesBy gives the bundles of a half that are not parked, in the order of their best requests now, without those of
// lanes that are to be skipped. Nothing may be inserted, removed or parked meanwhile.
func (h *half) bundlesBy(a aging, now int64, skip func(*lane) bool) iter.Seq[*bundle] {
	return func(yield func(*bundle) bool) {
		h.walk++
		for _, l := range h.lanes {
			l.at = cursor[*level]{l: &l.levels}
		}
		for {
			var best *level
			for _, l := range h.lanes {
				v, ok := l.at.at()
				if !ok || skip != nil && skip(l) {
					continue
				}
				if best == nil || a.before(v.head, best.head, now) {
					best = v
				}
			}
			if best == nil {
				return
			}
			best.lane.at.next()
			if b := best.bundle; b.seen != h.walk {
				b.seen = h.walk
				if !yield(b) {
					return
				}
			}
		}
	}
}

// requests gives those of a bundle as they would be served: reads as they lie, from a place on and then from the start;
// writes by priority now.
func (b *bundle) requests(a aging, now int64, from queue.Position) iter.Seq[*request] {
	if b.key.volume != "" {
		return b.sweep(from)
	}
	return func(yield func(*request) bool) {
		at := make([]cursor[*request], len(b.levels))
		for i, v := range b.levels {
			at[i].l = &v.ages
		}
		for {
			var best *request
			which := 0
			for i := range at {
				if r, ok := at[i].at(); ok && (best == nil || a.before(r, best, now)) {
					best, which = r, i
				}
			}
			if best == nil || !yield(best) {
				return
			}
			at[which].next()
		}
	}
}

// sweep gives the reads of a volume by their places, beginning at one.
func (b *bundle) sweep(from queue.Position) iter.Seq[*request] {
	return func(yield func(*request) bool) {
		start := &request{Request: queue.Request{Position: from}, seq: -1}
		for r := range b.places.from(start) {
			if !yield(r) {
				return
			}
		}
		for r := range b.places.all() {
			if byPlace(r, start) > 0 || !yield(r) {
				return
			}
		}
	}
}

// best is the first request of the first bundle, administrative ones before all others.
func (p *pending) best(now int64) *request {
	for i := admin; i >= regular; i-- {
		for b := range p.halves[i].bundlesBy(p.age, now, nil) {
			return b.first(p.age, now, lowest)
		}
	}
	return nil
}

// at is the next request of a key for who stands at a place.
func (p *pending) at(key bundleKey, now int64, from queue.Position) *request {
	for i := admin; i >= regular; i-- {
		if b := p.halves[i].bundles[key]; b != nil {
			return b.first(p.age, now, from)
		}
	}
	return nil
}

func (b *bundle) first(a aging, now int64, from queue.Position) *request {
	for r := range b.requests(a, now, from) {
		return r
	}
	return nil
}
