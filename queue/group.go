package queue

// Reason is why a request waits. It is the thing whose change lets the request go on.
type Reason uint8

const (
	Runnable        Reason = iota // nothing holds it back
	NoDrive                       // no drive of its library is ready
	Held                          // its library does not start such requests: LibraryHeld
	VolumeInUse                   // its volume has a lease
	VolumeElsewhere               // its volume is in a drive that is not ready
	Blocked                       // its volume is blocked: VolumeBlocked
	WidthReached                  // as many volumes of its family are being written as its width allows
	NoRoom                        // no volume has room for it: VolumeRefused
	Leased                        // it does not wait: a drive works on it
)

// String gives the reason in words.
func (r Reason) String() string {
	switch r {
	case Runnable:
		return "can run"
	case NoDrive:
		return "no drive of the library is ready"
	case Held:
		return "the library is held"
	case VolumeInUse:
		return "the volume is in use"
	case VolumeElsewhere:
		return "the volume is in a drive that is not ready"
	case Blocked:
		return "the volume is blocked"
	case WidthReached:
		return "the width of the family is reached"
	case NoRoom:
		return "no volume with room"
	case Leased:
		return "in work"
	}
	return "unknown"
}

// groupKey names a group: reads by volume, writes by family; both within a library.
type groupKey struct {
	library Library
	volume  Volume
	family  Family
}

// group is requests that one lease may serve together. It is in its pool's heap (at >= 0), or parked for a reason, or
// has nothing waiting.
type group struct {
	key    groupKey
	kind   Kind
	family Family // of the files or of the volume
	pool   *pool
	volume *volume // reads
	tree   tree
	leases []*lease
	width  int
	turn   int64 // when it last had a lease
	swept  place // reads: the last one given; the sweep goes on behind it
	moving bool  // swept is set

	parked Reason
	at     int // index in the heap, -1 outside
	roomAt int // index in the pool's list of groups without room, -1 outside
	weight int64
	head   uint64 // sequence number of the most urgent request: breaks ties
}

// pool is what waits in one library, and the ready drives that serve it.
type pool struct {
	name       Library
	reads      heap
	writes     heap
	holdReads  bool
	holdWrites bool
	roomless   []*group // groups without room, in the order in which they were refused
	ready      []*drive // by name
}

func (p *pool) heapOf(k Kind) *heap {
	if k == Read {
		return &p.reads
	}
	return &p.writes
}

func (p *pool) held(k Kind) bool {
	if k == Read {
		return p.holdReads
	}
	return p.holdWrites
}

// heap holds groups, the one to be served first on top.
type heap struct{ g []*group }

func sooner(a, b *group) bool {
	if a.weight != b.weight {
		return a.weight < b.weight
	}
	return a.head < b.head
}

func (h *heap) top() *group {
	if len(h.g) == 0 {
		return nil
	}
	return h.g[0]
}

func (h *heap) push(g *group) {
	g.at = len(h.g)
	h.g = append(h.g, g)
	h.up(g.at)
}

func (h *heap) remove(g *group) {
	i, last := g.at, len(h.g)-1
	h.swap(i, last)
	h.g[last] = nil
	h.g = h.g[:last]
	g.at = -1
	if i < last {
		h.fix(i)
	}
}

func (h *heap) fix(i int) {
	if !h.down(i) {
		h.up(i)
	}
}

func (h *heap) swap(i, j int) {
	h.g[i], h.g[j] = h.g[j], h.g[i]
	h.g[i].at, h.g[j].at = i, j
}

func (h *heap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !sooner(h.g[i], h.g[parent]) {
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
		if child >= len(h.g) {
			break
		}
		if child+1 < len(h.g) && sooner(h.g[child+1], h.g[child]) {
			child++
		}
		if !sooner(h.g[child], h.g[i]) {
			break
		}
		h.swap(i, child)
		i = child
	}
	return i > from
}
