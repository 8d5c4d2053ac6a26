package wire

import (
	"encoding/json"
	"time"

	"github.com/enstore-go/sdk/catalog"
)

// UnknownSize as a size means that it is not known in advance.
const UnknownSize int64 = -1

// Put asks that a file be stored.
type Put struct {
	ID       catalog.RequestID `json:"id"`                 // chosen by the client, unique
	Key      string            `json:"key"`                // absolute path in the name space
	Size     int64             `json:"size"`               // bytes; UnknownSize: not known yet
	Sum      *uint32           `json:"sum,omitempty"`      // Adler-32, seed 1; nil: not known yet
	Level    catalog.Level     `json:"level"`              // answer the client once this is reached
	Rate     int64             `json:"rate,omitempty"`     // bytes/s that the source gives; 0: not known
	Class    string            `json:"class,omitempty"`    // what the client calls this kind of work; for the site's rules
	Priority int               `json:"priority,omitempty"` // larger goes first
	Dataset  string            `json:"dataset,omitempty"`  // what the file belongs to
	Deadline time.Time         `json:"deadline,omitzero"`  // by when it should be done
	Host     string            `json:"host,omitempty"`     // of the client, as it says
	Mode     uint32            `json:"mode,omitempty"`     // permission bits
	UID      uint32            `json:"uid,omitempty"`
	GID      uint32            `json:"gid,omitempty"`
	MTime    time.Time         `json:"mtime,omitzero"`
	User     string            `json:"user,omitempty"`
	Again    bool              `json:"again,omitempty"` // the source can be read again from its start
}

// Get asks that a file be read. Either Key or BFID is set.
type Get struct {
	ID       catalog.RequestID `json:"id"`
	Key      string            `json:"key,omitempty"`
	BFID     catalog.BFID      `json:"bfid,omitempty"`
	Class    string            `json:"class,omitempty"`
	Priority int               `json:"priority,omitempty"`
	Dataset  string            `json:"dataset,omitempty"`
	Deadline time.Time         `json:"deadline,omitzero"`
	Host     string            `json:"host,omitempty"`
	User     string            `json:"user,omitempty"`
}

// Ticket is the answer to an accepted request.
type Ticket struct {
	ID      catalog.RequestID `json:"id"`
	Stored  *Record           `json:"stored,omitempty"`  // Put: the key is stored already. Get: what will come
	Spooled bool              `json:"spooled,omitempty"` // the stream goes to the disk spool first
}

// Turn tells a client where to connect, or that there is no need any more.
type Turn struct {
	Address string  `json:"address,omitempty"` // host:port of the data port
	Token   Token   `json:"token,omitzero"`    // admits one connection
	Done    *Record `json:"done,omitempty"`    // the request has ended well
}

// Record is what is known of a stored file.
type Record struct {
	Key        string              `json:"key"`
	BFID       catalog.BFID        `json:"bfid,omitempty"` // empty below level OnTape
	Size       int64               `json:"size"`
	Adler      uint32              `json:"adler"` // Adler-32, seed 1, of the content
	SanitySize int64               `json:"sanitySize,omitempty"`
	SanitySum  uint32              `json:"sanitySum,omitempty"` // Adler-32, seed 1, of the first SanitySize bytes
	Level      catalog.Level       `json:"level"`
	Copies     int                 `json:"copies"`            // on tape
	Deleted    bool                `json:"deleted,omitempty"` // known by its BFID only, and not to be read
	Volume     catalog.Label       `json:"volume,omitempty"`
	Location   catalog.Location    `json:"location,omitzero"`
	Family     catalog.Family      `json:"family,omitzero"`
	Library    catalog.LibraryName `json:"library,omitempty"`
	Request    catalog.RequestID   `json:"request,omitzero"`
	Drive      string              `json:"drive,omitempty"`
	Stored     time.Time           `json:"stored,omitzero"` // when Level was first OnTape, or Cached below that
	Mode       uint32              `json:"mode,omitempty"`
	UID        uint32              `json:"uid,omitempty"`
	GID        uint32              `json:"gid,omitempty"`
	MTime      time.Time           `json:"mtime,omitzero"`
	Phases     Phases              `json:"phases,omitzero"`
}

// RecordOf makes the record of a file in the catalogue.
func RecordOf(f catalog.File, ph Phases) Record {
	return Record{
		Key: f.Path, BFID: f.BFID, Size: f.Size, Adler: f.Adler,
		SanitySize: f.SanitySize, SanitySum: f.SanitySum,
		Level: f.Level, Copies: f.Copies, Deleted: f.Deletion != catalog.Live, Volume: f.Volume, Location: f.Location,
		Family: f.Family, Library: f.Library, Request: f.Request, Drive: f.Drive,
		Stored: f.Created, Mode: f.Mode, UID: f.UID, GID: f.GID, MTime: f.MTime, Phases: ph,
	}
}

// Phases tell where the time of one transfer went, in nanoseconds when marshalled.
type Phases struct {
	Queued  time.Duration `json:"queued,omitempty"`
	Mount   time.Duration `json:"mount,omitempty"`
	Load    time.Duration `json:"load,omitempty"`
	Locate  time.Duration `json:"locate,omitempty"`
	Stream  time.Duration `json:"stream,omitempty"`
	Stopped time.Duration `json:"stopped,omitempty"` // of Stream: the drive had nothing to do
	Flush   time.Duration `json:"flush,omitempty"`
	Commit  time.Duration `json:"commit,omitempty"`
}

// Entry is one name in a directory.
type Entry struct {
	Name   string    `json:"name"`
	Dir    bool      `json:"dir,omitempty"`
	MTime  time.Time `json:"mtime,omitzero"`
	Record *Record   `json:"record,omitempty"` // of a file
}

// Tag is the name of a directory's tag; the names are Enstore's.
type Tag string

// The tags of a directory.
const (
	TagLibrary Tag = "library"             // comma-separated: the first takes the file, the others copies
	TagGroup   Tag = "storage_group"       // who owns the volumes
	TagFamily  Tag = "file_family"         // which files lie together
	TagWidth   Tag = "file_family_width"   // how many volumes of the family may be written at once
	TagWrapper Tag = "file_family_wrapper" // how a file lies on tape
)

// Tags are the tags in force at a directory. A tag that is set nowhere is empty.
type Tags struct {
	Library []catalog.LibraryName `json:"library,omitempty"`
	Group   catalog.StorageGroup  `json:"group,omitempty"`
	Family  catalog.FileFamily    `json:"family,omitempty"`
	Width   int                   `json:"width,omitempty"`
	Wrapper string                `json:"wrapper,omitempty"`
}

// Event is something that happened, in the order in which the catalogue recorded it.
type Event struct {
	Seq     uint64          `json:"seq"` // increasing, with gaps
	Time    time.Time       `json:"time"`
	Kind    string          `json:"kind"`    // "file.stored"
	Subject string          `json:"subject"` // the file, volume or drive
	Data    json.RawMessage `json:"data,omitempty"`
}
