package queue

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/enstore-go/sdk/queue/fairshare"
)

func (m *Machine) lease(id LeaseID) (*lease, error) {
	if l := m.leases[id]; l != nil {
		return l, nil
	}
	return nil, fmt.Errorf("lease %d: %w", id, ErrUnknownLease)
}

// newLease takes a ready drive for a lane, or for a dismount if there is none.
func (m *Machine) newLease(d *drive, ln *lane, v *volume) *lease {
	m.lastLease++
	l := &lease{id: m.lastLease, drive: d, volume: v, begun: m.now, room: -1}
	m.leases[l.id] = l
	mounted := d.mounted()
	m.unready(d)
	d.lease = l
	m.engage(d, 1)
	if v != nil {
		v.lease = l
	}
	if ln == nil {
		return l
	}
	g := ln.group
	l.group, l.leaf = g, ln.leaf
	l.charged = m.s.service(min(g.n, m.s.LeaseFiles), min(g.bytes, m.s.LeaseBytes))
	if v != nil && mounted != v || v == nil && !mounted.takes(g) {
		l.charged += int64(m.s.MountTime)
		l.mounting = true
		if d.robot != nil {
			d.robot.mounting++
		}
	}
	l.charged = min(l.charged, int64(m.s.LeaseTime)+int64(m.s.MountTime))
	g.pool.tree.Begin(l.leaf, time.Duration(l.charged))
	g.leases = append(g.leases, l)
	g.turn = m.now + 1
	return l
}

// setOff notes that a lease has its volume in the drive and goes on.
func (m *Machine) setOff(l *lease) {
	if l.mounting {
		l.mounting = false
		if r := l.drive.robot; r != nil {
			r.mounting--
		}
	}
}

// take hands a waiting request to a lease.
func (m *Machine) take(l *lease, r *request) RequestID {
	g := l.group
	if !g.write {
		g.swept, g.moving = r.place(), true
	}
	cost := m.s.service(1, r.size)
	m.begun(r)
	m.dequeue(r)
	r.lane, r.lease = nil, l
	l.requests = append(l.requests, r)
	l.files++
	l.bytes += max(r.size, 0)
	l.admin = l.admin || r.admin > 0
	l.ordinary = l.ordinary || !r.background()
	if l.room >= 0 {
		l.room = max(l.room-max(r.size, 0), 0)
	}
	for _, c := range r.profile.keys {
		l.count(c, 1)
	}
	l.spend(r.profile.leaf, cost)
	return r.id
}

// drop takes a request out of its lease.
func (m *Machine) drop(l *lease, r *request) {
	i := slices.Index(l.requests, r)
	if i < 0 {
		return
	}
	l.requests = slices.Delete(l.requests, i, i+1)
	r.lease = nil
	for _, c := range r.profile.keys {
		if l.count(c, -1) {
			m.reopen(c)
		}
	}
}

// count counts a request of a lease under a limit. It is true if the lease no longer counts.
func (l *lease) count(c *counter, n int) bool {
	i := slices.IndexFunc(l.counts, func(o count) bool { return o.counter == c })
	if i < 0 {
		l.counts = append(l.counts, count{counter: c})
		i = len(l.counts) - 1
	}
	before := l.counts[i].n
	l.counts[i].n += n
	switch {
	case before == 0:
		c.active++
	case l.counts[i].n == 0:
		c.active--
		return true
	}
	return false
}

func (l *lease) counted(c *counter) bool {
	return slices.ContainsFunc(l.counts, func(o count) bool { return o.counter == c && o.n > 0 })
}

// spend notes what a lease does for a share.
func (l *lease) spend(leaf *fairshare.Node, ns int64) {
	for i := range l.shares {
		if l.shares[i].leaf == leaf {
			l.shares[i].time += ns
			return
		}
	}
	l.group.pool.tree.Hold(leaf)
	l.shares = append(l.shares, spending{leaf, ns})
}

// allows tells whether no limit keeps the requests of a lane from a lease that is at work.
func (l *lease) allows(ln *lane) bool {
	for _, c := range ln.keys {
		if !l.counted(c) && !c.room(true) {
			return false
		}
	}
	return true
}

// next is the request that a lease would be given next, nil if none of its group is for it.
func (m *Machine) next(l *lease) *request {
	g := l.group
	var best *request
	for _, ln := range g.lanes {
		if ln.tree.n == 0 || !l.allows(ln) {
			continue
		}
		r := m.nextOf(l, ln)
		if r == nil {
			continue
		}
		if best == nil || m.earlier(g, r, best) {
			best = r
		}
	}
	return best
}

// earlier tells whether the sweep of a group comes to a before b.
func (m *Machine) earlier(g *group, a, b *request) bool {
	pa, pb := a.place(), b.place()
	if g.moving {
		if behindA, behindB := g.order().before(g.swept, pa), g.order().before(g.swept, pb); behindA != behindB {
			return behindA
		}
	}
	return g.order().before(pa, pb)
}

func (m *Machine) nextOf(l *lease, ln *lane) *request {
	t, g := &ln.tree, l.group
	var r *request
	switch {
	case g.moving:
		r = t.after(g.swept)
	case l.room >= 0:
		r = t.fitting(l.room)
	}
	if r == nil && (g.moving || l.room < 0) {
		r = t.first() // of the next sweep
	}
	for range t.n {
		if r == nil || m.scars[r.id].Not != l.id && (l.room < 0 || r.size <= l.room) {
			return r
		}
		if r = t.after(r.place()); r == nil && !g.write {
			r = t.first()
		}
	}
	return nil
}

// had tells whether a lease has had its share.
func (m *Machine) had(l *lease) bool {
	return l.files >= m.s.LeaseFiles || l.bytes >= m.s.LeaseBytes || m.now-l.begun >= int64(m.s.LeaseTime)
}

// contender is the lane of another group that goes next on the drive of a lease, and whether somebody waits for its volume.
func (m *Machine) contender(l *lease) (other *lane, forVolume bool) {
	if v := l.volume; v != nil && v.reads != nil && v.reads != l.group && v.reads.n > 0 && v.blocked == "" && !v.reads.pool.holdReads {
		forVolume = true
	}
	m.unpickAll(l.drive.pools) // they may want this drive
	aside := []*group{l.group}
	m.detach(l.group)
	defer func() {
		for _, g := range aside {
			m.touch(g)
		}
	}()
	for {
		other = nil
		for _, p := range l.drive.pools {
			other = better(other, p.admin.top())
		}
		if other == nil {
			for _, p := range l.drive.pools {
				if leaf := p.view.First(); leaf != nil {
					other = better(other, p.heaps[leaf].top())
				}
			}
		}
		if other == nil {
			return nil, forVolume
		}
		why := m.obstacle(other.group)
		if why == Runnable {
			if c := other.full(m.mountedFor(other.group)); c != nil {
				m.shutOut(other, c)
				continue
			}
			if g := other.group; m.shuns(g.volume, l.drive) {
				m.detach(g)
				aside = append(aside, g)
				continue
			}
			return other, forVolume
		}
		m.park(other.group, why)
		if why == TooLittle {
			m.timers.add(other.group.oldest()+int64(m.s.MinAge), timer{group: other.group})
		}
	}
}

// rival is a lease's contender, looked for once and only if it matters.
type rival struct {
	known, any bool
	over       bool // the lease gives way to it at once
}

// spent tells whether a lease is to come to an end because others wait: it has had its share, or is background work, or its share
// has the drives that it is guaranteed, and theirs has not.
func (m *Machine) spent(l *lease, r *rival) bool {
	if !r.known {
		r.known = true
		other, forVolume := m.contender(l)
		r.any = other != nil || forVolume
		if other != nil {
			u := other.tree.urgent()
			owed, mine := other.leaf.Owed(), l.leaf.Owed()
			r.over = !l.ordinary && !u.background() || u.admin > 0 && !l.admin ||
				owed != nil && mine == nil && l.leaf.Active() > l.leaf.Least() && !l.admin
		}
	}
	return r.any && (r.over || m.had(l))
}

// mayGiveWay tells whether it matters who waits: to look for them costs something.
func (m *Machine) mayGiveWay(l *lease) bool {
	if !l.ordinary || m.guarantees || m.had(l) {
		return true
	}
	return slices.ContainsFunc(l.drive.pools, func(p *pool) bool { return len(p.admin.lanes) > 0 })
}

// more hands a lease what is good for it now, at most a batch.
func (m *Machine) more(l *lease) []RequestID {
	g := l.group
	if g.n == 0 || g.pool.held(g.write) || l.volume.blocked != "" || l.volume.blamed || l.preempted {
		return nil
	}
	var ids []RequestID
	var bytes int64
	var r rival
	for len(ids) < m.s.Batch {
		next := m.next(l)
		if next == nil {
			break
		}
		// A new lease has its first request whoever waits.
		if l.files > 0 && m.mayGiveWay(l) && m.spent(l, &r) {
			break
		}
		if bytes += m.load(next); len(ids) > 0 && bytes > m.s.BatchBytes {
			break
		}
		ids = append(ids, m.take(l, next))
	}
	return ids
}

// load is what a request counts in a batch; one of unknown size fills it.
func (m *Machine) load(r *request) int64 {
	if r.size < 0 {
		return m.s.BatchBytes
	}
	return min(r.size, m.s.BatchBytes)
}

// answer answers a lease that asked for more, if there is an answer.
func (m *Machine) answer(l *lease) {
	if l.volume == nil {
		return // VolumeChosen will
	}
	if ids := m.more(l); len(ids) > 0 {
		m.out = append(m.out, Extend{l.id, ids})
		l.wanting = false
		return
	}
	var r rival
	if l.preempted || l.group.n > 0 || m.mayGiveWay(l) && m.spent(l, &r) {
		m.out = append(m.out, Yield{l.id})
		l.wanting = false
	}
}

// feed answers the leases of a group that still want more.
func (m *Machine) feed(g *group) {
	for _, l := range g.leases {
		if l.wanting && g.n > 0 {
			m.answer(l)
		}
	}
}

func (m *Machine) leaseMore(id LeaseID) error {
	l, err := m.lease(id)
	if err != nil {
		return err
	}
	if l.group == nil {
		return fmt.Errorf("lease %d: a dismount: %w", id, ErrInvalid)
	}
	m.setOff(l)
	l.wanting = true
	m.answer(l)
	return nil
}

func (m *Machine) leaseEnough(id LeaseID) error {
	l, err := m.lease(id)
	if err == nil {
		l.wanting = false
	}
	return err
}

func (m *Machine) volumeChosen(e VolumeChosen) error {
	l, err := m.lease(e.Lease)
	if err != nil {
		return err
	}
	if l.group == nil || !l.group.write || l.volume != nil || e.Volume == "" {
		return fmt.Errorf("lease %d: volume %q for a lease that needs none: %w", e.Lease, e.Volume, ErrInvalid)
	}
	v := m.volume(e.Volume)
	if v.lease != nil || v.blocked != "" || v.blamed || v.drive != nil && v.drive != l.drive {
		m.forgetVolume(v)
		return fmt.Errorf("volume %s: %w", e.Volume, ErrVolumeInUse)
	}
	m.passedOver(l, v)
	v.lease, v.family, v.home, l.volume = l, l.group.family, l.group.pool, v
	if l.room = e.Room; l.room >= 0 {
		for _, r := range l.requests {
			l.room = max(l.room-max(r.size, 0), 0)
		}
	}
	if ids := m.more(l); len(ids) > 0 {
		m.out = append(m.out, Extend{l.id, ids})
	} else if l.wanting {
		m.answer(l)
	}
	return nil
}

// passedOver notes that the volume in a drive is not the one chosen for its family: it is full.
func (m *Machine) passedOver(l *lease, chosen *volume) {
	if v := l.drive.mounted(); v != chosen && v.takes(l.group) {
		v.family = Family{}
	}
}

func (m *Machine) volumeRefused(e VolumeRefused) error {
	l, err := m.lease(e.Lease)
	if err != nil {
		return err
	}
	if l.group == nil || !l.group.write || l.volume != nil || e.Reason < NoVolume || e.Reason > Conflict {
		return fmt.Errorf("lease %d: refusal %d: %w", e.Lease, e.Reason, ErrInvalid)
	}
	if e.Reason == NoVolume {
		m.passedOver(l, nil)
	}
	g, d := l.group, l.drive
	m.closeLease(l)
	if g.n > 0 && e.Reason != Conflict {
		m.refuse(g)
	}
	m.forgetGroup(g)
	m.makeReady(d)
	return nil
}

// closeLease ends a lease but for the whereabouts of its volume.
func (m *Machine) closeLease(l *lease) {
	delete(m.leases, l.id)
	m.setOff(l)
	l.drive.lease = nil
	m.engage(l.drive, -1)
	if l.volume != nil {
		l.volume.lease = nil
	}
	g := l.group
	if g == nil {
		return
	}
	m.settleAccount(l)
	for len(l.requests) > 0 {
		m.putBack(l.requests[0], "")
	}
	g.leases = slices.DeleteFunc(g.leases, func(other *lease) bool { return other == l })
	g.turn = m.now + 1 // behind what comes at this very moment
	m.touch(g)
	m.wake(g, WidthReached)
}

// settleAccount charges the shares with what a lease did for them.
func (m *Machine) settleAccount(l *lease) {
	tree, used := l.group.pool.tree, m.now-l.begun
	var all int64
	slices.SortFunc(l.shares, func(a, b spending) int { return cmp.Compare(a.leaf.Path(), b.leaf.Path()) })
	for _, s := range l.shares {
		all += s.time >> 10
	}
	own := used
	for _, s := range l.shares {
		if s.leaf != l.leaf && all > 0 {
			part := mulDiv(used, s.time>>10, all)
			tree.Charge(s.leaf, time.Duration(part))
			own -= part
		}
	}
	for _, s := range l.shares {
		tree.Drop(s.leaf)
	}
	tree.End(l.leaf, time.Duration(l.charged), time.Duration(own))
}

func (m *Machine) leaseEnded(e LeaseEnded) error {
	l, err := m.lease(e.Lease)
	if err != nil {
		return err
	}
	m.closeLease(l)
	l.drive.coming = l.preempted
	m.fill(l.drive, e.Mounted)
	m.settleLease(l)
	return nil
}

func (m *Machine) leaseExpired(e LeaseExpired) error {
	l, err := m.lease(e.Lease)
	if err != nil {
		return err
	}
	m.closeLease(l)
	if v := l.volume; v != nil && v.drive == nil {
		v.drive = l.drive
		l.drive.holds = append(l.drive.holds, v)
	}
	m.settleLease(l)
	return nil
}

// settleLease wakes who waited for the volume of a closed lease, and forgets what is over.
func (m *Machine) settleLease(l *lease) {
	if l.volume != nil {
		m.wakeVolume(l.volume)
		m.forgetVolume(l.volume)
	}
	if l.group != nil {
		m.feed(l.group)
		m.forgetGroup(l.group)
	}
	m.unpickAll(l.drive.pools) // a drive less in service, until it says that it is ready
	m.forgetDrive(l.drive)
}
