// Package spool is the disk in front of the tapes: it takes streams that a drive could not
// take directly, because their size is not known or they are too slow, and keeps each until it is on
// tape.
//
// Its nouns: a [Spool] is one directory with a bound on the bytes in it; an [Info] says what a
// complete file in it is. Files are named by their request.
//
//	s, err := spool.Open(ctx, spool.Options{Dir: dir, Capacity: 64 << 30, Listener: listener})
//	defer s.Close()
//	err = s.Reserve(put) // at admission: Busy when full, TooLarge when it never fits
//	turn, err := s.Receive(put, func(i spool.Info, err error) error {
//		… // err == nil: the file is safe on disk; note it, then its client hears so
//	})
//	r, size, adler, err := s.Open(put.ID) // for the drive
//	err = s.Remove(put.ID)                // once it is on tape
//
// # What is certain
//
// A file is complete when its bytes, their number and their checksums are durable and agree with what the
// client says it sent. Only then is it level Cached, listed and opened. After a crash [Open] finds
// exactly the complete files, and deletes the others.
//
// # On disk
//
// DIR/ID.data holds the bytes; DIR/ID.json, written after the data are synced and by renaming, says that they
// are complete: {"version":1,"crc":"…","info":{…}}, where crc is the CRC-32C of the info's text in eight
// hexadecimal digits. The info has the key, too, so that a person can tell whose a file is. Removing deletes the .json first. A data file without a valid .json of
// the same size is torn. DIR/lock is held while the Spool is open.
//
// # Memory and space
//
// A stream uses one buffer of 1 MiB. A stream of known size has its space reserved before it begins. One of
// unknown size grows in steps; when there is no room for the next it waits until other files have left for
// tape, which its client feels as a Write that blocks. If nothing is left that could leave, it fails with
// NoSpace.
//
// The package knows no queue and no tape: when a file is to leave, and that it may, others say.
package spool
