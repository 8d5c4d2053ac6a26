package queue

import (
	"fmt"
	"math"
	"slices"
)

// check says what is wrong with a request from outside.
func (r Request) check() error {
	bad := func(what string) error { return fmt.Errorf("request %s: %s: %w", r.ID, what, ErrInvalid) }
	switch {
	case r.ID == RequestID{}:
		return bad("the id is zero")
	case r.Library == "":
		return bad("no library")
	case r.Size < -1:
		return bad(fmt.Sprintf("size %d", r.Size))
	case r.Kind != Read && r.Kind != Write:
		return bad(r.Kind.String())
	case r.Kind == Read && r.Volume == "":
		return bad("a read without a volume")
	case r.Kind == Read && r.Position.File < 0:
		return bad(fmt.Sprintf("position in file %d", r.Position.File))
	case r.Kind == Write && r.Family.IsZero():
		return bad("a write without a family")
	case r.Kind == Write && r.Width < 1:
		return bad(fmt.Sprintf("width %d", r.Width))
	}
	return nil
}

func (m *Machine) submitted(q Request) error {
	if err := q.check(); err != nil {
		return err
	}
	if m.requests[q.ID] != nil {
		return fmt.Errorf("request %s: %w", q.ID, ErrDuplicate)
	}
	g := m.groupFor(q)
	m.seq++
	r := &request{id: q.ID, group: g, class: q.Class, seq: m.seq, size: q.Size, file: q.Position.File, block: q.Position.Block}
	r.accepted = min(nanos(q.Accepted), m.now)
	if q.Accepted.IsZero() {
		r.accepted = m.now
	}
	m.setPriority(r, q.Priority)
	r.rank = unplanned
	m.requests[q.ID] = r
	m.enqueue(r)
	m.feed(g)
	return nil
}

func (m *Machine) setPriority(r *request, p int) {
	r.priority = int32(min(max(p, -m.s.MaxPriority), m.s.MaxPriority))
	r.due = r.accepted - int64(r.priority)*int64(m.s.AgeStep)
}

// groupFor finds or makes the group of a request and notes what the newest request says about it.
func (m *Machine) groupFor(q Request) *group {
	key := groupKey{library: q.Library, family: q.Family}
	if q.Kind == Read {
		key = groupKey{volume: q.Volume}
	}
	g, p := m.groups[key], m.pool(q.Library)
	if g == nil {
		g = &group{key: key, kind: q.Kind, family: q.Family, pool: p, at: -1, roomAt: -1, turn: math.MinInt64}
		g.tree.kind = q.Kind
		m.groups[key] = g
		if q.Kind == Read {
			g.volume = m.volume(q.Volume)
			g.volume.reads = g
		}
	}
	if g.pool != p { // the volume was moved to another library
		m.detach(g)
		g.pool = p
	}
	if q.Kind == Read && !q.Family.IsZero() {
		g.family = q.Family
	}
	if q.Kind == Write && q.Width != g.width {
		g.width = q.Width
		m.wake(g, WidthReached)
	}
	return g
}

// enqueue puts a request among the waiting of its group.
func (m *Machine) enqueue(r *request) {
	g := r.group
	if g.tree.root == nil || g.tree.root.rank == 0 {
		r.rank = 0 // no planner's order in force
	}
	g.tree.insert(r)
	if g.tree.first() == r {
		m.unrefuse(g)
	}
	m.touch(g)
}

// dequeue takes a waiting request out.
func (m *Machine) dequeue(r *request) {
	g := r.group
	first := g.tree.first() == r
	g.tree.remove(r)
	if first {
		m.unrefuse(g) // there was no room for this one, the next may be smaller
	}
	m.touch(g)
}

func (m *Machine) finished(id RequestID) error {
	r := m.requests[id]
	if r == nil {
		return fmt.Errorf("request %s: %w", id, ErrUnknownRequest)
	}
	delete(m.requests, id)
	if r.lease == nil {
		m.dequeue(r)
		m.forgetGroup(r.group)
		return nil
	}
	r.lease.drop(r)
	return nil
}

func (m *Machine) requeued(e Requeued) error {
	r := m.requests[e.ID]
	if r == nil || r.lease == nil {
		return fmt.Errorf("request %s: not in a lease: %w", e.ID, ErrUnknownRequest)
	}
	l := r.lease
	r.avoid = e.Avoid
	m.putBack(r)
	m.feed(l.group)
	return nil
}

// putBack takes a request out of its lease, for another one.
func (m *Machine) putBack(r *request) {
	r.lease.drop(r)
	r.not, r.lease = r.lease.id, nil
	m.enqueue(r)
}

func (m *Machine) reprioritised(e Reprioritised) error {
	r := m.requests[e.ID]
	if r == nil {
		return fmt.Errorf("request %s: %w", e.ID, ErrUnknownRequest)
	}
	if r.lease != nil {
		m.setPriority(r, e.Priority)
		return nil
	}
	r.group.tree.remove(r)
	m.setPriority(r, e.Priority)
	m.enqueue(r)
	return nil
}

func (m *Machine) ordered(e Ordered) {
	v := m.volumes[e.Volume]
	if v == nil || v.reads == nil {
		return
	}
	g := v.reads
	ranks := make(map[RequestID]int32, len(e.Order))
	for i, id := range e.Order {
		if _, twice := ranks[id]; !twice && i < unplanned-1 {
			ranks[id] = int32(i + 1)
		}
	}
	waiting := make([]*request, 0, g.tree.n)
	g.tree.all(func(r *request) bool { waiting = append(waiting, r); return true })
	g.tree.root, g.tree.n = nil, 0
	for _, r := range waiting {
		r.rank = unplanned
		if rank, ok := ranks[r.id]; ok {
			r.rank = rank
		}
		g.tree.insert(r)
	}
	g.moving = false
	m.touch(g)
}

// touch puts a group where it belongs after its requests, its turn or its volume's whereabouts changed: into the heap
// of its pool in its right order, or out of it.
func (m *Machine) touch(g *group) {
	if g.tree.n == 0 || g.parked != Runnable {
		m.detach(g)
		return
	}
	u := g.tree.urgent()
	g.weight, g.head = u.due, u.seq
	if g.turn != math.MinInt64 {
		g.weight = max(u.due, g.turn-int64(u.priority)*int64(m.s.AgeStep))
	}
	if m.mountedFor(g) {
		g.weight -= int64(m.s.Affinity)
	}
	h := g.pool.heapOf(g.kind)
	if g.at < 0 {
		h.push(g)
	} else {
		h.fix(g.at)
	}
}

func (m *Machine) detach(g *group) {
	if g.at >= 0 {
		g.pool.heapOf(g.kind).remove(g)
	}
}

// park takes a group out of the heap until what holds it back changes.
func (m *Machine) park(g *group, why Reason) {
	g.parked = why
	m.detach(g)
}

// wake lets a group be looked at again if it is parked for one of the reasons.
func (m *Machine) wake(g *group, reasons ...Reason) {
	if g != nil && slices.Contains(reasons, g.parked) {
		g.parked = Runnable
		m.touch(g)
	}
}

// refuse parks a group until there is room.
func (m *Machine) refuse(g *group) {
	if g.roomAt < 0 {
		g.roomAt = len(g.pool.roomless)
		g.pool.roomless = append(g.pool.roomless, g)
	}
	m.park(g, NoRoom)
}

// unrefuse takes a group from the list of those without room and lets it be tried again.
func (m *Machine) unrefuse(g *group) {
	if g == nil || g.roomAt < 0 {
		return
	}
	list := g.pool.roomless
	last := list[len(list)-1]
	list[g.roomAt], last.roomAt = last, g.roomAt
	list[len(list)-1] = nil
	g.pool.roomless = list[:len(list)-1]
	g.roomAt = -1
	m.wake(g, NoRoom)
}

// forgetGroup drops a group that has nothing left.
func (m *Machine) forgetGroup(g *group) {
	if g.tree.n > 0 || len(g.leases) > 0 {
		return
	}
	m.detach(g)
	m.unrefuse(g)
	delete(m.groups, g.key)
	if g.volume != nil {
		g.volume.reads = nil
		m.forgetVolume(g.volume)
	}
}
