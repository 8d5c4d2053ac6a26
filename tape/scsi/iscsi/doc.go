// Package iscsi reaches tape drives and robots over TCP, from user space: it is an iSCSI initiator (RFC 7143).
//
// Nouns: a target is a device with one or more logical units, named by an iSCSI name (iqn.…) at a portal, an address
// like 192.0.2.7:3260; a [Session] is one login to one unit of it, and a scsi.Transport.
//
//	targets, err := iscsi.Discover(ctx, "192.0.2.7:3260", iscsi.Options{})
//	s, err := iscsi.Dial(ctx, iscsi.Unit{Portal: "192.0.2.7:3260", Target: targets[0].Name, LUN: 1}, iscsi.Options{})
//	defer s.Close()
//	in := make([]byte, 96)
//	r, err := s.Exec(ctx, scsi.Inquiry(len(in)), nil, in)
//
// # What a session does
//
// It negotiates immediate and unsolicited data, so that a block goes out in one piece where the target takes that, and answers
// requests to transmit (R2T) where not. One command is under way at a time. When a context ends in the middle of a command, or
// the target breaks the protocol, the session is lost: the command's outcome is unknown, and every later Exec fails at once
// with scsi.ErrSessionLost. That is what a tape needs: nobody knows where it stands then. The
// caller dials again.
//
// A target's ping is answered when the next command is carried out. One that drops sessions which do not answer at once is not
// served well by a session without work.
//
// # Trust
//
// What comes from the network is hostile: segments longer than what was declared, data outside of the buffer, out of order or
// not asked for, and text beyond 64 KiB end the session with an error that wraps ErrProtocol. A session holds at most
// 128 KiB beside the caller's buffers. There is no authentication and nothing is encrypted: it is for a network that is
// the drives' own.
//
// # Speed
//
// Blocks of 256 KiB to a target that discards them reach 0.85 to 0.92 of a plain TCP copy of the same blocks (BenchmarkRatioISCSI, median of interleaved
// rounds; the goal is 0.7).
//
// It does no CHAP, no digests, no error recovery above level 0, no session of several connections, and follows no redirection.
package iscsi
