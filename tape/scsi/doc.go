// Package scsi is the language of tape drives and robots: commands, sense data and the
// answers to commands, as bytes and as values, and the border to what carries them.
//
// Nouns: a command descriptor block (CDB) is a command as bytes, made by a function of its name; [Sense] is what a
// unit says of a failure; a [Transport] carries commands to one logical unit and brings a [Result] back.
//
//	in := make([]byte, 96)
//	r, err := unit.Exec(ctx, scsi.Inquiry(len(in)), nil, in)
//	if err != nil {
//		return err // the transport failed
//	}
//	if r.Status == scsi.CheckCondition {
//		s, err := scsi.ParseSense(r.Sense)
//		...
//	}
//	id, err := scsi.ParseInquiry(in[:r.Transferred])
//
// Every decoder takes bytes as hostile: it checks each length against what is there, gives an error that wraps
// ErrMalformed and says what is wrong and where, and allocates no more than a small multiple of its input.
// Where known units break the standard, the decoder bears it and its comment says so.
//
// Persistent reservations, recommended access order, ends of wraps, logical block protection and encryption are here as codecs
// with vectors from the standards. No unit that the tests can reach answers them, and nothing above relies on them.
//
// The package does no I/O, judges nothing (package tape does), and knows no device.
//
// References: SPC-5 (INCITS 502), SSC-5 (INCITS 503), SMC-3 (INCITS 484), SAM-5.
package scsi

import (
	"errors"
	"fmt"
)

// ErrMalformed is wrapped by every error of a decoder.
var ErrMalformed = errors.New("malformed")

func malformed(what string, offset int, format string, args ...any) error {
	return fmt.Errorf("scsi: %s: byte %d: %s: %w", what, offset, fmt.Sprintf(format, args...), ErrMalformed)
}
