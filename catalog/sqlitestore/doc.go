// Package sqlitestore keeps a catalogue in one SQLite file: the store of a site on one
// machine, with nothing to install.
//
// Its only noun is [Store], a catalog.Store.
//
//	s, err := sqlitestore.Open(ctx, "/srv/site/catalogue.db")
//	if errors.Is(err, schema.ErrVersion) {
//		return err // the file was made by a later version of this program
//	}
//	defer s.Close()
//	c, err := catalog.Open(ctx, s, nil)
//	err = c.AddVolume(ctx, catalog.Volume{Label: "VO1234L8", Library: "LTO8", MediaType: "LTO8", Capacity: 12e12})
//	// … durable from here on …
//	fmt.Println(s.Commits(), "updates in", s.Syncs(), "synchronisations")
//
// Every Update is durable when it returns (write-ahead log, synchronous=FULL, read back on
// every connection). Updates that wait together become one SQL transaction, each between
// savepoints of its own, and share its one synchronisation of the disk: that is what makes
// many drives committing at once cheap. If the shared transaction fails, its members are
// run again one by one, so that what fails, fails alone.
//
// The file is opened by one process at a time, which is the caller's to see to: events
// written by another would not wake WaitEvents. Beside FILE lie FILE-wal and FILE-shm while it
// is open, and after a crash; they belong to it. It must lie on a local disk: SQLite's log
// does not work over a network file system.
//
// With 64 committers, each recording flushes of its own volume and waiting until they are
// durable, some 60 Updates share one synchronisation (1600 in 27; a test asks for 16), and
// the whole has 0.71 of the speed of a bare loop that puts 64 of the same commits into one
// SQL transaction: BenchmarkRatioFlush64, the median of 15 rounds of both in turn, on ext4 and
// two cores of a Xeon. The goals are 2000 commits a second and 0.5.
//
// The package makes no backups, does not shrink the file, and keeps no rule of the catalogue:
// those are in package catalog.
package sqlitestore
