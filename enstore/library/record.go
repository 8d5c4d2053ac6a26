package library

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/queue"
)

// record is one line of the journal. Fields are only ever added.
type record struct {
	Type    string              `json:"t"` // "accept", "done", "event", "queue", "state"; others are of later versions
	ID      catalog.RequestID   `json:"id,omitzero"`
	At      time.Time           `json:"at,omitzero"`
	Put     *wire.Put           `json:"put,omitempty"`
	Get     *wire.Get           `json:"get,omitempty"`
	Parent  catalog.EntryID     `json:"parent,omitzero"`
	Name    catalog.Bytes       `json:"name,omitempty"`
	Library catalog.LibraryName `json:"library,omitempty"`
	Family  catalog.Family      `json:"family,omitzero"`
	Width   int                 `json:"width,omitempty"`
	Spooled bool                `json:"spooled,omitempty"`
	Err     *wire.Error         `json:"err,omitempty"`
	Event   json.RawMessage     `json:"event,omitempty"`
	N       uint64              `json:"n,omitempty"`     // event: its number; queue: of the last event before it
	Sum     queue.Digest        `json:"sum,omitempty"`   // of all decisions until then
	Queue   []byte              `json:"queue,omitempty"` // a part of a snapshot of the queue
	Last    bool                `json:"last,omitempty"`  // the snapshot's last part
	State   *LibraryState       `json:"state,omitempty"`
}

// acceptRecord is what the journal must hold of a request before it counts as accepted.
func (r *request) acceptRecord() ([]byte, error) {
	if r.put != nil {
		return encodeAccept(r), nil
	}
	return json.Marshal(record{
		Type: "accept", ID: r.id, At: r.accepted, Put: r.put, Get: r.get, Parent: r.parent, Name: catalog.Bytes(r.name),
		Library: r.library, Family: r.family, Width: r.width, Spooled: r.spooled,
	})
}

func doneRecord(id catalog.RequestID, at time.Time, err *wire.Error) ([]byte, error) {
	return json.Marshal(record{Type: "done", ID: id, At: at, Err: err})
}

func eventRecord(e queue.Event, n uint64, sum queue.Digest) ([]byte, error) {
	line, err := queue.EncodeEvent(e)
	if err != nil {
		return nil, err
	}
	return json.Marshal(record{Type: "event", Event: line, N: n, Sum: sum})
}

// queuePart is how much of a snapshot of the queue goes into one record, in bytes; JSON makes a third more of it.
const queuePart = 512 << 10

// queueRecords splits a snapshot of the queue into records.
func queueRecords(snapshot []byte, n uint64, sum queue.Digest) ([][]byte, error) {
	var lines [][]byte
	for len(snapshot) > 0 {
		part := snapshot[:min(len(snapshot), queuePart)]
		snapshot = snapshot[len(part):]
		line, err := json.Marshal(record{Type: "queue", Queue: part, Last: len(snapshot) == 0, N: n, Sum: sum})
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// replayed is what a journal says of the process before this one: the requests that it had not ended, in the order in
// which it accepted them.
type replayed struct {
	requests map[catalog.RequestID]*request
	order    []catalog.RequestID
	ended    map[catalog.RequestID]bool
	states   map[catalog.LibraryName]LibraryState
}

func newReplayed() *replayed {
	return &replayed{requests: map[catalog.RequestID]*request{}, ended: map[catalog.RequestID]bool{}, states: map[catalog.LibraryName]LibraryState{}}
}

// take follows one record.
func (p *replayed) take(line []byte) error {
	switch {
	case len(line) > 0 && line[0] == binaryAccept:
		r, err := decodeAccept(line)
		if err != nil {
			return err
		}
		p.accepted(r)
		return nil
	case len(line) > 0 && line[0] == binarySubmit:
		return nil
	}
	var rec record
	if err := json.Unmarshal(line, &rec); err != nil {
		return fmt.Errorf("record %.80q: %w: %w", line, ErrCorrupt, err)
	}
	switch rec.Type {
	case "accept":
		if rec.ID.IsZero() || (rec.Put == nil) == (rec.Get == nil) {
			return fmt.Errorf("record %.80q: %w", line, ErrCorrupt)
		}
		p.accepted(&request{
			id: rec.ID, put: rec.Put, get: rec.Get, parent: rec.Parent, name: string(rec.Name), accepted: rec.At,
			library: rec.Library, family: rec.Family, width: rec.Width, spooled: rec.Spooled,
		})
	case "done":
		delete(p.requests, rec.ID)
		p.ended[rec.ID] = true
	case "state":
		if rec.State != nil {
			p.states[rec.State.Library] = *rec.State
		}
	}
	return nil
}

func (p *replayed) accepted(r *request) {
	if p.requests[r.id] == nil {
		p.order = append(p.order, r.id)
	}
	p.requests[r.id] = r
	delete(p.ended, r.id)
}

// each visits the requests in order.
func (p *replayed) each(visit func(*request) error) error {
	for _, id := range p.order {
		if r := p.requests[id]; r != nil {
			if err := visit(r); err != nil {
				return err
			}
			delete(p.requests, id) // one that was accepted again stands twice in the order
		}
	}
	return nil
}
