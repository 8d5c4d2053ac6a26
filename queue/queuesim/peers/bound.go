package peers

import (
	"cmp"
	"slices"
	"time"

	"github.com/enstore-go/sdk/queue"
)

// bindAgain is for how long a drive that waits with a volume of the family keeps an administrative write from others.
const bindAgain = 31 * time.Second

// bound chooses for a drive with a mounted volume: an administrative request, for work of the background any other, then
// what there is for the volume, in the direction in which it went last.
func (e *Enstore) bound(m *manager, l *lease) *request {
	if l.volume.blocked {
		return nil
	}
	if r := e.adminFor(m, l); r != nil {
		return r
	}
	if l.last.base <= 0 && l.last.admin < 0 {
		r, _ := e.pick(m, l.drive, 1)
		if r != nil && m.pending.age.priority(rank(r), r.at, e.now) > 0 {
			return r
		}
	}
	return e.mine(m, l, regular)
}

// adminFor looks for an administrative request. After one, only those for the volume or family count.
func (e *Enstore) adminFor(m *manager, l *lease) *request {
	if m.pending.halves[admin].n == 0 {
		return nil
	}
	if l.last.admin >= 0 {
		return e.mine(m, l, admin)
	}
	if e.now < m.asked+int64(e.s.AdminCheck) {
		return nil
	}
	m.asked = e.now
	own := e.mine(m, l, admin)
	if e.others(m.library, l.drive) {
		return own
	}
	p := m.pending
	for b := range p.halves[admin].bundlesBy(p.age, e.now, nil) {
		r := e.candidate(m, b, l.drive)
		if r == nil || e.active[b.group] >= e.s.Limits[b.group]+1 && len(p.groups) > 1 || r.Kind == queue.Write && m.rebinds(r, l, e.now) {
			continue
		}
		if own != nil && p.age.before(own, r, e.now) {
			return own
		}
		return r
	}
	return own
}

// rebinds tells whether another drive waits with a volume of a write's family, and so will have it soon.
func (m *manager) rebinds(r *request, l *lease, now int64) bool {
	return slices.ContainsFunc(m.bound, func(o *lease) bool { return o != l && o.wanting && o.serves(r) && now-o.asked < int64(bindAgain) })
}

// mine is the next request of a half for the volume of a lease or its family.
func (e *Enstore) mine(m *manager, l *lease, half int) *request {
	if l.write {
		return cmp.Or(e.writeFor(m, l, half), e.readFor(m, l, half))
	}
	return cmp.Or(e.readFor(m, l, half), e.writeFor(m, l, half))
}

func (e *Enstore) readFor(m *manager, l *lease, half int) *request {
	b := m.pending.halves[half].bundles[bundleKey{volume: l.volume.name}]
	if b == nil {
		return nil
	}
	from := lowest
	if !l.write {
		from = l.last.Position
	}
	for r := range b.requests(m.pending.age, e.now, from) {
		if e.may(r, l) {
			return r
		}
	}
	return nil
}

func (e *Enstore) writeFor(m *manager, l *lease, half int) *request {
	b := m.pending.halves[half].bundles[bundleKey{family: l.family}]
	if b == nil || l.full || l.family.IsZero() {
		return nil
	}
	f := m.family(l.family)
	permitted := f.width + 2 // this volume is of the family, and is not given up
	if l.write && slices.ContainsFunc(m.bound, func(o *lease) bool { return o != l && o.write && o.family == l.family }) {
		permitted++
	}
	if l.write && f.writers >= permitted || !l.write && f.full() {
		return nil
	}
	for r := range b.requests(m.pending.age, e.now, lowest) {
		switch {
		case !e.may(r, l):
		case l.write && !l.fits(r):
			l.full = true
			if e.leases[l.id] != l {
				e.closed(l)
			}
			return nil
		default:
			return r
		}
	}
	return nil
}

// may tells whether a request may go to the mounted volume.
func (e *Enstore) may(r *request, l *lease) bool {
	if r.not == l.id || r.avoid == l.drive.name {
		return false
	}
	if !e.s.RestrictBound {
		return true
	}
	limit := e.limit(r.Host)
	if limit == nil {
		return true
	}
	extra := 1 + limit.ExtraReads
	if r.Kind == queue.Write {
		extra = 1 + limit.ExtraWrites
	}
	return !limit.busy(r.Host, e.hosts[r.Host], extra)
}
