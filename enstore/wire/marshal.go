package wire

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/enstore-go/sdk/catalog"
)

// ControlVersion is the version of the messages in this package as [Marshal] writes them.
//
//	1  the first
const ControlVersion = 1

// MaxMessage bounds a marshalled message, in bytes.
const MaxMessage = 1 << 20

type envelope struct {
	Version int             `json:"version"`
	Message json.RawMessage `json:"message"`
}

// Marshal writes a message of this package as JSON with the version in front.
func Marshal(message any) ([]byte, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("wire: marshal %T: %w", message, err)
	}
	data, err := json.Marshal(envelope{ControlVersion, body})
	if err == nil && len(data) > MaxMessage {
		return nil, Errorf(Invalid, "message", "%T: %d bytes, at most %d allowed", message, len(data), MaxMessage)
	}
	return data, err
}

// Unmarshal reads what Marshal of this or an older version wrote. A newer version is refused by its
// number; unknown fields are refused, since within one version there are none.
func Unmarshal(data []byte, message any) error {
	if len(data) > MaxMessage {
		return Errorf(Invalid, "message", "%d bytes, at most %d allowed", len(data), MaxMessage)
	}
	var env envelope
	if err := json.Unmarshal(data, &env); err != nil {
		return Errorf(Invalid, "message", "%w", err)
	}
	if env.Version < 1 || env.Version > ControlVersion {
		return Errorf(Invalid, "message", "version %d, this program reads 1 to %d", env.Version, ControlVersion)
	}
	if err := strict(env.Message, message); err != nil {
		return Errorf(Invalid, "message", "%T: %w", message, err)
	}
	return nil
}

func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// Paths are bytes and JSON strings are not: the methods below write keys and names as
// catalog.Bytes, which is a plain string wherever that is possible.

type (
	putJSON    Put
	getJSON    Get
	recordJSON Record
	entryJSON  Entry
	eventJSON  Event
	assignJSON Assignment

	putWire struct {
		putJSON
		Key catalog.Bytes `json:"key"`
	}
	getWire struct {
		getJSON
		Key catalog.Bytes `json:"key,omitempty"`
	}
	recordWire struct {
		recordJSON
		Key catalog.Bytes `json:"key"`
	}
	entryWire struct {
		entryJSON
		Name catalog.Bytes `json:"name"`
	}
	eventWire struct {
		eventJSON
		Subject catalog.Bytes `json:"subject"`
	}
	assignWire struct {
		assignJSON
		Name catalog.Bytes `json:"name,omitempty"`
		File *fileWire     `json:"file,omitempty"`
	}
	fileWire struct {
		catalog.File
		Path catalog.Bytes
	}
)

// MarshalJSON keeps a key that is not UTF-8.
func (p Put) MarshalJSON() ([]byte, error) {
	return json.Marshal(putWire{putJSON(p), catalog.Bytes(p.Key)})
}

// UnmarshalJSON reads what MarshalJSON gives.
func (p *Put) UnmarshalJSON(data []byte) error {
	w := putWire{}
	if err := strict(data, &w); err != nil {
		return err
	}
	*p = Put(w.putJSON)
	p.Key = string(w.Key)
	return nil
}

// MarshalJSON keeps a key that is not UTF-8.
func (g Get) MarshalJSON() ([]byte, error) {
	return json.Marshal(getWire{getJSON(g), catalog.Bytes(g.Key)})
}

// UnmarshalJSON reads what MarshalJSON gives.
func (g *Get) UnmarshalJSON(data []byte) error {
	w := getWire{}
	if err := strict(data, &w); err != nil {
		return err
	}
	*g = Get(w.getJSON)
	g.Key = string(w.Key)
	return nil
}

// MarshalJSON keeps a key that is not UTF-8.
func (r Record) MarshalJSON() ([]byte, error) {
	return json.Marshal(recordWire{recordJSON(r), catalog.Bytes(r.Key)})
}

// UnmarshalJSON reads what MarshalJSON gives.
func (r *Record) UnmarshalJSON(data []byte) error {
	w := recordWire{}
	if err := strict(data, &w); err != nil {
		return err
	}
	*r = Record(w.recordJSON)
	r.Key = string(w.Key)
	return nil
}

// MarshalJSON keeps a name that is not UTF-8.
func (e Entry) MarshalJSON() ([]byte, error) {
	return json.Marshal(entryWire{entryJSON(e), catalog.Bytes(e.Name)})
}

// UnmarshalJSON reads what MarshalJSON gives.
func (e *Entry) UnmarshalJSON(data []byte) error {
	w := entryWire{}
	if err := strict(data, &w); err != nil {
		return err
	}
	*e = Entry(w.entryJSON)
	e.Name = string(w.Name)
	return nil
}

// MarshalJSON keeps a subject that is not UTF-8.
func (e Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(eventWire{eventJSON(e), catalog.Bytes(e.Subject)})
}

// UnmarshalJSON reads what MarshalJSON gives.
func (e *Event) UnmarshalJSON(data []byte) error {
	w := eventWire{}
	if err := strict(data, &w); err != nil {
		return err
	}
	*e = Event(w.eventJSON)
	e.Subject = string(w.Subject)
	return nil
}

// MarshalJSON keeps names that are not UTF-8.
func (a Assignment) MarshalJSON() ([]byte, error) {
	w := assignWire{assignJSON: assignJSON(a), Name: catalog.Bytes(a.Name)}
	if a.File != nil {
		w.File = &fileWire{*a.File, catalog.Bytes(a.File.Path)}
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON gives.
func (a *Assignment) UnmarshalJSON(data []byte) error {
	w := assignWire{}
	if err := strict(data, &w); err != nil {
		return err
	}
	*a = Assignment(w.assignJSON)
	a.Name = string(w.Name)
	if w.File != nil {
		w.File.File.Path = string(w.File.Path)
		a.File = &w.File.File
	}
	return nil
}
