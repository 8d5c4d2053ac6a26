// Package queue decides who goes next on the drives of a tape library.
//
// It is a pure machine: events go in, decisions come out, and the same events give the same decisions, bit for bit. It
// reads no clock (every event carries its time), starts no goroutine, never looks at a map in the order of the map, and
// never polls: it decides only when an event changed something. What cannot run is parked on the one thing that would
// free it, so a million waiting requests cost nothing until that thing happens.
//
// # Nouns
//
// A [Request] is one file to be read or written. Requests stand in groups: reads by volume, in the order in which the
// volume will be swept; writes by library and volume family, by priority and age. A [Lease] is what a drive works on:
// one volume for one drive, with requests of one group in order. A drive that has nothing to do is ready; it says so
// with a [DriveReady] event and hears of its work in a [Grant].
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
//		case queue.Dismount: // a volume that rests in an idle drive is needed in another one
//		}
//	}
//
// # Order
//
// A unit of priority is worth [Settings.AgeStep] of waiting. Since all requests age alike, the order of two requests
// never changes, and each can be given a fixed point in time, its due time: accepted - priority x AgeStep. The earlier
// goes first, and among equals the one that was submitted first. A group counts as its most urgent request, with two
// corrections. A group whose volume rests in a ready drive counts as [Settings.Affinity] earlier, since it costs no
// mount. A group that just had a lease counts as if its requests had been accepted when that lease ended, so that groups
// of equal priority take turns, however long the backlog of one of them is.
//
// # Bound on waiting
//
// Let nothing but the want of a drive hold a group back since time t, at which its most urgent request, of priority p,
// was accepted or its last lease ended, whichever was later. After t + (MaxPriority - p) x AgeStep + Affinity, every
// other group is granted at most one more lease before this one gets one; and while anything waits for its drive, a lease is not given more requests once it has had LeaseFiles
// files, LeaseBytes bytes or lasted LeaseTime. In a group of writes requests go by due time, so newer ones of its own
// family overtake it only for (MaxPriority - p) x AgeStep. In a group of reads a request waits for at most one sweep of
// its volume.
//
// # Cost
//
// A whole turn of a drive (its lease ends, its request is finished, another is submitted, the drive is ready and granted
// the next) takes 2 microseconds with a thousand requests, 6 with a million on 100 volumes, 9 with 100,000 on 50,000
// volumes: BenchmarkSelectNext, on a core of a Xeon. A waiting request takes 230 bytes, its share of groups and volumes
// included: BenchmarkMemory, a million requests on 25,000 volumes.
//
// # What it does not do
//
// It does not know volumes that nobody asked for, capacities, or what lies on tape: for a write the engine asks the
// catalogue and tells the answer as an event. It does not keep events; the engine that owns it journals them
// ([EncodeEvent], [DecodeEvent]). It is not safe for use by several goroutines at once.
package queue
