// Package sdk is the map of the Enstore SDK: tape mass storage for science, as a library
// with thin reference daemons. It holds no code; read it to find the room you need.
//
// # Where to start
//
//   - You write data acquisition and want your raw data safe on tape: package enstore,
//     and examples/daqwriter. What Commit returned is safe at the level it names.
//   - You want a whole site in one process: package enstore/site, and examples/quickstart.
//   - You operate a site, or want to look at a cartridge: the command daemons/enstore.
//   - You build drives or robots: package tape/driver is the contract, examples/vendordrive the
//     shortest complete plugin, package plugins makes it a subprocess of any site; tape/drivertest,
//     or the command's drive check and robot check, proves it.
//   - You read or write tapes with your own program: packages wrapper, wrapper/cpio,
//     wrapper/cern and tape/label specify the formats to the byte; tape/filetape does so for
//     tape images.
//
// # The floors
//
// Imports run down only; a test (tree_test.go) holds every rule with its reason.
//
//	5  daemons   examples     mains; nobody imports them
//	4  enstore                the client; wire, library, mover, changer, spool, site
//	3  plugins   queue        the subprocess border; who goes next
//	2  tape      wrapper      drives, robots and labels; how a file lies on tape
//	1  catalog   crc          what is where; checksums
//
// A leaf is worth importing alone: wrapper and crc need no database, a vendor's plugin links
// neither database nor engines, and a program that imports only enstore links no SQL, no gRPC
// and no drive.
//
// # The rooms
//
//   - crc: Adler-32 with either seed, Combine, Convert, CRC-32C; fast kernels.
//   - wrapper: how a file lies on tape. cpio, cern and null formats; wrappertest is the kit and
//     holds a model of what CERN's tape server demands.
//   - catalog: file clerk and volume clerk. The contract of a store (catalog.Store) is declared
//     beside the nouns it speaks; memstore and sqlitestore implement it, storetest compares
//     them. namespace is the tree of directories with inherited tags.
//   - queue: who goes next, as a pure deterministic machine. priority, fairshare and discipline are its rules, over the patterns of match; queuesim plays whole sites under an
//     event clock, and its peers are the rules of Enstore and CTA to compare with.
//   - tape: *tape.Drive, *tape.Load and *tape.Changer, which engines hold. driver is the vendors'
//     contract, drivertest the kit, memtape and filetape the reference implementations, faulty
//     injects faults, label is the codec of volume labels, order plans the recall of many files, disk the file layer
//     under images, journal and spool on which crashes are tested. scsi has the codecs of commands and sense data, and the border to what carries
//     them: iscsi carries them over TCP, sg to a device of the Linux kernel, reach opens the one that a plugin's settings mean; ssc and smc are
//     drive and robot over any carrier, and discovery finds what there is. linuxst is a drive behind the kernel's own tape driver. command and operator are robots
//     that SCSI does not drive: commands of the site's, and a person; internal/program runs the commands. scsitest starts tgt, and its guest a small Linux with drives of the
//     kernel's, as judges for tests.
//   - plugins: drives and robots as subprocesses: commands over gRPC, blocks through a ring of
//     shared memory.
//   - enstore: the client. wire holds messages, error kinds and the data protocol; library
//     is the library manager with its journal; mover one drive at work; changer one robot's
//     queue; spool the disk before the tapes; scan reads a cartridge without a catalogue; desk is where an operator speaks with the library
//     manager, also from another process; site wires all of it in one process.
//   - daemons/enstore: the command. examples: programs to copy.
//
// # The way of a file to tape
//
// Put asks the library manager to accept a request, which it journals before it answers. The queue decides
// only when something changes, and grants a lease of one volume to one drive; the catalogue
// chooses the volume in the transaction that raises its epoch and records the write intent. The
// mover mounts, checks the label, proves that tape and catalogue agree on the end of data, and
// tells the client where to stream. File after file is written without waiting for the drive;
// one synchronous filemark makes a group of them safe, one catalogue transaction, on the
// condition that epoch and end of data are unchanged, records them, and only then does the client
// hear OnTape. A read is the same road backwards.
//
// # Why some things stand where they stand
//
//   - The store's contract is catalog.Store, not a package of its own: it speaks the catalogue's
//     nouns, and elsewhere would repeat each of them as a row, or close a circle of imports.
//   - tape/disk is below tape because images need it first; journal and spool use the same layer,
//     so that one forgetful file system judges all three.
//   - plugins links tape/filetape and tape/scsi, for the built-in set that any program can serve; that brings in
//     no database and no engine.
//   - Control within one process is by direct calls (data goes over TCP all the same), and a lock keeps a site to one process. What an operator asks goes over a Unix socket
//     in the site's directory, as HTTP and JSON.
//   - queue/match stands below priority, fairshare and discipline: what the three have in common is patterns over the fields of a request.
package sdk
