package queue

import (
	"math"

	"github.com/enstore-go/sdk/queue/discipline"
	"github.com/enstore-go/sdk/queue/fairshare"
	"github.com/enstore-go/sdk/queue/match"
)

// groupKey names a group: reads by volume, writes by family; both within a library.
type groupKey struct {
	library Library
	volume  Volume
	family  Family
}

// group is requests that one lease may serve together. It is parked for a reason, or its lanes are in the heaps of their
// shares as far as they have anything waiting.
type group struct {
	key    groupKey
	write  bool
	family Family // of the files or of the volume
	pool   *pool
	volume *volume // reads
	lanes  []*lane
	n      int   // waiting, but for those held
	held   int   // waiting and held by themselves
	bytes  int64 // of those waiting, as far as known
	leases []*lease
	width  int
	turn   int64 // when it last had a lease
	swept  place // reads: the last one given; the sweep goes on behind it
	moving bool  // swept is set

	parked Reason
	roomAt int // index in the pool's list of groups without room, -1 outside
}

func (g *group) order() order { return order(!g.write) }

// urgent is the most urgent request that waits, nil if there is none.
func (g *group) urgent() *request {
	var u *request
	for _, l := range g.lanes {
		if o := l.tree.urgent(); moreUrgent(o, u) {
			u = o
		}
	}
	return u
}

// oldest is when the request that waits longest was accepted; there must be one.
func (g *group) oldest() int64 {
	first := int64(math.MaxInt64)
	for _, l := range g.lanes {
		if l.tree.root != nil {
			first = min(first, l.tree.root.oldest)
		}
	}
	return first
}

// before is how many of those that wait are served before p.
func (g *group) before(p place) int {
	n := 0
	for _, l := range g.lanes {
		n += l.tree.before(p)
	}
	return n
}

// all visits those that wait in the order in which the lanes are served if nothing shuts them out.
func (g *group) all(visit func(*request) bool) {
	if len(g.lanes) == 1 {
		g.lanes[0].tree.all(visit)
		return
	}
	heads := make([]*request, len(g.lanes))
	for i, l := range g.lanes {
		heads[i] = l.tree.first()
	}
	for {
		best := -1
		for i, r := range heads {
			if r != nil && (best < 0 || g.order().before(r.place(), heads[best].place())) {
				best = i
			}
		}
		if best < 0 || !visit(heads[best]) {
			return
		}
		heads[best] = g.lanes[best].tree.after(heads[best].place())
	}
}

// lane is the requests of a group that are of the same share and count under the same limits.
type lane struct {
	group  *group
	leaf   *fairshare.Node
	keys   []*counter
	tree   tree
	held   int // requests held by themselves
	weight int64
	head   place // of the most urgent request, breaks ties
	heap   *heap // where it is, nil outside
	at     int
	shut   *counter // the limit that shuts it out
}

// free tells which limit keeps a lane from being started, with an allowance for a mounted volume; nil if none does.
func (l *lane) full(mounted bool) *counter {
	for _, c := range l.keys {
		if !c.room(mounted) {
			return c
		}
	}
	return nil
}

// leave takes a lane out of the heap that it is in.
func (l *lane) leave() {
	c, h := l.shut, l.heap
	h.remove(l)
	if l.shut = nil; c != nil && len(h.lanes) == 0 {
		delete(c.shut, shutKey{l.group.pool, l.leaf})
	}
}

// counter counts the drives that work for what one limit counts together.
type counter struct {
	key    discipline.Key
	limit  discipline.Limit
	active int
	shut   map[shutKey]*heap // lanes that it shuts out
	listed bool              // in Machine.opened
}

// shutKey is what lanes have in common among which it is always the same one's turn first.
type shutKey struct {
	pool *pool
	leaf *fairshare.Node
}

func (c *counter) shutOut(l *lane) {
	key := shutKey{l.group.pool, l.leaf}
	h := c.shut[key]
	if h == nil {
		h = &heap{}
		if c.shut == nil {
			c.shut = map[shutKey]*heap{}
		}
		c.shut[key] = h
	}
	h.push(l)
}

func (c *counter) room(mounted bool) bool {
	most := c.limit.Drives
	if mounted {
		most += c.limit.Mounted
	}
	return c.active < most
}

// profile is what requests have in common that rules speak of.
type profile struct {
	fields match.Fields // but for the path
	users  int
	pool   *pool
	leaf   *fairshare.Node
	keys   []*counter
}

// datasetKey names a dataset: of writes within a family, of reads anywhere.
type datasetKey struct {
	name   string
	family Family
}

// dataset is the requests that belong together, and of what there were how many.
type dataset struct {
	key   datasetKey
	total int
	left  int
	due   int64 // writes: of the first that waited
	first *request
}

// pool is what waits in one library, and the ready drives that serve it.
type pool struct {
	name       Library
	tree       *fairshare.Tree // shared by the pools whose drives are shared
	view       *fairshare.View
	heaps      map[*fairshare.Node]*heap
	admin      heap
	holdReads  bool
	holdWrites bool
	holdWhy    string
	holdWho    string
	roomless   []*group // groups without room, in the order in which they were refused
	picky      []*group // groups whose volume has failed in all ready drives
	ready      []*drive // by name
}

// join makes a pool one of those that share a tree.
func (p *pool) join(t *fairshare.Tree) {
	p.tree, p.view, p.heaps, p.admin = t, t.View(), map[*fairshare.Node]*heap{}, heap{}
}

func (p *pool) held(write bool) bool {
	if write {
		return p.holdWrites
	}
	return p.holdReads
}

// heap holds lanes, the one to be served first on top.
type heap struct {
	lanes []*lane
	leaf  *fairshare.Node // of a pool's heap: it is offered as long as there is something
	view  *fairshare.View
}

func sooner(a, b *lane) bool {
	if a.head.admin != b.head.admin {
		return a.head.admin > b.head.admin
	}
	if a.weight != b.weight {
		return a.weight < b.weight
	}
	return a.head.seq < b.head.seq
}

func (h *heap) top() *lane {
	if len(h.lanes) == 0 {
		return nil
	}
	return h.lanes[0]
}

func (h *heap) push(l *lane) {
	l.heap, l.at = h, len(h.lanes)
	h.lanes = append(h.lanes, l)
	h.up(l.at)
	if h.view != nil && len(h.lanes) == 1 {
		h.view.Offer(h.leaf)
	}
}

func (h *heap) remove(l *lane) {
	i, last := l.at, len(h.lanes)-1
	h.swap(i, last)
	h.lanes[last] = nil
	h.lanes = h.lanes[:last]
	l.heap = nil
	if i < last {
		h.fix(i)
	}
	if h.view != nil && last == 0 {
		h.view.Withdraw(h.leaf)
	}
}

func (h *heap) fix(i int) {
	if !h.down(i) {
		h.up(i)
	}
}

func (h *heap) swap(i, j int) {
	h.lanes[i], h.lanes[j] = h.lanes[j], h.lanes[i]
	h.lanes[i].at, h.lanes[j].at = i, j
}

func (h *heap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !sooner(h.lanes[i], h.lanes[parent]) {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *heap) down(i int) bool {
	from := i
	for {
		child := 2*i + 1
		if child >= len(h.lanes) {
			break
		}
		if child+1 < len(h.lanes) && sooner(h.lanes[child+1], h.lanes[child]) {
			child++
		}
		if !sooner(h.lanes[child], h.lanes[i]) {
			break
		}
		h.swap(i, child)
		i = child
	}
	return i > from
}
