package queue

import (
	"cmp"
	"slices"
	"time"

	"github.com/enstore-go/sdk/queue/fairshare"
)

// schedule gives ready drives their work until no ready drive and no group fit any more. Each round uses up a drive, or
// parks a group, or shuts a lane out, and every parking is undone by one event, so the work of all events together is bounded.
func (m *Machine) schedule() {
	for {
		m.letIn()
		best := m.first()
		if best == nil {
			if len(m.opened) > 0 {
				continue
			}
			break
		}
		m.serve(best)
	}
	m.preempt()
}

// first is the lane that goes next on one of the ready drives: the most urgent of those that have an administrative priority, else
// the most urgent of the share whose turn it is. Pools that share their drives are one; of others, the one that is first by name.
func (m *Machine) first() *lane {
	var best *lane
	for _, p := range m.pools {
		if len(p.ready) > 0 {
			best = better(best, p.admin.top())
		}
	}
	if best != nil {
		return best
	}
	for _, p := range m.pools {
		if len(p.ready) == 0 || best != nil && best.group.pool.tree != p.tree {
			continue
		}
		if leaf := p.view.First(); leaf != nil {
			best = better(best, p.heaps[leaf].top())
		}
	}
	return best
}

// better gives the one of two lanes of pools that share their drives that goes first.
func better(a, b *lane) *lane {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.head.admin == 0 && a.leaf != b.leaf:
		if fairshare.Before(b.leaf, a.leaf) {
			return b
		}
	case sooner(b, a):
		return b
	}
	return a
}

// obstacle is what holds a group back, but for drives, holds, shares and limits.
func (m *Machine) obstacle(g *group) Reason {
	if g.write {
		if len(g.leases) >= g.width {
			return WidthReached
		}
	} else {
		v := g.volume
		switch {
		case v.blocked != "" || v.blamed:
			return Blocked
		case v.lease != nil:
			return VolumeInUse
		case v.drive != nil && !v.drive.listed:
			return VolumeElsewhere
		}
	}
	if m.tooLittle(g) {
		return TooLittle
	}
	return Runnable
}

// tooLittle tells whether a group has not work enough for a mount.
func (m *Machine) tooLittle(g *group) bool {
	if m.s.MinAge == 0 || m.s.MinBytes > 0 && g.bytes >= m.s.MinBytes || m.s.MinFiles > 0 && g.n >= m.s.MinFiles || m.mountedFor(g) {
		return false
	}
	u := g.urgent()
	return u != nil && u.admin == 0 && m.now < g.oldest()+int64(m.s.MinAge)
}

// serve gives the lane that goes first one of its pool's ready drives, or puts it away.
func (m *Machine) serve(ln *lane) {
	g := ln.group
	if why := m.obstacle(g); why != Runnable {
		m.park(g, why)
		if why == TooLittle {
			m.timers.add(g.oldest()+int64(m.s.MinAge), timer{group: g})
		}
		return
	}
	if c := ln.full(m.mountedFor(g)); c != nil {
		m.shutOut(ln, c)
		return
	}
	d := m.bestDrive(ln)
	if d == nil {
		m.park(g, Suspect)
		g.pool.picky = append(g.pool.picky, g)
		return
	}
	if g.write {
		why := m.why(ln)
		l := m.newLease(d, ln, nil)
		m.grant(l, why, []RequestID{m.take(l, ln.tree.first())})
		return
	}
	v := g.volume
	if at := v.drive; at != nil && at != d {
		m.out = append(m.out, Dismount{m.newLease(at, nil, v).id, at.name, v.name})
		m.park(g, VolumeInUse)
		return
	}
	if ln.head.admin > 0 { // the sweep begins with it
		if u := ln.tree.urgent(); u != nil {
			g.swept, g.moving = u.place(), true
			g.swept.seq-- // just before it
		}
	}
	why := m.why(ln)
	l := m.newLease(d, ln, v)
	v.home = g.pool
	if !g.family.IsZero() {
		v.family = g.family
	}
	ids := m.more(l)
	if len(ids) == 0 { // its own limit allows this one at least
		ids = []RequestID{m.take(l, ln.tree.first())}
	}
	m.grant(l, why, ids)
}

// why tells for what reason a lane goes first.
func (m *Machine) why(ln *lane) Why {
	g, u := ln.group, ln.tree.urgent()
	w := Why{Share: ln.leaf.Path(), Admin: int(u.admin), Due: at(max(u.due, 0)), Useful: time.Duration(m.s.useful(g.n, g.bytes))}
	if m.dueOf(g, u) != u.due {
		w.TurnedAt = at(g.turn)
	}
	if m.mountedFor(g) {
		w.Mounted = max(m.s.Affinity, 0)
	}
	switch {
	case u.admin > 0:
		w.Rule = ByAdmin
	case ln.leaf.Owed() != nil:
		w.Rule = ByGuarantee
	}
	return w
}

func (m *Machine) grant(l *lease, why Why, ids []RequestID) {
	g := l.group
	kind := Read
	if g.write {
		kind = Write
	}
	out := Lease{ID: l.id, Drive: l.drive.name, Kind: kind, Library: g.pool.name, Family: g.family, Width: g.width, Requests: ids, Why: why}
	if l.volume != nil {
		out.Volume = l.volume.name
	}
	m.out = append(m.out, Grant{out})
	m.touch(g)
}

// bestDrive chooses among the ready drives of a lane's pool: one in which its volume has not failed, if there is such a drive in service; one that is not to be
// avoided; that has the right volume in it; is empty; has a volume nobody waits for, longest idle first; whose robot has the least to
// do; that serves few libraries; has the least name. Nil if all of them are shunned.
func (m *Machine) bestDrive(ln *lane) *drive {
	g := ln.group
	avoid := m.scars[ln.tree.urgent().id].Avoid
	var best *drive
	var bestCost [5]int64
	for _, d := range g.pool.ready {
		if m.shuns(g.volume, d) {
			continue
		}
		cost := [5]int64{0, m.swapCost(g, d), 0, 0, int64(len(d.pools))}
		if d.name == avoid {
			cost[0] = 1
		}
		if d.mounted() != nil {
			cost[2] = d.since
		}
		if d.robot != nil {
			cost[3] = int64(d.robot.mounting)
		}
		if best == nil || compareCost(cost, bestCost) < 0 {
			best, bestCost = d, cost
		}
	}
	return best
}

func compareCost(a, b [5]int64) int {
	for i := range a {
		if c := cmp.Compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// swapCost is 0 if the drive has the right volume, 1 if it is empty, 2 if its volume is not wanted, 3 if it is.
func (m *Machine) swapCost(g *group, d *drive) int64 {
	v := d.mounted()
	switch {
	case v == nil:
		return 1
	case !g.write && v == g.volume, g.write && v.takes(g):
		return 0
	case v.reads != nil && v.reads.n > 0:
		return 3
	}
	if w := m.writers(v); w != nil && w.n > 0 && len(w.leases) < w.width {
		return 3
	}
	return 2
}

// preempt frees drives for requests with an administrative priority that find none: one for each group that waits for nothing
// else, if nobody of its own is at work, who will have it in a moment.
func (m *Machine) preempt() {
	for _, p := range m.pools {
		if len(p.ready) > 0 || len(p.admin.lanes) == 0 {
			continue
		}
		lanes := slices.Clone(p.admin.lanes)
		slices.SortFunc(lanes, func(a, b *lane) int {
			if sooner(a, b) {
				return -1
			}
			return 1
		})
		coming := m.coming(p)
		for _, ln := range lanes {
			g := ln.group
			if ln.heap != &p.admin || len(g.leases) > 0 {
				continue
			}
			if why := m.obstacle(g); why != Runnable {
				m.park(g, why)
				continue
			}
			if ln.full(false) != nil {
				continue
			}
			if coming > 0 { // one of the drives that were asked for is for this one
				coming--
				continue
			}
			if l := m.dispensable(p, g); l != nil {
				l.preempted = true
				m.out = append(m.out, Preempt{l.id})
				if l.wanting {
					m.answer(l)
				}
			}
		}
	}
}

// coming is how many drives of a pool have been asked for.
func (m *Machine) coming(p *pool) int {
	n := 0
	for _, d := range m.drives {
		if l := d.lease; d.serves(p) && (d.coming || l != nil && (l.preempted || l.group == nil)) {
			n++
		}
	}
	return n
}

// dispensable is the lease that is ended first for something more important: background before other work, then whose share is not
// owed drives, then the one that lasts longest. Only a drive in which the group's volume has not failed is of use.
func (m *Machine) dispensable(p *pool, g *group) *lease {
	var best *lease
	rank := func(l *lease) int {
		switch {
		case !l.ordinary:
			return 0
		case l.leaf.Owed() == nil && l.leaf.Active() > l.leaf.Least():
			return 1
		}
		return 2
	}
	for _, d := range m.drives {
		l := d.lease
		if l == nil || l.group == nil || l.admin || l.preempted || !d.serves(p) || m.shuns(g.volume, d) {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(rank(l), rank(best)), cmp.Compare(l.begun, best.begun), cmp.Compare(l.id, best.id)) < 0 {
			best = l
		}
	}
	return best
}
