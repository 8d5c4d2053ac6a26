package peers_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"
	"pgregory.net/rapid"

	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/queue/queuesim/peers"
)

// decider is what the simulator asks of one.
type decider interface {
	Apply(e queue.Event) ([]queue.Decision, error)
	Wake() time.Time
}

var start = time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)

func id(n int) (id queue.RequestID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func family(group, name string) queue.Family {
	return queue.Family{Group: group, Family: name, Wrapper: "cpio_odc"}
}

// say gives decisions in words: "grant 1 d0 V1: 1 2", "extend 1: 3", "yield 1", "dismount 2 d0 V1".
func say(decisions []queue.Decision) string {
	var all []string
	numbers := func(ids []queue.RequestID) string {
		var b strings.Builder
		for i, id := range ids {
			if i == 3 && len(ids) > 4 {
				fmt.Fprintf(&b, " ... (%d)", len(ids))
				break
			}
			fmt.Fprintf(&b, " %d", binary.BigEndian.Uint64(id[8:]))
		}
		return b.String()
	}
	for _, d := range decisions {
		switch d := d.(type) {
		case queue.Grant:
			what := string(d.Lease.Volume)
			if d.Lease.Kind == queue.Write {
				what = d.Lease.Family.Family
			}
			all = append(all, fmt.Sprintf("grant %d %s %s:%s", d.Lease.ID, d.Lease.Drive, what, numbers(d.Lease.Requests)))
		case queue.Extend:
			all = append(all, fmt.Sprintf("extend %d:%s", d.Lease, numbers(d.Requests)))
		case queue.Yield:
			all = append(all, fmt.Sprintf("yield %d", d.Lease))
		case queue.Dismount:
			all = append(all, fmt.Sprintf("dismount %d %s %s", d.Lease, d.Drive, d.Volume))
		}
	}
	return strings.Join(all, "; ")
}

// desk drives a decider in a test.
type desk struct {
	is  *is.I
	d   decider
	now time.Time
}

func at(t *testing.T, d decider) *desk { return &desk{is: is.New(t), d: d, now: start} }

func (k *desk) do(e queue.Event) string {
	k.is.Helper()
	decisions, err := k.d.Apply(e)
	k.is.NoErr(err)
	return say(decisions)
}

func (k *desk) later(d time.Duration) { k.now = k.now.Add(d) }

func (k *desk) ready(d queue.Drive, mounted queue.Volume) string {
	k.is.Helper()
	return k.do(queue.DriveReady{Time: k.now, Drive: d, Libraries: []queue.Library{"L"}, Mounted: mounted})
}

// submit sends a request of library L, accepted now.
func (k *desk) submit(n int, q queue.Request) string {
	k.is.Helper()
	q.ID, q.Library, q.Accepted = id(n), "L", k.now
	if q.Width == 0 && q.Kind == queue.Write {
		q.Width = 1
	}
	return k.do(queue.Submitted{Time: k.now, Request: q})
}

func read(v queue.Volume, group string, file, size int64) queue.Request {
	return queue.Request{Kind: queue.Read, Volume: v, Family: family(group, "raw"), Position: queue.Position{File: file, Block: -1}, Size: size}
}

func write(group, name string, size int64) queue.Request {
	return queue.Request{Kind: queue.Write, Family: family(group, name), Size: size}
}

func (k *desk) done(n int) string {
	k.is.Helper()
	return k.do(queue.Finished{Time: k.now, ID: id(n)})
}

func (k *desk) more(l queue.LeaseID) string {
	k.is.Helper()
	return k.do(queue.LeaseMore{Time: k.now, Lease: l})
}

func (k *desk) chosen(l queue.LeaseID, v queue.Volume, room int64) string {
	k.is.Helper()
	return k.do(queue.VolumeChosen{Time: k.now, Lease: l, Volume: v, Room: room})
}

func (k *desk) ended(l queue.LeaseID, mounted queue.Volume) string {
	k.is.Helper()
	return k.do(queue.LeaseEnded{Time: k.now, Lease: l, Mounted: mounted})
}

func (k *desk) tick() string { k.is.Helper(); return k.do(queue.Tick{Time: k.now}) }

// wake is how long after the present the decider wants to be woken, negative if never.
func (k *desk) wake() time.Duration {
	if k.d.Wake().IsZero() {
		return -1
	}
	return k.d.Wake().Sub(k.now)
}

// model is a naive site that takes any decision as far as it may be taken, and fails the test if it may not.
type model struct {
	t       *rapid.T
	d       decider
	now     time.Time
	n       int
	story   string
	events  []queue.Event
	request map[queue.RequestID]queue.Request
	where   map[queue.RequestID]queue.LeaseID
	lease   map[queue.LeaseID]*queue.Lease
	room    map[queue.LeaseID]int64
	last    queue.LeaseID
	ready   map[queue.Drive]bool
	at      map[queue.Volume]queue.Drive
	width   map[queue.Family]int
}

func newModel(t *rapid.T, d decider) *model {
	return &model{
		t: t, d: d, now: start, request: map[queue.RequestID]queue.Request{}, where: map[queue.RequestID]queue.LeaseID{}, lease: map[queue.LeaseID]*queue.Lease{},
		room: map[queue.LeaseID]int64{}, ready: map[queue.Drive]bool{}, at: map[queue.Volume]queue.Drive{}, width: map[queue.Family]int{},
	}
}

func (x *model) must(ok bool, format string, args ...any) {
	if !ok {
		x.t.Fatalf(format, args...)
	}
}

func (x *model) do(e queue.Event) {
	x.events = append(x.events, e)
	decisions, err := x.d.Apply(e)
	x.must(err == nil, "%#v: %v", e, err)
	x.story += say(decisions) + "\n"
	for _, d := range decisions {
		x.follow(d)
	}
}

func (x *model) follow(d queue.Decision) {
	switch d := d.(type) {
	case queue.Grant:
		l := d.Lease
		x.begin(l)
		x.must(len(l.Requests) > 0, "lease %d is empty", l.ID)
		if l.Kind == queue.Read {
			x.mustBeFree(l.Volume, l.Drive)
		}
		x.lease[l.ID], x.room[l.ID] = &l, -1
		x.give(l.ID, l.Requests)
		n := 0
		for _, o := range x.lease {
			if o.Kind == queue.Write && o.Family == l.Family {
				n++
			}
		}
		x.must(l.Kind != queue.Write || n <= x.width[l.Family], "family %s: width exceeded", l.Family)
	case queue.Extend:
		x.must(x.lease[d.Lease] != nil && x.lease[d.Lease].Volume != "", "extends lease %d", d.Lease)
		x.give(d.Lease, d.Requests)
	case queue.Yield:
		x.must(x.lease[d.Lease] != nil, "yield of lease %d", d.Lease)
	case queue.Dismount:
		x.begin(queue.Lease{ID: d.Lease, Drive: d.Drive})
		x.must(x.at[d.Volume] == d.Drive, "%s is not in %s", d.Volume, d.Drive)
		x.mustBeFree(d.Volume, d.Drive)
		x.lease[d.Lease] = &queue.Lease{ID: d.Lease, Drive: d.Drive, Volume: d.Volume}
	}
}

func (x *model) begin(l queue.Lease) {
	x.must(x.ready[l.Drive], "lease %d: drive %s is not ready", l.ID, l.Drive)
	x.last++
	x.must(l.ID == x.last, "lease %d instead of %d", l.ID, x.last)
	delete(x.ready, l.Drive)
}

func (x *model) mustBeFree(v queue.Volume, into queue.Drive) {
	d, in := x.at[v]
	x.must(!in || d == into, "volume %s is in %s", v, d)
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
		x.must(q.Kind == queue.Write && l.Kind == queue.Write && q.Family == l.Family || q.Kind.OfVolume() && l.Kind == queue.Read && q.Volume == l.Volume, "request %s is in the wrong lease", r)
		x.must(x.room[id] < 0 || q.Size <= x.room[id], "request %s does not fit", r)
		if x.room[id] >= 0 {
			x.room[id] -= q.Size
		}
		x.where[r] = id
	}
}

var (
	someDrives   = []queue.Drive{"d0", "d1", "d2"}
	someVolumes  = []queue.Volume{"V0", "V1", "V2", "V3"}
	someFamilies = []queue.Family{family("a", "raw"), family("b", "raw")}
)

func (x *model) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"submit": x.submit, "submit again": x.submit, "remove": x.remove, "requeue": x.requeue, "drive": x.drive, "drive again": x.drive,
		"more": x.more, "more again": x.more, "end": x.end, "choose": x.choose, "priority": x.priority, "expire": x.expire,
		"time": func(t *rapid.T) {
			x.now = x.now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "seconds")) * time.Second)
			x.do(queue.Tick{Time: x.now})
			w := x.d.Wake()
			x.must(w.IsZero() || w.After(x.now), "wants to be woken at %s, which is past", w)
		},
	}
}

func (x *model) submit(t *rapid.T) {
	x.n++
	f := rapid.SampledFrom(someFamilies).Draw(t, "family")
	q := queue.Request{ID: id(x.n), Library: "L", Family: f, Size: rapid.Int64Range(0, 4000).Draw(t, "size"), Accepted: x.now,
		Priority: rapid.IntRange(-2, 2).Draw(t, "priority"), Admin: max(rapid.IntRange(-3, 2).Draw(t, "admin"), 0), Host: rapid.SampledFrom([]string{"h1", "h2"}).Draw(t, "host")}
	if q.Kind = rapid.SampledFrom([]queue.Kind{queue.Read, queue.Write, queue.Migrate}).Draw(t, "kind"); q.Kind == queue.Write {
		q.Width = rapid.IntRange(1, 2).Draw(t, "width")
		x.width[f] = q.Width
	} else {
		q.Volume, q.Position.File = rapid.SampledFrom(someVolumes).Draw(t, "volume"), rapid.Int64Range(0, 9).Draw(t, "file")
	}
	x.request[q.ID] = q
	x.do(queue.Submitted{Time: x.now, Request: q})
}

func (x *model) pick(t *rapid.T, leased bool) queue.RequestID {
	var all []queue.RequestID
	for r := range x.request {
		if _, in := x.where[r]; in || !leased {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		t.Skip("no request")
	}
	slices.SortFunc(all, func(a, b queue.RequestID) int { return slices.Compare(a[:], b[:]) })
	return rapid.SampledFrom(all).Draw(t, "request")
}

func (x *model) remove(t *rapid.T) {
	r := x.pick(t, false)
	delete(x.request, r)
	delete(x.where, r)
	x.do(queue.Cancelled{Time: x.now, ID: r})
}

func (x *model) requeue(t *rapid.T) {
	r := x.pick(t, true)
	e := queue.Requeued{Time: x.now, ID: r}
	if rapid.Bool().Draw(t, "avoid") {
		e.Avoid = x.lease[x.where[r]].Drive
	}
	delete(x.where, r)
	x.do(e)
}

func (x *model) priority(t *rapid.T) {
	x.do(queue.Reprioritised{Time: x.now, ID: x.pick(t, false), Priority: rapid.IntRange(-3, 3).Draw(t, "priority")})
}

func (x *model) drive(t *rapid.T) {
	d := rapid.SampledFrom(someDrives).Draw(t, "drive")
	for _, l := range x.lease {
		if l.Drive == d {
			t.Skip("at work")
		}
	}
	if x.ready[d] && rapid.Bool().Draw(t, "gone") {
		delete(x.ready, d)
		x.do(queue.DriveGone{Time: x.now, Drive: d})
		return
	}
	x.ready[d] = true
	x.do(queue.DriveReady{Time: x.now, Drive: d, Libraries: []queue.Library{"L"}, Mounted: x.in(d)})
}

// in is the volume in a drive.
func (x *model) in(d queue.Drive) queue.Volume {
	for _, v := range someVolumes {
		if x.at[v] == d {
			return v
		}
	}
	return ""
}

func (x *model) someLease(t *rapid.T, ok func(*queue.Lease) bool) *queue.Lease {
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

func (x *model) more(t *rapid.T) {
	l := x.someLease(t, func(l *queue.Lease) bool { return l.Kind != 0 })
	if rapid.IntRange(0, 5).Draw(t, "enough") == 0 {
		x.do(queue.LeaseEnough{Time: x.now, Lease: l.ID})
		return
	}
	x.do(queue.LeaseMore{Time: x.now, Lease: l.ID})
}

func (x *model) close(l *queue.Lease, mounted queue.Volume) {
	delete(x.lease, l.ID)
	for r, id := range x.where {
		if id == l.ID {
			delete(x.where, r)
		}
	}
	for v, d := range x.at {
		if d == l.Drive {
			delete(x.at, v)
		}
	}
	if mounted != "" {
		x.at[mounted] = l.Drive
	}
}

func (x *model) end(t *rapid.T) {
	l := x.someLease(t, func(*queue.Lease) bool { return true })
	mounted := queue.Volume("")
	if l.Kind != 0 && rapid.Bool().Draw(t, "mounted") {
		mounted = l.Volume
	}
	x.close(l, mounted)
	x.do(queue.LeaseEnded{Time: x.now, Lease: l.ID, Mounted: mounted})
}

func (x *model) expire(t *rapid.T) {
	l := x.someLease(t, func(*queue.Lease) bool { return true })
	mounted := l.Volume
	if mounted == "" {
		mounted = x.in(l.Drive)
	}
	x.close(l, mounted)
	x.do(queue.LeaseExpired{Time: x.now, Lease: l.ID})
}

func (x *model) choose(t *rapid.T) {
	l := x.someLease(t, func(l *queue.Lease) bool { return l.Kind == queue.Write && l.Volume == "" })
	var free []queue.Volume
	for _, v := range someVolumes {
		d, in := x.at[v]
		if (!in || d == l.Drive) && !slices.ContainsFunc(x.leases(), func(o *queue.Lease) bool { return o.Volume == v }) {
			free = append(free, v)
		}
	}
	if len(free) == 0 || rapid.IntRange(0, 4).Draw(t, "refuse") == 0 {
		delete(x.lease, l.ID)
		for r, id := range x.where {
			if id == l.ID {
				delete(x.where, r)
			}
		}
		x.ready[l.Drive] = true
		x.do(queue.VolumeRefused{Time: x.now, Lease: l.ID, Reason: queue.NoVolume})
		return
	}
	l.Volume = rapid.SampledFrom(free).Draw(t, "volume")
	x.room[l.ID] = rapid.Int64Range(0, 9000).Draw(t, "room")
	x.do(queue.VolumeChosen{Time: x.now, Lease: l.ID, Volume: l.Volume, Room: x.room[l.ID]})
}

func (x *model) leases() (all []*queue.Lease) {
	for _, l := range x.lease {
		all = append(all, l)
	}
	return all
}

// serve lets everything run until nothing is left; drives then have nothing in them.
func (x *model) serve() {
	for round := 0; len(x.request) > 0; round++ {
		x.must(round < 20+10*x.n, "%d requests are never served:\n%s", len(x.request), x.story)
		x.do(queue.VolumesChanged{Time: x.now, Library: "L"})
		ids := []queue.LeaseID{}
		for id := range x.lease {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		for _, id := range ids {
			x.finish(x.lease[id])
		}
		for _, d := range someDrives {
			if !slices.ContainsFunc(x.leases(), func(l *queue.Lease) bool { return l.Drive == d }) {
				x.ready[d] = true
				x.do(queue.DriveReady{Time: x.now, Drive: d, Libraries: []queue.Library{"L"}, Mounted: x.in(d)})
			}
		}
		x.now = x.now.Add(time.Hour)
		x.do(queue.Tick{Time: x.now})
	}
}

func (x *model) finish(l *queue.Lease) {
	var rs []queue.RequestID
	for r, id := range x.where {
		if id == l.ID {
			rs = append(rs, r)
		}
	}
	slices.SortFunc(rs, func(a, b queue.RequestID) int { return slices.Compare(a[:], b[:]) })
	for _, r := range rs {
		delete(x.request, r)
		delete(x.where, r)
		x.do(queue.Finished{Time: x.now, ID: r})
	}
	x.close(l, "")
	x.do(queue.LeaseEnded{Time: x.now, Lease: l.ID})
}

// deciders are made anew for each history.
var deciders = map[string]func() decider{
	"enstore":        func() decider { return peers.NewEnstore(peers.EnstoreSettings{}) },
	"enstore limits": func() decider { return peers.NewEnstore(limited) },
	"cta": func() decider {
		return peers.NewCTA(peers.CTASettings{MinBytes: 5000, MinFiles: 4, BatchBytes: 6000, BatchFiles: 3, ReadMaxDrives: map[string]int{"a": 1}, MinRetrieveAge: time.Minute})
	},
}

func TestRandomHistories(t *testing.T) {
	for name, decider := range deciders {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				x := newModel(t, decider())
				t.Repeat(x.actions())
				x.serve()
				again, story := decider(), ""
				for _, e := range x.events {
					decisions, err := again.Apply(e)
					x.must(err == nil, "%v", err)
					story += say(decisions) + "\n"
				}
				x.must(story == x.story, "another story")
			})
		})
	}
}
