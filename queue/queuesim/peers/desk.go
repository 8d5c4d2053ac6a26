package peers

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/enstore-go/sdk/queue"
)

// rules is what the two schedulers differ in. The desk speaks the protocol and keeps the books; it asks the rules.
type rules interface {
	join(r *request)                   // waits from now on
	leave(r *request)                  // does not wait any more
	began(l *lease)                    // a lease was granted: its session begins
	closed(l *lease)                   // it ended; its session may go on, with its volume resting in the drive
	over(l *lease)                     // its volume has left the drive: its session is over
	changed(v *volume)                 // who may have it is not as before
	gone(d *drive)                     // it offers itself no more
	refused(l *lease, r queue.Refusal) // no volume for it; the lease is gone
	restocked(library queue.Library)   // there are new volumes with room
	chosen(l *lease)                   // a write lease has its volume
	more(l *lease)                     // wants more; answered by extend or yield
	handed(r *request, l *lease)       // was handed to a lease
	settled(r *request, l *lease)      // is not that lease's any more
	schedule()                         // give the ready drives work
	wake() int64                       // when schedule could decide otherwise, 0: not by time alone
}

// request is one that waits or is leased.
type request struct {
	queue.Request
	at    int64 // accepted, nanoseconds
	seq   int64 // order of arrival, the last word in every order
	lease *lease
	not   queue.LeaseID // came back from it
	avoid queue.Drive   // came back for the fault of it

	bundle   *bundle // Enstore: where it waits
	level    *level
	promised *drive // which puts another volume away first
	ranked   bool   // has its priorities by the rules
	asked    int    // the priority that base comes from
	base     int    // base priority
	admin    int    // administrative priority, -1: none

	line *line // CTA: where it waits
}

// lease is one that was granted. It is kept after its end, as the session whose volume is still in the drive.
type lease struct {
	id       queue.LeaseID
	drive    *drive
	first    *request // the request that it was granted for
	write    bool
	dismount bool
	library  queue.Library
	family   queue.Family
	volume   *volume
	room     int64 // -1: unknown
	requests map[queue.RequestID]*request
	wanting  bool
	yielded  bool

	asked int64    // since when it wants more
	last  *request // handed to it
	full  bool     // Enstore: its volume takes no more
	line  *line    // CTA
}

type drive struct {
	name      queue.Drive
	libraries []queue.Library
	ready     bool
	lease     *lease   // at work
	session   *lease   // whose volume is in it, at work or not
	mounted   *volume  // resting in it
	next      *request // Enstore: promised to it
}

type volume struct {
	name    queue.Volume
	lease   *lease
	drive   *drive // where it rests, or may be
	blocked bool

	promised *drive     // Enstore
	bundle   [2]*bundle // Enstore: the reads of it
	line     *line      // CTA: the reads of it
}

// takenFor tells whether a volume cannot be brought to a drive now.
func (v *volume) takenFor(d *drive) bool {
	return v.blocked || v.lease != nil || v.drive != nil && v.drive != d || v.promised != nil && v.promised != d
}

// idle tells whether a volume is where any drive could have it.
func (v *volume) idle() bool { return !v.takenFor(nil) }

// desk keeps what both schedulers know: requests, leases, drives and where the volumes are.
type desk struct {
	rules    rules
	now      int64
	seq      int64
	last     queue.LeaseID
	requests map[queue.RequestID]*request
	leases   map[queue.LeaseID]*lease
	drives   map[queue.Drive]*drive
	ready    []*drive // in the order in which they became so
	volumes  map[queue.Volume]*volume
	out      []queue.Decision
}

func newDesk() desk {
	return desk{
		requests: map[queue.RequestID]*request{}, leases: map[queue.LeaseID]*lease{},
		drives: map[queue.Drive]*drive{}, volumes: map[queue.Volume]*volume{},
	}
}

// Apply tells what happened and returns what is to be done now, as [queue.Machine.Apply] does. Events that the original
// has nothing like are ignored. The error says that the event did not fit the state; it then changed nothing.
func (k *desk) Apply(e queue.Event) ([]queue.Decision, error) {
	k.out = nil
	known, err := k.apply(e)
	if err != nil || !known {
		return nil, err
	}
	k.rules.schedule()
	return k.out, nil
}

// Wake is when a [queue.Tick] could change something although nothing happened, zero if never.
func (k *desk) Wake() time.Time {
	if at := k.rules.wake(); at > 0 {
		return time.Unix(0, at).UTC()
	}
	return time.Time{}
}

func (k *desk) clock(t time.Time) { k.now = max(k.now, t.UnixNano()) }

func (k *desk) apply(e queue.Event) (known bool, err error) {
	switch e := e.(type) {
	case queue.Tick:
		k.clock(e.Time)
	case queue.Submitted:
		k.clock(e.Time)
		err = k.submitted(e.Request)
	case queue.Cancelled:
		k.clock(e.Time)
		err = k.finished(e.ID)
	case queue.Finished:
		k.clock(e.Time)
		err = k.finished(e.ID)
	case queue.Requeued:
		k.clock(e.Time)
		err = k.requeued(e)
	case queue.Reprioritised:
		k.clock(e.Time)
		err = k.reprioritised(e)
	case queue.DriveReady:
		k.clock(e.Time)
		err = k.driveReady(e)
	case queue.DriveGone:
		k.clock(e.Time)
		err = k.driveGone(e.Drive)
	default:
		return k.applyLease(e)
	}
	return true, err
}

func (k *desk) applyLease(e queue.Event) (known bool, err error) {
	switch e := e.(type) {
	case queue.LeaseMore:
		k.clock(e.Time)
		err = k.leaseMore(e.Lease)
	case queue.LeaseEnough:
		k.clock(e.Time)
		var l *lease
		if l, err = k.lease(e.Lease); err == nil {
			l.wanting = false
		}
	case queue.LeaseEnded:
		k.clock(e.Time)
		err = k.leaseEnded(e.Lease, e.Mounted)
	case queue.LeaseExpired:
		k.clock(e.Time)
		err = k.leaseExpired(e.Lease)
	case queue.VolumeChosen:
		k.clock(e.Time)
		err = k.volumeChosen(e)
	case queue.VolumeRefused:
		k.clock(e.Time)
		err = k.volumeRefused(e)
	case queue.VolumesChanged:
		k.clock(e.Time)
		k.rules.restocked(e.Library)
	case queue.VolumeBlocked:
		k.clock(e.Time)
		v := k.volume(e.Volume)
		v.blocked = true
		k.rules.changed(v)
	case queue.VolumeFreed:
		k.clock(e.Time)
		v := k.volume(e.Volume)
		v.blocked = false
		k.rules.changed(v)
	case queue.VolumeLeft:
		k.clock(e.Time)
		k.left(e.Volume)
	default:
		return false, nil
	}
	return true, err
}

func (k *desk) volume(name queue.Volume) *volume {
	v := k.volumes[name]
	if v == nil {
		v = &volume{name: name}
		k.volumes[name] = v
	}
	return v
}

// request and lease look up what an event names.
func (k *desk) request(id queue.RequestID) (*request, error) {
	if r := k.requests[id]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("request %s: %w", id, queue.ErrUnknownRequest)
}

func (k *desk) lease(id queue.LeaseID) (*lease, error) {
	if l := k.leases[id]; l != nil {
		return l, nil
	}
	return nil, fmt.Errorf("lease %d: %w", id, queue.ErrUnknownLease)
}

func (k *desk) submitted(q queue.Request) error {
	if k.requests[q.ID] != nil {
		return fmt.Errorf("request %s: %w", q.ID, queue.ErrDuplicate)
	}
	if !q.Kind.OfVolume() && q.Kind != queue.Write || q.Kind.OfVolume() && q.Volume == "" {
		return fmt.Errorf("request %s: %s of volume %q: %w", q.ID, q.Kind, q.Volume, queue.ErrInvalid)
	}
	k.seq++
	r := &request{Request: q, at: k.now, seq: k.seq}
	if at := q.Accepted.UnixNano(); !q.Accepted.IsZero() && at < k.now {
		r.at = at
	}
	k.requests[q.ID] = r
	k.rules.join(r)
	return nil
}

func (k *desk) finished(id queue.RequestID) error {
	r, err := k.request(id)
	if err != nil {
		return err
	}
	delete(k.requests, id)
	k.withdraw(r)
	return nil
}

// withdraw takes a request from where it waits or works.
func (k *desk) withdraw(r *request) {
	switch l := r.lease; {
	case l != nil:
		delete(l.requests, r.ID)
		r.lease = nil
		k.rules.settled(r, l)
	default:
		k.rules.leave(r)
	}
}

func (k *desk) requeued(e queue.Requeued) error {
	r, err := k.request(e.ID)
	if err != nil {
		return err
	}
	l := r.lease
	if l == nil {
		return fmt.Errorf("request %s: waits already: %w", e.ID, queue.ErrInvalid)
	}
	k.withdraw(r)
	r.not, r.avoid = l.id, e.Avoid
	k.rules.join(r)
	return nil
}

func (k *desk) reprioritised(e queue.Reprioritised) error {
	r, err := k.request(e.ID)
	if err != nil {
		return err
	}
	if r.lease != nil {
		r.Priority = e.Priority
		return nil
	}
	k.rules.leave(r)
	r.Priority = e.Priority
	k.rules.join(r)
	return nil
}

func (k *desk) driveReady(e queue.DriveReady) error {
	d := k.drives[e.Drive]
	if d == nil {
		d = &drive{name: e.Drive}
		k.drives[e.Drive] = d
	}
	if d.lease != nil {
		return fmt.Errorf("drive %s: %w", e.Drive, queue.ErrDriveInUse)
	}
	d.libraries = e.Libraries
	k.fill(d, e.Mounted)
	k.offer(d)
	return nil
}

func (k *desk) offer(d *drive) {
	if !d.ready {
		d.ready = true
		k.ready = append(k.ready, d)
	}
}

// take makes a drive no longer ready.
func (k *desk) take(d *drive) {
	d.ready = false
	for i, other := range k.ready {
		if other == d {
			k.ready = append(k.ready[:i], k.ready[i+1:]...)
			return
		}
	}
}

// fill notes what is in a drive. Whatever else was in it has left it.
func (k *desk) fill(d *drive, mounted queue.Volume) {
	old := d.mounted
	if old != nil && old.name != mounted {
		old.drive, d.mounted = nil, nil
		k.rules.changed(old)
		k.forget(old)
	}
	if s := d.session; s != nil && (s.volume == nil || s.volume.name != mounted) {
		d.session = nil
		k.rules.over(s)
	}
	if mounted != "" && d.mounted == nil {
		v := k.volume(mounted)
		v.drive, d.mounted = d, v
		k.rules.changed(v)
	}
}

// forget drops a volume of which nothing is left to know.
func (k *desk) forget(v *volume) {
	if k.volumes[v.name] == v && v.lease == nil && v.drive == nil && !v.blocked && v.promised == nil && v.bundle == [2]*bundle{} && v.line == nil {
		delete(k.volumes, v.name)
	}
}

func (k *desk) driveGone(name queue.Drive) error {
	d := k.drives[name]
	if d == nil {
		return fmt.Errorf("drive %s: %w", name, queue.ErrUnknownDrive)
	}
	k.take(d)
	k.rules.gone(d)
	return nil
}

func (k *desk) left(name queue.Volume) {
	v := k.volumes[name]
	if v == nil || v.drive == nil {
		return
	}
	d := v.drive
	v.drive, d.mounted = nil, nil
	if s := d.session; s != nil && s != d.lease && s.volume == v {
		d.session = nil
		k.rules.over(s)
	}
	k.rules.changed(v)
	k.forget(v)
}

// grant gives a ready drive a lease for a request that waited, and what follows it at once.
func (k *desk) grant(d *drive, r *request, follow ...*request) *lease {
	k.last++
	l := &lease{
		id: k.last, drive: d, first: r, write: r.Kind == queue.Write, library: r.Library, family: r.Family, room: -1,
		requests: map[queue.RequestID]*request{}, line: r.line,
	}
	k.leases[l.id] = l
	k.take(d)
	d.lease, d.next = l, nil
	if s := d.session; s != nil {
		d.session = nil
		k.rules.over(s)
	}
	d.session = l
	out := queue.Lease{ID: l.id, Drive: d.name, Kind: queue.Write, Library: r.Library, Family: r.Family, Width: r.Width}
	if !l.write {
		l.volume = k.volume(r.Volume)
		l.volume.lease = l
		out.Kind, out.Width, out.Volume = queue.Read, 0, r.Volume
	}
	k.rules.began(l)
	for _, r := range append([]*request{r}, follow...) {
		k.give(l, r)
		out.Requests = append(out.Requests, r.ID)
	}
	k.out = append(k.out, queue.Grant{Lease: out})
	return l
}

// give hands a request, which the rules took from where it waited, to a lease.
func (k *desk) give(l *lease, r *request) {
	r.lease, l.last = l, r
	l.requests[r.ID] = r
	if l.room >= 0 {
		l.room = max(l.room-max(r.Size, 0), 0)
	}
	k.rules.handed(r, l)
}

func (k *desk) extend(l *lease, rs ...*request) {
	var ids []queue.RequestID
	for _, r := range rs {
		k.give(l, r)
		ids = append(ids, r.ID)
	}
	l.wanting = false
	k.out = append(k.out, queue.Extend{Lease: l.id, Requests: ids})
}

func (k *desk) yield(l *lease) {
	l.wanting, l.yielded = false, true
	k.out = append(k.out, queue.Yield{Lease: l.id})
}

// dismount has a ready drive put its volume away.
func (k *desk) dismount(d *drive) {
	k.last++
	l := &lease{id: k.last, drive: d, dismount: true, volume: d.mounted}
	k.leases[l.id] = l
	k.take(d)
	d.lease = l
	d.mounted.lease = l
	k.out = append(k.out, queue.Dismount{Lease: l.id, Drive: d.name, Volume: d.mounted.name})
}

// fits tells whether a request goes on the volume of a write lease.
func (l *lease) fits(r *request) bool { return l.room < 0 || r.Size <= l.room }

func (k *desk) leaseMore(id queue.LeaseID) error {
	l, err := k.lease(id)
	if err != nil {
		return err
	}
	if l.dismount {
		return fmt.Errorf("lease %d: a dismount: %w", id, queue.ErrInvalid)
	}
	if l.yielded {
		return nil
	}
	l.wanting, l.asked = true, k.now
	if l.volume != nil {
		k.rules.more(l)
	}
	return nil
}

// close ends a lease, and notes what is in its drive before what was not settled waits again.
func (k *desk) close(l *lease, mounted queue.Volume) {
	delete(k.leases, l.id)
	l.drive.lease, l.wanting = nil, false
	if l.volume != nil {
		l.volume.lease = nil
	}
	k.fill(l.drive, mounted)
	k.rules.closed(l)
	for _, r := range l.unsettled() {
		k.withdraw(r)
		k.rules.join(r)
	}
	if v := l.volume; v != nil {
		k.rules.changed(v)
		k.forget(v)
	}
}

func (k *desk) leaseEnded(id queue.LeaseID, mounted queue.Volume) error {
	l, err := k.lease(id)
	if err == nil {
		k.close(l, mounted)
	}
	return err
}

// leaseExpired takes the volume of a lease to be in its drive until it is heard of.
func (k *desk) leaseExpired(id queue.LeaseID) error {
	l, err := k.lease(id)
	if err != nil {
		return err
	}
	k.close(l, l.holds())
	return nil
}

// holds is what is in the drive of a lease, as far as known.
func (l *lease) holds() queue.Volume {
	switch {
	case l.volume != nil:
		return l.volume.name
	case l.drive.mounted != nil:
		return l.drive.mounted.name
	}
	return ""
}

func (k *desk) volumeChosen(e queue.VolumeChosen) error {
	l, err := k.lease(e.Lease)
	if err != nil {
		return err
	}
	if !l.write || l.volume != nil || e.Volume == "" {
		return fmt.Errorf("lease %d: volume %q for a lease that needs none: %w", e.Lease, e.Volume, queue.ErrInvalid)
	}
	v := k.volume(e.Volume)
	if v.blocked || v.lease != nil || v.drive != nil && v.drive != l.drive {
		return fmt.Errorf("volume %s: %w", e.Volume, queue.ErrVolumeInUse)
	}
	v.lease, l.volume, l.room = l, v, e.Room
	if l.room >= 0 {
		for _, r := range l.requests {
			l.room = max(l.room-max(r.Size, 0), 0)
		}
	}
	k.rules.changed(v)
	k.rules.chosen(l)
	return nil
}

func (k *desk) volumeRefused(e queue.VolumeRefused) error {
	l, err := k.lease(e.Lease)
	if err != nil {
		return err
	}
	if !l.write || l.volume != nil || e.Reason < queue.NoVolume || e.Reason > queue.Conflict {
		return fmt.Errorf("lease %d: refusal %d: %w", e.Lease, e.Reason, queue.ErrInvalid)
	}
	k.rules.refused(l, e.Reason)
	k.close(l, l.holds())
	k.offer(l.drive)
	return nil
}

// unsettled are the requests that a lease still has, in the order of their arrival.
func (l *lease) unsettled() []*request {
	return slices.SortedFunc(maps.Values(l.requests), bySeq)
}

func bySeq(a, b *request) int { return cmp.Compare(a.seq, b.seq) }

// byAge puts the older first.
func byAge(a, b *request) int { return cmp.Or(cmp.Compare(a.at, b.at), bySeq(a, b)) }

// byPlace puts the reads of a volume in the order in which they lie on it.
func byPlace(a, b *request) int {
	return cmp.Or(cmp.Compare(a.Position.File, b.Position.File), cmp.Compare(a.Position.Block, b.Position.Block), bySeq(a, b))
}
