package queue_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/enstore-go/sdk/queue"
)

// model is the queue as somebody naive would write it: it keeps what happened and what was decided in plain maps, and
// looks through all of it after every event.
type model struct {
	t       *rapid.T
	m       *queue.Machine
	now     time.Time
	n       int
	events  []queue.Event
	story   string // all decisions
	request map[queue.RequestID]queue.Request
	where   map[queue.RequestID]queue.LeaseID // leased requests
	lease   map[queue.LeaseID]*queue.Lease
	ready   map[queue.Drive][]queue.Library
	at      map[queue.Volume]queue.Drive // volumes in drives, or that may be
	blocked map[queue.Volume]bool
	refused map[queue.Family]bool
	width   map[queue.Family]int
	held    queue.LibraryHeld
}

func newModel(t *rapid.T) *model {
	return &model{
		t: t, m: machine(small), now: start, request: map[queue.RequestID]queue.Request{}, where: map[queue.RequestID]queue.LeaseID{},
		lease: map[queue.LeaseID]*queue.Lease{}, ready: map[queue.Drive][]queue.Library{}, at: map[queue.Volume]queue.Drive{},
		blocked: map[queue.Volume]bool{}, refused: map[queue.Family]bool{}, width: map[queue.Family]int{},
	}
}

var small = queue.Settings{Batch: 3, BatchBytes: 5000, LeaseFiles: 5, LeaseTime: time.Minute, Affinity: 20 * time.Second, AgeStep: 10 * time.Second}

func (x *model) do(e queue.Event) {
	x.events = append(x.events, e)
	decisions, err := x.m.Apply(e)
	if err != nil {
		x.t.Fatalf("%#v: %v", e, err)
	}
	x.story += say(decisions) + "\n"
	for _, d := range decisions {
		x.follow(d)
	}
	x.check()
}

// follow applies a decision to the model and checks what must hold for it.
func (x *model) follow(d queue.Decision) {
	switch d := d.(type) {
	case queue.Grant:
		l := d.Lease
		libraries, ok := x.ready[l.Drive]
		x.must(ok && slices.Contains(libraries, l.Library), "lease %d: drive %s is not ready for it", l.ID, l.Drive)
		x.must(len(l.Requests) > 0, "lease %d is empty", l.ID)
		x.must(x.lease[l.ID] == nil, "lease %d twice", l.ID)
		delete(x.ready, l.Drive)
		if l.Kind == queue.Read {
			x.mustBeFree(l.Volume, l.Drive)
		}
		x.lease[l.ID] = &l
		x.give(l.ID, l.Requests)
		if l.Kind == queue.Write {
			x.must(x.writers(l.Family) <= x.width[l.Family], "family %s: width exceeded", l.Family)
		}
	case queue.Extend:
		x.must(x.lease[d.Lease] != nil, "extends lease %d", d.Lease)
		x.give(d.Lease, d.Requests)
	case queue.Yield:
		x.must(x.lease[d.Lease] != nil, "yield of lease %d", d.Lease)
	case queue.Dismount:
		_, ok := x.ready[d.Drive]
		x.must(ok, "dismount from %s, which is not ready", d.Drive)
		x.mustBeFree(d.Volume, d.Drive)
		delete(x.ready, d.Drive)
		x.lease[d.Lease] = &queue.Lease{ID: d.Lease, Drive: d.Drive, Volume: d.Volume}
	}
}

func (x *model) mustBeFree(v queue.Volume, into queue.Drive) {
	x.must(!x.blocked[v], "volume %s is blocked", v)
	if d, ok := x.at[v]; ok {
		x.must(d == into, "volume %s is in %s", v, d)
	}
	for _, l := range x.lease {
		x.must(l.Volume != v, "volume %s is in use by lease %d", v, l.ID)
	}
}

func (x *model) give(id queue.LeaseID, requests []queue.RequestID) {
	l := x.lease[id]
	for _, r := range requests {
		q, ok := x.request[r]
		x.must(ok, "request %s is unknown", r)
		_, leased := x.where[r]
		x.must(!leased, "request %s is in two leases", r)
		x.must(q.Kind == l.Kind && (q.Kind == queue.Read && q.Volume == l.Volume || q.Kind == queue.Write && q.Family == l.Family), "request %s is in the wrong lease", r)
		x.where[r] = id
	}
}

func (x *model) writers(f queue.Family) int {
	n := 0
	for _, l := range x.lease {
		if l.Kind == queue.Write && l.Family == f {
			n++
		}
	}
	return n
}

func (x *model) must(ok bool, format string, args ...any) {
	if !ok {
		x.t.Fatalf(format, args...)
	}
}

// check: nothing waits while a fitting drive is idle and nothing blocks it; and the machine knows the same requests.
func (x *model) check() {
	n := 0
	for w := range x.m.Waiting() {
		n++
		_, leased := x.where[w.Request.ID]
		x.must(leased == (w.Reason == queue.Leased), "request %s: listed as %s", w.Request.ID, w.Reason)
		if !leased {
			x.must(!x.couldRun(w.Request), "request %s waits for nothing", w.Request.ID)
			x.must(w.Reason != queue.Runnable, "request %s could run", w.Request.ID)
		}
	}
	x.must(n == len(x.request) && n == x.m.Len(), "%d requests listed of %d", n, len(x.request))
}

func (x *model) couldRun(q queue.Request) bool {
	fits := false
	for _, libraries := range x.ready {
		fits = fits || slices.Contains(libraries, q.Library)
	}
	if !fits {
		return false
	}
	if q.Kind == queue.Write {
		return !x.refused[q.Family] && x.writers(q.Family) < x.width[q.Family] && !(x.held.Writes && x.held.Library == q.Library)
	}
	if x.held.Reads && x.held.Library == q.Library || x.blocked[q.Volume] {
		return false
	}
	for _, l := range x.lease {
		if l.Volume == q.Volume {
			return false
		}
	}
	d, mounted := x.at[q.Volume]
	_, ready := x.ready[d]
	return !mounted || ready
}

var (
	someDrives   = []queue.Drive{"d0", "d1", "d2"}
	someVolumes  = []queue.Volume{"V0", "V1", "V2", "V3"}
	someFamilies = []queue.Family{family("a"), family("b")}
)

func (x *model) pickRequest(t *rapid.T, leased bool) (queue.RequestID, bool) {
	var all []queue.RequestID
	for w := range x.m.Waiting() {
		if !leased || w.Reason == queue.Leased {
			all = append(all, w.Request.ID)
		}
	}
	if len(all) == 0 {
		return queue.RequestID{}, false
	}
	return rapid.SampledFrom(all).Draw(t, "request"), true
}

func (x *model) pickLease(t *rapid.T, ok func(*queue.Lease) bool) *queue.Lease {
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

// endLease follows the end of a lease in the model: its requests wait again.
func (x *model) endLease(l *queue.Lease) {
	delete(x.lease, l.ID)
	for r, id := range x.where {
		if id == l.ID {
			delete(x.where, r)
		}
	}
}

// empty says that everything but v left a drive.
func (x *model) empty(d queue.Drive, v queue.Volume) {
	for other, at := range x.at {
		if at == d && other != v {
			delete(x.at, other)
		}
	}
	if v != "" {
		x.at[v] = d
	}
}

func (x *model) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"": func(*rapid.T) {}, "write": x.write, "read": x.read, "remove": x.remove, "requeue": x.requeue, "order": x.order,
		"drive": x.drive, "more": x.more, "end": x.end, "end again": x.end, "volume": x.chooseVolume, "volume again": x.chooseVolume,
		"expire": x.expire, "library": x.library, "fault": x.fault,
		"time": func(t *rapid.T) {
			x.now = x.now.Add(time.Duration(rapid.IntRange(-5, 60).Draw(t, "seconds")) * time.Second)
		},
	}
}

func (x *model) write(t *rapid.T) {
	x.n++
	f := rapid.SampledFrom(someFamilies).Draw(t, "family")
	q := queue.Request{ID: id(x.n), Kind: queue.Write, Library: "L", Family: f, Width: rapid.IntRange(1, 2).Draw(t, "width"),
		Size: rapid.Int64Range(-1, 4000).Draw(t, "size"), Priority: rapid.IntRange(-3, 3).Draw(t, "priority"), Accepted: x.now}
	x.request[q.ID], x.width[f] = q, q.Width
	x.do(queue.Submitted{Time: x.now, Request: q})
}

func (x *model) read(t *rapid.T) {
	x.n++
	v := rapid.SampledFrom(someVolumes).Draw(t, "volume")
	q := queue.Request{ID: id(x.n), Kind: queue.Read, Library: "L", Family: family("a"), Size: 1000, Volume: v,
		Position: queue.Position{File: rapid.Int64Range(0, 9).Draw(t, "file")}, Accepted: x.now}
	x.request[q.ID] = q
	x.do(queue.Submitted{Time: x.now, Request: q})
}

func (x *model) remove(t *rapid.T) {
	r, ok := x.pickRequest(t, false)
	if !ok {
		t.Skip("no request")
	}
	delete(x.request, r)
	delete(x.where, r)
	if rapid.Bool().Draw(t, "cancelled") {
		x.do(queue.Cancelled{Time: x.now, ID: r})
	} else {
		x.do(queue.Finished{Time: x.now, ID: r})
	}
}

func (x *model) requeue(t *rapid.T) {
	r, ok := x.pickRequest(t, true)
	if !ok {
		t.Skip("no request")
	}
	var avoid queue.Drive
	if rapid.Bool().Draw(t, "avoid") {
		avoid = x.lease[x.where[r]].Drive
	}
	delete(x.where, r)
	x.do(queue.Requeued{Time: x.now, ID: r, Avoid: avoid})
}

func (x *model) order(t *rapid.T) {
	if r, ok := x.pickRequest(t, false); ok && rapid.Bool().Draw(t, "priority") {
		x.do(queue.Reprioritised{Time: x.now, ID: r, Priority: rapid.IntRange(-9, 9).Draw(t, "priority")})
		return
	}
	v := rapid.SampledFrom(someVolumes).Draw(t, "volume")
	var ids []queue.RequestID
	for w := range x.m.Waiting() {
		if w.Request.Volume == v && w.Reason != queue.Leased {
			ids = append(ids, w.Request.ID)
		}
	}
	x.do(queue.Ordered{Time: x.now, Volume: v, Order: rapid.Permutation(ids).Draw(t, "order")})
}

func (x *model) drive(t *rapid.T) {
	d := rapid.SampledFrom(someDrives).Draw(t, "drive")
	for _, l := range x.lease {
		if l.Drive == d {
			t.Skip("at work")
		}
	}
	if _, ready := x.ready[d]; ready && rapid.Bool().Draw(t, "gone") {
		delete(x.ready, d)
		x.do(queue.DriveGone{Time: x.now, Drive: d})
		return
	}
	libraries := rapid.SampledFrom([][]queue.Library{{"L"}, {"L"}, {"L", "M"}, {"M"}}).Draw(t, "libraries")
	v := x.mountedIn(t, d)
	x.empty(d, v)
	x.ready[d] = libraries
	x.do(queue.DriveReady{Time: x.now, Drive: d, Libraries: libraries, Mounted: v})
}

// mountedIn draws what a drive says is in it: what was there, or nothing.
func (x *model) mountedIn(t *rapid.T, d queue.Drive) queue.Volume {
	all := []queue.Volume{""}
	for _, v := range someVolumes {
		if x.at[v] == d {
			all = append(all, v)
		}
	}
	return rapid.SampledFrom(all).Draw(t, "mounted")
}

func (x *model) more(t *rapid.T) {
	l := x.pickLease(t, func(l *queue.Lease) bool { return l.Kind != 0 })
	if rapid.IntRange(0, 3).Draw(t, "enough") == 0 {
		x.do(queue.LeaseEnough{Time: x.now, Lease: l.ID})
		return
	}
	x.do(queue.LeaseMore{Time: x.now, Lease: l.ID})
}

func (x *model) end(t *rapid.T) {
	l := x.pickLease(t, func(*queue.Lease) bool { return true })
	x.endLease(l)
	v := queue.Volume("")
	if rapid.Bool().Draw(t, "mounted") {
		v = l.Volume
	}
	x.empty(l.Drive, v)
	x.do(queue.LeaseEnded{Time: x.now, Lease: l.ID, Mounted: v})
}

func (x *model) expire(t *rapid.T) {
	l := x.pickLease(t, func(*queue.Lease) bool { return true })
	x.endLease(l)
	if _, known := x.at[l.Volume]; !known && l.Volume != "" {
		x.at[l.Volume] = l.Drive
	}
	x.do(queue.LeaseExpired{Time: x.now, Lease: l.ID})
}

func (x *model) chooseVolume(t *rapid.T) {
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
		reason := rapid.SampledFrom([]queue.Refusal{queue.NoVolume, queue.WidthInUse, queue.Conflict}).Draw(t, "reason")
		x.refused[l.Family] = x.refused[l.Family] || reason != queue.Conflict
		x.endLease(l)
		x.ready[l.Drive] = []queue.Library{"L"}
		x.do(queue.VolumeRefused{Time: x.now, Lease: l.ID, Reason: reason})
		return
	}
	l.Volume = rapid.SampledFrom(free).Draw(t, "volume")
	x.do(queue.VolumeChosen{Time: x.now, Lease: l.ID, Volume: l.Volume, Room: rapid.Int64Range(-1, 9000).Draw(t, "room")})
}

func (x *model) library(t *rapid.T) {
	if rapid.Bool().Draw(t, "volumes") {
		clear(x.refused)
		x.do(queue.VolumesChanged{Time: x.now, Library: "L"})
		return
	}
	x.held = queue.LibraryHeld{Time: x.now, Library: "L", Reads: rapid.IntRange(0, 3).Draw(t, "reads") == 0, Writes: rapid.IntRange(0, 3).Draw(t, "writes") == 0}
	x.do(x.held)
}

func (x *model) fault(t *rapid.T) {
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

// The machine agrees with the naive model after every event of a random history, and the same history, sent through the
// journal's format, gives the same decisions again.
func TestRandomHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newModel(t)
		t.Repeat(x.actions())
		again, story := machine(small), ""
		for _, e := range x.events {
			line, err := queue.EncodeEvent(e)
			x.must(err == nil, "%v", err)
			e, err := queue.DecodeEvent(line)
			x.must(err == nil, "%s: %v", line, err)
			decisions, err := again.Apply(e)
			x.must(err == nil, "%v", err)
			story += say(decisions) + "\n"
		}
		x.must(story == x.story, "another story:\n%s\ninstead of\n%s", story, x.story)
	})
}

// When all drives work and everything is settled, nothing is left behind: no request waits for ever.
func TestEverythingIsServedInTheEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newModel(t)
		t.Repeat(x.actions())
		x.do(queue.LibraryHeld{Time: x.now, Library: "L"})
		for _, v := range someVolumes {
			delete(x.blocked, v)
			x.do(queue.VolumeFreed{Time: x.now, Volume: v})
		}
		clear(x.refused)
		x.do(queue.VolumesChanged{Time: x.now, Library: "L"})
		for round := 0; x.m.Len() > 0; round++ {
			x.must(round < 10+10*x.n, "%d requests are never served", x.m.Len())
			x.serveAll()
		}
	})
}

// serveAll settles and ends every lease, and makes every drive ready and empty.
func (x *model) serveAll() {
	ids := make([]queue.LeaseID, 0, len(x.lease))
	for id := range x.lease {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		l := x.lease[id]
		for _, r := range x.leasedBy(id) {
			delete(x.request, r)
			delete(x.where, r)
			x.do(queue.Finished{Time: x.now, ID: r})
		}
		x.endLease(l)
		x.empty(l.Drive, "")
		x.do(queue.LeaseEnded{Time: x.now, Lease: id})
	}
	for _, d := range someDrives {
		if x.busy(d) {
			continue
		}
		x.empty(d, "")
		x.ready[d] = []queue.Library{"L"}
		x.do(queue.DriveReady{Time: x.now, Drive: d, Libraries: []queue.Library{"L"}})
	}
}

func (x *model) leasedBy(id queue.LeaseID) []queue.RequestID {
	var all []queue.RequestID
	for w := range x.m.Waiting() {
		if w.Lease == id {
			all = append(all, w.Request.ID)
		}
	}
	return all
}

func (x *model) busy(d queue.Drive) bool {
	for _, l := range x.lease {
		if l.Drive == d {
			return true
		}
	}
	return false
}
