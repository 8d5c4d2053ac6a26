// Package library is the library manager: it accepts requests, keeps them in a journal until they are done, and hands
// leases of volumes to movers. What goes next is decided by package queue; what is true of files and volumes by the
// catalogue.
//
// # Nouns
//
// A [Library] is the manager of all libraries of a site. A request is one file to be stored or read, known by the id
// that its client chose. A lease gives one volume to one drive, with requests in order; it carries the
// volume's epoch, ends when its mover releases it, and is over when nothing was heard of the mover for Options.LeaseTime.
//
//	l, err := library.Open(ctx, library.Options{Dir: dir, Catalog: cat, Tree: namespace.New(cat), Spool: sp, Fits: fits})
//	defer l.Close()
//	// for clients: the request half of wire.Control
//	ticket, err := l.Accept(ctx, wire.Put{ID: catalog.NewRequestID(), Key: "/cms/raw/run1", Size: 1 << 30, Level: catalog.OnTape})
//	turn, err := l.Await(ctx, ticket.ID)     // where to send it
//	record, err := l.Outcome(ctx, ticket.ID, 0) // when it is on tape
//	// for movers: wire.Dispatcher
//	lease, err := l.Next(ctx, wire.DriveReport{Drive: "d0", Libraries: libraries})
//	err = l.Settle(ctx, lease.ID, settlements)
//	err = l.Release(ctx, lease.ID, wire.Release{Mounted: lease.Grant.Volume.Label})
//
// # What is durable
//
// A write is in the journal, synced, before Accept returns; many callers share one sync. Nothing else needs to
// be: after a start the catalogue is asked for every request that was on its way. One that it recorded is done; one
// whose bytes are complete in the spool is queued again; a client that streamed to a drive, and every read, ended with the process
// that they were connected to, with the error Restart. The journal also begins with a snapshot of the queue, and holds its events, in order and
// without a sync of their own, so that the decisions since the last start, or since the journal was last begun anew,
// can be made again and compared: [History], [Replay].
//
// A file that is whole in the spool and of which neither journal nor catalogue knows, because the journal was lost or its end damaged, is not removed: it may
// have been acknowledged. It is held and listed until it is cancelled. What a person says of a write, that it is to be held or has another priority, is synced
// before the call returns.
//
// # Who is admitted
//
// A library is open, or takes no requests, no reads or no writes, or takes them and starts none ([Library.SetState]; durable, with reason and who).
// Beyond Options.MaxRequests on their way, or MaxPerUser of one user, clients are told Busy, with a time to come again that is derived from the queue's estimate;
// requests that a rule makes administrative are admitted up to twice that. The rules are Options.Queue, and can be changed with [Library.Configure].
//
// A drive that is wanted for such a request is freed when its mover has done the file at hand: it asks before it begins the next one, and is told to give it back.
//
// # Figures
//
// Of 64 callers, accepted requests are 0.2 to 0.4 of what a bare loop appends and syncs, 64 records at a time, where a sync takes a tenth of a millisecond
// (BenchmarkRatioAccept, beside other work; the goal of 0.5 is not met: 30 microseconds of each request go into looking names up, the queue and memory). A start with a million
// requests in the journal takes 15 to 27 s (BenchmarkRecovery, likewise; the goal of 10 s is not met).
//
// # Whose fault
//
// A request that failed for a reason that is not its own is queued again as long as somebody can give its bytes once
// more: the spool, the tape, or a client whose source can be read again (Put.Again). Another drive is then
// preferred, and the volume is vetoed if it was at fault. After Options.MaxAttempts the last error stands, but not
// for a file in the spool: its client was told that it is safe there, and it is tried until it is on tape.
//
// # The order of reads
//
// The reads that wait for a volume are put into an order by package order and told the queue as an event, if Options.Reel knows the
// volume's geometry and the catalogue the files' block numbers; else they go by position, sweep after sweep. The plan
// is renewed as requests come, and no read is put off by more than a few plans.
//
// # What it does not do
//
// It moves no bytes, mounts nothing, and knows drives only from what their movers say. It does not serve a network:
// package site hands it to clients and movers. It does not poll.
//
// # Locks
//
// In this order: telling (one word about the state of libraries at a time), grants (one lease at a time gets its volume), the journal's io, mu (all state of this package), the
// journal's mu. Catalogue and spool are never called with mu held.
package library
