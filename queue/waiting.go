package queue

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/enstore-go/sdk/queue/fairshare"
	"github.com/enstore-go/sdk/queue/priority"
)

// Reason is why a request waits. It is the thing whose change lets the request go on.
type Reason uint8

const (
	Runnable        Reason = iota // nothing holds it back
	NoDrive                       // no drive of its library is ready
	Held                          // its library does not start such requests: LibraryHeld
	VolumeInUse                   // its volume has a lease
	VolumeElsewhere               // its volume is in a drive that is not ready
	Blocked                       // its volume is blocked: VolumeBlocked, or blamed for failures
	WidthReached                  // as many volumes of its family are being written as its width allows
	NoRoom                        // no volume has room for it: VolumeRefused
	Leased                        // it does not wait: a drive works on it
	OnHold                        // it is held by itself: RequestHeld
	Limited                       // as many drives work for its like as a limit allows
	ShareFull                     // its share has as many drives as it may have
	TooLittle                     // its group has not enough work for a mount, and has not waited long enough
	Suspect                       // its volume has failed in all drives that are ready
	RobotLimit                    // as many drives of the robot work as its limit allows
	Behind                        // others of its group stand before it
)

var reasons = [...]string{
	Runnable: "can run", NoDrive: "no drive of the library is ready", Held: "the library is held", VolumeInUse: "the volume is in use",
	VolumeElsewhere: "the volume is in a drive that is not ready", Blocked: "the volume is blocked", WidthReached: "the width of the family is reached",
	NoRoom: "no volume with room", Leased: "in work", OnHold: "the request is held", Limited: "a limit is reached", ShareFull: "the share has all the drives it may have",
	TooLittle: "too little work for a mount", Suspect: "the volume has failed in the drives that are ready", RobotLimit: "the limit of the robot is reached",
	Behind: "others stand before it",
}

// String gives the reason in words.
func (r Reason) String() string {
	if int(r) < len(reasons) {
		return reasons[r]
	}
	return "unknown"
}

// Obstacle is one thing that holds a request back.
type Obstacle struct {
	Reason Reason
	What   string    // the volume, drive, family, library, share or limit that Reason speaks of
	Value  int64     // how much of it there is now, where Limit says something
	Limit  int64     // what it must be below; for TooLittle: what it must reach, in bytes
	Until  time.Time // when it ends by itself, if that is known
	Frees  string    // what would free it
}

// Waiting is one request as a human sees it.
type Waiting struct {
	Request Request
	Reason  Reason  // what holds it back, the first thing if there are several; Leased if a drive works on it
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
		slices.SortFunc(groups, compareGroups)
		for _, g := range groups {
			if !m.listGroup(g, yield) {
				return
			}
		}
		m.listHeld(yield)
	}
}

// Reads tells how many reads wait for a volume. The machine must not be used while WaitingReads runs, which lists them: first
// those that the last Ordered named, with true, in its order, then the others by position.
func (m *Machine) Reads(name Volume) int {
	if v := m.volumes[name]; v != nil && v.reads != nil {
		return v.reads.n
	}
	return 0
}

// WaitingReads: see Reads.
func (m *Machine) WaitingReads(name Volume) iter.Seq2[RequestID, bool] {
	return func(yield func(RequestID, bool) bool) {
		if v := m.volumes[name]; v != nil && v.reads != nil {
			v.reads.all(func(r *request) bool { return yield(r.id, r.rank > 0 && r.rank < unplanned) })
		}
	}
}

// compareGroups is a total order of groups: those in work first, by lease, then by what waits.
func compareGroups(a, b *group) int {
	rank := func(g *group) (int64, uint64) {
		if len(g.leases) > 0 {
			return -1, uint64(g.leases[0].id)
		}
		u := g.urgent()
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
	n, more := -1, true
	g.all(func(r *request) bool {
		n++
		w := m.describe(r)
		w.Ahead = n
		w.Reason, w.Blocker = m.firstObstacle(r)
		more = yield(w)
		return more
	})
	return more
}

// listHeld lists the requests that are held by themselves, as they came.
func (m *Machine) listHeld(yield func(Waiting) bool) {
	var held []*request
	for _, r := range m.requests {
		if r.held && r.lease == nil {
			held = append(held, r)
		}
	}
	slices.SortFunc(held, compareRequests)
	for _, r := range held {
		w := m.describe(r)
		w.Reason = OnHold
		if !yield(w) {
			return
		}
	}
}

// Find describes one request. It is false for a request that the machine does not know.
func (m *Machine) Find(id RequestID) (Waiting, bool) {
	r := m.requests[id]
	if r == nil {
		return Waiting{}, false
	}
	w := m.describe(r)
	switch {
	case r.lease != nil:
	case r.held:
		w.Reason = OnHold
	default:
		w.Reason, w.Blocker = m.firstObstacle(r)
		w.Ahead = r.lane.group.before(r.place())
	}
	return w, true
}

// describe gives the request and its lease.
func (m *Machine) describe(r *request) Waiting {
	f := &r.profile.fields
	w := Waiting{Request: Request{
		ID: r.id, Kind: r.kind, Library: Library(f.Library), Family: Family{f.Group, f.Family, f.Wrapper}, Size: r.size,
		Class: f.Class, Host: f.Host, User: f.User, Dataset: f.Dataset, Copies: m.copies[r.id],
		Position: Position{File: r.file, Block: r.block}, Priority: int(r.priority), Admin: int(r.admin), Accepted: at(r.accepted),
	}}
	g := m.groupOf(r)
	if g.write {
		w.Request.Width = g.width
	} else {
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

func (m *Machine) groupOf(r *request) *group {
	if r.lease != nil {
		return r.lease.group
	}
	return r.lane.group
}

func (m *Machine) firstObstacle(r *request) (Reason, string) {
	all := m.obstacles(r)
	for _, o := range all {
		if o.Reason != Behind {
			return o.Reason, o.What
		}
	}
	return Runnable, ""
}

// Explain gives everything that holds a request back just now, what has to go first at the top. It is empty for a request that is
// leased, and false for one that the machine does not know. Each is needed and together they are enough: when all are gone the request
// runs, when one of them stays it does not.
func (m *Machine) Explain(id RequestID) ([]Obstacle, bool) {
	r := m.requests[id]
	if r == nil {
		return nil, false
	}
	if r.lease != nil {
		return nil, true
	}
	return m.obstacles(r), true
}

func (m *Machine) obstacles(r *request) []Obstacle {
	var all []Obstacle
	add := func(why Reason, what, frees string) {
		all = append(all, Obstacle{Reason: why, What: what, Frees: frees})
	}
	g := r.lane.group
	p := g.pool
	if r.held {
		add(OnHold, r.id.String(), "release the request")
	}
	if p.held(g.write) {
		what := string(p.name)
		if p.holdWhy != "" {
			what += ": " + p.holdWhy
		}
		if p.holdWho != "" {
			what += " (" + p.holdWho + ")"
		}
		add(Held, what, "open the library")
	}
	all = append(all, m.volumeObstacles(g)...)
	if g.roomAt >= 0 {
		add(NoRoom, string(p.name), "add volumes to the library, or make room")
	}
	all = append(all, m.ruleObstacles(r)...)
	if m.tooLittleBut(g, r) {
		all = append(all, Obstacle{Reason: TooLittle, What: groupName(g), Value: g.bytes, Limit: m.s.MinBytes,
			Until: at(oldestWith(g, r) + int64(m.s.MinAge)), Frees: "more requests for the same volume or family, or time"})
	}
	all = append(all, m.driveObstacles(g)...)
	if ahead := g.before(r.place()); len(all) > 0 && ahead > 0 {
		all = append(all, Obstacle{Reason: Behind, What: groupName(g), Value: int64(ahead), Frees: "they are served first, or this one is given a higher priority"})
	}
	return all
}

func groupName(g *group) string {
	if g.write {
		return "family " + g.family.String()
	}
	return "volume " + string(g.volume.name)
}

// volumeObstacles are those of the volume, or of the width.
func (m *Machine) volumeObstacles(g *group) []Obstacle {
	if g.write {
		if len(g.leases) < g.width {
			return nil
		}
		return []Obstacle{{Reason: WidthReached, What: g.family.String(), Value: int64(len(g.leases)), Limit: int64(g.width),
			Frees: "one of its volumes is done with, or a larger width"}}
	}
	v := g.volume
	var all []Obstacle
	if v.blocked != "" {
		all = append(all, Obstacle{Reason: Blocked, What: string(v.name) + ": " + v.blocked, Frees: "allow the volume again"})
	}
	if v.blamed {
		all = append(all, Obstacle{Reason: Blocked, What: fmt.Sprintf("%s: failed in %d drives", v.name, len(v.strikes)), Value: int64(len(v.strikes)), Limit: int64(m.s.Strikes),
			Until: at(v.strikes[0].at + int64(m.s.StrikeTime)), Frees: "forgive the volume, when it has been looked at"})
	}
	switch {
	case v.lease != nil:
		l := v.lease
		all = append(all, Obstacle{Reason: VolumeInUse, What: string(v.name) + " in " + string(l.drive.name), Value: int64(len(l.requests)),
			Frees: "the drive's lease ends"})
	case v.drive != nil && !v.drive.listed:
		all = append(all, Obstacle{Reason: VolumeElsewhere, What: string(v.name) + " in " + string(v.drive.name), Frees: "the drive is ready again, or the volume is taken out of it"})
	}
	return all
}

// ruleObstacles are those of limits and shares. Administrative requests stand above shares.
func (m *Machine) ruleObstacles(r *request) []Obstacle {
	var all []Obstacle
	mounted := m.mountedFor(r.lane.group)
	for _, c := range r.profile.keys {
		if c.room(mounted) {
			continue
		}
		what := c.limit.Name
		if c.key.Value != "" {
			what += " of " + c.key.Value
		}
		most := c.limit.Drives
		if mounted {
			most += c.limit.Mounted
		}
		all = append(all, Obstacle{Reason: Limited, What: what, Value: int64(c.active), Limit: int64(most), Frees: "one of those drives is done, or a larger limit"})
	}
	if r.admin > 0 {
		return all
	}
	for n := r.profile.leaf.Full(); n != nil; n = n.Parent().Full() {
		all = append(all, Obstacle{Reason: ShareFull, What: shareName(n), Value: int64(n.Active()), Limit: int64(n.Most()), Frees: "one of those drives is done, or a larger share"})
		if n.Parent() == nil {
			break
		}
	}
	return all
}

func shareName(n *fairshare.Node) string {
	if n.Path() == "" {
		return "the whole"
	}
	return n.Path()
}

// tooLittleBut tells whether a group would have not enough work for a mount if a request that is held were not.
func (m *Machine) tooLittleBut(g *group, r *request) bool {
	if !r.held {
		return m.tooLittle(g)
	}
	u := g.urgent()
	if m.s.MinAge == 0 || r.admin > 0 || u != nil && u.admin > 0 || m.mountedFor(g) {
		return false
	}
	return !(m.s.MinBytes > 0 && g.bytes+max(r.size, 0) >= m.s.MinBytes || m.s.MinFiles > 0 && g.n+1 >= m.s.MinFiles) &&
		m.now < oldestWith(g, r)+int64(m.s.MinAge)
}

// oldestWith is when the oldest request of a group was accepted, one that is held counted in.
func oldestWith(g *group, r *request) int64 { return min(g.oldest(), r.accepted) }

// driveObstacles are those of drives and robots.
func (m *Machine) driveObstacles(g *group) []Obstacle {
	p := g.pool
	if len(p.ready) > 0 {
		if !slices.ContainsFunc(p.ready, func(d *drive) bool { return !m.shuns(g.volume, d) }) {
			return []Obstacle{{Reason: Suspect, What: string(g.volume.name), Value: int64(len(g.volume.strikes)), Limit: int64(m.s.Strikes), Frees: "another drive is ready, or the volume is forgiven"}}
		}
		return nil
	}
	busy := 0
	var full *robot
	for _, d := range m.drives {
		switch {
		case !d.serves(p):
		case d.lease != nil:
			busy++
		case d.ready && !d.blamed && d.robot != nil && d.robot.full():
			full = d.robot
		}
	}
	if full != nil {
		return []Obstacle{{Reason: RobotLimit, What: full.name, Value: int64(full.active), Limit: int64(full.most), Frees: "one of its drives is done, or a larger limit"}}
	}
	frees := "a drive is done with what it does"
	if busy == 0 {
		frees = "bring a drive of the library into service"
	}
	return []Obstacle{{Reason: NoDrive, What: string(p.name), Value: int64(busy), Frees: frees}}
}

// InUse lists the volumes that a lease on this drive must not be given: those of leases, those in other drives, and those that have
// failed in this one, or are blamed for failures. The volume that rests in the drive itself is not among them.
func (m *Machine) InUse(except Drive) []Volume {
	var names []Volume
	add := func(v *volume) {
		if !slices.Contains(names, v.name) {
			names = append(names, v.name)
		}
	}
	for _, d := range m.drives {
		if d.lease != nil && d.lease.volume != nil {
			add(d.lease.volume)
		}
		if d.name == except {
			continue
		}
		for _, v := range d.holds {
			add(v)
		}
	}
	d := m.drive(except)
	for _, v := range m.suspects {
		if v.blamed || d != nil && m.shuns(v, d) {
			add(v)
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

// Share is a share as a human sees it.
type Share struct {
	Libraries []Library // whose drives are divided
	Path      string    // "" is the whole
	Weight    int
	Least     int
	Most      int           // 0: no limit
	Drives    int           // that it has
	Used      time.Duration // drive time for each unit of weight, since it was first seen
}

// Shares lists the shares from the whole downwards, for each set of libraries that share their drives.
func (m *Machine) Shares() []Share {
	var all []Share
	for i, p := range m.pools {
		if slices.ContainsFunc(m.pools[:i], func(o *pool) bool { return o.tree == p.tree }) {
			continue
		}
		var libraries []Library
		for _, o := range m.pools[i:] {
			if o.tree == p.tree {
				libraries = append(libraries, o.name)
			}
		}
		for _, n := range p.tree.Nodes() {
			all = append(all, Share{Libraries: libraries, Path: n.Path(), Weight: n.Weight(), Least: n.Least(), Most: n.Most(), Drives: n.Active(), Used: n.Used()})
		}
	}
	return all
}

// Strike is a failure of a volume in a drive that counts against one of them.
type Strike struct {
	Drive   Drive
	Volume  Volume
	Time    time.Time
	Against string // "drive" or "volume"
	Blamed  bool   // there are so many that it is not used
}

// Strikes lists the failures that count: those against drives by drive, then those against volumes by volume.
func (m *Machine) Strikes() []Strike {
	var all []Strike
	for _, d := range m.drives {
		for _, s := range d.strikes {
			all = append(all, Strike{Drive: s.drive, Volume: s.volume, Time: at(s.at), Against: "drive", Blamed: d.blamed})
		}
	}
	for _, v := range m.suspects {
		for _, s := range v.strikes {
			all = append(all, Strike{Drive: s.drive, Volume: s.volume, Time: at(s.at), Against: "volume", Blamed: v.blamed})
		}
	}
	return all
}

// Priority tells what the rules would make of a request.
func (m *Machine) Priority(q Request) priority.Priority {
	f := q.fields()
	p := m.rules.priorities.Apply(&f, q.Priority)
	p.Admin = max(p.Admin, q.Admin)
	return p
}

// Refuses tells whether a request should not be accepted now, since a limit that says so is reached, and which.
func (m *Machine) Refuses(q Request) (limit string, refused bool) {
	f := q.fields()
	for _, k := range m.rules.limits.Keys(&f) {
		l := m.rules.limits.Limit(k.Limit)
		active := 0
		if c := m.counters[k]; c != nil {
			active = c.active
		}
		if l.Refuse && active >= l.Drives {
			return l.Name, true
		}
	}
	return "", false
}
