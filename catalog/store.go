package catalog

import "context"

// Store keeps a catalogue's rows. Package memstore keeps them in memory, sqlitestore in
// one file; package storetest proves any implementation.
//
// A Store is safe for concurrent use. It keeps no rule of the catalogue but those that
// Tx names: what may follow what is decided in this package, inside the functions that
// View and Update run.
type Store interface {
	// View runs fn on a snapshot: fn sees what some moment saw, and writes nothing.
	// Writing through its Tx is an error.
	View(ctx context.Context, fn func(Tx) error) error

	// Update runs fn in a transaction that is serialisable with all others. If fn
	// returns nil, and Update does, then everything fn wrote is durable; if fn returns
	// an error or panics, nothing is, and Update returns the error as it is or panics on.
	// Any other error of Update leaves the outcome open, unless it is ErrClosed or the
	// context ended before fn was begun.
	//
	// fn runs in the caller's goroutine, alone, perhaps more than once, and calls
	// neither View nor Update. Updates that wait together may share one durable write;
	// that one of them fails does not touch the others.
	Update(ctx context.Context, fn func(Tx) error) error

	// WaitEvents returns nil when an event numbered above since is durable, at once if
	// there is one. It does not poll.
	WaitEvents(ctx context.Context, since uint64) error

	// Close waits for the transactions that run. Later calls give ErrClosed, and so do
	// waiting ones.
	Close() error
}

// Tx is one transaction, used by one goroutine, only while the function it was given to
// runs.
//
// Reading what is not there gives ErrNotFound, adding what is there ErrExists; both may
// be acted upon. After any other error the transaction is lost: fn returns it. Records
// are taken and given in normal form (Volume.Normal and its kin); what is given may be
// kept and changed by the caller. Lists have at most limit records; limit is at least 1.
type Tx interface {
	Volume(Label) (Volume, error)
	// VolumeOnTape finds a volume by what its cartridge carries, Label.OnTape.
	VolumeOnTape(id string) (Volume, error)
	// VolumeOfLease finds the volume whose epoch that lease raised last.
	VolumeOfLease(LeaseID) (Volume, error)
	// AddVolume gives ErrExists also if another volume carries the same Label.OnTape.
	AddVolume(Volume) error
	// PutVolume replaces the record of a volume; ErrNotFound if there is none.
	PutVolume(Volume) error
	// Volumes lists by label, bytewise, those behind after.
	Volumes(f Filter, after Label, limit int) ([]Volume, error)
	// Candidates lists volumes of the library and exactly that family, without inhibit or
	// write protection, with at least room bytes remaining, not being written
	// (Volume.Writing), by (declared, label).
	Candidates(l LibraryName, f Family, room int64, limit int) ([]Volume, error)
	// LargestCapacity is the greatest capacity declared in the library; 0 if it has no
	// volumes.
	LargestCapacity(LibraryName) (int64, error)

	File(BFID) (File, error)
	FileByRequest(RequestID) (File, error)
	// FilesOfVolume lists by (tape file, BFID) those behind (after, afterID).
	FilesOfVolume(l Label, after int64, afterID BFID, limit int) ([]File, error)
	// CopiesOf lists the copies of an original by BFID, without the original.
	CopiesOf(original BFID) ([]File, error)
	// AddFile gives ErrExists if the BFID or a request that is not zero is taken.
	AddFile(File) error
	// PutFile replaces the record of a file, all but BFID and Request; ErrNotFound if
	// there is none.
	PutFile(File) error

	// AddFlush gives ErrExists if (Lease, Seq) is taken.
	AddFlush(FlushRecord) error
	Flush(LeaseID, uint64) (FlushRecord, error)

	Entry(EntryID) (Entry, error)
	Child(parent EntryID, name string) (Entry, error)
	// Children lists by name, bytewise, those behind after; from the first if after is
	// empty.
	Children(parent EntryID, after string, limit int) ([]Entry, error)
	// AddEntry gives ErrNotFound if the parent is no directory (a parent of 0 is not
	// asked for), ErrExists if it has a child of that name, or the id is taken.
	AddEntry(Entry) error
	// PutEntry replaces the record of an entry; ErrNotFound if there is none, ErrExists
	// if another has that name in that parent.
	PutEntry(Entry) error
	// DeleteEntry removes an entry and its tags; ErrNotFound if there is none.
	DeleteEntry(EntryID) error
	// Tags are the tags that the directory itself carries, by name.
	Tags(EntryID) (map[string]string, error)
	// PutTag sets a tag of the entry, or removes it if value is empty.
	PutTag(id EntryID, name, value string) error

	// AppendEvent numbers the event and adds it; Event.Seq is not looked at.
	AppendEvent(Event) error
	// Events lists by number those above since.
	Events(since uint64, limit int) ([]Event, error)

	// Meta is a named value of the catalogue itself.
	Meta(name string) ([]byte, error)
	SetMeta(name string, value []byte) error
}

// Filter chooses volumes; its zero value chooses all. Every part that is set must hold.
type Filter struct {
	Library LibraryName
	Family  *Family // exactly; None in its open parts
	Intents bool    // only those with an Intent, whether its lease still holds them or not
	Writing bool    // only those that a write lease holds
}

// FlushRecord is how one flush is remembered: what it was and, in the order of its
// files, what became of them.
type FlushRecord struct {
	Lease    LeaseID
	Seq      uint64
	Volume   Label
	Epoch    uint64
	From, To Location
	At       int64 // Micros
	Results  []FlushedFile
}

// FlushedFile is what became of one file of a flush.
type FlushedFile struct {
	Request RequestID `json:"request"`
	BFID    BFID      `json:"bfid"`              // of the record that the flush made
	Failed  string    `json:"failed,omitempty"`  // why it is dead space; empty if it is stored
	Earlier BFID      `json:"earlier,omitempty"` // the file that the request had been stored as before
}
