package queue

import (
	"iter"
	"math"
	"slices"
	"time"
)

// Waiting is one request as a human sees it.
type Waiting struct {
	Request Request
	Reason  Reason  // what holds it back; Leased if a drive works on it
	Blocker string  // the volume, drive, family or library that Reason speaks of, and why, if known
	Lease   LeaseID // if leased
	Drive   Drive   // if leased
	Volume  Volume  // if leased: of the lease
	Ahead   int     // how many requests of its own group stand before it
}

// Waiting lists all requests: group by group in the order in which the groups would go next if all could run, within a
// group in order of service. The machine must not be used while the listing runs.
func (m *Machine) Waiting() iter.Seq[Waiting] {
	return func(yield func(Waiting) bool) {
		groups := make([]*group, 0, len(m.groups))
		for _, g := range m.groups {
			groups = append(groups, g)
		}
		slices.SortFunc(groups, byUrgency)
		for _, g := range groups {
			if !m.listGroup(g, yield) {
				return
			}
		}
	}
}

// Reads tells how many reads wait for a volume. The machine must not be used while WaitingReads runs, which lists them: first
// those that the last Ordered named, with true, in its order, then the others by position.
func (m *Machine) Reads(name Volume) int {
	if v := m.volumes[name]; v != nil && v.reads != nil {
		return v.reads.tree.n
	}
	return 0
}

// WaitingReads: see Reads.
func (m *Machine) WaitingReads(name Volume) iter.Seq2[RequestID, bool] {
	return func(yield func(RequestID, bool) bool) {
		if v := m.volumes[name]; v != nil && v.reads != nil {
			v.reads.tree.all(func(r *request) bool { return yield(r.id, r.rank > 0 && r.rank < unplanned) })
		}
	}
}

// byUrgency is a total order of groups: those in work first, by lease, then by what waits.
func byUrgency(a, b *group) int {
	rank := func(g *group) (int64, uint64) {
		if len(g.leases) > 0 {
			return -1, uint64(g.leases[0].id)
		}
		u := g.tree.urgent()
		if u == nil {
			return math.MaxInt64, 0
		}
		return max(u.due, 0), u.seq
	}
	aw, as := rank(a)
	bw, bs := rank(b)
	if aw < bw || aw == bw && as < bs {
		return -1
	}
	return 1
}

func (m *Machine) listGroup(g *group, yield func(Waiting) bool) bool {
	for _, l := range g.leases {
		for _, r := range l.requests {
			if !yield(m.describe(r)) {
				return false
			}
		}
	}
	n := -1
	why, blocker := m.reason(g)
	return g.tree.all(func(r *request) bool {
		n++
		w := m.describe(r)
		w.Reason, w.Blocker, w.Ahead = why, blocker, n
		return yield(w)
	})
}

// Explain says what holds one request back. It is false for a request that the machine does not know.
func (m *Machine) Explain(id RequestID) (Waiting, bool) {
	r := m.requests[id]
	if r == nil {
		return Waiting{}, false
	}
	w := m.describe(r)
	if r.lease == nil {
		w.Reason, w.Blocker = m.reason(r.group)
		r.group.tree.all(func(other *request) bool {
			if other != r {
				w.Ahead++
			}
			return other != r
		})
	}
	return w, true
}

// describe gives the request and its lease.
func (m *Machine) describe(r *request) Waiting {
	g := r.group
	w := Waiting{Request: Request{
		ID: r.id, Kind: g.kind, Library: g.pool.name, Family: g.family, Width: g.width, Size: r.size,
		Position: Position{File: r.file, Block: r.block}, Class: r.class, Priority: int(r.priority), Accepted: time.Unix(0, r.accepted),
	}}
	if g.volume != nil {
		w.Request.Volume = g.volume.name
	}
	if l := r.lease; l != nil {
		w.Reason, w.Lease, w.Drive = Leased, l.id, l.drive.name
		if l.volume != nil {
			w.Volume = l.volume.name
		}
	}
	return w
}

// reason says what holds a group back just now.
func (m *Machine) reason(g *group) (Reason, string) {
	why := m.obstacle(g)
	switch {
	case g.roomAt >= 0:
		return NoRoom, string(g.pool.name)
	case g.pool.held(g.kind):
		return Held, string(g.pool.name)
	case why == WidthReached:
		return why, g.family.String()
	case why == Blocked:
		return why, string(g.volume.name) + ": " + g.volume.blocked
	case why == VolumeInUse:
		return why, string(g.volume.name) + " in " + string(g.volume.lease.drive.name)
	case why == VolumeElsewhere:
		return why, string(g.volume.name) + " in " + string(g.volume.drive.name)
	case len(g.pool.ready) == 0:
		return NoDrive, string(g.pool.name)
	}
	return Runnable, ""
}

// InUse lists the volumes that a lease on this drive must not be given: those of leases and those in other drives. The
// volume that rests in the drive itself is not among them.
func (m *Machine) InUse(except Drive) []Volume {
	var names []Volume
	for _, d := range m.drives {
		if d.lease != nil && d.lease.volume != nil {
			names = append(names, d.lease.volume.name)
		}
		if d.name == except {
			continue
		}
		for _, v := range d.holds {
			if !slices.Contains(names, v.name) {
				names = append(names, v.name)
			}
		}
	}
	return names
}

// Mounted is the volume in a drive as far as the machine knows, empty if there is none.
func (m *Machine) Mounted(name Drive) Volume {
	if d := m.drive(name); d != nil && d.mounted() != nil {
		return d.mounted().name
	}
	return ""
}
