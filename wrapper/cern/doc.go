// Package cern is Enstore's wrapper cern: ANSI labels in the style of CERN and Fermilab around
// a tape file of bare data. It is the format for files above 8 GiB, and the only one that
// carries the checksum on tape.
//
// Its noun is [Ansi], a wrapper.Format; [ParseLabel] reads the trailing labels.
//
//	w, err := wrapper.NewWriter(drive, cern.Ansi, wrapper.File{Path: "/exp/run7", Size: n, Mode: 0o100644,
//		Site: "Fermilab", Host: "mover1", DriveVendor: "IBM", DriveProduct: "ULT3580-TD9", DriveSerial: "0013"})
//	r, err := wrapper.NewReader(drive, cern.Ansi, n)      // stands at the leading labels
//	r, err := wrapper.NewDataReader(drive, cern.Ansi, n)  // stands at the data
//
// # Format
//
// A file takes three tape files, each with one filemark behind it:
//
//	HDR1 HDR2 UHL1 UHL2 UHL3 UHL4 [UHLA UHLB …]    one record
//	data, then zeros to a multiple of 512 bytes    blocks, the last one short
//	EOF1 EOF2 UTL1 UTL2 UTL3 UTL4 [UTLA UTLB …]    one record
//
// The tape of a volume is VOL1 UVL1 UVL2 in one record (package tape/label), a filemark,
// and the files. The data of file n (1, 2, 3 …) have 3n-1 filemarks in front of them.
//
// Every label is 80 bytes of ASCII; the path is bytes as they are. "text" is cut or filled
// with blanks to the right, "number" is decimal with zeros in front. The trailing labels are
// those in front but for their names (EOF1 EOF2 UTL1 …) and where said.
//
//	offset length  HDR1, EOF1                        HDR2, EOF2
//	0      4       HDR1                              HDR2
//	4              17  first 17 bytes of the path    1   D
//	5                                                5   block length, 00000 above 99999
//	10                                               5   record length, the same
//	15                                               19  blanks
//	21             6   set: 000000
//	27             4   section: 0000
//	31             4   sequence: number, last four
//	34                                               1   P if the drive compresses, else blank
//	35             4   generation: 0001              15  blanks
//	39             2   version: 00
//	41             6   created: cyyddd
//	47             6   expires: c00000
//	50                                               2   00
//	52                                               28  blanks
//	53             1   access: blank
//	54             6   000000; EOF1: blocks of data, last six digits
//	60             13  writing program, text
//	73             7   blanks
//
//	offset length  UHL1, UTL1                        offset length  UHL2, UTL2
//	0      4       UHL1                              0      4       UHL2
//	4      10      sequence, number                  4      20      BFID, blanks in front
//	14     10      block size, number                24     10      blanks (name server)
//	24     10      record length: block size         34     4       mode & 07777, octal
//	34     8       site, text                        38     10      uid, text
//	42     10      host of the mover, text           48     10      gid, text
//	52     8       vendor of the drive, text         58     20      size of the data, number
//	60     8       product, text                     78     2       blanks
//	68     12      serial number, text
//
//	offset length  UHL3, UTL3                        offset length  UHL4, UTL4
//	0      4       UHL3                              0      4       UHL4
//	4      14      user, text                        4      5       copy: 00000
//	18     8       storage group, text               9      5       segment: 00000
//	26     2       AD: Adler-32                      14     20      segment size: zeros
//	28     10      zeros; UTL3: checksum, decimal    34     2       AD
//	38     19      blanks (last modified)            36     10      segment checksum: zeros
//	57     23      blanks                            46     19      2024/03/15 08:00:00, UTC
//	                                                 65     10      blocks: zeros
//	                                                 75     5       blanks
//
// c in dates is a blank for 19xx and 0 for 20xx, ddd the day of the year, UTC. A path longer
// than 17 bytes goes on in UHLA, UHLB … UHLZ, 76 bytes each; if what goes on is a multiple of
// 76 bytes, one blank label follows, as Enstore writes it. A path that ends in blanks loses them.
//
// Dead space (a file given up) has trailing labels with two blanks for AD in UTL3, zeros for
// the checksum, and in UTL2 the number of bytes that are there.
//
// # Where this differs from Enstore
//
// Byte for byte as Enstore's cern_wrapper writes it, but for fields that it fills wrongly, or
// leaves empty where readers want something:
//
//	HDR2 34      Enstore: always P. Here: P only if the drive compresses
//	HDR2 10      Enstore: always 00000. Here: the record length, 00000 above 99999
//	EOF1 54      Enstore: always 000000. Here: the number of blocks
//	HDR1 31      Enstore: always 0000. Here: the sequence, if File.Sequence is given
//	UHL1 4       Enstore: zeros. Here: the sequence, if given
//	UTL3 28      Enstore: Adler-32 seeded with 0 or 1, one cannot tell. Here: seeded with 1
//	HDR1 60      empty in Enstore if unknown. Here: enstore-sdk
//	UHL1 34 … 68 blank in Enstore if unknown. Here: the site Fermilab, all others UNKNOWN
//	path         Enstore stops at 1993 bytes with a crash. Here: at 1992 with an error
//
// On reading, all of these and the compression flag are taken for what they are: hints. The
// size must be right, and the labels complete and in order.
//
// # Limits
//
//	largest file  99 999 999 999 999 bytes: CERN's tape server reads 14 digits of the 20
//	longest path  1992 bytes
//
// CERN's tape server takes what is written here, with two exceptions: it refuses files
// without data, and it asks for volume labels of exactly six characters.
//
// # What it does not do
//
// Files that span volumes, EOV labels, one record per label as CERN's own format has it,
// EBCDIC.
package cern
