// Package wrapper says how a file lies on tape: what stands in front of its data,
// what behind it, and in which tape files.
//
// Nouns: a [Format] is one way to wrap a file; a [Writer] puts one file on tape with
// it, block by block, into buffers that the caller owns; a [Reader] takes one file off
// again. A tape file is what lies between two filemarks; a block is one tape record.
//
//	w, err := wrapper.NewWriter(drive, cpio.Odc, wrapper.File{Path: "/exp/run7", Size: n, Mode: 0o100644})
//	if err != nil { ... }                  // nothing is on tape yet if Check refused the file
//	if _, err := w.ReadFrom(source); err != nil {
//		return w.Abandon()             // dead space, and the tape stands behind it
//	}
//	err = w.Close(sumOfTheSender)          // trailer, labels, filemarks
//
//	r, err := wrapper.NewReader(drive, cpio.Odc, n)
//	_, err = r.WriteTo(destination)        // exactly n bytes, or an error
//	ok := r.Sum() == w.Sum()
//
// # Formats
//
// [Null] is declared here, the others have packages of their own, which specify them
// to the byte.
//
//	                  | null             | cpio_odc         | cern
//	------------------+------------------+------------------+--------------------------
//	value             | wrapper.Null     | cpio.Odc         | cern.Ansi
//	largest file      | no limit         | 8 GiB - 1        | 99 999 999 999 999 bytes
//	longest path      | no limit         | 1024 bytes       | 1992 bytes
//	size known first  | no               | yes              | yes
//	tape files        | 1                | 1                | 3 (labels, data, labels)
//	header on tape    | none             | yes              | yes
//	checksum on tape  | no               | no               | yes (trailing labels)
//	volume label      | VOL1, version 0  | VOL1, version 0  | VOL1 UVL1 UVL2, version 3
//	padding           | none             | file: 512 bytes  | data: 512 bytes
//	other readers     | dd               | GNU cpio, bsdtar | dd, CERN's tape server
//	                  |                  | CERN's server    |
//
// The checksum of every file is in the catalogue; where a format has room for it, it
// is on tape too, as Adler-32 seeded with 1 in ten decimal digits.
//
// # Blocks and tape files
//
// A tape file is written as blocks of one size, 64 KiB to 1 MiB as the volume has it,
// the last one as short as it comes, never padded to the block size. Header, data and
// trailer follow each other without regard to block borders; only the label records of
// cern are records and tape files of their own. Behind each tape file there is exactly one
// filemark. The number by which a catalogue finds a file is the number of filemarks in front
// of its data. The volume label and its filemark are tape file 0, so that data lie at
// 1, 2, 3 … in null and cpio_odc, and at 2, 5, 8 … in cern.
//
// An empty null file is a tape file without a block: two filemarks follow each other,
// and so they do around the data of an empty cern file. End of data, not two filemarks, ends
// a tape.
//
// # Dead space
//
// A file that was given up while it was written ([Writer.Abandon]) keeps its place and its
// number of filemarks. It can be told from a good one: cpio_odc has no trailer, cern has
// trailing labels without a checksum algorithm. [Reader.Skip] finds both. null has no
// place for such a sign.
//
// # Cost
//
// A [Writer] that reads from its source with ReadFrom has 0.997 of the speed of a loop that reads into
// the same buffers and sums them, and a Writer's memory is the block in work: BenchmarkRatio, 256 MiB in
// blocks of 256 KiB as cpio_odc, the median of 15 rounds of both in turn.
//
// # What this package does not do
//
// It does not position a tape, flush it, or write a volume label; it knows no catalogue;
// it does not switch a file too large for one format to another: [Fits] tells, the
// caller decides.
package wrapper
