// Package queue decides who goes next on the drives of a tape library.
//
// It is a pure machine: events go in, decisions come out, and the same events give the same decisions, bit for bit. It
// reads no clock (every event carries its time), starts no goroutine, never looks at a map in the order of the map, and
// never polls: it decides only when an event changed something. What cannot run is parked on the one thing that would
// free it, so a million waiting requests cost nothing until that thing happens.
//
// # Nouns
//
// A [Request] is one file to be read, written, verified or migrated. Requests stand in groups: those of a volume, in the order in which
// the volume will be swept; writes by library and volume family, by urgency. A [Lease] is what a drive works on:
// one volume for one drive, with requests of one group in order. A drive that has nothing to do is ready; it says so
// with a [DriveReady] event and hears of its work in a [Grant], which tells why it was this one ([Why]).
//
// # Use
//
//	m, err := queue.New(queue.Settings{})
//	decisions, err := m.Apply(queue.DriveReady{Time: now, Drive: "d0", Libraries: []queue.Library{"LTO9"}})
//	decisions, err = m.Apply(queue.Submitted{Time: now, Request: queue.Request{ID: id, Kind: queue.Write, Library: "LTO9", Family: f, Width: 1, Size: 1 << 30, Accepted: now}})
//	for _, d := range decisions {
//		switch d := d.(type) {
//		case queue.Grant:    // d.Lease goes to its drive; a write lease still needs its volume: VolumeChosen or VolumeRefused
//		case queue.Extend:   // further requests for a lease
//		case queue.Yield:    // the lease that asked for more shall end, others wait for its drive
//		case queue.Dismount: // a volume that rests in an idle drive is needed in another one, or has rested long enough
//		case queue.Preempt:  // the drive of a lease is needed at the next file boundary
//		case queue.Blame:    // a drive or volume has failed too often
//		}
//	}
//	all, ok := m.Explain(id)      // what holds it back, each with what would free it
//	e, ok := m.Estimate(id)       // when it will be done, with an interval
//	time.Sleep(time.Until(m.Wake())) // then apply a Tick
//
// # Order
//
// Administrative requests ([Request.Admin], as a rule of package priority may make them) go before all others, and have a drive freed at the
// next file boundary: that of background work (priority below 0) first. Then come shares that have fewer drives than they are
// guaranteed, then those that have used least for their weight (package fairshare); a share at its most, and what a limit of package discipline
// holds back, wait.
//
// Within a share a unit of priority is worth [Settings.AgeStep] of waiting. Since all requests age alike, the order of two requests
// never changes, and each can be given a fixed point in time, its due time: accepted - priority x AgeStep. The earlier
// goes first, and among equals the one that was submitted first. Some things make a request count as accepted earlier than it was, each
// by a bounded time: a deadline that is near (Lead), for a write its dataset's first request (Window), for a read that only the last few of its
// dataset are left (Tail). A group counts as its most urgent request, and earlier if its volume rests in a ready drive (Affinity), and if much of
// the drive's time would be spent on data rather than on mounting and locating (Useful). A group that just had a lease counts as if its requests had
// been accepted when that lease ended, so that groups of equal priority take turns, however long the backlog of one of them is.
//
// # Bound on waiting
//
// Let nothing but the want of a drive hold a group back since time t, at which its most urgent request, of priority p,
// was accepted or its last lease ended, whichever was later. Let C be Lead + Window + Tail + Affinity + Useful. After t + (MaxPriority - p) x AgeStep + C,
// every other group of its share is granted at most one more lease before this one gets one; and while anything waits for its drive, a lease is not given more
// requests once it has had LeaseFiles files, LeaseBytes bytes or lasted LeaseTime. Between shares the weights bound the waiting: one that always has work gets its
// part of the drive time, but for two leases. In a group of writes newer requests of its own
// family overtake one only for (MaxPriority - p) x AgeStep + C. In a group of reads a request waits for at most one sweep of
// its volume. Administrative requests stand above all this: who may make them must be bounded by the rules.
//
// # Explanation
//
// [Machine.Explain] names everything that holds a request back, and nothing else: when all of it is gone the request runs, and when one thing stays it does
// not. TestRandomWorlds checks that against a naive observer in random states.
//
// # Estimates
//
// [Machine.Estimate] adds up the work that goes before a request, and scales it by how far off such sums have been lately. Four intervals of five
// hold: 83 % of the starts and 84 % of the ends, of 4000 requests of a simulated week (TestIntervalsOfEstimatesHold, in queuesim).
//
// # Replay
//
// Events can be kept ([EncodeEvent]), so can the whole state ([Machine.Snapshot]); a machine made by [Restore] decides as the one of which the snapshot was made.
// [Digest] compares decisions. Package queuesim plays workloads and journals against other settings and other schedulers.
//
// # Cost
//
// A whole turn of a drive (its lease ends, its request is finished, another is submitted, the drive is ready and granted
// the next) takes 6 microseconds with a thousand requests and 1.5 times that with a million (BenchmarkRatioSelectNext; 2.7 times with 50,000 volumes instead of
// 100, at 100,000 requests), 0.0003 of looking through a million once (BenchmarkRatioScan). Putting one in, finding and cancelling it costs 4 times
// as much at a million as at a thousand (BenchmarkRatioPut). A waiting request takes 250 bytes, its share of groups and volumes
// included: BenchmarkMemory, a million requests on 25,000 volumes.
//
// # Where Enstore decides otherwise
//
// Package queuesim/peers has Enstore's rules, checked against decisions of the original. This machine differs from them on purpose:
//
//	Enstore                                                  here
//	the read of lowest location goes first on a new mount     the sweep goes on where it was; an administrative read begins it
//	lists age as a whole                                      each request ages
//	a mounted volume is served while anything is for it       until it has had its share and others wait
//	limits of storage groups are soft                         shares: guaranteed, proportional, and a hard maximum
//	an administrative request waits for a file's end or       the drive is freed at the next file boundary
//	up to a minute
//	a volume is never again used in a drive in which it       while another drive is there; forgiven by success, time, or a person
//	failed
//
// # What it does not do
//
// It does not know volumes that nobody asked for, capacities, or what lies on tape: for a write the engine asks the
// catalogue and tells the answer as an event. It does not keep events; the engine that owns it journals them.
// It is not safe for use by several goroutines at once.
package queue
