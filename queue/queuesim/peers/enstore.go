package peers

import (
	"cmp"
	"slices"
	"time"

	"github.com/enstore-go/sdk/queue"
)

// EnstoreSettings are what a site configures in Enstore. A zero field has the default named at it.
type EnstoreSettings struct {
	Limits   map[string]int // drives that a storage group may have while others wait: storage_group_limits; none: 0
	Hosts    []HostLimit    // section "discipline"; none
	Priority Selector       // section "priority"; none

	// RestrictBound applies the host limits, by one more, to drives with a mounted volume too: restrict_access_in_bound.
	RestrictBound bool

	AgeTime       time.Duration // waiting that raises a priority by AgeDelta; 30 minutes, negative: never
	AgeDelta      int           // 1
	DismountDelay time.Duration // a mounted volume waits so long for more work; 1 minute, negative: not at all
	AdminCheck    time.Duration // how often a drive with a mounted volume looks for administrative requests; 1 minute
	Postponed     time.Duration // after which it is forgotten how often groups over their limit were served; 1 hour
}

func (s EnstoreSettings) withDefaults() EnstoreSettings {
	def(&s.AgeTime, 30*time.Minute)
	def(&s.AgeDelta, 1)
	def(&s.DismountDelay, time.Minute)
	def(&s.AdminCheck, time.Minute)
	def(&s.Postponed, time.Hour)
	return s
}

// def gives a number its default; a negative one is none.
func def[T ~int | ~int64](v *T, d T) {
	switch {
	case *v == 0:
		*v = d
	case *v < 0:
		*v = 0
	}
}

// Enstore decides as the library managers of Enstore do, one for each library. Make one with NewEnstore. It is not safe for
// use by several goroutines at once.
type Enstore struct {
	desk
	s        EnstoreSettings
	managers []*manager // by library
	active   map[string]int
	hosts    map[string]int // requests at drives of each client host
	limits   map[string]*HostLimit
	served   map[string]int // how often each storage group was served, since
	since    int64
}

// manager is the library manager of one library.
type manager struct {
	library  queue.Library
	pending  *pending
	families map[queue.Family]*family
	bound    []*lease // that want more and have no answer, in the order in which they asked
	asked    int64    // when administrative requests were last looked for on behalf of a mounted volume
	version  uint64   // of what a ready drive could find here
	barren   uint64   // the version in which one found nothing
	picky    bool     // something was left out for the drive's sake
}

// family is the writing of one volume family in one library.
type family struct {
	key     bundleKey
	width   int // of the newest request
	newest  int64
	writers int // volumes of it at drives that take more
	refused bool
}

// NewEnstore makes library managers with empty queues.
func NewEnstore(s EnstoreSettings) *Enstore {
	e := &Enstore{
		desk: newDesk(), s: s.withDefaults(), active: map[string]int{}, hosts: map[string]int{},
		limits: map[string]*HostLimit{}, served: map[string]int{},
	}
	e.rules = e
	return e
}

func (e *Enstore) manager(name queue.Library) *manager {
	i, found := slices.BinarySearchFunc(e.managers, name, func(m *manager, n queue.Library) int { return cmp.Compare(m.library, n) })
	if !found {
		p := newPending(aging{e.s.AgeDelta, e.s.AgeTime}, len(e.s.Hosts) > 0)
		e.managers = slices.Insert(e.managers, i, &manager{library: name, pending: p, families: map[queue.Family]*family{}, version: 1})
	}
	return e.managers[i]
}

func (m *manager) family(name queue.Family) *family {
	f := m.families[name]
	if f == nil {
		f = &family{key: bundleKey{family: name}, width: 1}
		m.families[name] = f
	}
	return f
}

func (f *family) full() bool { return f.refused || f.writers >= f.width }

// settle parks the writes of a family, or no longer.
func (m *manager) settle(f *family) {
	for i := range m.pending.halves {
		m.pending.halves[i].bundles[f.key].park(f.full())
	}
	m.version++
}

func (e *Enstore) join(r *request) {
	e.rank(r)
	m := e.manager(r.Library)
	m.pending.insert(r)
	m.version++
	if r.Kind == queue.Write {
		f := m.family(r.Family)
		if r.seq >= f.newest {
			f.newest, f.width = r.seq, max(r.Width, 1)
		}
		m.settle(f)
	} else {
		v := e.volume(r.Volume)
		v.bundle[halfOf(r)] = r.bundle
		r.bundle.park(!v.idle())
	}
	for _, l := range slices.Clone(m.bound) {
		if l.wanting && e.concerns(r, l) && r.bundle != nil {
			e.more(l)
		}
	}
}

// rank gives a request the priorities that it has in Enstore, where 1 is the ordinary base priority and everything below is
// background work, and where no administrative priority is -1.
func (e *Enstore) rank(r *request) {
	switch {
	case !r.ranked:
		r.base, r.admin = e.s.Priority.priorities(r.Priority+1, max(r.Admin, 0)-1, r.Admin > 0, field(&r.Request))
		r.Path, r.Copies = "", nil
	case r.asked != r.Priority:
		r.base = r.Priority + 1
	}
	r.ranked, r.asked = true, r.Priority
}

// concerns tells whether a new request could be one for a lease that waits for more.
func (e *Enstore) concerns(r *request, l *lease) bool {
	return r.admin >= 0 || l.last.base <= 0 || r.Kind != queue.Write && r.Volume == l.volume.name || r.Kind == queue.Write && r.Family == l.family
}

func (e *Enstore) leave(r *request) {
	if r.promised != nil {
		e.release(r)
		return
	}
	m, b := e.manager(r.Library), r.bundle
	m.pending.remove(r)
	if b.n > 0 || r.Kind == queue.Write {
		return
	}
	v := e.volume(r.Volume)
	v.bundle[halfOf(r)] = nil
	e.forget(v)
}

// promise keeps a request for a drive that puts its volume away first.
func (e *Enstore) promise(r *request, d *drive) {
	e.leave(r)
	r.promised, d.next = d, r
	m := e.manager(r.Library)
	if r.Kind == queue.Write {
		f := m.family(r.Family)
		f.writers++
		m.settle(f)
		return
	}
	v := e.volume(r.Volume)
	v.promised = d
	e.changed(v)
}

// release takes a promise back; the request then neither waits nor works.
func (e *Enstore) release(r *request) {
	r.promised.next, r.promised = nil, nil
	m := e.manager(r.Library)
	if r.Kind == queue.Write {
		f := m.family(r.Family)
		f.writers--
		m.settle(f)
		return
	}
	v := e.volume(r.Volume)
	v.promised = nil
	e.changed(v)
	e.forget(v)
}

func (e *Enstore) gone(d *drive) {
	if r := d.next; r != nil {
		e.release(r)
		e.join(r)
	}
}

func (e *Enstore) began(l *lease) {
	e.active[l.family.Group]++
	if !l.write {
		e.changed(l.volume)
		return
	}
	m := e.manager(l.library)
	f := m.family(l.family)
	f.writers++
	m.settle(f)
}

// closed forgets a full volume among those that are written, although it is still in the drive.
func (e *Enstore) closed(l *lease) {
	if l.full {
		m := e.manager(l.library)
		f := m.family(l.family)
		f.writers--
		m.settle(f)
	}
}

func (e *Enstore) over(l *lease) {
	e.active[l.family.Group]--
	m := e.manager(l.library)
	m.version++
	if !l.write {
		return
	}
	f := m.family(l.family)
	if l.volume != nil {
		f.refused = false
	}
	if !l.full {
		f.writers--
	}
	m.settle(f)
}

func (e *Enstore) changed(v *volume) {
	for _, b := range v.bundle {
		b.park(!v.idle())
	}
	for _, m := range e.managers {
		m.version++
	}
}

func (e *Enstore) refused(l *lease, why queue.Refusal) {
	if why != queue.Conflict {
		e.manager(l.library).family(l.family).refused = true
	}
}

func (e *Enstore) restocked(library queue.Library) {
	m := e.manager(library)
	for _, f := range m.families { // each for itself: the order does not matter
		if f.refused {
			f.refused = false
			m.settle(f)
		}
	}
}

func (e *Enstore) handed(r *request, l *lease) {
	e.hosts[r.Host]++
	if l.last != l.first {
		e.served[l.family.Group]++
	}
}

// settled begins the dismount delay anew: a drive that asked for more while it was at work waits only from now on.
func (e *Enstore) settled(r *request, l *lease) {
	l.asked = e.now
	if e.hosts[r.Host]--; e.hosts[r.Host] == 0 {
		delete(e.hosts, r.Host)
	}
	if len(e.s.Hosts) > 0 {
		for _, m := range e.managers {
			m.version++
		}
	}
}

// chosen may find that the volume was promised to a drive; that request then waits again.
func (e *Enstore) chosen(l *lease) {
	if d := l.volume.promised; d != nil {
		r := d.next
		e.release(r)
		e.join(r)
	}
	if l.wanting {
		e.more(l)
	}
}

// more answers a lease that wants more, or lets it wait with its volume.
func (e *Enstore) more(l *lease) {
	m := e.manager(l.library)
	r := e.bound(m, l)
	switch {
	case r != nil && l.serves(r):
		e.leave(r)
		e.extend(l, r)
	case r != nil:
		e.promise(r, l.drive)
		e.yield(l)
	case l.full:
		e.yield(l)
	default:
		if !slices.Contains(m.bound, l) {
			m.bound = append(m.bound, l)
		}
		return
	}
	m.unbind(l)
}

func (m *manager) unbind(l *lease) {
	m.bound = slices.DeleteFunc(m.bound, func(o *lease) bool { return o == l })
}

// serves tells whether a request can be handed to a lease: it is of its volume, or of its family and fits.
func (l *lease) serves(r *request) bool {
	if r.Kind == queue.Write {
		return l.write && r.Family == l.family && r.Library == l.library && l.fits(r)
	}
	return !l.write && r.Volume == l.volume.name
}

func (e *Enstore) schedule() {
	for _, m := range e.managers {
		e.remind(m)
	}
	for _, d := range slices.Clone(e.ready) {
		if d.next != nil {
			e.redeem(d)
		}
		switch {
		case !d.ready:
		case d.mounted != nil && !d.mounted.blocked:
			e.again(d)
		case d.mounted != nil:
			e.dismount(d)
		default:
			e.offerWork(d)
		}
	}
}

// redeem grants what was promised to a drive, unless the width of its family has shrunk meanwhile.
func (e *Enstore) redeem(d *drive) {
	r := d.next
	e.release(r)
	if r.Kind == queue.Write && e.manager(r.Library).family(r.Family).full() {
		e.join(r)
		return
	}
	e.grant(d, r)
}

// remind looks after the leases that wait for more: time may have run out, or administrative requests be due.
func (e *Enstore) remind(m *manager) {
	for _, l := range slices.Clone(m.bound) {
		switch {
		case !l.wanting || e.leases[l.id] != l:
			m.unbind(l)
		case len(l.requests) == 0 && e.now >= l.asked+int64(e.s.DismountDelay):
			m.unbind(l)
			e.yield(l)
		case m.pending.halves[admin].n > 0 && e.now >= m.asked+int64(e.s.AdminCheck):
			e.more(l)
		}
	}
}

// again finds work for a drive that came back with its volume, or has the volume put away.
func (e *Enstore) again(d *drive) {
	l := d.session
	if l == nil || l.yielded || l.volume != d.mounted || l.last == nil {
		e.dismount(d)
		return
	}
	m := e.manager(l.library)
	r := e.bound(m, l)
	if r == nil || r.Kind == queue.Write && l.write && m.family(r.Family).writers > m.family(r.Family).width {
		e.dismount(d)
		return
	}
	e.leave(r)
	e.grant(d, r)
}

func (e *Enstore) offerWork(d *drive) {
	for _, name := range d.libraries {
		m := e.manager(name)
		if m.barren == m.version {
			continue
		}
		m.picky = false
		r, postponed := e.pick(m, d, 0)
		if r == nil {
			if !m.picky {
				m.barren = m.version
			}
			continue
		}
		e.leave(r)
		l := e.grant(d, r)
		if postponed {
			e.served[l.family.Group]++
		}
		return
	}
}

// others tells whether other drives of a library have nothing to do.
func (e *Enstore) others(library queue.Library, d *drive) bool {
	for _, o := range e.ready {
		if o != d && o.next == nil && slices.Contains(o.libraries, library) {
			return true
		}
	}
	return false
}

// pick chooses for a drive without a volume. A storage group over its limit has to let others go first, as long as there
// are no drives left; of several such groups the one served least goes first.
func (e *Enstore) pick(m *manager, d *drive, ease int) (r *request, postponed bool) {
	p := m.pending
	free := len(p.groups) < 2 || e.others(m.library, d)
	var late []*request
	skip := func(l *lane) bool {
		if l.host != "" && e.limit(l.host).busy(l.host, e.hosts[l.host], 0) {
			return true
		}
		return slices.ContainsFunc(late, func(r *request) bool { return r.bundle.group == l.group })
	}
	for i := admin; i >= regular; i-- {
		for b := range p.halves[i].bundlesBy(p.age, e.now, skip) {
			r := e.candidate(m, b, d)
			switch {
			case r == nil:
			case free || r.Kind == queue.Migrate || e.active[b.group] < e.s.Limits[b.group]+ease:
				return r, false
			default:
				late = append(late, r)
			}
		}
	}
	if len(late) == 0 {
		return nil, false
	}
	if e.now >= e.since+int64(e.s.Postponed) {
		e.since = e.now
		clear(e.served)
	}
	return slices.MinFunc(late, func(a, b *request) int { return cmp.Compare(e.served[a.bundle.group], e.served[b.bundle.group]) }), true
}

// candidate is the first request of a bundle that a drive may have.
func (e *Enstore) candidate(m *manager, b *bundle, d *drive) *request {
	for r := range b.requests(m.pending.age, e.now, lowest) {
		if r.avoid == d.name && e.others(m.library, d) {
			m.picky = true
			continue
		}
		if !e.limit(r.Host).busy(r.Host, e.hosts[r.Host], 0) {
			return r
		}
	}
	return nil
}

// limit is what a host may have, nil if it has no limit.
func (e *Enstore) limit(host string) *HostLimit {
	if len(e.s.Hosts) == 0 {
		return nil
	}
	l, known := e.limits[host]
	if !known {
		l = discipline(e.s.Hosts, host)
		e.limits[host] = l
	}
	return l
}

func (e *Enstore) wake() int64 {
	var at int64
	sooner := func(t int64) {
		if t > e.now && (at == 0 || t < at) {
			at = t
		}
	}
	for _, m := range e.managers {
		for _, l := range m.bound {
			if l.wanting && len(l.requests) == 0 {
				sooner(l.asked + int64(e.s.DismountDelay))
			}
		}
		if len(m.bound) > 0 && m.pending.halves[admin].n > 0 {
			sooner(m.asked + int64(e.s.AdminCheck))
		}
	}
	return at
}
