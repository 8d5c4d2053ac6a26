package queue

import (
	"fmt"
	"slices"
)

func (l *lease) drop(r *request) {
	if i := slices.Index(l.requests, r); i >= 0 {
		l.requests = slices.Delete(l.requests, i, i+1)
	}
}

func (m *Machine) lease(id LeaseID) (*lease, error) {
	if l := m.leases[id]; l != nil {
		return l, nil
	}
	return nil, fmt.Errorf("lease %d: %w", id, ErrUnknownLease)
}

// newLease takes a ready drive for a group, or for a dismount if g is nil.
func (m *Machine) newLease(d *drive, g *group, v *volume) *lease {
	m.lastLease++
	l := &lease{id: m.lastLease, drive: d, group: g, volume: v, begun: m.now, room: -1}
	m.leases[l.id] = l
	d.lease = l
	if v != nil {
		v.lease = l
	}
	if g != nil {
		g.leases = append(g.leases, l)
		g.turn = m.now + 1
	}
	m.unready(d)
	return l
}

// take hands a waiting request to a lease.
func (m *Machine) take(l *lease, r *request) RequestID {
	g := r.group
	if g.kind == Read {
		g.swept, g.moving = r.place(), true
	}
	m.dequeue(r)
	r.lease = l
	l.requests = append(l.requests, r)
	l.files++
	l.bytes += max(r.size, 0)
	if l.room >= 0 {
		l.room = max(l.room-max(r.size, 0), 0)
	}
	return r.id
}

// next is the request that a lease would be given next, nil if none of its group is for it.
func (m *Machine) next(l *lease) *request {
	t := &l.group.tree
	var r *request
	if l.group.moving {
		r = t.after(l.group.swept)
	}
	if r == nil {
		r = t.first() // of the next sweep
	}
	for range t.n {
		if r == nil || r.not != l.id {
			return r
		}
		if r = t.after(r.place()); r == nil {
			r = t.first()
		}
	}
	return nil
}

// spent tells whether a lease has had its share and others wait for its drive or volume.
func (m *Machine) spent(l *lease) bool {
	over := l.files >= m.s.LeaseFiles || l.bytes >= m.s.LeaseBytes || m.now-l.begun >= int64(m.s.LeaseTime)
	return over && m.contested(l)
}

// contested tells whether work of another group waits for the drive or the volume of a lease.
func (m *Machine) contested(l *lease) bool {
	if v := l.volume; v != nil && v.reads != nil && v.reads != l.group && v.reads.tree.n > 0 && v.blocked == "" && !v.reads.pool.holdReads {
		return true
	}
	own := l.group
	if own.at >= 0 {
		m.detach(own)
		defer m.touch(own)
	}
	for _, p := range l.drive.pools {
		if m.runnable(p, Read) != nil || m.runnable(p, Write) != nil {
			return true
		}
	}
	return false
}

// runnable is the first group of a pool that waits for nothing but a drive. Those before it are parked.
func (m *Machine) runnable(p *pool, k Kind) *group {
	if p.held(k) {
		return nil
	}
	h := p.heapOf(k)
	for g := h.top(); g != nil; g = h.top() {
		why := m.obstacle(g)
		if why == Runnable {
			return g
		}
		m.park(g, why)
	}
	return nil
}

// more hands a lease what is good for it now, at most a batch.
func (m *Machine) more(l *lease) []RequestID {
	g := l.group
	if g.tree.n == 0 || g.pool.held(g.kind) || l.volume.blocked != "" {
		return nil
	}
	var ids []RequestID
	var bytes int64
	for len(ids) < m.s.Batch {
		r := m.next(l)
		if r == nil || l.room >= 0 && r.size > l.room || m.spent(l) {
			break
		}
		if bytes += m.load(r); len(ids) > 0 && bytes > m.s.BatchBytes {
			break
		}
		ids = append(ids, m.take(l, r))
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
	if l.group.tree.n > 0 || m.spent(l) {
		m.out = append(m.out, Yield{l.id})
		l.wanting = false
	}
}

// feed answers the leases of a group that still want more.
func (m *Machine) feed(g *group) {
	for _, l := range g.leases {
		if l.wanting && g.tree.n > 0 {
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
	if l.group == nil || l.group.kind != Write || l.volume != nil || e.Volume == "" {
		return fmt.Errorf("lease %d: volume %q for a lease that needs none: %w", e.Lease, e.Volume, ErrInvalid)
	}
	v := m.volume(e.Volume)
	if v.lease != nil || v.blocked != "" || v.drive != nil && v.drive != l.drive {
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
	if l.group == nil || l.group.kind != Write || l.volume != nil || e.Reason < NoVolume || e.Reason > Conflict {
		return fmt.Errorf("lease %d: refusal %d: %w", e.Lease, e.Reason, ErrInvalid)
	}
	if e.Reason == NoVolume {
		m.passedOver(l, nil)
	}
	g, d := l.group, l.drive
	m.closeLease(l)
	if g.tree.n > 0 && e.Reason != Conflict {
		m.refuse(g)
	}
	m.forgetGroup(g)
	m.makeReady(d)
	return nil
}

// closeLease ends a lease but for the whereabouts of its volume.
func (m *Machine) closeLease(l *lease) {
	delete(m.leases, l.id)
	l.drive.lease = nil
	if l.volume != nil {
		l.volume.lease = nil
	}
	g := l.group
	if g == nil {
		return
	}
	for len(l.requests) > 0 {
		m.putBack(l.requests[0])
	}
	g.leases = slices.DeleteFunc(g.leases, func(other *lease) bool { return other == l })
	g.turn = m.now + 1 // behind what comes at this very moment
	m.touch(g)
	m.wake(g, WidthReached)
}

func (m *Machine) leaseEnded(e LeaseEnded) error {
	l, err := m.lease(e.Lease)
	if err != nil {
		return err
	}
	m.closeLease(l)
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
	m.forgetDrive(l.drive)
}
