package queue

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/enstore-go/sdk/queue/discipline"
	"github.com/enstore-go/sdk/queue/fairshare"
	"github.com/enstore-go/sdk/queue/match"
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
	s          Settings
	rules      rules
	guarantees bool  // some share is guaranteed drives
	now        int64 // unix nanoseconds of the latest event
	seq        uint64
	lastLease  LeaseID
	requests   map[RequestID]*request
	groups     map[groupKey]*group
	volumes    map[Volume]*volume
	leases     map[LeaseID]*lease
	drives     []*drive // by name
	pools      []*pool  // by name
	robots     map[string]*robot
	profiles   map[match.Fields]*profile
	counters   map[discipline.Key]*counter
	datasets   map[datasetKey]*dataset
	scars      map[RequestID]scar
	copies     map[RequestID][]Copy
	timers     timers
	suspects   []*volume  // that have strikes, by name
	opened     []*counter // that may have become free for a lane that is shut out
	past       past
	out        []Decision
}

// volume is a cartridge that the machine has to know at the moment: waited for, in use, in a drive, blocked, or struck.
type volume struct {
	name    Volume
	family  Family // whose writes it takes, zero if unknown or full
	home    *pool  // its library, if known
	drive   *drive // where it is, as far as known
	lease   *lease
	reads   *group
	blocked string
	strikes []strike // in different drives
	blamed  bool
}

// takes tells whether a volume is one of a write group's.
func (v *volume) takes(g *group) bool {
	return v != nil && v.family == g.family && (v.home == nil || v.home == g.pool)
}

type drive struct {
	name    Drive
	robot   *robot    // nil if it did not say
	pools   []*pool   // by name
	holds   []*volume // what is in it; two only while it is not known which
	lease   *lease
	ready   bool     // it offered itself
	listed  bool     // it is among the ready drives of its pools
	since   int64    // ready since
	strikes []strike // of different volumes
	blamed  bool
	coming  bool // its lease was ended for something more important, and it has not said yet that it is ready
}

func (d *drive) mounted() *volume {
	if len(d.holds) == 0 {
		return nil
	}
	return d.holds[len(d.holds)-1]
}

func (d *drive) serves(p *pool) bool { return slices.Contains(d.pools, p) }

// robot serves drives. It may be limited to so many that work at once.
type robot struct {
	name     string
	most     int // -1: no limit
	active   int // leases
	mounting int // of those, how many have not done anything yet, and had to have their volume mounted
	drives   []*drive
}

func (r *robot) full() bool { return r.most >= 0 && r.active >= r.most }

type lease struct {
	id        LeaseID
	drive     *drive
	group     *group          // nil for a dismount
	leaf      *fairshare.Node // whose turn it was
	volume    *volume         // nil until chosen
	requests  []*request
	begun     int64
	files     int   // handed out so far
	bytes     int64 // handed out so far, as far as known
	room      int64 // writes: bytes left, -1 unknown
	wanting   bool  // asked for more and has no answer yet
	mounting  bool  // counted by its robot
	preempted bool
	admin     bool // has had a request with an administrative priority
	ordinary  bool // has had one that is not background
	charged   int64
	counts    []count // by limit
	shares    []spending
}

// count is how many requests of a lease count under a limit.
type count struct {
	counter *counter
	n       int
}

// spending is what a lease does for one share.
type spending struct {
	leaf *fairshare.Node
	time int64
}

// scar is what a request has against a drive or a lease.
type scar struct {
	Avoid Drive   // prefer another drive
	Not   LeaseID // never into this lease again
}

// New makes an empty machine. Settings with bad rules are no settings: see Settings.Check, which New calls.
func New(s Settings) (*Machine, error) {
	m := &Machine{
		requests: map[RequestID]*request{}, groups: map[groupKey]*group{}, volumes: map[Volume]*volume{}, leases: map[LeaseID]*lease{},
		robots: map[string]*robot{}, profiles: map[match.Fields]*profile{}, counters: map[discipline.Key]*counter{},
		datasets: map[datasetKey]*dataset{}, scars: map[RequestID]scar{}, copies: map[RequestID][]Copy{}, past: newPast(),
	}
	if err := m.configure(s); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Machine) configure(s Settings) error {
	r, err := s.compile()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	m.s, m.rules, m.guarantees = s.withDefaults(), r, guarantees(s.Shares)
	return nil
}

func guarantees(shares []fairshare.Share) bool {
	return slices.ContainsFunc(shares, func(s fairshare.Share) bool { return s.Least > 0 || guarantees(s.Shares) })
}

// Settings are the numbers and rules in force, with all defaults filled in.
func (m *Machine) Settings() Settings { return m.s }

// Apply tells the machine what happened and returns what is to be done now, in order. The error says that the event did
// not fit the state; it then changed nothing.
func (m *Machine) Apply(e Event) ([]Decision, error) {
	if e == nil {
		return nil, fmt.Errorf("no event: %w", ErrInvalid)
	}
	before := m.now
	m.now = max(m.now, nanos(e.when()))
	m.out = nil
	if err := m.apply(e); err != nil {
		m.now = before
		return nil, err
	}
	m.tick()
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
		m.unobserve(e.ID)
		return m.finished(e.ID)
	case Finished:
		if r := m.requests[e.ID]; e.Well && r != nil && r.lease != nil {
			m.worked(r.lease)
		}
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
	case RequestHeld:
		return m.requestHeld(e.ID, true)
	case RequestReleased:
		return m.requestHeld(e.ID, false)
	case Struck:
		return m.struck(e)
	case Forgiven:
		return m.forgiven(e)
	case Configured:
		return m.configured(e.Settings)
	case Tick: // what is due is done after every event
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
	if v.lease == nil && v.drive == nil && v.reads == nil && v.blocked == "" && len(v.strikes) == 0 {
		delete(m.volumes, v.name)
	}
}

func (m *Machine) pool(name Library) *pool {
	i, ok := slices.BinarySearchFunc(m.pools, name, func(p *pool, n Library) int { return cmp.Compare(p.name, n) })
	if !ok {
		p := &pool{name: name}
		p.join(fairshare.NewTree(m.rules.shares))
		m.pools = slices.Insert(m.pools, i, p)
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
	if d.lease != nil || d.ready || d.coming || len(d.holds) > 0 || len(d.strikes) > 0 {
		return
	}
	if r := d.robot; r != nil {
		r.drives = slices.DeleteFunc(r.drives, func(o *drive) bool { return o == d })
	}
	if i, ok := slices.BinarySearchFunc(m.drives, d.name, byDrive); ok {
		m.drives = slices.Delete(m.drives, i, i+1)
	}
}
