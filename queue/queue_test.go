package queue_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/queue"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func after(d time.Duration) time.Time { return start.Add(d) }

func id(n int) (id queue.RequestID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

var raw = queue.Family{Group: "minos", Family: "raw", Wrapper: "cpio_odc"}

func family(name string) queue.Family {
	return queue.Family{Group: "minos", Family: name, Wrapper: "cpio_odc"}
}

// desk drives a machine in a test and writes down what it decides, in short form.
type desk struct {
	is  *is.I
	m   *queue.Machine
	now time.Time
}

func newDesk(t *testing.T, s queue.Settings) *desk {
	return &desk{is: is.New(t), m: machine(s), now: start}
}

// do applies an event and gives the decisions in words: "grant 1 d0 V1: 1 2", "extend 1: 3", "yield 1", "dismount 2 d0 V1".
func (d *desk) do(e queue.Event) string {
	d.is.Helper()
	decisions, err := d.m.Apply(e)
	d.is.NoErr(err)
	return say(decisions)
}

func say(decisions []queue.Decision) string {
	var all []string
	numbers := func(ids []queue.RequestID) string {
		var b strings.Builder
		for _, id := range ids {
			fmt.Fprintf(&b, " %d", binary.BigEndian.Uint64(id[8:]))
		}
		return b.String()
	}
	for _, d := range decisions {
		switch d := d.(type) {
		case queue.Grant:
			all = append(all, fmt.Sprintf("grant %d %s %s:%s", d.Lease.ID, d.Lease.Drive, d.Lease.Volume, numbers(d.Lease.Requests)))
		case queue.Extend:
			all = append(all, fmt.Sprintf("extend %d:%s", d.Lease, numbers(d.Requests)))
		case queue.Yield:
			all = append(all, fmt.Sprintf("yield %d", d.Lease))
		case queue.Dismount:
			all = append(all, fmt.Sprintf("dismount %d %s %s", d.Lease, d.Drive, d.Volume))
		case queue.Preempt:
			all = append(all, fmt.Sprintf("preempt %d", d.Lease))
		case queue.Blame:
			all = append(all, fmt.Sprintf("blame %s%s", d.Drive, d.Volume))
		}
	}
	return strings.Join(all, "; ")
}

func (d *desk) ready(drive queue.Drive, mounted queue.Volume) string {
	d.is.Helper()
	return d.do(queue.DriveReady{Time: d.now, Drive: drive, Libraries: []queue.Library{"L"}, Mounted: mounted})
}

func (d *desk) write(n int, f queue.Family, width int, priority int) string {
	d.is.Helper()
	return d.do(queue.Submitted{Time: d.now, Request: queue.Request{ID: id(n), Kind: queue.Write, Library: "L", Family: f, Width: width, Size: 1000, Priority: priority, Accepted: d.now}})
}

func (d *desk) read(n int, v queue.Volume, file int64) string {
	d.is.Helper()
	return d.do(queue.Submitted{Time: d.now, Request: queue.Request{ID: id(n), Kind: queue.Read, Library: "L", Family: raw, Size: 1000, Volume: v, Position: queue.Position{File: file, Block: -1}, Accepted: d.now}})
}

func (d *desk) chosen(l queue.LeaseID, v queue.Volume) string {
	d.is.Helper()
	return d.do(queue.VolumeChosen{Time: d.now, Lease: l, Volume: v, Room: -1})
}

func (d *desk) ended(l queue.LeaseID, mounted queue.Volume) string {
	d.is.Helper()
	return d.do(queue.LeaseEnded{Time: d.now, Lease: l, Mounted: mounted})
}

func (d *desk) more(l queue.LeaseID) string {
	d.is.Helper()
	return d.do(queue.LeaseMore{Time: d.now, Lease: l})
}

func (d *desk) done(n int) string { d.is.Helper(); return d.do(queue.Finished{Time: d.now, ID: id(n)}) }

func (d *desk) why(n int) queue.Reason {
	d.is.Helper()
	w, ok := d.m.Find(id(n))
	d.is.True(ok)
	return w.Reason
}

func TestReadsOfAVolumeGoByPositionInOneSweep(t *testing.T) {
	d := newDesk(t, queue.Settings{Batch: 2})
	for i, file := range []int64{30, 10, 40, 20} {
		d.is.Equal(d.read(i+1, "V1", file), "")
	}
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 V1: 2 4")
	d.is.Equal(d.read(5, "V1", 25), "") // ahead of the head: into this sweep
	d.is.Equal(d.read(6, "V1", 5), "")  // behind it: into the next
	d.is.Equal(d.more(1), "extend 1: 5 1")
	d.is.Equal(d.more(1), "extend 1: 3 6")
	d.is.Equal(d.more(1), "")
	d.is.Equal(d.read(7, "V1", 50), "extend 1: 7") // the lease still wants more
	d.is.Equal(d.read(8, "V1", 60), "")            // now it does not
	d.is.Equal(d.ended(1, "V1"), "")
	d.is.Equal(d.ready("d0", "V1"), "grant 2 d0 V1: 8 6") // what was not settled comes back, and the sweep goes on behind file 50
}

func TestPlannedOrderRules(t *testing.T) {
	d := newDesk(t, queue.Settings{Batch: 3})
	for i := 1; i <= 4; i++ {
		d.read(i, "V1", int64(i))
	}
	d.is.Equal(d.do(queue.Ordered{Time: d.now, Volume: "V1", Order: []queue.RequestID{id(3), id(99), id(1), id(3)}}), "")
	d.read(5, "V1", 0)
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 V1: 3 1 5")
	d.is.Equal(d.more(1), "extend 1: 2 4")
}

func TestWritesGoByPriorityThenAge(t *testing.T) {
	d := newDesk(t, queue.Settings{Batch: 10, AgeStep: time.Minute})
	d.write(1, raw, 1, 0)
	d.now = after(time.Second)
	d.write(2, raw, 1, 5)
	d.now = after(2 * time.Second)
	d.write(3, raw, 1, 0)
	d.now = after(10 * time.Minute)
	d.write(4, raw, 1, 5) // five minutes' worth of priority, ten minutes later
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 : 2")
	d.is.Equal(d.chosen(1, "V1"), "extend 1: 1 3 4")
}

func TestWidthIsNeverExceeded(t *testing.T) {
	d := newDesk(t, queue.Settings{Batch: 1})
	for i := 1; i <= 4; i++ {
		d.write(i, raw, 2, 0)
	}
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 : 1")
	d.is.Equal(d.ready("d1", ""), "grant 2 d1 : 2")
	d.is.Equal(d.ready("d2", ""), "")
	d.is.Equal(d.why(3), queue.WidthReached)
	d.is.Equal(d.write(5, raw, 3, 0), "grant 3 d2 : 3") // a wider request widens the family
}

func TestWaitingReadsDoNotStopOtherVolumes(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.read(1, "V1", 1)
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 V1: 1")
	d.read(2, "V1", 2)
	d.now = after(time.Second)
	d.read(3, "V2", 1)
	d.is.Equal(d.ready("d1", ""), "grant 2 d1 V2: 3") // request 2 is older, but its volume is in use
	d.is.Equal(d.why(2), queue.VolumeInUse)
	d.done(1)
	d.is.Equal(d.ended(1, "V1"), "")
	d.is.Equal(d.why(2), queue.VolumeElsewhere)
	d.is.Equal(d.ready("d2", ""), "") // V1 has not left d0
	d.is.Equal(d.do(queue.VolumeLeft{Time: d.now, Volume: "V1"}), "grant 3 d2 V1: 2")
}

func TestAMountedVolumeIsPreferredButNotForEver(t *testing.T) {
	d := newDesk(t, queue.Settings{Affinity: time.Minute})
	d.read(1, "V2", 1)
	d.now = after(59 * time.Second)
	d.read(2, "V1", 1)
	d.is.Equal(d.ready("d0", "V1"), "grant 1 d0 V1: 2") // younger, but mounted

	d = newDesk(t, queue.Settings{Affinity: time.Minute})
	d.read(1, "V2", 1)
	d.now = after(61 * time.Second)
	d.read(2, "V1", 1)
	d.is.Equal(d.ready("d0", "V1"), "grant 1 d0 V2: 1")
}

func TestDriveChoice(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.ready("d0", "V7")
	d.do(queue.DriveReady{Time: d.now, Drive: "d1", Libraries: []queue.Library{"L", "M"}})
	d.ready("d2", "")
	d.ready("d3", "V1")
	d.do(queue.DriveReady{Time: d.now, Drive: "d4", Libraries: []queue.Library{"L"}, Mounted: "V8", MountedFamily: raw})
	d.is.Equal(d.read(1, "V1", 1), "grant 1 d3 V1: 1")  // mounted there
	d.is.Equal(d.write(2, raw, 1, 0), "grant 2 d4 : 2") // a volume of the family is there
	d.is.Equal(d.read(3, "V3", 1), "grant 3 d2 V3: 3")  // empty, and of no use to library M
	d.is.Equal(d.read(4, "V4", 1), "grant 4 d1 V4: 4")  // empty
	d.is.Equal(d.read(5, "V5", 1), "grant 5 d0 V5: 5")  // its mover puts V7 away first
	d.is.Equal(d.read(6, "V7", 1), "")                  // which nobody else gets before it left
	d.is.Equal(d.why(6), queue.VolumeElsewhere)
	d.is.Equal(slices.Contains(d.m.InUse("d9"), "V7"), true) // nor for writing
}

func TestVolumeInADriveThatCannotServeItIsTakenOut(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.do(queue.DriveReady{Time: d.now, Drive: "d0", Libraries: []queue.Library{"M"}, Mounted: "V1"})
	d.is.Equal(d.read(1, "V1", 1), "")
	d.is.Equal(d.why(1), queue.NoDrive)
	d.is.Equal(d.ready("d1", ""), "dismount 1 d0 V1")
	d.is.Equal(d.ended(1, ""), "grant 2 d1 V1: 1")
}

func TestRequeuedRequestPrefersAnotherDrive(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.read(1, "V1", 1)
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 V1: 1")
	d.is.Equal(d.do(queue.Requeued{Time: d.now, ID: id(1), Avoid: "d0"}), "")
	d.is.Equal(d.more(1), "yield 1") // not to the same lease again
	d.is.Equal(d.ready("d1", ""), "")
	d.is.Equal(d.ended(1, "V1"), "")
	d.is.Equal(d.ready("d0", "V1"), "dismount 2 d0 V1")
	d.is.Equal(d.ended(2, ""), "grant 3 d1 V1: 1")

	d.is.Equal(d.do(queue.Requeued{Time: d.now, ID: id(1), Avoid: "d1"}), "")
	d.ended(3, "V1")
	d.is.Equal(d.ready("d1", "V1"), "grant 4 d1 V1: 1") // the only one: better than none
}

func TestNoRoomParksTheFamilyUntilThereIs(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.write(1, raw, 1, 0)
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 : 1")
	d.is.Equal(d.do(queue.VolumeRefused{Time: d.now, Lease: 1, Reason: queue.NoVolume}), "")
	d.is.Equal(d.why(1), queue.NoRoom)
	d.is.Equal(d.write(2, raw, 1, 0), "") // behind the first
	d.is.Equal(d.write(3, family("other"), 1, 0), "grant 2 d0 : 3")
	d.chosen(2, "V1")
	d.done(3)
	d.ended(2, "V1")
	d.is.Equal(d.ready("d0", "V1"), "") // V1 is of another family
	d.is.Equal(d.do(queue.VolumesChanged{Time: d.now, Library: "L"}), "grant 3 d0 : 1")
	d.is.Equal(d.do(queue.VolumeRefused{Time: d.now, Lease: 3, Reason: queue.NoVolume}), "")
	d.is.Equal(d.do(queue.Cancelled{Time: d.now, ID: id(1)}), "grant 4 d0 : 2") // the next may be smaller
	d.is.Equal(d.do(queue.VolumeRefused{Time: d.now, Lease: 4, Reason: queue.Conflict}), "grant 5 d0 : 2")
}

func TestAVolumeOfTheFamilyThatIsFreeAgainEndsNoRoom(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.read(1, "V1", 1)
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 V1: 1")
	d.write(2, raw, 1, 0)
	d.is.Equal(d.ready("d1", ""), "grant 2 d1 : 2")
	d.do(queue.VolumeRefused{Time: d.now, Lease: 2, Reason: queue.NoVolume}) // V1 is being read
	d.is.Equal(d.why(2), queue.NoRoom)
	d.done(1)
	d.is.Equal(d.ended(1, ""), "grant 3 d1 : 2")
}

func TestRoomOfTheVolumeBoundsALease(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	for i := 1; i <= 5; i++ {
		d.write(i, raw, 1, 0) // 1000 bytes each
	}
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 : 1")
	d.is.Equal(d.do(queue.VolumeChosen{Time: d.now, Lease: 1, Volume: "V1", Room: 3500}), "extend 1: 2 3")
	d.is.Equal(d.more(1), "yield 1")
}

func TestALeaseYieldsToOthersWhenItHadItsShare(t *testing.T) {
	d := newDesk(t, queue.Settings{Batch: 4, LeaseFiles: 4, Affinity: -1})
	for i := 1; i <= 12; i++ {
		d.write(i, raw, 1, 0)
	}
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 : 1")
	d.is.Equal(d.chosen(1, "V1"), "extend 1: 2 3 4 5") // alone: no bound
	d.now = after(time.Second)
	d.write(20, family("other"), 1, 0)
	d.is.Equal(d.more(1), "yield 1")
	for i := 1; i <= 5; i++ {
		d.done(i)
	}
	d.is.Equal(d.ended(1, "V1"), "")
	d.is.Equal(d.ready("d0", "V1"), "grant 2 d0 : 20") // its turn, though the backlog of raw is older
}

func TestTimeEndsALeaseThatOthersWaitFor(t *testing.T) {
	d := newDesk(t, queue.Settings{LeaseTime: time.Minute})
	d.write(1, raw, 1, 0)
	d.ready("d0", "")
	d.chosen(1, "V1")
	d.read(2, "V1", 1) // waits for the very volume
	d.is.Equal(d.more(1), "")
	d.now = after(time.Minute)
	d.is.Equal(d.more(1), "yield 1")
}

func TestExpiredLeaseKeepsItsVolumeFromOthers(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.read(1, "V1", 1)
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 V1: 1")
	d.is.Equal(d.do(queue.LeaseExpired{Time: d.now, Lease: 1}), "")
	d.is.Equal(d.ready("d1", ""), "")
	d.is.Equal(d.why(1), queue.VolumeElsewhere)
	d.is.Equal(d.ready("d0", ""), "grant 2 d0 V1: 1") // the drive says it is empty, and may have the volume
}

func TestHeldLibraryStartsNothing(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.do(queue.LibraryHeld{Time: d.now, Library: "L", Writes: true})
	d.ready("d0", "")
	d.is.Equal(d.write(1, raw, 1, 0), "")
	d.is.Equal(d.why(1), queue.Held)
	d.is.Equal(d.read(2, "V1", 1), "grant 1 d0 V1: 2")
	d.ready("d1", "")
	d.is.Equal(d.do(queue.LibraryHeld{Time: d.now, Library: "L"}), "grant 2 d1 : 1")
}

func TestBlockedVolume(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.do(queue.VolumeBlocked{Time: d.now, Volume: "V1", Reason: "noaccess"})
	d.ready("d0", "")
	d.is.Equal(d.read(1, "V1", 1), "")
	w, _ := d.m.Find(id(1))
	d.is.Equal(w.Reason, queue.Blocked)
	d.is.Equal(w.Blocker, "V1: noaccess")
	d.is.Equal(d.do(queue.VolumeFreed{Time: d.now, Volume: "V1"}), "grant 1 d0 V1: 1")
}

func TestReprioritise(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.read(1, "V1", 1)
	d.now = after(time.Second)
	d.read(2, "V2", 1)
	d.do(queue.Reprioritised{Time: d.now, ID: id(2), Priority: 1})
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 V2: 2")
}

func TestEventsThatDoNotFit(t *testing.T) {
	good := queue.Request{ID: id(1), Kind: queue.Write, Library: "L", Family: raw, Width: 1, Accepted: start}
	with := func(change func(*queue.Request)) queue.Event {
		r := good
		r.ID = id(2)
		change(&r)
		return queue.Submitted{Time: start, Request: r}
	}
	cases := []struct {
		name string
		e    queue.Event
		want error
	}{
		{"nothing", nil, queue.ErrInvalid},
		{"the same request", queue.Submitted{Time: start, Request: good}, queue.ErrDuplicate},
		{"zero id", with(func(r *queue.Request) { r.ID = queue.RequestID{} }), queue.ErrInvalid},
		{"no library", with(func(r *queue.Request) { r.Library = "" }), queue.ErrInvalid},
		{"negative width", with(func(r *queue.Request) { r.Width = -1 }), queue.ErrInvalid},
		{"absurd size", with(func(r *queue.Request) { r.Size = -2 }), queue.ErrInvalid},
		{"unknown kind", with(func(r *queue.Request) { r.Kind = 9 }), queue.ErrInvalid},
		{"read of no volume", with(func(r *queue.Request) { r.Kind = queue.Read }), queue.ErrInvalid},
		{"write of no family", with(func(r *queue.Request) { r.Family = queue.Family{} }), queue.ErrInvalid},
		{"cancel of a stranger", queue.Cancelled{ID: id(9)}, queue.ErrUnknownRequest},
		{"requeue of one that waits", queue.Requeued{ID: id(1)}, queue.ErrUnknownRequest},
		{"more for no lease", queue.LeaseMore{Lease: 9}, queue.ErrUnknownLease},
		{"end of no lease", queue.LeaseEnded{Lease: 9}, queue.ErrUnknownLease},
		{"volume for no lease", queue.VolumeChosen{Lease: 9, Volume: "V1"}, queue.ErrUnknownLease},
		{"nameless drive", queue.DriveReady{Libraries: []queue.Library{"L"}}, queue.ErrInvalid},
		{"drive of no library", queue.DriveReady{Drive: "d0"}, queue.ErrInvalid},
		{"a stranger goes", queue.DriveGone{Drive: "d0"}, queue.ErrUnknownDrive},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, queue.Settings{})
			d.do(queue.Submitted{Time: start, Request: good})
			_, err := d.m.Apply(c.e)
			isErr(d.is, err, c.want)
			d.is.Equal(d.ready("d1", ""), "grant 1 d1 : 1") // and nothing is broken
		})
	}
}

func TestVolumeInUseCannotBeChosen(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.read(1, "V1", 1)
	d.ready("d0", "")
	d.write(2, raw, 1, 0)
	d.is.Equal(d.ready("d1", ""), "grant 2 d1 : 2")
	_, err := d.m.Apply(queue.VolumeChosen{Time: start, Lease: 2, Volume: "V1"})
	isErr(d.is, err, queue.ErrVolumeInUse)
	d.is.Equal(d.chosen(2, "V2"), "")
}

func TestAbsurdPrioritiesAndTimesDoNotOverflow(t *testing.T) {
	d := newDesk(t, queue.Settings{MaxPriority: 1 << 60, AgeStep: 1 << 62})
	far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	d.write(1, family("a"), 1, -1<<62)
	d.do(queue.Submitted{Time: far, Request: queue.Request{ID: id(2), Kind: queue.Write, Library: "L", Family: family("b"), Width: 1, Priority: 1 << 62, Accepted: far}})
	d.do(queue.Submitted{Time: time.Time{}, Request: queue.Request{ID: id(3), Kind: queue.Write, Library: "L", Family: family("c"), Width: 1}})
	d.is.Equal(d.ready("d0", ""), "grant 1 d0 : 2")
	d.is.Equal(d.ready("d1", ""), "grant 2 d1 : 3") // a priority of -1,000,000 makes up for 114 years
	d.is.Equal(d.ready("d2", ""), "grant 3 d2 : 1")
}

func TestListing(t *testing.T) {
	d := newDesk(t, queue.Settings{})
	d.read(1, "V1", 1)
	d.ready("d0", "")
	d.read(2, "V1", 2)
	d.read(3, "V1", 3)
	d.write(4, raw, 2, 7)
	var lines []string
	for w := range d.m.Waiting() {
		lines = append(lines, fmt.Sprintf("%s %s %s: %s (%s) %d", w.Request.ID.String()[31:], w.Request.Kind, w.Request.Volume, w.Reason, w.Blocker, w.Ahead))
	}
	d.is.Equal(lines, []string{
		"1 read V1: in work () 0",
		"2 read V1: the volume is in use (V1 in d0) 0",
		"3 read V1: the volume is in use (V1 in d0) 1",
		"4 write : no drive of the library is ready (L) 0",
	})
}

func isErr(is *is.I, err, want error) {
	is.Helper()
	if !errors.Is(err, want) {
		is.Equal(err, want)
	}
}

// machine makes a machine whose settings are good.
func machine(s queue.Settings) *queue.Machine {
	m, err := queue.New(s)
	if err != nil {
		panic(err)
	}
	return m
}
