package queue

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/enstore-go/sdk/queue/discipline"
	"github.com/enstore-go/sdk/queue/match"
)

const (
	maxWidth  = 1_000_000
	maxCopies = 100
)

// check says what is wrong with a request from outside.
func (r Request) check() error {
	bad := func(what string, args ...any) error {
		return fmt.Errorf("request %s: %s: %w", r.ID, fmt.Sprintf(what, args...), ErrInvalid)
	}
	switch {
	case r.ID == RequestID{}:
		return bad("the id is zero")
	case r.Library == "":
		return bad("no library")
	case r.Size < -1:
		return bad("size %d", r.Size)
	case r.Kind != Write && !r.Kind.OfVolume():
		return bad("%s", r.Kind)
	case r.Kind.OfVolume() && r.Volume == "":
		return bad("a %s without a volume", r.Kind)
	case r.Kind.OfVolume() && r.Position.File < 0:
		return bad("position in file %d", r.Position.File)
	case r.Kind == Write && r.Family.IsZero():
		return bad("a write without a family")
	case r.Kind == Write && (r.Width < 1 || r.Width > maxWidth):
		return bad("width %d, from 1 to %d", r.Width, maxWidth)
	case r.Admin < 0 || r.Admin > math.MaxInt16:
		return bad("administrative priority %d, from 0 to %d", r.Admin, math.MaxInt16)
	case len(r.Copies) > 0 && r.Kind == Write || len(r.Copies) > maxCopies:
		return bad("%d copies", len(r.Copies))
	}
	for _, c := range r.Copies {
		if c.Volume == "" || c.Library == "" || c.Position.File < 0 {
			return bad("a copy on volume %q of library %q, file %d", c.Volume, c.Library, c.Position.File)
		}
	}
	return nil
}

// fields is what rules can see of a request.
func (r Request) fields() match.Fields {
	return match.Fields{
		Operation: r.Kind.String(), Library: string(r.Library), Group: r.Family.Group, Family: r.Family.Family, Wrapper: r.Family.Wrapper,
		Class: r.Class, Host: r.Host, User: r.User, Path: r.Path, Dataset: r.Dataset,
	}
}

func (m *Machine) submitted(q Request) error {
	if err := q.check(); err != nil {
		return err
	}
	if m.requests[q.ID] != nil {
		return fmt.Errorf("request %s: %w", q.ID, ErrDuplicate)
	}
	f := q.fields()
	p := m.rules.priorities.Apply(&f, q.Priority)
	if len(q.Copies) > 0 {
		all := append([]Copy{{q.Library, q.Volume, q.Position}}, q.Copies...)
		m.copies[q.ID] = all
		best := m.bestCopy(all)
		q.Library, q.Volume, q.Position = best.Library, best.Volume, best.Position
		f.Library = string(q.Library)
	}
	m.seq++
	r := &request{
		id: q.ID, kind: q.Kind, seq: m.seq, size: q.Size, file: q.Position.File, block: q.Position.Block, rank: unplanned,
		admin: int16(max(q.Admin, p.Admin)),
	}
	f.Path = ""
	r.profile = m.profile(f)
	r.accepted = min(nanos(q.Accepted), m.now)
	if q.Accepted.IsZero() {
		r.accepted = m.now
	}
	r.due = r.accepted
	if m.s.Lead > 0 && !q.Deadline.IsZero() {
		r.due = max(min(r.due, nanos(q.Deadline)-int64(m.s.Lead)), 0)
	}
	g := m.groupFor(q)
	m.enlist(r, q.Dataset, q.Family)
	m.setPriority(r, p.Base)
	m.requests[q.ID] = r
	r.profile.pool.tree.Hold(r.profile.leaf)
	r.lane = m.lane(g, r.profile)
	m.enqueue(r)
	m.observe(r)
	m.feed(g)
	return nil
}

// setPriority changes the priority of a request, and keeps whatever else its due time is made of.
func (m *Machine) setPriority(r *request, p int) {
	accepted := r.due + int64(r.priority)*int64(m.s.AgeStep)
	r.priority = int32(min(max(p, -m.s.MaxPriority), m.s.MaxPriority))
	r.due = accepted - int64(r.priority)*int64(m.s.AgeStep)
}

// profile finds or makes the profile of requests. It lasts as long as somebody has it.
func (m *Machine) profile(f match.Fields) *profile {
	p := m.profiles[f]
	if p == nil {
		p = &profile{fields: f, pool: m.pool(Library(f.Library))}
		m.resolve(p)
		m.profiles[f] = p
	}
	p.users++
	return p
}

// resolve finds the share and the counters of a profile.
func (m *Machine) resolve(p *profile) {
	p.leaf, p.keys = p.pool.tree.Leaf(&p.fields), nil
	for _, k := range m.rules.limits.Keys(&p.fields) {
		p.keys = append(p.keys, m.counter(k))
	}
}

func (m *Machine) counter(k discipline.Key) *counter {
	c := m.counters[k]
	if c == nil {
		c = &counter{key: k, limit: m.rules.limits.Limit(k.Limit)}
		m.counters[k] = c
	}
	return c
}

// part lets go of what a request holds besides its place in the queue.
func (m *Machine) part(r *request) {
	m.discharge(r)
	delete(m.scars, r.id)
	delete(m.copies, r.id)
	p := r.profile
	p.pool.tree.Drop(p.leaf)
	if p.users--; p.users > 0 {
		return
	}
	delete(m.profiles, p.fields)
}

// groupFor finds or makes the group of a request and notes what the newest request says about it.
func (m *Machine) groupFor(q Request) *group {
	key := groupKey{library: q.Library, family: q.Family}
	if q.Kind.OfVolume() {
		key = groupKey{volume: q.Volume}
	}
	g, p := m.groups[key], m.pool(q.Library)
	if g == nil {
		g = &group{key: key, write: q.Kind == Write, family: q.Family, pool: p, roomAt: -1, turn: math.MinInt64}
		m.groups[key] = g
		if !g.write {
			g.volume = m.volume(q.Volume)
			g.volume.reads = g
		}
	}
	if g.pool != p { // the volume was moved to another library
		m.detach(g)
		m.unpick(g)
		g.pool = p
	}
	if !g.write && !q.Family.IsZero() {
		g.family = q.Family
	}
	if g.write && q.Width != g.width {
		g.width = q.Width
		m.wake(g, WidthReached)
	}
	return g
}

// lane finds or makes the lane of a group for requests of a profile.
func (m *Machine) lane(g *group, p *profile) *lane {
	for _, l := range g.lanes {
		if l.leaf == p.leaf && slices.Equal(l.keys, p.keys) {
			return l
		}
	}
	l := &lane{group: g, leaf: p.leaf, keys: p.keys}
	l.tree.order = g.order()
	g.lanes = append(g.lanes, l)
	return l
}

// enqueue puts a request among the waiting of its lane.
func (m *Machine) enqueue(r *request) {
	l := r.lane
	g := l.group
	if r.held {
		l.held++
		g.held++
		return
	}
	if !g.planned() {
		r.rank = 0
	}
	m.insert(r)
	if l.tree.first() == r {
		m.unrefuse(g)
	}
	m.wake(g, TooLittle)
	m.touch(g)
}

// planned tells whether a planner's order is in force.
func (g *group) planned() bool {
	return slices.ContainsFunc(g.lanes, func(l *lane) bool { return l.tree.root != nil && l.tree.root.rank != 0 })
}

func (m *Machine) insert(r *request) {
	g := r.lane.group
	r.lane.tree.insert(r)
	g.n++
	g.bytes += max(r.size, 0)
}

func (m *Machine) extract(r *request) {
	g := r.lane.group
	r.lane.tree.remove(r)
	g.n--
	g.bytes -= max(r.size, 0)
}

// dequeue takes a waiting request out.
func (m *Machine) dequeue(r *request) {
	l := r.lane
	g := l.group
	if r.held {
		l.held--
		g.held--
	} else {
		first := l.tree.first() == r
		m.extract(r)
		if first {
			m.unrefuse(g) // there was no room for this one, the next may be smaller
		}
	}
	m.dropLane(l)
	m.touch(g)
}

// dropLane forgets a lane without requests.
func (m *Machine) dropLane(l *lane) {
	if l.tree.n > 0 || l.held > 0 {
		return
	}
	m.pull(l)
	g := l.group
	g.lanes = slices.DeleteFunc(g.lanes, func(o *lane) bool { return o == l })
	if h := g.pool.heaps[l.leaf]; h != nil && len(h.lanes) == 0 {
		delete(g.pool.heaps, l.leaf)
	}
}

func (m *Machine) finished(id RequestID) error {
	r := m.requests[id]
	if r == nil {
		return fmt.Errorf("request %s: %w", id, ErrUnknownRequest)
	}
	delete(m.requests, id)
	m.ended(id)
	if l := r.lease; l != nil {
		m.setOff(l)
		m.drop(l, r)
		m.part(r)
		return nil
	}
	g := r.lane.group
	m.dequeue(r)
	m.part(r)
	m.forgetGroup(g)
	return nil
}

func (m *Machine) requeued(e Requeued) error {
	r := m.requests[e.ID]
	if r == nil || r.lease == nil {
		return fmt.Errorf("request %s: not in a lease: %w", e.ID, ErrUnknownRequest)
	}
	m.putBack(r, e.Avoid)
	m.feed(r.lane.group)
	return nil
}

// putBack takes a request out of its lease, for another one.
func (m *Machine) putBack(r *request, avoid Drive) {
	l := r.lease
	m.drop(l, r)
	m.scars[r.id] = scar{Avoid: cmp.Or(avoid, m.scars[r.id].Avoid), Not: l.id}
	r.lane = m.lane(l.group, r.profile)
	if avoid != "" {
		m.moveCopy(r)
	}
	m.enqueue(r)
}

func (m *Machine) reprioritised(e Reprioritised) error {
	r := m.requests[e.ID]
	if r == nil {
		return fmt.Errorf("request %s: %w", e.ID, ErrUnknownRequest)
	}
	m.change(r, func() { m.setPriority(r, e.Priority) })
	return nil
}

// change changes what the place of a request depends on.
func (m *Machine) change(r *request, how func()) {
	if r.lease != nil || r.held {
		how()
		return
	}
	m.extract(r)
	how()
	m.enqueue(r)
}

// requestHeld holds a request, or releases it.
func (m *Machine) requestHeld(id RequestID, hold bool) error {
	r := m.requests[id]
	if r == nil {
		return fmt.Errorf("request %s: %w", id, ErrUnknownRequest)
	}
	if r.held == hold {
		return nil
	}
	if r.lease != nil {
		r.held = hold
		return nil
	}
	l, g := r.lane, r.lane.group
	if hold {
		l.held++ // the lane stays
		m.dequeue(r)
		g.held++
		r.held = true
		return nil
	}
	l.held--
	g.held--
	r.held = false
	m.enqueue(r)
	m.feed(g)
	return nil
}

// enlist makes a request one of its dataset.
func (m *Machine) enlist(r *request, name string, f Family) {
	if name == "" {
		return
	}
	key := datasetKey{name: name}
	if r.kind == Write {
		key.family = f
	}
	d := m.datasets[key]
	if d == nil {
		d = &dataset{key: key, due: r.due}
		m.datasets[key] = d
	}
	if r.kind == Write && m.s.Window > 0 {
		d.due = min(d.due, r.due)
		r.due = max(d.due, r.due-int64(m.s.Window))
	}
	d.total++
	d.left++
	if r.next = d.first; r.next != nil {
		r.next.prev = r
	}
	d.first = r
}

// discharge takes a request out of its dataset, and urges those that are left if they are few.
func (m *Machine) discharge(r *request) {
	d := m.dataset(r)
	if d == nil {
		return
	}
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		d.first = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
	if d.left--; d.left == 0 {
		delete(m.datasets, d.key)
		return
	}
	if r.kind != Write && m.s.Tail > 0 && d.total >= tailOf && d.left <= max(d.total/tailPart, tailFiles) {
		for o := d.first; o != nil; o = o.next {
			if !o.urged {
				o.urged = true
				m.change(o, func() { o.due -= int64(m.s.Tail) })
			}
		}
	}
}

// The tail of a dataset: the last 2 %, or the last three files, of at least ten.
const (
	tailOf    = 10
	tailPart  = 50
	tailFiles = 3
)

func (m *Machine) dataset(r *request) *dataset {
	f := &r.profile.fields
	if f.Dataset == "" {
		return nil
	}
	key := datasetKey{name: f.Dataset}
	if r.kind == Write {
		key.family = Family{f.Group, f.Family, f.Wrapper}
	}
	return m.datasets[key]
}

// bestCopy chooses where to read a file: where it can be read, from a volume that is in a drive, that others wait for, in the library
// whose robots have the least to do and whose drives are idle; else the one named first.
func (m *Machine) bestCopy(all []Copy) Copy {
	best := slices.MinFunc(all, func(a, b Copy) int { return slices.Compare(m.copyCost(a), m.copyCost(b)) })
	return best
}

func (m *Machine) copyCost(c Copy) []int {
	cost := make([]int, 4)
	v, p := m.volumes[c.Volume], m.pool(c.Library)
	switch {
	case v != nil && (v.blocked != "" || v.blamed):
		cost[0] = 2
	case p.holdReads:
		cost[0] = 1
	}
	switch {
	case v == nil:
		cost[1] = 3
	case v.drive != nil && v.drive.ready || v.lease != nil && v.lease.group == v.reads && v.reads != nil && !v.lease.preempted:
	case v.reads != nil && v.reads.n > 0:
		cost[1] = 1
	case v.lease != nil || v.drive != nil:
		cost[1] = 4
	default:
		cost[1] = 3
	}
	cost[2] = -min(len(p.ready), 1)
	cost[3] = p.mounting()
	return cost
}

// mounting is how many mounts are on their way by the robot of a pool's drives that has the least of them.
func (p *pool) mounting() int {
	least := math.MaxInt
	for _, d := range p.ready {
		if d.robot != nil {
			least = min(least, d.robot.mounting)
		}
	}
	if least == math.MaxInt {
		return 0
	}
	return least
}

// moveCopy gives a request that is not in the queue just now another copy, if that would do better.
func (m *Machine) moveCopy(r *request) {
	all := m.copies[r.id]
	if len(all) == 0 {
		return
	}
	old := r.lane.group
	rest := slices.DeleteFunc(slices.Clone(all), func(c Copy) bool { return c.Volume == old.volume.name })
	if len(rest) == 0 {
		return
	}
	best := m.bestCopy(rest)
	if m.copyCost(best)[0] > 0 {
		return
	}
	f := r.profile.fields
	f.Library = string(best.Library)
	p := r.profile
	r.profile = m.profile(f)
	r.profile.pool.tree.Hold(r.profile.leaf)
	p.pool.tree.Drop(p.leaf)
	if p.users--; p.users == 0 {
		delete(m.profiles, p.fields)
	}
	g := m.groupFor(Request{Kind: r.kind, Library: best.Library, Volume: best.Volume, Family: Family{f.Group, f.Family, f.Wrapper}})
	was := r.lane
	r.lane, r.file, r.block, r.rank = m.lane(g, r.profile), best.Position.File, best.Position.Block, unplanned
	m.dropLane(was)
}

// moveCopies gives all reads of a volume that may not be read any more to other copies.
func (m *Machine) moveCopies(v *volume) {
	if v.reads == nil || len(m.copies) == 0 {
		return
	}
	g := v.reads
	var all []*request
	g.all(func(r *request) bool {
		if len(m.copies[r.id]) > 0 {
			all = append(all, r)
		}
		return true
	})
	for _, r := range all {
		m.extract(r)
		m.moveCopy(r)
		m.enqueue(r)
		if to := r.lane.group; to != g {
			m.feed(to)
		}
	}
	m.touch(g)
	m.forgetGroup(g)
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
	for _, l := range g.lanes {
		waiting := make([]*request, 0, l.tree.n)
		l.tree.all(func(r *request) bool { waiting = append(waiting, r); return true })
		l.tree.root, l.tree.n = nil, 0
		for _, r := range waiting {
			r.rank = unplanned
			if rank, ok := ranks[r.id]; ok {
				r.rank = rank
			}
			l.tree.insert(r)
		}
	}
	g.moving = false
	m.touch(g)
}

// touch puts the lanes of a group where they belong after its requests, its turn or its volume's whereabouts changed: into the heap
// of their share in their right order, or out of it.
func (m *Machine) touch(g *group) {
	if len(g.lanes) == 0 {
		return
	}
	credit, mounted := m.s.useful(g.n, g.bytes), m.mountedFor(g)
	if mounted {
		credit += int64(max(m.s.Affinity, 0))
	}
	for _, l := range g.lanes {
		m.place(l, credit, mounted)
	}
}

func (m *Machine) place(l *lane, credit int64, mounted bool) {
	g := l.group
	u := l.tree.urgent()
	if u == nil || g.parked != Runnable || g.pool.held(g.write) {
		m.pull(l)
		return
	}
	l.head, l.weight = u.place(), m.dueOf(g, u)-credit
	if l.shut != nil && !l.shut.room(mounted) {
		l.heap.fix(l.at)
		return
	}
	h := m.heapFor(l)
	switch {
	case l.heap == h:
		h.fix(l.at)
	default:
		m.pull(l)
		h.push(l)
	}
}

// dueOf is when a request of a group counts as due: not before its group had a lease, if it had one.
func (m *Machine) dueOf(g *group, u *request) int64 {
	if g.turn == math.MinInt64 {
		return u.due
	}
	return max(u.due, g.turn-int64(u.priority)*int64(m.s.AgeStep))
}

func (m *Machine) heapFor(l *lane) *heap {
	p := l.group.pool
	if l.head.admin > 0 {
		return &p.admin
	}
	h := p.heaps[l.leaf]
	if h == nil {
		h = &heap{leaf: l.leaf, view: p.view}
		p.heaps[l.leaf] = h
	}
	return h
}

// pull takes a lane out of the heap that it is in. What it might have had under a limit is offered to those shut out.
func (m *Machine) pull(l *lane) {
	if l.heap == nil {
		return
	}
	l.leave()
	for _, c := range l.keys {
		m.reopen(c)
	}
}

// shutOut takes a lane out until a limit allows it again.
func (m *Machine) shutOut(l *lane, c *counter) {
	m.pull(l)
	l.shut = c
	c.shutOut(l)
}

// reopen has a counter looked at by the next schedule.
func (m *Machine) reopen(c *counter) {
	if !c.listed && len(c.shut) > 0 {
		c.listed = true
		m.opened = append(m.opened, c)
	}
}

// letIn lets the lanes that go first of those that a limit shut out be looked at again, if the limit allows it now. Only the first of each
// share: it may use up what became free, and if it does not, its leaving has the next one looked at.
func (m *Machine) letIn() {
	for len(m.opened) > 0 {
		c := m.opened[len(m.opened)-1]
		m.opened = m.opened[:len(m.opened)-1]
		c.listed = false
		for _, l := range m.nextIn(c) {
			l.leave()
			m.touch(l.group)
			if l.heap == nil {
				m.reopen(c)
			}
		}
	}
}

// nextIn is the lanes that a limit lets in first; none if it lets none in now.
func (m *Machine) nextIn(c *counter) []*lane {
	var all []*lane
	switch {
	case c.room(false):
		for _, h := range c.shut {
			all = append(all, h.top())
		}
	case c.limit.Mounted > 0 && c.room(true):
		for _, h := range c.shut {
			for _, l := range h.lanes {
				if m.mountedFor(l.group) {
					all = append(all, l)
				}
			}
		}
	}
	return all
}

func (m *Machine) detach(g *group) {
	for _, l := range g.lanes {
		m.pull(l)
	}
}

// park takes a group out of the heaps until what holds it back changes.
func (m *Machine) park(g *group, why Reason) {
	g.parked = why
	m.detach(g)
}

// wake lets a group be looked at again if it is parked for one of the reasons.
func (m *Machine) wake(g *group, reasons ...Reason) {
	if g != nil && slices.Contains(reasons, g.parked) {
		m.unpick(g)
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

// unpick takes a group from those that wait for a drive in which their volume has not failed.
func (m *Machine) unpick(g *group) {
	if g.parked == Suspect {
		g.pool.picky = slices.DeleteFunc(g.pool.picky, func(o *group) bool { return o == g })
	}
}

// forgetGroup drops a group that has nothing left.
func (m *Machine) forgetGroup(g *group) {
	if g.n > 0 || g.held > 0 || len(g.leases) > 0 || m.groups[g.key] != g {
		return
	}
	m.detach(g)
	m.unrefuse(g)
	m.unpick(g)
	delete(m.groups, g.key)
	if g.volume != nil {
		g.volume.reads = nil
		m.forgetVolume(g.volume)
	}
}

// compareRequests orders requests as they came.
func compareRequests(a, b *request) int { return cmp.Compare(a.seq, b.seq) }

func at(ns int64) time.Time { return time.Unix(0, ns).UTC() }
