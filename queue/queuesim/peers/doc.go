// Package peers holds the scheduling rules of Enstore's library manager and of CERN's CTA, as far as they are known, as
// deciders that take the place of [queue.Machine]: the same events in, the same kinds of decisions out, so that all three
// can be given the same work and compared.
//
// [NewEnstore] and [NewCTA] make the two. Each has
//
//	Apply(e queue.Event) ([]queue.Decision, error)
//	Wake() time.Time
//
// as the machine has. They are pure: no clock, no goroutine, and the same events give the same decisions.
//
// # What both have in common
//
// The originals are asked by their drives every 10 to 15 seconds; these answer at every event, which is to the advantage of
// what they stand for. They choose volumes for writes no more than the machine does: the driver answers VolumeChosen. Neither
// original leaves a volume in a drive that has no work for it, so a drive that comes back with one gets a Dismount at once.
// Events that the originals have nothing like (Ordered, holds, strikes, settings of the machine) are ignored, and so are
// further copies of a file. A failed read is given to another lease, never given up.
//
// # Enstore
//
// One library manager for each library, with its queue of bundles (reads of a volume by location, writes of a family by
// priority), an administrative half, priorities by rules, aging, storage group limits that are soft, host limits, widths,
// and the drive with a mounted volume that keeps it while there is work for it. One request is handed out at a time, as
// Enstore does. Where the original departs from what it is documented to do, this does what is documented: priorities grow for each
// request by itself; storage group limits hold for drives without a volume, as soon as no other drive is idle.
//
// Priority 0 of the queue is Enstore's ordinary base priority 1, negative ones are its background work. Administrative
// priority 1 of the queue is Enstore's 0.
//
// Known to be missing: suspect volumes and drives; regrets to the client, for example when there is no volume (the writes of
// the family then wait); the states of a library manager; the length limit of the queue; ephemeral families; volumes that are
// read while they are still being filled, which count against the width there; disk movers and packages; asserts; dismount
// delays that a client asks for.
//
// # CTA
//
// A queue for each tape pool (the writes of a family in a library) and for each tape, the criteria that warrant a mount, the
// caps of virtual organizations, the order of mounts, batches, and sessions that go on until their queue is empty.
//
// Known to be missing: mount policies and activities (the priority is that of the request, the ages are two settings); repack
// queues of their own, with doubled criteria (requests of kind Migrate are retrieved as all others are); disk systems that are
// full; the choice between copies; the underfill watch of archive sessions; drives' own access order, unless Arrange is set.
package peers
