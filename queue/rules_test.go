package queue_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/queue/discipline"
	"github.com/enstore-go/sdk/queue/fairshare"
	"github.com/enstore-go/sdk/queue/match"
	"github.com/enstore-go/sdk/queue/priority"
)

// submit adds a request that is a read of V1 in library L, or what change makes of it.
func (d *desk) submit(n int, change func(*queue.Request)) string {
	d.is.Helper()
	q := queue.Request{ID: id(n), Kind: queue.Read, Library: "L", Family: raw, Size: 1000, Volume: "V1", Accepted: d.now}
	change(&q)
	if q.Kind == queue.Write {
		q.Volume, q.Width = "", max(q.Width, 1)
	}
	return d.do(queue.Submitted{Time: d.now, Request: q})
}

func (d *desk) obstacles(n int) []queue.Reason {
	d.is.Helper()
	all, ok := d.m.Explain(id(n))
	d.is.True(ok)
	var out []queue.Reason
	for _, o := range all {
		out = append(out, o.Reason)
	}
	return out
}

func (d *desk) tick(after time.Duration) string {
	d.is.Helper()
	d.now = d.now.Add(after)
	return d.do(queue.Tick{Time: d.now})
}

// A request with an administrative priority has a drive freed at the next file boundary, that of background work first.
func TestAdministrativeRequestsFreeADrive(t *testing.T) {
	d := newDesk(t, queue.Settings{Priorities: []priority.Rule{{Name: "daq", Match: match.Pattern{"host": "daq"}, Admin: 1}}})
	d.ready("d0", "")
	d.ready("d1", "")
	d.is.Equal(d.submit(1, func(q *queue.Request) {}), "grant 1 d0 V1: 1")
	d.is.Equal(d.submit(2, func(q *queue.Request) { q.Volume, q.Priority, q.Kind = "V2", -1, queue.Migrate }), "grant 2 d1 V2: 2")
	d.is.Equal(d.submit(3, func(q *queue.Request) { q.Kind, q.Family, q.Host = queue.Write, family("daq"), "daq" }), "preempt 2")
	d.is.Equal(d.submit(4, func(q *queue.Request) { q.Volume, q.Priority = "V3", 1000 }), "") // however urgent
	d.is.Equal(d.more(2), "yield 2")
	d.do(queue.Requeued{Time: d.now, ID: id(2)})
	d.is.Equal(d.ended(2, "V2"), "")
	g, err := d.m.Apply(queue.DriveReady{Time: d.now, Drive: "d1", Libraries: []queue.Library{"L"}, Mounted: "V2"})
	d.is.NoErr(err)
	d.is.Equal(g[0].(queue.Grant).Lease.Why.Rule, queue.ByAdmin)
	d.is.Equal(g[0].(queue.Grant).Lease.Requests[0], id(3))
}

// A mounted drive that is idle is at the disposal of all, data acquisition first.
func TestAdministrativeRequestsClaimAnIdleDrive(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.ready("d0", "V9")
	d.is.Equal(d.submit(1, func(q *queue.Request) { q.Admin = 1 }), "grant 1 d0 V1: 1")
}

func TestBackgroundGivesWay(t *testing.T) {
	d := newDesk(t, queue.Settings{Batch: 1})
	for i := 1; i <= 3; i++ {
		d.submit(i, func(q *queue.Request) { q.Priority, q.Kind, q.Position.File = -1, queue.Verify, int64(i) })
	}
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 V1: 1")
	d.is.Equal(d.more(1), "extend 1: 2") // nobody else wants anything
	d.submit(9, func(q *queue.Request) { q.Volume = "V2" })
	d.is.Equal(d.more(1), "yield 1")
}

func TestHoldAndRelease(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.submit(1, func(q *queue.Request) {})
	d.is.Equal(d.do(queue.RequestHeld{Time: d.now, ID: id(1), Who: "anna"}), "")
	d.is.Equal(d.ready("d0", ""), "")
	d.is.Equal(d.obstacles(1), []queue.Reason{queue.OnHold})
	d.is.Equal(d.do(queue.RequestReleased{Time: d.now, ID: id(1)}), "grant 1 d0 V1: 1")
	d.do(queue.RequestHeld{Time: d.now, ID: id(1)}) // in work: when it comes back
	d.do(queue.Requeued{Time: d.now, ID: id(1)})
	d.ended(1, "V1")
	d.is.Equal(d.ready("d0", "V1"), "")
	d.is.Equal(d.do(queue.Cancelled{Time: d.now, ID: id(1)}), "")
	d.is.Equal(d.m.Len(), 0)
}

func TestLimits(t *testing.T) {
	d := newDesk(t, queue.Settings{Limits: []discipline.Limit{{Name: "farm", Match: match.Pattern{"host": "farm.*"}, Each: "host", Drives: 1}}})
	from := func(n int, host string, v queue.Volume) string {
		return d.submit(n, func(q *queue.Request) { q.Host, q.Volume = host, v })
	}
	d.ready("d0", "")
	d.ready("d1", "")
	d.ready("d2", "")
	d.is.Equal(from(1, "farm1", "V1"), "grant 1 d0 V1: 1")
	d.is.Equal(from(2, "farm1", "V2"), "")
	d.is.Equal(d.obstacles(2), []queue.Reason{queue.Limited})
	d.is.Equal(from(3, "farm2", "V2"), "grant 2 d1 V2: 3") // another host, and that does not take the first one's along
	d.is.Equal(from(4, "desk", "V3"), "grant 3 d2 V3: 4")
	d.is.Equal(from(5, "farm1", "V1"), "")
	d.is.Equal(d.more(1), "extend 1: 5") // for the same host in the same drive
	d.ended(2, "")
	d.done(1)
	d.done(5)
	d.is.Equal(d.ready("d1", ""), "grant 4 d1 V2: 2 3") // now it may
}

func TestALimitThatRefuses(t *testing.T) {
	is := is.New(t)
	m := machine(queue.Settings{Limits: []discipline.Limit{{Name: "no reads", Match: match.Pattern{"operation": "read"}, Refuse: true}}})
	name, refused := m.Refuses(queue.Request{Kind: queue.Read, Library: "L", Volume: "V"})
	is.True(refused && name == "no reads")
	_, refused = m.Refuses(queue.Request{Kind: queue.Write, Library: "L", Family: raw})
	is.True(!refused)
}

func TestRobotLimit(t *testing.T) {
	d := newDesk(t, queue.Settings{Limits: []discipline.Limit{{Name: "one arm", Robot: "r", Drives: 1}}})
	for _, name := range []queue.Drive{"d0", "d1"} {
		d.do(queue.DriveReady{Time: d.now, Drive: name, Libraries: []queue.Library{"L"}, Robot: "r"})
	}
	d.is.Equal(d.submit(1, func(q *queue.Request) {}), "grant 1 d0 V1: 1")
	d.is.Equal(d.submit(2, func(q *queue.Request) { q.Volume = "V2" }), "")
	d.is.Equal(d.obstacles(2), []queue.Reason{queue.RobotLimit})
	d.is.Equal(d.ended(1, ""), "grant 2 d1 V2: 2") // the drive itself has not said that it is ready
}

// Of shares that have work, each gets what is its own, in the order of what they have had.
func TestShares(t *testing.T) {
	d := newDesk(t, queue.Settings{Shares: []fairshare.Share{
		{Name: "cms", Match: match.Pattern{"storage_group": "cms"}, Weight: 1, Most: 1}, {Name: "rest", Weight: 1, Least: 1},
	}})
	ask := func(n int, group string, v queue.Volume) string {
		return d.submit(n, func(q *queue.Request) { q.Family.Group, q.Volume = group, v })
	}
	ask(1, "cms", "V1")
	ask(2, "cms", "V2")
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 V1: 1")
	d.is.Equal(d.ready("d1", ""), "")
	d.is.Equal(d.obstacles(2), []queue.Reason{queue.ShareFull})
	g, err := d.m.Apply(queue.Submitted{Time: d.now, Request: queue.Request{ID: id(3), Kind: queue.Read, Library: "L", Family: family("x"), Volume: "V3", Size: 1}})
	d.is.NoErr(err)
	d.is.Equal(g[0].(queue.Grant).Lease.Why.Share, "rest")
	d.is.Equal(g[0].(queue.Grant).Lease.Why.Rule, queue.ByGuarantee)
}

// A share that has more than it is guaranteed gives way to one that has less, whatever is left of its turn.
func TestAGuaranteeEndsALease(t *testing.T) {
	d := newDesk(t, queue.Settings{Batch: 1, Shares: []fairshare.Share{{Name: "cms", Match: match.Pattern{"storage_group": "cms"}, Least: 1}}})
	for i := 1; i <= 3; i++ {
		d.submit(i, func(q *queue.Request) { q.Position.File = int64(i) })
	}
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 V1: 1")
	d.is.Equal(d.more(1), "extend 1: 2")
	d.submit(9, func(q *queue.Request) { q.Family.Group, q.Volume = "cms", "V2" })
	d.is.Equal(d.more(1), "yield 1")
}

// Libraries whose drives are shared are one for the shares; those that share none are not.
func TestSharesOfLibrariesThatShareDrives(t *testing.T) {
	is := is.New(t)
	m := machine(queue.Settings{Shares: []fairshare.Share{{Name: "cms", Match: match.Pattern{"storage_group": "cms"}}}})
	apply := func(e queue.Event) {
		_, err := m.Apply(e)
		is.NoErr(err)
	}
	apply(queue.DriveReady{Time: start, Drive: "a", Libraries: []queue.Library{"A"}})
	apply(queue.DriveReady{Time: start, Drive: "b", Libraries: []queue.Library{"B"}})
	apply(queue.Submitted{Time: start, Request: queue.Request{ID: id(1), Kind: queue.Read, Library: "A", Family: queue.Family{Group: "cms"}, Volume: "V1"}})
	drives := func() (all []string) {
		for _, s := range m.Shares() {
			all = append(all, fmt.Sprintf("%v %s %d", s.Libraries, s.Path, s.Drives))
		}
		return all
	}
	is.Equal(drives(), []string{"[A]  1", "[A] cms 1", "[B]  0"})
	apply(queue.DriveReady{Time: start, Drive: "c", Libraries: []queue.Library{"A", "B"}})
	is.Equal(drives(), []string{"[A B]  1", "[A B] cms 1"})
}

// Three failures in different drives are the volume's, three of different volumes the drive's; what goes well between speaks for both.
func TestStrikes(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	strike := func(drive queue.Drive, v queue.Volume) string {
		return d.do(queue.Struck{Time: d.now, Drive: drive, Volume: v})
	}
	for _, name := range []queue.Drive{"d0", "d1", "d2", "d3"} {
		d.ready(name, "")
	}
	d.is.Equal(strike("d0", "V1"), "")
	d.is.Equal(d.submit(1, func(q *queue.Request) {}), "grant 1 d1 V1: 1") // not where it failed
	d.is.Equal(strike("d1", "V1"), "")
	d.is.Equal(strike("d1", "V1"), "") // the same again is no news
	d.do(queue.Requeued{Time: d.now, ID: id(1), Avoid: "d1"})
	d.is.Equal(strike("d2", "V1"), "blame V1")
	d.is.Equal(d.ended(1, ""), "")
	d.is.Equal(d.obstacles(1), []queue.Reason{queue.Blocked})
	d.is.Equal(d.do(queue.Forgiven{Time: d.now, Volume: "V1"}), "grant 2 d0 V1: 1")

	d.is.Equal(strike("d3", "A"), "")
	d.is.Equal(strike("d3", "B"), "")
	d.is.Equal(strike("d3", "C"), "blame d3")
	d.is.Equal(len(d.m.Strikes()) > 0, true)
	d.tick(25 * time.Hour)
	d.is.Equal(len(d.m.Strikes()), 0) // all too old

	d.is.Equal(strike("d0", "A"), "")
	d.is.Equal(strike("d0", "B"), "")
	d.do(queue.Finished{Time: d.now, ID: id(1), Well: true})
	d.is.Equal(strike("d0", "C"), "") // the drive has done well in between
}

func TestOneDriveTriesAgain(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.submit(1, func(q *queue.Request) {})
	d.ready("d0", "")
	d.do(queue.Struck{Time: d.now, Drive: "d0", Volume: "V1"})
	d.do(queue.Requeued{Time: d.now, ID: id(1), Avoid: "d0"})
	d.ended(1, "V1")
	d.is.Equal(d.ready("d0", "V1"), "grant 2 d0 V1: 1") // there is no other
}

func TestBestCopy(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	two := func(n int) string {
		return d.submit(n, func(q *queue.Request) {
			q.Copies = []queue.Copy{{Library: "L", Volume: "V2", Position: queue.Position{File: 7}}}
		})
	}
	d.ready("d0", "V2")
	d.is.Equal(two(1), "grant 1 d0 V2: 1") // it is in a drive
	two(2)                                 // it is being read
	w, _ := d.m.Find(id(2))
	d.is.Equal(w.Request.Volume, queue.Volume("V2"))
	d.do(queue.VolumeBlocked{Time: d.now, Volume: "V2", Reason: "lost"})
	w, _ = d.m.Find(id(2))
	d.is.Equal(w.Request.Volume, queue.Volume("V1")) // then the other one
	d.is.Equal(d.ready("d1", ""), "grant 2 d1 V1: 2")
}

func TestLeastWorkBeforeAMount(t *testing.T) {
	d := newDesk(t, queue.Settings{MinFiles: 3, MinBytes: 1 << 30, MinAge: time.Hour})
	d.ready("d0", "")
	d.is.Equal(d.submit(1, func(q *queue.Request) {}), "")
	d.is.Equal(d.submit(2, func(q *queue.Request) {}), "")
	d.is.Equal(d.obstacles(1), []queue.Reason{queue.TooLittle})
	d.is.Equal(d.m.Wake(), d.now.Add(time.Hour))
	d.is.Equal(d.submit(3, func(q *queue.Request) {}), "grant 1 d0 V1: 1 2 3")
	d.ready("d1", "")
	d.is.Equal(d.submit(4, func(q *queue.Request) { q.Volume = "V2" }), "")
	d.is.Equal(d.tick(time.Hour), "grant 2 d1 V2: 4") // it has waited long enough
	d.ready("d2", "V3")
	d.is.Equal(d.submit(5, func(q *queue.Request) { q.Volume = "V3" }), "grant 3 d2 V3: 5") // that costs no mount
}

func TestAVolumeDoesNotRestForEver(t *testing.T) {
	d := newDesk(t, queue.Settings{Rest: time.Minute})
	d.ready("d0", "V1")
	d.is.Equal(d.tick(59*time.Second), "")
	d.is.Equal(d.tick(time.Second), "dismount 1 d0 V1")
}

func TestDatasetsAreWrittenTogether(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	for i, name := range []string{"A", "B", "A", "B", "A"} {
		d.now = after(time.Duration(i) * time.Second)
		d.submit(i+1, func(q *queue.Request) { q.Kind, q.Dataset = queue.Write, name })
	}
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 : 1")
	d.is.Equal(d.chosen(1, "V1"), "extend 1: 3 5 2 4")
}

func TestTheTailOfADatasetGoesAhead(t *testing.T) {
	d := newDesk(t, queue.Settings{Batch: 20, Useful: -1})
	for i := 1; i <= 12; i++ {
		d.submit(i, func(q *queue.Request) {
			q.Dataset, q.Position.File = "S", int64(i)
			if i == 12 {
				q.Volume = "V9"
			}
		})
	}
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 V1: 1 2 3 4 5 6 7 8 9 10 11")
	d.now = after(-30 * time.Minute) // as if it had come long before
	d.do(queue.Submitted{Time: d.now, Request: queue.Request{ID: id(20), Kind: queue.Read, Library: "L", Volume: "V2", Accepted: after(-30 * time.Minute)}})
	for i := 1; i <= 11; i++ {
		d.done(i)
	}
	d.ended(1, "")
	d.is.Equal(d.ready("d0", ""), "grant 2 d0 V9: 12")
}

func TestDeadlines(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.submit(1, func(q *queue.Request) {})
	d.submit(2, func(q *queue.Request) { q.Volume, q.Deadline = "V2", after(time.Hour) })
	d.submit(3, func(q *queue.Request) { q.Volume, q.Deadline = "V3", after(24*time.Hour) })
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 V2: 2")
	d.is.Equal(d.ready("d1", ""), "grant 2 d1 V1: 1")
}

// An almost full volume gets what fits.
func TestWritesArePacked(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	for i, size := range []int64{1000, 5000, 700, 4000, 200} {
		d.submit(i+1, func(q *queue.Request) { q.Kind, q.Size = queue.Write, size })
	}
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 : 1")
	d.is.Equal(d.do(queue.VolumeChosen{Time: d.now, Lease: 1, Volume: "V1", Room: 2000}), "extend 1: 3 5")
	d.is.Equal(d.more(1), "yield 1")
}

// Where more of the drive's time would be of use goes first, unless the other one has waited longer than that is worth.
func TestUsefulWorkGoesFirst(t *testing.T) {
	d := newDesk(t, queue.Settings{Useful: time.Hour})
	d.submit(1, func(q *queue.Request) {})
	d.submit(2, func(q *queue.Request) { q.Volume, q.Size = "V2", 1e12 })
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 V2: 2")
	d.now = after(time.Hour)
	d.submit(3, func(q *queue.Request) { q.Volume, q.Size = "V3", 1e12 })
	d.is.Equal(d.ready("d1", ""), "grant 2 d1 V1: 1")
}

func TestNewRules(t *testing.T) {
	d := newDesk(t, queue.Settings{Limits: []discipline.Limit{{Name: "none", Drives: 0}}})
	d.ready("d0", "")
	d.is.Equal(d.submit(1, func(q *queue.Request) {}), "")
	_, err := d.m.Apply(queue.Configured{Time: d.now, Settings: queue.Settings{Limits: []discipline.Limit{{Name: "none", Drives: -1}}}})
	d.is.True(errors.Is(err, queue.ErrInvalid) && errors.Is(err, match.ErrRule))
	d.is.Equal(d.obstacles(1), []queue.Reason{queue.Limited}) // bad rules change nothing
	d.is.Equal(d.do(queue.Configured{Time: d.now}), "grant 1 d0 V1: 1")
	_, err = queue.New(queue.Settings{Shares: []fairshare.Share{{}}})
	d.is.True(errors.Is(err, match.ErrRule))
}

func TestClockSteps(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.now = after(time.Hour)
	d.submit(1, func(q *queue.Request) {})
	d.now = start // back
	d.submit(2, func(q *queue.Request) { q.Volume = "V2" })
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 V2: 2") // it says that it was accepted earlier, and that is believed
	d.now = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	d.submit(3, func(q *queue.Request) { q.Volume = "V3" })
	d.is.Equal(d.ready("d1", ""), "grant 2 d1 V1: 1")
}

func TestAbsurdRequests(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	for _, change := range []func(*queue.Request){
		func(q *queue.Request) { q.Kind, q.Width = queue.Write, 2_000_000 }, func(q *queue.Request) { q.Size = -2 }, func(q *queue.Request) { q.Admin = 40_000 },
		func(q *queue.Request) { q.Admin = -1 }, func(q *queue.Request) { q.Kind = 9 }, func(q *queue.Request) { q.Copies = []queue.Copy{{}} },
		func(q *queue.Request) { q.Position.File = -1 },
	} {
		q := queue.Request{ID: id(1), Kind: queue.Read, Library: "L", Family: raw, Volume: "V1", Width: 1}
		change(&q)
		_, err := d.m.Apply(queue.Submitted{Time: d.now, Request: q})
		d.is.True(errors.Is(err, queue.ErrInvalid))
	}
	d.is.Equal(d.m.Len(), 0)
	d.submit(1, func(q *queue.Request) { q.Priority, q.Size = 1<<40, 1<<62 })
	d.submit(2, func(q *queue.Request) { q.Priority, q.Size, q.Volume = -1<<40, 1<<62, "V2" })
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 V1: 1")
	_, ok := d.m.Estimate(id(2))
	d.is.True(ok)
}

// Whatever a snapshot holds, Restore gives a machine or an error.
func FuzzRestore(f *testing.F) {
	var b bytes.Buffer
	m := machine(worldRules)
	for i := range 5 {
		_, _ = m.Apply(queue.Submitted{Time: start, Request: queue.Request{ID: id(i + 1), Kind: queue.Read, Library: "L", Family: raw, Volume: queue.Volume(fmt.Sprint("V", i%2)), Size: 1}})
	}
	_, _ = m.Apply(queue.DriveReady{Time: start, Drive: "d0", Libraries: []queue.Library{"L"}})
	_ = m.Snapshot(&b)
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, p []byte) {
		m, err := queue.Restore(bytes.NewReader(p))
		if err != nil {
			if !errors.Is(err, queue.ErrSnapshot) {
				t.Fatal(err)
			}
			return
		}
		_, _ = m.Apply(queue.DriveReady{Time: start, Drive: "d1", Libraries: []queue.Library{"L"}})
	})
}

// A question changes nothing: not even a library comes of it.
func TestDelayMakesNoLibrary(t *testing.T) {
	is := is.New(t)
	m, err := queue.New(queue.Settings{})
	is.NoErr(err)
	is.Equal(m.Delay("nobody's"), time.Duration(0))
	is.Equal(len(m.Shares()), 0)
}

func TestRulesThatWouldDoNothingOrMislead(t *testing.T) {
	is := is.New(t)
	for _, s := range []queue.Settings{
		{Limits: []discipline.Limit{{Name: "l", Match: match.Pattern{"path": "/raw/.*"}, Drives: 1}}},
		{Limits: []discipline.Limit{{Name: "l", Each: "path", Drives: 1}}},
		{Shares: []fairshare.Share{{Name: "s", Match: match.Pattern{"path": "/raw/.*"}}}},
		{Shares: []fairshare.Share{{Name: "s", Each: "path"}}},
		{Shares: []fairshare.Share{{Name: "other"}}},
		{Shares: []fairshare.Share{{Name: "=x"}}},
		{Shares: []fairshare.Share{{Name: "a/b"}}},
		{Priorities: []priority.Rule{{Name: "p", Match: match.Pattern{"user": "a)|(?:b"}, Add: 1}}},
	} {
		is.True(errors.Is(s.Check(), match.ErrRule))
	}
	rules, err := priority.Compile([]priority.Rule{{Name: "p", Match: match.Pattern{"user": "a"}, Add: 50}})
	is.NoErr(err)
	is.True(rules.Apply(&match.Fields{User: "a"}, math.MaxInt).Base > 1_000_000)
}
