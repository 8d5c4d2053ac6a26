package queue

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Errors that Apply returns, wrapped with the name of what the event was about. The event then changed nothing.
var (
	ErrInvalid        = errors.New("invalid event")
	ErrDuplicate      = errors.New("request is known already")
	ErrUnknownRequest = errors.New("no such request")
	ErrUnknownLease   = errors.New("no such lease")
	ErrUnknownDrive   = errors.New("no such drive")
	ErrDriveInUse     = errors.New("drive has a lease")
	ErrVolumeInUse    = errors.New("volume is in use") // VolumeChosen: leased, blocked, or in another drive
)

// Machine is the state of a queue. Make one with New.
type Machine struct {
	s         Settings
	now       int64 // unix nanoseconds of the latest event
	seq       uint64
	lastLease LeaseID
	requests  map[RequestID]*request
	groups    map[groupKey]*group
	volumes   map[Volume]*volume
	leases    map[LeaseID]*lease
	drives    []*drive // by name
	pools     []*pool  // by name
	out       []Decision
}

// volume is a cartridge that the machine has to know at the moment: waited for, in use, in a drive, or blocked.
type volume struct {
	name    Volume
	family  Family // whose writes it takes, zero if unknown or full
	home    *pool  // its library, if known
	drive   *drive // where it is, as far as known
	lease   *lease
	reads   *group
	blocked string
}

// takes tells whether a volume is one of a write group's.
func (v *volume) takes(g *group) bool {
	return v != nil && v.family == g.family && (v.home == nil || v.home == g.pool)
}

type drive struct {
	name  Drive
	pools []*pool   // by name
	holds []*volume // what is in it; two only while it is not known which
	lease *lease
	ready bool
	since int64 // ready since
}

func (d *drive) mounted() *volume {
	if len(d.holds) == 0 {
		return nil
	}
	return d.holds[len(d.holds)-1]
}

func (d *drive) serves(p *pool) bool { return slices.Contains(d.pools, p) }

type lease struct {
	id       LeaseID
	drive    *drive
	group    *group  // nil for a dismount
	volume   *volume // nil until chosen
	requests []*request
	begun    int64
	files    int   // handed out so far
	bytes    int64 // handed out so far, as far as known
	room     int64 // writes: bytes left, -1 unknown
	wanting  bool  // asked for more and has no answer yet
}

// New makes an empty machine.
func New(s Settings) *Machine {
	return &Machine{
		s: s.withDefaults(), requests: map[RequestID]*request{}, groups: map[groupKey]*group{},
		volumes: map[Volume]*volume{}, leases: map[LeaseID]*lease{},
	}
}

// Apply tells the machine what happened and returns what is to be done now, in order. The error says that the event did
// not fit the state; it then changed nothing.
func (m *Machine) Apply(e Event) ([]Decision, error) {
	if e == nil {
		return nil, fmt.Errorf("no event: %w", ErrInvalid)
	}
	m.now = max(m.now, nanos(e.when()))
	m.out = nil
	if err := m.apply(e); err != nil {
		return nil, err
	}
	m.schedule()
	return m.out, nil
}

// Len is the number of requests, waiting and leased.
func (m *Machine) Len() int { return len(m.requests) }

func (m *Machine) apply(e Event) error {
	switch e := e.(type) {
	case Submitted:
		return m.submitted(e.Request)
	case Cancelled:
		return m.finished(e.ID)
	case Finished:
		return m.finished(e.ID)
	case Requeued:
		return m.requeued(e)
	case Reprioritised:
		return m.reprioritised(e)
	case DriveReady:
		return m.driveReady(e)
	case DriveGone:
		return m.driveGone(e)
	case LeaseMore:
		return m.leaseMore(e.Lease)
	case LeaseEnough:
		return m.leaseEnough(e.Lease)
	case LeaseEnded:
		return m.leaseEnded(e)
	case LeaseExpired:
		return m.leaseExpired(e)
	case VolumeChosen:
		return m.volumeChosen(e)
	case VolumeRefused:
		return m.volumeRefused(e)
	default:
		return m.applyRest(e)
	}
}

func (m *Machine) applyRest(e Event) error {
	switch e := e.(type) {
	case VolumesChanged:
		return m.volumesChanged(e)
	case VolumeBlocked:
		return m.volumeBlocked(e)
	case VolumeFreed:
		m.volumeFreed(e)
	case VolumeLeft:
		m.volumeLeft(e)
	case LibraryHeld:
		return m.libraryHeld(e)
	case Ordered:
		m.ordered(e)
	default:
		return fmt.Errorf("event %T: %w", e, ErrInvalid)
	}
	return nil
}

// The times that the machine can tell apart: 1970 to 2140, so that no sum of times and priorities overflows.
var latest = time.Date(2140, 1, 1, 0, 0, 0, 0, time.UTC)

func nanos(t time.Time) int64 {
	switch {
	case t.Unix() < 0:
		return 0
	case t.After(latest):
		return latest.UnixNano()
	}
	return t.UnixNano()
}

func (m *Machine) volume(name Volume) *volume {
	v := m.volumes[name]
	if v == nil {
		v = &volume{name: name}
		m.volumes[name] = v
	}
	return v
}

// forgetVolume drops a volume about which nothing is left to know.
func (m *Machine) forgetVolume(v *volume) {
	if v.lease == nil && v.drive == nil && v.reads == nil && v.blocked == "" {
		delete(m.volumes, v.name)
	}
}

func (m *Machine) pool(name Library) *pool {
	i, ok := slices.BinarySearchFunc(m.pools, name, func(p *pool, n Library) int { return cmp.Compare(p.name, n) })
	if !ok {
		m.pools = slices.Insert(m.pools, i, &pool{name: name})
	}
	return m.pools[i]
}

func byDrive(d *drive, n Drive) int { return cmp.Compare(d.name, n) }

func (m *Machine) drive(name Drive) *drive {
	i, ok := slices.BinarySearchFunc(m.drives, name, byDrive)
	if !ok {
		return nil
	}
	return m.drives[i]
}

func (m *Machine) addDrive(name Drive) *drive {
	i, ok := slices.BinarySearchFunc(m.drives, name, byDrive)
	if !ok {
		m.drives = slices.Insert(m.drives, i, &drive{name: name})
	}
	return m.drives[i]
}

func (m *Machine) forgetDrive(d *drive) {
	if d.lease != nil || d.ready || len(d.holds) > 0 {
		return
	}
	if i, ok := slices.BinarySearchFunc(m.drives, d.name, byDrive); ok {
		m.drives = slices.Delete(m.drives, i, i+1)
	}
}
