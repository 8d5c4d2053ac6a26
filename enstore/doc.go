// Package enstore is the front door: how a program stores files on tape and gets them
// back. A data-acquisition program needs no more of it than a [*Client]; one that has
// the whole site in its own process gets that from package site.
//
// Its nouns: a [Client] talks to one site; a [Writer] takes one file to tape, a [Reader] brings
// one back; a [Record] says what is known of a stored file, among other things how safe it is (its [Level]),
// on which volume it lies and what its checksum is. Files have keys: absolute paths in the
// site's name space.
//
//	w, err := client.Put(ctx, "/raw/run0042/0007.dat", enstore.PutOptions{Rate: 300e6})
//	if err != nil {
//		return err // refused at once, before any byte: errors.Is(err, enstore.ErrBusy)…
//	}
//	defer w.Abort() // harmless after Commit
//	if _, err := io.Copy(w, events); err != nil {
//		return err
//	}
//	record, err := w.Commit(ctx) // only now the file is safe: record.Level
//
// A Client is made by a site in the same process, or from any other [wire.Control].
//
// # What is certain
//
// Only Commit (and PutFile) tell success. When they return without an error the file has
// reached the level that was asked for, [OnTape] if nothing was asked: the drive has confirmed
// it, the catalogue has recorded it, and the checksums of both ends agree. Below OnTape keep your copy.
//
// Every call may be repeated. A Put of a key that is already stored with the same content gives
// the record of the old file, without another copy on tape; with other content it is [ErrExists].
//
// The bytes of every transfer are checked in each frame (CRC-32C) and as a whole (Adler-32) on both ends. A
// Reader returns io.EOF only after size and checksum agreed with the catalogue's.
//
// # When a drive fails in mid-stream
//
// PutFile and GetFile start again by themselves, a bounded number of times. A Writer cannot,
// because what its caller wrote is gone: its error is [ErrRestart] then, and Error.SafeBytes
// says from which byte nothing is safe. A Reader starts again and skips what it delivered.
//
// The package keeps no state on disk and writes no log.
package enstore
