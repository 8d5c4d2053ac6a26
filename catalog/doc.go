// Package catalog knows what is where: which volumes there are, what state they are in
// and who writes on them, which files lie on them and at what place, and what happened
// to them. It is what Enstore called file clerk and volume clerk, in one, over a
// transactional [Store].
//
// Nouns: a [Volume] is one cartridge, named by its [Label]; the files of a volume share
// a [Family]. A [File] lies at a [Location] of a volume and is named by its [BFID]. A
// [Grant] is a lease of a volume: it carries the epoch, which every lease raises, so that
// whoever held the volume before can record nothing more (ErrFenced). An [Intent] is the
// open intent to write behind a volume's end of data. A [Commit] is one flush, everything
// between two synchronisations of a drive; it is recorded whole or not at all. An [Event]
// is a line of the outbox, recorded in the transaction of which it tells.
//
//	c, err := catalog.Open(ctx, memstore.New(), nil)
//	err = c.AddVolume(ctx, catalog.Volume{Label: "VO1234L8", Library: "LTO8", MediaType: "LTO8", Capacity: 12e12})
//	family, err := catalog.ParseFamily("cms.raw.cpio_odc")
//	g, err := c.ChooseForWrite(ctx, catalog.Choice{Lease: catalog.NewLeaseID(), Library: "LTO8", Family: family, MinBytes: size})
//	g, err = c.Labelled(ctx, g.Lease, g.Volume.Label, g.Epoch, 256<<10)
//	// … write one file at tape file 1, synchronise …
//	results, err := c.Flush(ctx, catalog.Commit{Lease: g.Lease, Seq: 1, Volume: g.Volume.Label, Epoch: g.Epoch,
//		From: g.Volume.EOD, To: catalog.Location{File: 2}, Remaining: -1,
//		Files: []catalog.NewFile{{Request: id, Location: catalog.Location{File: 1}, Size: size, Adler: sum}}})
//	err = c.EndIntent(ctx, g.Lease, g.Volume.Label, g.Epoch)
//
// # A volume's life with writers
//
// ChooseForWrite picks a volume, raises its epoch and records the intent, in one
// transaction. Each Flush moves the end of data, on the condition that epoch and end of
// data are those with which the flush began. EndIntent says that nothing lies behind the
// end of data; a lease that cannot say so ends by AbandonIntent, or by the next lease of
// the volume, of whatever kind: then the intent stays, and explains to the next writer
// (Grant.Explains) what he may find there. An intent whose epoch is the volume's is held
// (Volume.Writing): it counts for the width of the family, and the volume is not chosen.
// The catalogue does not know which process is alive: who does ends the leases of the dead.
//
// # What it does not do
//
// It moves no bytes, opens no tape, asks no robot, and starts no goroutine. It does not
// know which volumes are mounted, nor which leases have expired. Directories and paths are
// the work of package namespace, which keeps them in the same store.
package catalog
