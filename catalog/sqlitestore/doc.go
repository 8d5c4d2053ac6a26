// Package sqlitestore keeps a catalogue in one SQLite file: the store of a site on one
// machine, with nothing to install.
//
//	s, err := sqlitestore.Open(ctx, "/srv/site/catalogue.db")
//	defer s.Close()
//	c, err := catalog.Open(ctx, s, nil)
//
// Every Update is durable when it returns (write-ahead log, synchronous=FULL, read back on
// every connection). Updates that wait together become one SQL transaction, each between
// savepoints of its own, and share its one synchronisation of the disk: that is what makes
// many drives committing at once cheap. If the shared transaction fails, its members are
// run again one by one, so that what fails, fails alone.
//
// The file is opened by one process at a time, which is the caller's to see to: events
// written by another would not wake WaitEvents. Beside FILE lie FILE-wal and FILE-shm while it
// is open, and after a crash; they belong to it.
package sqlitestore
