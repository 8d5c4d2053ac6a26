package catalog

import "time"

// File is one file on tape. Times are UTC, whole microseconds; the zero time is
// unknown.
type File struct {
	BFID     BFID
	Request  RequestID // zero for a dead file and for one from elsewhere
	Volume   Label
	Location Location // of the data; File is the tape file
	Header   int64    // drive's block number of the first block that belongs to it, or -1

	Size       int64  // bytes of data
	Adler      uint32 // Adler-32 of all data, seed 1
	SanitySize int64  // bytes covered by SanitySum: the first 65536 at most
	SanitySum  uint32 // Adler-32 of them, seed 1

	Deletion Deletion
	Bad      bool // known to be unreadable or wrong; not given to readers

	Family  Family
	Library LibraryName // of the volume when it was written

	Path           string // when it was written; bytes, not necessarily UTF-8
	Entry          EntryID
	UID, GID, Mode uint32
	MTime          time.Time // of the source
	Created        time.Time // when the catalogue recorded it
	Drive          string    // that wrote it

	Level    Level
	Verified time.Time // when it was last read back and found right
	Original BFID      // of which it is a copy; empty for an original

	// Copies counts the files with the same content, this one and its original
	// included, that are neither deleted nor bad. It is computed when the record is read.
	Copies int
}

// Deletion is the deletion mark of a file. The numbers are stored.
type Deletion uint8

// The deletion marks.
const (
	Live            Deletion = 0
	Gone            Deletion = 1 // deleted; the bytes are still on tape
	DeletionUnknown Deletion = 2 // from old databases: written, and its client never confirmed it
)

var deletionNames = [...]string{"no", "yes", "unknown"}

// String is Enstore's word: "no", "yes" or "unknown".
func (d Deletion) String() string {
	if int(d) < len(deletionNames) {
		return deletionNames[d]
	}
	return "deletion mark beyond unknown"
}

// Normal is the file as every store gives it back, but for Copies.
func (f File) Normal() File {
	f.Family = f.Family.normal()
	f.MTime, f.Created, f.Verified = micro(f.MTime), micro(f.Created), micro(f.Verified)
	return f
}

// Entry is one name in the built-in name space: a directory, or a file on tape.
type Entry struct {
	ID      EntryID
	Parent  EntryID // 0 for the root
	Name    string  // bytes, not necessarily UTF-8; empty for the root
	Dir     bool
	BFID    BFID  // of a file
	Size    int64 // of a file
	Mode    uint32
	UID     uint32
	GID     uint32
	MTime   time.Time // of the source; of a directory, when it was made
	Created time.Time
}

// Normal is the entry as every store gives it back.
func (e Entry) Normal() Entry {
	e.MTime, e.Created = micro(e.MTime), micro(e.Created)
	return e
}

// MaxEntryName is the longest name of an entry, in bytes.
const MaxEntryName = 255

// CheckEntryName refuses what cannot be a name: nothing, more than MaxEntryName bytes,
// ".", "..", and whatever holds "/" or NUL. The error wraps ErrInvalid.
func CheckEntryName(name string) error {
	switch {
	case name == "":
		return invalid("name is empty")
	case len(name) > MaxEntryName:
		return invalid("name %.40q… has %d bytes, more than %d", name, len(name), MaxEntryName)
	case name == "." || name == "..":
		return invalid("name %q", name)
	}
	for i := 0; i < len(name); i++ {
		if name[i] == '/' || name[i] == 0 {
			return invalid("name %.60q holds a slash or a zero byte", name)
		}
	}
	return nil
}
