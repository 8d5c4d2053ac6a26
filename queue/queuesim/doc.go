// Package queuesim plays the drives, the robots, the catalogue and the clients of a tape site towards a decider under an event clock, and tells
// what its decisions are worth. A simulated day of the largest site takes seconds.
//
// # Nouns
//
// A [Scenario] is a [Site] (libraries with drives and robots), what is asked of it, and for how long. What is asked is made by [Stream] tables, or
// comes from a workload file ([ReadArrivals]) as [Arrival]. A [Decider] is whoever decides: a *queue.Machine with some settings, or the rules of
// others, in package peers. A [Result] is what came of it.
//
//	m, err := queue.New(settings)
//	ours, err := queuesim.Run(scenario, m)
//	theirs, err := queuesim.Run(scenario, peers.NewCTA(peers.CTASettings{}))
//	err = queuesim.Table(os.Stdout, []queuesim.Named{{Name: "ours", Result: ours}, {Name: "CTA", Result: theirs}})
//
// # The model
//
// Drives load, locate (package tape/order, its kinematic costs), stream at their rate, rewind and unload in the published times of their
// generation; a robot has arms and a queue. Reads are done in the order that the decider gives. The catalogue has a family written on the volume
// that is in the drive, else on the fullest one that will do, else on a blank. Everything is integer nanoseconds and seeded: the same scenario
// gives the same result. What cannot be (a volume in two drives, a request in two leases, a width passed) ends the run with an error.
//
// # What it does not do
//
// Clients are never slow, networks and disks never full, and files are never spread over volumes. Copies are read where the decider sends them,
// but streams make none. Nobody changes his mind.
package queuesim
