package queue

import "math"

// unplanned is the rank of a read that a planner's order does not name.
const unplanned = math.MaxInt32

// request is a Request inside the machine. Waiting ones are nodes of their lane's tree.
type request struct {
	id       RequestID
	lane     *lane
	lease    *lease // nil while it waits
	profile  *profile
	seq      uint64 // order of submission, breaks every tie
	accepted int64  // unix nanoseconds
	due      int64  // accepted - priority x age step, and what its deadline and its dataset make of that
	size     int64
	file     int64
	block    int64
	rank     int32 // place in a planner's order; 0 as long as there is none
	priority int32
	admin    int16
	kind     Kind
	held     bool   // by RequestHeld: it waits, but not in the tree
	urged    bool   // it is of the tail of its dataset
	count    uint32 // in this subtree

	prev, next *request // of its dataset

	left, right *request
	urgent      *request // the most urgent one in this subtree
	smallest    int64    // size in this subtree
	oldest      int64    // accepted in this subtree
}

// background tells whether a request gives way to all that are none.
func (r *request) background() bool { return r.priority < 0 && r.admin == 0 }

// place is a position in a group's order of service.
type place struct {
	admin       int16
	rank        int32
	file, block int64
	due         int64
	seq         uint64
}

func (r *request) place() place { return place{r.admin, r.rank, r.file, r.block, r.due, r.seq} }

// order is in which order the requests of a group are served.
type order bool

const (
	byUrgency order = false // writes
	bySweep   order = true  // along the volume, whatever their urgency
)

// before tells whether a is served before b.
func (o order) before(a, b place) bool {
	if o == bySweep {
		switch {
		case a.rank != b.rank:
			return a.rank < b.rank
		case a.file != b.file:
			return a.file < b.file
		case a.block != b.block:
			return a.block < b.block
		}
		return a.seq < b.seq
	}
	switch {
	case a.admin != b.admin:
		return a.admin > b.admin
	case a.due != b.due:
		return a.due < b.due
	}
	return a.seq < b.seq
}

// moreUrgent tells whether a is more urgent than b; nil never is.
func moreUrgent(a, b *request) bool {
	if a == nil || b == nil {
		return a != nil
	}
	return byUrgency.before(a.place(), b.place())
}

// tree is a treap of requests in order of service that knows the most urgent one. The heap order comes from a hash of
// the sequence number, so that the shape, too, depends on the events only.
type tree struct {
	order order
	root  *request
	n     int
}

func weight(r *request) uint64 {
	x := r.seq * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (r *request) pull() {
	r.urgent, r.smallest, r.oldest, r.count = r, max(r.size, 0), r.accepted, 1
	if r.left != nil {
		r.count += r.left.count
		r.smallest, r.oldest = min(r.smallest, r.left.smallest), min(r.oldest, r.left.oldest)
	}
	if r.right != nil {
		r.count += r.right.count
		r.smallest, r.oldest = min(r.smallest, r.right.smallest), min(r.oldest, r.right.oldest)
	}
	if r.left != nil && moreUrgent(r.left.urgent, r.urgent) {
		r.urgent = r.left.urgent
	}
	if r.right != nil && moreUrgent(r.right.urgent, r.urgent) {
		r.urgent = r.right.urgent
	}
}

func (t *tree) insert(r *request) {
	r.left, r.right = nil, nil
	t.root = t.put(t.root, r)
	t.n++
}

func (t *tree) put(n, r *request) *request {
	switch {
	case n == nil:
		r.pull()
		return r
	case weight(r) > weight(n):
		r.left, r.right = t.split(n, r.place())
		r.pull()
		return r
	case t.order.before(r.place(), n.place()):
		n.left = t.put(n.left, r)
	default:
		n.right = t.put(n.right, r)
	}
	n.pull()
	return n
}

// split parts n into what is before p and the rest.
func (t *tree) split(n *request, p place) (l, r *request) {
	if n == nil {
		return nil, nil
	}
	if t.order.before(n.place(), p) {
		n.right, r = t.split(n.right, p)
		n.pull()
		return n, r
	}
	l, n.left = t.split(n.left, p)
	n.pull()
	return l, n
}

// remove takes out r, which must be in t.
func (t *tree) remove(r *request) {
	t.root = t.cut(t.root, r)
	r.left, r.right, r.urgent = nil, nil, nil
	t.n--
}

func (t *tree) cut(n, r *request) *request {
	switch {
	case n == r:
		return join(r.left, r.right)
	case t.order.before(r.place(), n.place()):
		n.left = t.cut(n.left, r)
	default:
		n.right = t.cut(n.right, r)
	}
	n.pull()
	return n
}

func join(l, r *request) *request {
	switch {
	case l == nil:
		return r
	case r == nil:
		return l
	case weight(l) > weight(r):
		l.right = join(l.right, r)
		l.pull()
		return l
	}
	r.left = join(l, r.left)
	r.pull()
	return r
}

// urgent is the request of least due time, nil in an empty tree.
func (t *tree) urgent() *request {
	if t.root == nil {
		return nil
	}
	return t.root.urgent
}

func (t *tree) first() *request {
	n := t.root
	for n != nil && n.left != nil {
		n = n.left
	}
	return n
}

// fitting is the first request of at most so many bytes, nil if there is none. One of unknown size fits.
func (t *tree) fitting(room int64) *request {
	n := t.root
	for n != nil && n.smallest <= room {
		switch {
		case n.left != nil && n.left.smallest <= room:
			n = n.left
		case max(n.size, 0) <= room:
			return n
		default:
			n = n.right
		}
	}
	return nil
}

// after gives the first request behind p, nil if there is none.
func (t *tree) after(p place) *request {
	var found *request
	for n := t.root; n != nil; {
		if t.order.before(p, n.place()) {
			found, n = n, n.left
		} else {
			n = n.right
		}
	}
	return found
}

// before is how many requests are served before p.
func (t *tree) before(p place) int {
	count := 0
	for n := t.root; n != nil; {
		if !t.order.before(n.place(), p) {
			n = n.left
			continue
		}
		count++
		if n.left != nil {
			count += int(n.left.count)
		}
		n = n.right
	}
	return count
}

// all visits the requests in order until visit says false.
func (t *tree) all(visit func(*request) bool) bool { return walk(t.root, visit) }

func walk(n *request, visit func(*request) bool) bool {
	return n == nil || walk(n.left, visit) && visit(n) && walk(n.right, visit)
}
