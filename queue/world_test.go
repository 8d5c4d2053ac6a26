package queue_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/queue/discipline"
	"github.com/enstore-go/sdk/queue/fairshare"
	"github.com/enstore-go/sdk/queue/match"
	"github.com/enstore-go/sdk/queue/priority"
)

// world is a site with rules of every kind, seen by somebody naive: he keeps what happened and what was decided, and finds out what must
// hold each request back by looking through all of it. Beside the machine runs a twin that was made from a snapshot of it.
type world struct {
	t        *rapid.T
	m, twin  *queue.Machine
	now      time.Time
	n        int
	requests map[queue.RequestID]queue.Request
	order    []queue.RequestID
	onHold   map[queue.RequestID]bool
	where    map[queue.RequestID]queue.LeaseID
	lease    map[queue.LeaseID]*queue.Lease
	ready    map[queue.Drive]bool
	at       map[queue.Volume]queue.Drive
	blocked  map[queue.Volume]bool
	roomless map[queue.Family]bool
	width    map[queue.Family]int
	held     queue.LibraryHeld
	against  []queue.Struck  // that count against drives
	suspect  []queue.Struck  // that count against volumes
	blamed   map[string]bool // drives and volumes
}

var (
	worldDrives = []queue.Drive{"d0", "d1", "d2", "d3"}
	robotOf     = map[queue.Drive]string{"d0": "r1", "d1": "r1", "d2": "r1"}
	worldRules  = queue.Settings{
		Batch: 3, BatchBytes: 5000, LeaseFiles: 5, LeaseTime: time.Minute, Affinity: 20 * time.Second, AgeStep: 10 * time.Second, Lead: time.Minute, Window: time.Minute,
		MinAge: 30 * time.Second, MinFiles: 3, Strikes: 2, StrikeTime: 5 * time.Minute, Rest: 2 * time.Minute, Rate: 100,
		Priorities: []priority.Rule{{Name: "daq", Match: match.Pattern{"host": "daq"}, Admin: 1}, {Name: "h1", Match: match.Pattern{"host": "h1"}, Add: 2}},
		Limits: []discipline.Limit{
			{Name: "hosts", Match: match.Pattern{"host": "h.*"}, Each: "host", Drives: 1},
			{Name: "reads", Match: match.Pattern{"operation": "read"}, Drives: 2, Mounted: 1},
			{Name: "robot", Robot: "r1", Drives: 2},
		},
		Shares: []fairshare.Share{
			{Name: "a", Match: match.Pattern{"file_family": "a"}, Weight: 2, Least: 1},
			{Name: "b", Match: match.Pattern{"file_family": "b"}, Most: 1, Each: "user"},
		},
	}
)

func newWorld(t *rapid.T) *world {
	x := &world{
		t: t, m: machine(worldRules), now: start, requests: map[queue.RequestID]queue.Request{}, onHold: map[queue.RequestID]bool{},
		where: map[queue.RequestID]queue.LeaseID{}, lease: map[queue.LeaseID]*queue.Lease{}, ready: map[queue.Drive]bool{}, at: map[queue.Volume]queue.Drive{},
		blocked: map[queue.Volume]bool{}, roomless: map[queue.Family]bool{}, width: map[queue.Family]int{}, blamed: map[string]bool{},
	}
	x.twin = x.copy()
	return x
}

// copy is a machine made from a snapshot.
func (x *world) copy() *queue.Machine {
	m, err := queue.Restore(bytes.NewReader(x.snapshot(x.m)))
	x.must(err == nil, "%v", err)
	return m
}

func (x *world) snapshot(m *queue.Machine) []byte {
	var b bytes.Buffer
	x.must(m.Snapshot(&b) == nil, "no snapshot")
	return b.Bytes()
}

func (x *world) must(ok bool, format string, args ...any) {
	x.t.Helper()
	if !ok {
		x.t.Fatalf(format, args...)
	}
}

func (x *world) do(e queue.Event) {
	decisions, err := x.m.Apply(e)
	x.must(err == nil, "%#v: %v", e, err)
	same, err := x.twin.Apply(e)
	x.must(err == nil && say(same) == say(decisions), "%#v: the twin says %q, not %q (%v)\n%s", e, say(same), say(decisions), err, tell(x.m, x.twin))
	old := func(s queue.Struck) bool { return !x.now.Before(s.Time.Add(worldRules.StrikeTime)) }
	x.against, x.suspect = slices.DeleteFunc(x.against, old), slices.DeleteFunc(x.suspect, old)
	x.unblame()
	for _, d := range decisions {
		x.follow(d)
	}
	x.check()
}

func (x *world) follow(d queue.Decision) {
	switch d := d.(type) {
	case queue.Grant:
		l := d.Lease
		x.must(x.offered(l.Drive), "lease %d: drive %s is not to be used", l.ID, l.Drive)
		if l.Kind == queue.Read {
			x.mustBeFree(l.Volume, l.Drive)
			x.must(!x.failed(l.Volume, l.Drive), "volume %s has failed in %s", l.Volume, l.Drive)
		}
		delete(x.ready, l.Drive)
		x.lease[l.ID] = &l
		x.give(l.ID, l.Requests)
		if l.Kind == queue.Write {
			x.must(x.writers(l.Family) <= x.width[l.Family], "family %s: width exceeded", l.Family)
		}
		if l.Why.Admin == 0 && strings.HasPrefix(l.Why.Share, "b") { // administrative requests stand above shares
			x.must(x.inShare("b") <= 1, "share b has %d drives", x.inShare("b"))
		}
		x.must(x.robotActive() <= 2, "the robot has %d drives at work", x.robotActive())
	case queue.Extend:
		x.give(d.Lease, d.Requests)
	case queue.Dismount:
		x.must(x.offered(d.Drive) && x.at[d.Volume] == d.Drive && !x.leased(d.Volume), "dismount of %s from %s", d.Volume, d.Drive)
		delete(x.ready, d.Drive)
		x.lease[d.Lease] = &queue.Lease{ID: d.Lease, Drive: d.Drive, Volume: d.Volume}
	case queue.Preempt:
		x.must(x.lease[d.Lease] != nil && x.lease[d.Lease].Kind != 0, "preempts lease %d", d.Lease)
	case queue.Blame:
		x.blamed[string(d.Drive)+string(d.Volume)] = true
	}
}

func (x *world) give(id queue.LeaseID, requests []queue.RequestID) {
	l := x.lease[id]
	x.must(l != nil, "lease %d is unknown", id)
	for _, r := range requests {
		q, ok := x.requests[r]
		_, leased := x.where[r]
		x.must(ok && !leased && !x.onHold[r], "request %s is not waiting", r)
		if l.Kind == queue.Read { // of several copies it is the one on this volume
			i := slices.IndexFunc(q.Copies, func(c queue.Copy) bool { return c.Volume == l.Volume })
			x.must(q.Volume == l.Volume || i >= 0, "request %s is not on %s", r, l.Volume)
		} else {
			x.must(q.Kind == queue.Write && q.Family == l.Family, "request %s is in the wrong lease", r)
		}
		x.where[r] = id
		for _, limit := range []string{"h0", "h1"} {
			x.must(x.drivesOf(func(q queue.Request) bool { return q.Host == limit }) <= 1, "host %s has more than one drive", limit)
		}
		x.must(x.drivesOf(func(q queue.Request) bool { return q.Kind == queue.Read }) <= 3, "more than three drives read")
	}
}

func (x *world) mustBeFree(v queue.Volume, into queue.Drive) {
	d, somewhere := x.at[v]
	x.must(!x.blocked[v] && !x.blamed[string(v)] && (!somewhere || d == into) && !x.leased(v), "volume %s is not free", v)
}

func (x *world) leased(v queue.Volume) bool {
	for _, l := range x.lease {
		if l.Volume == v {
			return true
		}
	}
	return false
}

func (x *world) writers(f queue.Family) (n int) {
	for _, l := range x.lease {
		if l.Kind == queue.Write && l.Family == f {
			n++
		}
	}
	return n
}

// inShare is how many drives a share has.
func (x *world) inShare(name string) (n int) {
	for _, l := range x.lease {
		if path := l.Why.Share; l.Kind != 0 && (path == name || strings.HasPrefix(path, name+"/")) {
			n++
		}
	}
	return n
}

// drivesOf is how many drives have something to do that is so.
func (x *world) drivesOf(is func(queue.Request) bool) int {
	drives := map[queue.LeaseID]bool{}
	for r, l := range x.where {
		if is(x.requests[r]) {
			drives[l] = true
		}
	}
	return len(drives)
}

func (x *world) robotActive() (n int) {
	for _, l := range x.lease {
		if robotOf[l.Drive] == "r1" {
			n++
		}
	}
	return n
}

// offered tells whether a drive may be used.
func (x *world) offered(d queue.Drive) bool {
	return x.ready[d] && !x.blamed[string(d)] && (robotOf[d] == "" || x.robotActive() < 2)
}

// failed tells whether a volume has failed in a drive, and there is another one in service in which it has not.
func (x *world) failed(v queue.Volume, d queue.Drive) bool {
	struck := func(d queue.Drive) bool {
		return slices.ContainsFunc(x.suspect, func(s queue.Struck) bool { return s.Volume == v && s.Drive == d })
	}
	if !struck(d) {
		return false
	}
	for _, o := range worldDrives {
		service := x.ready[o]
		for _, l := range x.lease {
			service = service || l.Drive == o
		}
		if service && !x.blamed[string(o)] && !struck(o) {
			return true
		}
	}
	return false
}

// unblame forgives those against whom not enough counts any more.
func (x *world) unblame() {
	for name := range x.blamed {
		n := 0
		for _, s := range x.against {
			if string(s.Drive) == name {
				n++
			}
		}
		for _, s := range x.suspect {
			if string(s.Volume) == name {
				n++
			}
		}
		if n < worldRules.Strikes {
			delete(x.blamed, name)
		}
	}
}

// check compares what the machine says of each request that waits with what must be true.
func (x *world) check() {
	n := 0
	for w := range x.m.Waiting() {
		n++
		id := w.Request.ID
		_, leased := x.where[id]
		x.must(leased == (w.Reason == queue.Leased), "request %s: %s", id, w.Reason)
		if leased {
			continue
		}
		all, _ := x.m.Explain(id)
		x.must(len(all) > 0, "request %s waits for nothing", id)
		var said []queue.Reason
		for _, o := range all {
			if o.Reason != queue.Behind {
				said = append(said, o.Reason)
			}
		}
		want := x.expect(w.Request)
		x.must(slices.Equal(said, want), "request %s: machine says %v, it is %v", id, said, want)
	}
	x.must(n == len(x.requests) && n == x.m.Len(), "%d requests listed of %d", n, len(x.requests))
}

// expect finds out what holds a request back, in the order of Explain.
func (x *world) expect(q queue.Request) (all []queue.Reason) {
	add := func(is bool, why queue.Reason) {
		if is {
			all = append(all, why)
		}
	}
	write := q.Kind == queue.Write
	add(x.onHold[q.ID], queue.OnHold)
	add(write && x.held.Writes || !write && x.held.Reads, queue.Held)
	mounted := false
	if write {
		add(x.writers(q.Family) >= x.width[q.Family], queue.WidthReached)
		if x.says(q.ID, queue.NoRoom) { // more than one event ends it
			x.must(x.roomless[q.Family], "family %s was not refused", q.Family)
			add(true, queue.NoRoom)
		}
	} else {
		v := q.Volume
		d, somewhere := x.at[v]
		add(x.blocked[v], queue.Blocked)
		add(x.blamed[string(v)], queue.Blocked)
		add(x.leased(v), queue.VolumeInUse)
		add(!x.leased(v) && somewhere && !x.offered(d), queue.VolumeElsewhere)
		mounted = somewhere && x.offered(d)
	}
	if q.Host == "h0" || q.Host == "h1" {
		add(x.drivesOf(func(o queue.Request) bool { return o.Host == q.Host }) >= 1, queue.Limited)
	}
	if q.Kind == queue.Read {
		most := 2
		if mounted {
			most = 3
		}
		add(x.drivesOf(func(o queue.Request) bool { return o.Kind == queue.Read }) >= most, queue.Limited)
	}
	add(q.Family.Family == "b" && q.Admin == 0 && x.inShare("b") >= 1, queue.ShareFull)
	if write {
		add(x.says(q.ID, queue.TooLittle), queue.TooLittle) // whether a volume of the family is in a drive the machine alone knows
	} else {
		add(!mounted && x.tooLittle(q), queue.TooLittle)
	}
	any, good, robot := false, false, false
	for _, d := range worldDrives {
		any = any || x.offered(d)
		good = good || x.offered(d) && (write || !x.failed(q.Volume, d))
		robot = robot || x.ready[d] && !x.blamed[string(d)]
	}
	add(any && !good, queue.Suspect)
	add(!any && robot, queue.RobotLimit)
	add(!any && !robot, queue.NoDrive)
	return all
}

func (x *world) says(id queue.RequestID, why queue.Reason) bool {
	all, _ := x.m.Explain(id)
	return slices.ContainsFunc(all, func(o queue.Obstacle) bool { return o.Reason == why })
}

// tooLittle tells whether there is not enough for a mount of the volume of a read.
func (x *world) tooLittle(q queue.Request) bool {
	n, oldest := 0, x.now
	for w := range x.m.Waiting() {
		o := w.Request
		if o.Volume != q.Volume || o.Kind == queue.Write || w.Reason == queue.Leased || x.onHold[o.ID] && o.ID != q.ID {
			continue
		}
		n++
		if o.Admin > 0 {
			return false
		}
		if o.Accepted.Before(oldest) {
			oldest = o.Accepted
		}
	}
	return n < worldRules.MinFiles && x.now.Before(oldest.Add(worldRules.MinAge))
}

func (x *world) pick(t *rapid.T, ok func(queue.RequestID) bool) queue.RequestID {
	var all []queue.RequestID
	for _, id := range x.order {
		if _, there := x.requests[id]; there && ok(id) {
			all = append(all, id)
		}
	}
	if len(all) == 0 {
		t.Skip("no request")
	}
	return rapid.SampledFrom(all).Draw(t, "request")
}

func (x *world) isLeased(id queue.RequestID) bool { _, ok := x.where[id]; return ok }

func (x *world) pickLease(t *rapid.T, ok func(*queue.Lease) bool) *queue.Lease {
	var all []queue.LeaseID
	for id, l := range x.lease {
		if ok(l) {
			all = append(all, id)
		}
	}
	if len(all) == 0 {
		t.Skip("no lease")
	}
	slices.Sort(all)
	return x.lease[rapid.SampledFrom(all).Draw(t, "lease")]
}

func (x *world) endLease(l *queue.Lease) {
	delete(x.lease, l.ID)
	for r, id := range x.where {
		if id == l.ID {
			delete(x.where, r)
		}
	}
}

func (x *world) empty(d queue.Drive, v queue.Volume) {
	for other, at := range x.at {
		if at == d && other != v {
			delete(x.at, other)
		}
	}
	if v != "" {
		x.at[v] = d
	}
}

func (x *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"": func(*rapid.T) {}, "submit": x.submit, "submit again": x.submit, "drive": x.drive, "drive again": x.drive, "more": x.more, "end": x.end, "choose": x.choose, "request": x.request,
		"library": x.library, "volume": x.volume, "strike": x.strike, "expire": x.expire, "explain": x.explained,
		"snapshot": func(*rapid.T) { x.twin = x.copy() },
		"time": func(t *rapid.T) {
			x.now = x.now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "seconds")) * time.Second)
			x.do(queue.Tick{Time: x.now})
		},
		"rules": func(*rapid.T) { x.do(queue.Configured{Time: x.now, Settings: worldRules}) },
	}
}

func (x *world) submit(t *rapid.T) {
	x.n++
	q := queue.Request{
		ID: id(x.n), Kind: rapid.SampledFrom([]queue.Kind{queue.Write, queue.Read, queue.Read, queue.Verify}).Draw(t, "kind"), Library: "L",
		Family: family(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "family")), Size: rapid.Int64Range(-1, 4000).Draw(t, "size"),
		Priority: rapid.IntRange(-3, 3).Draw(t, "priority"), Accepted: x.now, Host: rapid.SampledFrom([]string{"", "h0", "h1", "daq"}).Draw(t, "host"),
		User: rapid.SampledFrom([]string{"u", "v"}).Draw(t, "user"), Dataset: rapid.SampledFrom([]string{"", "s"}).Draw(t, "dataset"),
	}
	if q.Kind == queue.Write {
		q.Width = rapid.IntRange(1, 2).Draw(t, "width")
		x.width[q.Family] = q.Width
		if rapid.Bool().Draw(t, "deadline") {
			q.Deadline = x.now.Add(90 * time.Second)
		}
	} else {
		q.Volume, q.Position.File, q.Dataset = rapid.SampledFrom(someVolumes).Draw(t, "volume"), rapid.Int64Range(0, 9).Draw(t, "file"), ""
		if rapid.IntRange(0, 3).Draw(t, "copies") == 0 {
			q.Copies = []queue.Copy{{Library: "L", Volume: rapid.SampledFrom(someVolumes).Draw(t, "other"), Position: queue.Position{File: 3}}}
		}
	}
	x.requests[q.ID] = q
	x.order = append(x.order, q.ID)
	x.do(queue.Submitted{Time: x.now, Request: q})
}

func (x *world) request(t *rapid.T) {
	switch rapid.SampledFrom([]string{"done", "done", "cancel", "requeue", "hold", "release", "priority", "order"}).Draw(t, "what") {
	case "done":
		r := x.pick(t, x.isLeased)
		l, well := x.lease[x.where[r]], rapid.Bool().Draw(t, "well")
		if well {
			x.against = slices.DeleteFunc(x.against, func(s queue.Struck) bool { return s.Drive == l.Drive })
			x.suspect = slices.DeleteFunc(x.suspect, func(s queue.Struck) bool { return s.Volume == l.Volume })
			x.unblame()
		}
		delete(x.requests, r)
		delete(x.where, r)
		delete(x.onHold, r)
		x.do(queue.Finished{Time: x.now, ID: r, Well: well})
	case "cancel":
		r := x.pick(t, func(queue.RequestID) bool { return true })
		delete(x.requests, r)
		delete(x.where, r)
		delete(x.onHold, r)
		x.do(queue.Cancelled{Time: x.now, ID: r})
	case "requeue":
		r := x.pick(t, x.isLeased)
		avoid := rapid.SampledFrom([]queue.Drive{"", x.lease[x.where[r]].Drive}).Draw(t, "avoid")
		delete(x.where, r)
		x.do(queue.Requeued{Time: x.now, ID: r, Avoid: avoid})
	case "hold":
		r := x.pick(t, func(queue.RequestID) bool { return true })
		x.onHold[r] = true
		x.do(queue.RequestHeld{Time: x.now, ID: r})
	case "release":
		r := x.pick(t, func(id queue.RequestID) bool { return x.onHold[id] })
		delete(x.onHold, r)
		x.do(queue.RequestReleased{Time: x.now, ID: r})
	case "priority":
		x.do(queue.Reprioritised{Time: x.now, ID: x.pick(t, func(queue.RequestID) bool { return true }), Priority: rapid.IntRange(-9, 9).Draw(t, "priority")})
	case "order":
		v := rapid.SampledFrom(someVolumes).Draw(t, "volume")
		var ids []queue.RequestID
		for id := range x.m.WaitingReads(v) {
			ids = append(ids, id)
		}
		x.do(queue.Ordered{Time: x.now, Volume: v, Order: rapid.Permutation(ids).Draw(t, "order")})
	}
}

func (x *world) drive(t *rapid.T) {
	d := rapid.SampledFrom(worldDrives).Draw(t, "drive")
	for _, l := range x.lease {
		if l.Drive == d {
			t.Skip("at work")
		}
	}
	if x.ready[d] && rapid.IntRange(0, 3).Draw(t, "gone") == 0 {
		delete(x.ready, d)
		x.do(queue.DriveGone{Time: x.now, Drive: d})
		return
	}
	all := []queue.Volume{""}
	for _, v := range someVolumes {
		if x.at[v] == d {
			all = append(all, v)
		}
	}
	v := rapid.SampledFrom(all).Draw(t, "mounted")
	x.empty(d, v)
	x.ready[d] = true
	x.do(queue.DriveReady{Time: x.now, Drive: d, Libraries: []queue.Library{"L"}, Mounted: v, Robot: robotOf[d]})
}

func (x *world) more(t *rapid.T) {
	l := x.pickLease(t, func(l *queue.Lease) bool { return l.Kind != 0 })
	if rapid.IntRange(0, 3).Draw(t, "enough") == 0 {
		x.do(queue.LeaseEnough{Time: x.now, Lease: l.ID})
		return
	}
	x.do(queue.LeaseMore{Time: x.now, Lease: l.ID})
}

func (x *world) end(t *rapid.T) {
	l := x.pickLease(t, func(*queue.Lease) bool { return true })
	x.endLease(l)
	v := rapid.SampledFrom([]queue.Volume{"", l.Volume}).Draw(t, "mounted")
	x.empty(l.Drive, v)
	x.do(queue.LeaseEnded{Time: x.now, Lease: l.ID, Mounted: v})
}

func (x *world) expire(t *rapid.T) {
	l := x.pickLease(t, func(*queue.Lease) bool { return true })
	x.endLease(l)
	if _, known := x.at[l.Volume]; !known && l.Volume != "" {
		x.at[l.Volume] = l.Drive
	}
	x.do(queue.LeaseExpired{Time: x.now, Lease: l.ID})
}

func (x *world) choose(t *rapid.T) {
	l := x.pickLease(t, func(l *queue.Lease) bool { return l.Kind == queue.Write && l.Volume == "" })
	inUse := x.m.InUse(l.Drive)
	var free []queue.Volume
	for _, v := range someVolumes {
		if !slices.Contains(inUse, v) && !x.blocked[v] {
			x.mustBeFree(v, l.Drive)
			free = append(free, v)
		}
	}
	if len(free) == 0 || rapid.IntRange(0, 4).Draw(t, "refuse") == 0 {
		reason := rapid.SampledFrom([]queue.Refusal{queue.NoVolume, queue.Conflict}).Draw(t, "reason")
		x.endLease(l)
		x.ready[l.Drive] = true
		x.roomless[l.Family] = x.roomless[l.Family] || reason == queue.NoVolume
		before := x.m.Len()
		x.do(queue.VolumeRefused{Time: x.now, Lease: l.ID, Reason: reason})
		x.must(x.m.Len() == before, "a refusal lost a request")
		return
	}
	l.Volume = rapid.SampledFrom(free).Draw(t, "volume")
	x.do(queue.VolumeChosen{Time: x.now, Lease: l.ID, Volume: l.Volume, Room: rapid.Int64Range(-1, 9000).Draw(t, "room")})
}

func (x *world) library(t *rapid.T) {
	if rapid.Bool().Draw(t, "volumes") {
		clear(x.roomless)
		x.do(queue.VolumesChanged{Time: x.now, Library: "L"})
		return
	}
	x.held = queue.LibraryHeld{Time: x.now, Library: "L", Reads: rapid.IntRange(0, 3).Draw(t, "reads") == 0, Writes: rapid.IntRange(0, 3).Draw(t, "writes") == 0}
	x.do(x.held)
}

func (x *world) volume(t *rapid.T) {
	v := rapid.SampledFrom(someVolumes).Draw(t, "volume")
	switch rapid.IntRange(0, 3).Draw(t, "fault") {
	case 0:
		x.blocked[v] = true
		x.do(queue.VolumeBlocked{Time: x.now, Volume: v, Reason: "test"})
	case 1:
		delete(x.at, v)
		x.do(queue.VolumeLeft{Time: x.now, Volume: v})
	default:
		delete(x.blocked, v)
		x.do(queue.VolumeFreed{Time: x.now, Volume: v})
	}
}

func (x *world) strike(t *rapid.T) {
	s := queue.Struck{Time: x.now, Drive: rapid.SampledFrom(worldDrives).Draw(t, "drive"), Volume: rapid.SampledFrom(someVolumes).Draw(t, "volume")}
	if rapid.IntRange(0, 3).Draw(t, "forgive") == 0 {
		f := queue.Forgiven{Time: x.now}
		if rapid.Bool().Draw(t, "volume's") {
			f.Volume = s.Volume
		} else {
			f.Drive = s.Drive
		}
		is := func(o queue.Struck) bool { return o.Volume == f.Volume || o.Drive == f.Drive }
		x.against, x.suspect = slices.DeleteFunc(x.against, is), slices.DeleteFunc(x.suspect, is)
		x.unblame()
		x.do(f)
		return
	}
	same := func(o queue.Struck) bool { return o.Drive == s.Drive && o.Volume == s.Volume }
	x.against, x.suspect = append(slices.DeleteFunc(x.against, same), s), append(slices.DeleteFunc(x.suspect, same), s)
	x.do(s)
}

// With rules of every kind, faults and snapshots at any moment, every decision is allowed, every request that waits is told exactly what
// holds it back, and a machine made from a snapshot goes on as the one of which it was made.
func TestRandomWorlds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newWorld(t)
		t.Repeat(x.actions())
		a, b := x.snapshot(x.m), x.snapshot(x.twin)
		if !bytes.Equal(a, b) {
			t.Fatal(fmt.Sprintf("the snapshots of machine and twin differ, %d and %d bytes", len(a), len(b)))
		}
	})
}

// tell says what two machines know of each request.
func tell(ms ...*queue.Machine) string {
	var b strings.Builder
	for _, m := range ms {
		for w := range m.Waiting() {
			all, _ := m.Explain(w.Request.ID)
			fmt.Fprintf(&b, "%s: %s %s lease %d in %s; %+v\n", w.Request.ID.String()[28:], w.Request.Kind, w.Request.Volume, w.Lease, w.Drive, all)
		}
		b.WriteString("--\n")
	}
	return b.String()
}

// lift takes one obstacle of a request away in a copy of the machine.
func (x *world) lift(m *queue.Machine, q queue.Request, o queue.Obstacle, s *queue.Settings) {
	apply := func(e queue.Event) {
		_, err := m.Apply(e)
		x.must(err == nil, "%#v: %v", e, err)
	}
	end := func(n int64, is func(*queue.Lease) bool) {
		for _, id := range slices.Sorted(maps.Keys(x.lease)) {
			if n > 0 && is(x.lease[id]) {
				apply(queue.LeaseEnded{Time: x.now, Lease: id})
				n--
			}
		}
	}
	switch o.Reason {
	case queue.OnHold:
		apply(queue.RequestReleased{Time: x.now, ID: q.ID})
	case queue.Held:
		apply(queue.LibraryHeld{Time: x.now, Library: "L"})
	case queue.Blocked:
		if o.Limit > 0 {
			apply(queue.Forgiven{Time: x.now, Volume: q.Volume})
		} else {
			apply(queue.VolumeFreed{Time: x.now, Volume: q.Volume})
		}
	case queue.VolumeInUse:
		end(1, func(l *queue.Lease) bool { return l.Volume == q.Volume })
	case queue.VolumeElsewhere:
		apply(queue.VolumeLeft{Time: x.now, Volume: q.Volume})
	case queue.WidthReached:
		end(o.Value-o.Limit+1, func(l *queue.Lease) bool { return l.Kind == queue.Write && l.Family == q.Family })
	case queue.NoRoom:
		apply(queue.VolumesChanged{Time: x.now, Library: "L"})
	case queue.Limited:
		for i := range s.Limits {
			if l := &s.Limits[i]; l.Robot == "" && strings.HasPrefix(o.What, l.Name) {
				l.Drives = 100
			}
		}
		apply(queue.Configured{Time: x.now, Settings: *s})
	case queue.ShareFull:
		s.Shares[1].Most = 0
		apply(queue.Configured{Time: x.now, Settings: *s})
	case queue.TooLittle:
		s.MinAge = 0
		apply(queue.Configured{Time: x.now, Settings: *s})
	}
}

// aside holds requests in a copy of the machine: what others would take first, or take along, is not the question. Nothing starts meanwhile.
func (x *world) aside(m *queue.Machine, which func(queue.RequestID) bool) {
	apply := func(e queue.Event) {
		_, err := m.Apply(e)
		x.must(err == nil, "%#v: %v", e, err)
	}
	apply(queue.LibraryHeld{Time: x.now, Library: "L", Reads: true, Writes: true})
	for _, o := range x.order {
		if _, there := x.requests[o]; there && which(o) {
			apply(queue.RequestHeld{Time: x.now, ID: o})
		}
	}
	apply(queue.LibraryHeld{Time: x.now, Library: "L", Reads: x.held.Reads, Writes: x.held.Writes})
}

// drives brings more drives into service than anybody needs.
func (x *world) drives(m *queue.Machine) {
	for i := range 12 {
		_, err := m.Apply(queue.DriveReady{Time: x.now, Drive: queue.Drive(fmt.Sprint("x", i)), Libraries: []queue.Library{"L"}})
		x.must(err == nil, "%v", err)
	}
}

func ofDrives(r queue.Reason) bool {
	return r == queue.NoDrive || r == queue.Suspect || r == queue.RobotLimit
}

// explained checks that the obstacles of a request are enough, and that each is needed: with all of them gone, and drives for everybody, it
// runs; with all but one gone it does not.
func (x *world) explained(t *rapid.T) {
	id := x.pick(t, func(id queue.RequestID) bool { return !x.isLeased(id) })
	all, _ := x.m.Explain(id)
	w, _ := x.m.Find(id)
	ends := false // a lease that ends, a volume that is forgiven, a family that is tried again: that takes more with it
	for _, o := range all {
		if o.Reason == queue.Behind {
			t.Skip("not the first of its group")
		}
		ends = ends || o.Reason == queue.VolumeInUse || o.Reason == queue.WidthReached || o.Reason == queue.NoRoom || o.Reason == queue.TooLittle || o.Reason == queue.Blocked && o.Limit > 0
	}
	for but := -1; but < len(all); but++ {
		if but >= 0 && ends {
			break
		}
		m, s := x.copy(), worldRules
		x.aside(m, func(o queue.RequestID) bool {
			q, _ := m.Find(o)
			return but >= 0 && o != id || q.Request.Volume != w.Request.Volume || q.Request.Volume == "" && q.Request.Family != w.Request.Family
		})
		s.Limits, s.Shares = slices.Clone(s.Limits), slices.Clone(s.Shares)
		for i, o := range all {
			if i != but {
				x.lift(m, w.Request, o, &s)
			}
		}
		if but < 0 || !ofDrives(all[but].Reason) {
			x.drives(m)
		}
		now, _ := m.Find(id)
		if but < 0 {
			// A lease of its own group may begin with others: what came back, or where the sweep goes on.
			// Or its volume is on its way to another drive.
			own := now.Reason == queue.VolumeInUse && w.Reason != queue.VolumeInUse
			for o, q := range x.requests {
				other, _ := m.Find(o)
				same := q.Kind == w.Request.Kind && q.Kind == queue.Write && q.Family == w.Request.Family || q.Kind != queue.Write && other.Request.Volume == w.Request.Volume
				own = own || same && other.Reason == queue.Leased
			}
			x.must(now.Reason == queue.Leased || own, "request %s does not run without %v: %s\n%s", id, all, now.Reason, tell(x.m, m))
		} else {
			x.must(now.Reason != queue.Leased, "request %s runs in spite of %v", id, all[but])
		}
	}
}
