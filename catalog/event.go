package catalog

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

// Event is one entry of the catalogue's outbox: something that happened, recorded in
// the transaction in which it happened. Events are numbered without gaps from 1, in
// the order in which they became durable.
type Event struct {
	Seq     uint64
	Time    time.Time
	Kind    EventKind
	Subject string          // a BFID, a label, a path, or the name of a drive
	Data    json.RawMessage // by kind: FileEvent, VolumeEvent, EntryEvent, DriveEvent
}

// EventKind says what happened. Kinds are stored; a reader skips those it does not know.
type EventKind string

// The kinds.
const (
	FileStored      EventKind = "file.stored"      // FileEvent
	FileDead        EventKind = "file.dead"        // FileEvent: on tape, but could not get its name
	FileDeleted     EventKind = "file.deleted"     // FileEvent
	FileVerified    EventKind = "file.verified"    // FileEvent
	FileBad         EventKind = "file.bad"         // FileEvent
	FileGood        EventKind = "file.good"        // FileEvent: no longer bad
	VolumeAdded     EventKind = "volume.added"     // VolumeEvent
	VolumeAssigned  EventKind = "volume.assigned"  // VolumeEvent: a blank was given to a family
	VolumeLabelled  EventKind = "volume.labelled"  // VolumeEvent
	VolumeLeased    EventKind = "volume.leased"    // VolumeEvent: for writing
	VolumeReleased  EventKind = "volume.released"  // VolumeEvent: a write lease ended
	VolumeInhibit   EventKind = "volume.inhibit"   // VolumeEvent
	VolumeProtect   EventKind = "volume.protect"   // VolumeEvent: the write protection changed
	VolumeChecked   EventKind = "volume.checked"   // VolumeEvent: agreement of tape and catalogue
	DirectoryMade   EventKind = "directory.made"   // EntryEvent
	EntryRemoved    EventKind = "entry.removed"    // EntryEvent
	EntryRenamed    EventKind = "entry.renamed"    // EntryEvent
	DirectoryTagged EventKind = "directory.tagged" // EntryEvent

	DriveAlerts        EventKind = "drive.alerts"         // DriveEvent: TapeAlert flags went up
	DriveWantsCleaning EventKind = "drive.wants-cleaning" // DriveEvent: or wants it more urgently than before
	DriveCleaned       EventKind = "drive.cleaned"        // DriveEvent
	DriveNotCleaned    EventKind = "drive.not-cleaned"    // DriveEvent: a cleaning was tried and failed
)

// FileEvent is the data of events about files.
type FileEvent struct {
	Request  RequestID `json:"request"`
	Volume   Label     `json:"volume"`
	Location string    `json:"location"`
	Size     int64     `json:"size"`
	Adler    uint32    `json:"adler"`
	Level    Level     `json:"level"`
	Original BFID      `json:"original,omitempty"`
	Path     Bytes     `json:"path,omitzero"`
	Who      string    `json:"who,omitempty"`
	Why      string    `json:"why,omitempty"`
}

// VolumeEvent is the data of events about volumes.
type VolumeEvent struct {
	Library LibraryName `json:"library"`
	Family  string      `json:"family"`
	EOD     string      `json:"eod"`
	Lease   *LeaseID    `json:"lease,omitempty"`
	Epoch   uint64      `json:"epoch"`
	Drive   string      `json:"drive,omitempty"`
	Slot    string      `json:"slot,omitempty"`
	Value   string      `json:"value,omitempty"` // what was set; "yes" or "no" for a protection or a check
	Who     string      `json:"who,omitempty"`
	Why     string      `json:"why,omitempty"`
}

// EntryEvent is the data of events about names.
type EntryEvent struct {
	Entry EntryID `json:"entry"`
	Path  Bytes   `json:"path"`
	To    Bytes   `json:"to,omitzero"` // the new path of a rename
	BFID  BFID    `json:"bfid,omitempty"`
	Tag   string  `json:"tag,omitempty"`
	Value string  `json:"value,omitempty"` // of the tag; empty if it was removed
	Who   string  `json:"who,omitempty"`
}

// Bytes is text that need not be UTF-8. In JSON it is a string if it is, else an object
// {"base64": "…"}.
type Bytes string

// MarshalJSON tells the two cases apart.
func (b Bytes) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(b)) {
		return json.Marshal(string(b))
	}
	return json.Marshal(struct {
		Base64 []byte `json:"base64"`
	}{[]byte(b)})
}

// UnmarshalJSON reads what MarshalJSON gives.
func (b *Bytes) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '{' {
		var raw struct {
			Base64 []byte `json:"base64"`
		}
		if err := json.Unmarshal(text, &raw); err != nil {
			return err
		}
		*b = Bytes(raw.Base64)
		return nil
	}
	return json.Unmarshal(text, (*string)(b))
}

// Append records an event in the transaction. Data is marshalled to JSON; at is the
// transaction's time.
func Append(tx Tx, at time.Time, kind EventKind, subject string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("event %s of %.80q: %w", kind, subject, err)
	}
	return tx.AppendEvent(Event{Time: micro(at), Kind: kind, Subject: subject, Data: text})
}

func (f *File) event(who, why string) FileEvent {
	return FileEvent{Request: f.Request, Volume: f.Volume, Location: f.Location.String(), Size: f.Size, Adler: f.Adler,
		Level: f.Level, Original: f.Original, Path: Bytes(f.Path), Who: who, Why: why}
}

func (v *Volume) event(who, why string) VolumeEvent {
	return VolumeEvent{Library: v.Library, Family: v.Family.String(), EOD: v.EOD.String(), Epoch: v.Epoch, Who: who, Why: why}
}
