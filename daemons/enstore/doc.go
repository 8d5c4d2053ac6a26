// Enstore is the command of a tape site: it makes one, stores and fetches files, looks after
// volumes, and reads single cartridges without any catalogue.
//
//	enstore init ~/site --volumes 8
//	enstore --site ~/site put run42.dat /raw/run42.dat
//	enstore --site ~/site get /raw/run42.dat copy.dat
//	enstore tape ls ~/site/tapes/volumes/VO0001.tap
//
// A site's drives and robots belong to the process that has it open: drive ls and show, and robot inventory, are for a site that is not at work.
// The requests of a robot that is a person are answered at any time.
//
// What waits in a site, and what libraries do, can be looked at and changed while another process has it open: queue and library speak with that
// process.
//
// The site is named by --site or the environment variable ENSTORE_SITE; without either it is the
// current directory, if that holds a site.toml. One process at a time has a site open.
//
// Names are taken as they are: no argument is a pattern, and one that begins with a dash goes
// behind "--". Names that come from tapes, catalogues and directories are quoted where they hold what a
// terminal would act upon.
//
// # Exit codes
//
//	0    done
//	1    failed for a reason that has no code of its own
//	2    the command line, an argument or the site file is wrong
//	3    no such file, directory, volume or site
//	4    it exists already, with other content
//	5    busy, locked, in use, or cut short: try again
//	6    damaged: size or checksum are not what was said, or the medium cannot be read
//	7    no space: no volume takes it, a quota, or a full disk
//	8    not allowed
//	130  interrupted
//
// A command that works on many files goes on after one that fails, unless the site itself is in
// trouble, and ends with the code of the first failure.
//
// # Output for programs
//
// With --json each line of standard output is one JSON object; errors are objects too, on standard error:
//
//	{"error": "/raw/a: not found", "kind": "not-found", "exit": 3}
//
// Sizes are bytes; times are RFC 3339; checksums are Adler-32, seeded with 1, in 8 hexadecimal digits.
// A name that is not UTF-8 appears with U+FFFD in it, and a second time, with "Bytes" behind the
// field's name, in base64. Fields may be added; those that are there keep name and meaning.
//
//	put, get, stat, ls of a file   key bfid size adler32 level copies deleted volume location library family
//	                               drive request stored mtime mode uid gid; put and get also file (the local one);
//	                               put also seconds: queued mount load locate stream stopped flush commit
//	ls, stat of a directory        key dir mtime; stat also tags
//	mkdir, rm                      key
//	tag                            key tags: library storage_group file_family file_family_width file_family_wrapper
//	init                           site drives volumes
//	volume add, label, inhibit     label
//	volume ls, show                label library family state why files bytes deadBytes remaining capacity
//	                               blockSize endOfData mounts declared lastAccess comment
//	tape ls, verify                first a line about the label: label labelled problem;
//	                               then for each file: number tapeFile wrapper size path adler32 (verify only) problem
//	drive check, robot check       rule verdict text explanation seconds
//	robot show                     address place drive full label held
//	robot inventory                address place was is, of each change; as robot show where the robot cannot look anew
//	robot move                     from to
//	robot requests                 id volume from to source target asked state ended why
//	robot done, refuse             id state
//	robot add, remove              label slot
//	drive ls, drive show           drive plugin robot number libraries vendor product revision serial state label problem
//	                               needsClean; drive show also status: writeProtect worm capacity remaining needsClean cleaning;
//	                               and capabilities: minBlock maxBlock window reportsPosition reportsFile reportsBuffer locatesByBlock
//	                               worm reportsHealth exclusive commandSeconds loadSeconds locateSeconds transferSeconds flushSeconds;
//	                               with --health also health: cleaning alerts (flag text fault do), and as far as the drive tells loads
//	                               cleanings powerHours motionHours bytesWritten writeErrors writeErrorsCorrected bytesRead readErrors
//	                               readErrorsCorrected stops, and of the cartridge: maker serial barcode kind density loads capacity remaining
//	drive discover                 type name vendor product revision serial device nodes hctl portal target lun robot number how
//	queue ls, show, explain        id subject write spooled size priority admin class user host dataset library family volume drive accepted attempts
//	                               ahead reason, and why (rule share admin due mountedSeconds usefulSeconds), null while it waits; show and explain also obstacles (reason what value limit until frees) and estimate, null if
//	                               nobody knows, with start and finish (early middle late), aheadSeconds and drives
//	queue estimate                 id subject estimate
//	queue cancel, hold, release, priority   id subject done
//	queue shares                   libraries share weight least most drives usedSeconds
//	queue strikes                  drive volume time against blamed
//	library show                   library state reason who since working waiting bytes oldestSeconds
//	library lock, open, pause      library state
//	library drain                  library left, at each change
//	simulate                       rules result; with --replay: events grants differs
//	version                        version go
package main
