package queue

import "cmp"

// schedule gives ready drives their work until no ready drive and no group fit any more. Each round uses up a drive or
// parks a group, and every parking is undone by one event, so the work of all events together is bounded.
func (m *Machine) schedule() {
	for {
		var best *group
		for _, p := range m.pools {
			if len(p.ready) == 0 {
				continue
			}
			for _, k := range [...]Kind{Read, Write} {
				if g := p.heapOf(k).top(); g != nil && !p.held(k) && (best == nil || sooner(g, best)) {
					best = g
				}
			}
		}
		if best == nil {
			return
		}
		m.serve(best)
	}
}

// obstacle is what holds a group back, drives and holds of its library apart.
func (m *Machine) obstacle(g *group) Reason {
	if g.kind == Write {
		if len(g.leases) >= g.width {
			return WidthReached
		}
		return Runnable
	}
	v := g.volume
	switch {
	case v.blocked != "":
		return Blocked
	case v.lease != nil:
		return VolumeInUse
	case v.drive != nil && !v.drive.ready:
		return VolumeElsewhere
	}
	return Runnable
}

// serve gives the first group of a heap one of its pool's ready drives, or parks it.
func (m *Machine) serve(g *group) {
	if why := m.obstacle(g); why != Runnable {
		m.park(g, why)
		return
	}
	d := m.bestDrive(g)
	if g.kind == Write {
		l := m.newLease(d, g, nil)
		m.grant(l, []RequestID{m.take(l, g.tree.first())})
		return
	}
	v := g.volume
	if at := v.drive; at != nil && at != d {
		m.out = append(m.out, Dismount{m.newLease(at, nil, v).id, at.name, v.name})
		m.park(g, VolumeInUse)
		return
	}
	l := m.newLease(d, g, v)
	v.home = g.pool
	if !g.family.IsZero() {
		v.family = g.family
	}
	m.grant(l, m.more(l))
}

func (m *Machine) grant(l *lease, ids []RequestID) {
	g := l.group
	out := Lease{ID: l.id, Drive: l.drive.name, Kind: g.kind, Library: g.pool.name, Family: g.family, Width: g.width, Requests: ids}
	if l.volume != nil {
		out.Volume = l.volume.name
	}
	m.out = append(m.out, Grant{out})
	m.touch(g)
}

// bestDrive chooses among the ready drives of a group's pool, of which there is at least one: one that is not to be
// avoided; that has the right volume in it; is empty; has a volume nobody waits for, longest idle first; serves few
// libraries; has the least name.
func (m *Machine) bestDrive(g *group) *drive {
	avoid := g.tree.urgent().avoid
	var best *drive
	var bestCost [4]int64
	for _, d := range g.pool.ready {
		cost := [4]int64{0, m.swapCost(g, d), 0, int64(len(d.pools))}
		if d.name == avoid {
			cost[0] = 1
		}
		if d.mounted() != nil {
			cost[2] = d.since
		}
		if best == nil || compareCost(cost, bestCost) < 0 {
			best, bestCost = d, cost
		}
	}
	return best
}

func compareCost(a, b [4]int64) int {
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
	case g.kind == Read && v == g.volume, g.kind == Write && v.takes(g):
		return 0
	case v.reads != nil && v.reads.tree.n > 0:
		return 3
	}
	if w := m.writers(v); w != nil && w.tree.n > 0 && len(w.leases) < w.width {
		return 3
	}
	return 2
}
