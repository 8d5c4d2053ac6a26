package queue

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// encoded is an event as journals keep it: its name, and its fields as JSON.
type encoded struct {
	Event string          `json:"e"`
	Value json.RawMessage `json:"v"`
}

// EncodeEvent gives an event as one line of JSON, which DecodeEvent reads. Times keep nanoseconds.
func EncodeEvent(e Event) ([]byte, error) {
	name, ok := eventName(e)
	if !ok {
		return nil, fmt.Errorf("event %T: %w", e, ErrInvalid)
	}
	value, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", name, err)
	}
	return json.Marshal(encoded{name, value})
}

// DecodeEvent reads what EncodeEvent wrote. Fields it does not know are errors: the event would not be the same.
func DecodeEvent(line []byte) (Event, error) {
	var env encoded
	if err := strict(line, &env); err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	decode, ok := decoders[env.Event]
	if !ok {
		return nil, fmt.Errorf("event %.40q: %w", env.Event, ErrInvalid)
	}
	e, err := decode(env.Value)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", env.Event, err)
	}
	return e, nil
}

func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("more than one value: %w", ErrInvalid)
	}
	return nil
}

func decodeAs[E Event](data []byte) (Event, error) {
	var e E
	err := strict(data, &e)
	return e, err
}

// The names are part of the journal's format.
var decoders = map[string]func([]byte) (Event, error){
	"submitted": decodeAs[Submitted], "cancelled": decodeAs[Cancelled], "finished": decodeAs[Finished],
	"requeued": decodeAs[Requeued], "reprioritised": decodeAs[Reprioritised],
	"drive ready": decodeAs[DriveReady], "drive gone": decodeAs[DriveGone],
	"more": decodeAs[LeaseMore], "enough": decodeAs[LeaseEnough], "ended": decodeAs[LeaseEnded], "expired": decodeAs[LeaseExpired],
	"chosen": decodeAs[VolumeChosen], "refused": decodeAs[VolumeRefused], "volumes changed": decodeAs[VolumesChanged],
	"blocked": decodeAs[VolumeBlocked], "freed": decodeAs[VolumeFreed], "left": decodeAs[VolumeLeft],
	"held": decodeAs[LibraryHeld], "ordered": decodeAs[Ordered],
	"request held": decodeAs[RequestHeld], "request released": decodeAs[RequestReleased],
	"struck": decodeAs[Struck], "forgiven": decodeAs[Forgiven], "tick": decodeAs[Tick], "configured": decodeAs[Configured],
}

func eventName(e Event) (string, bool) {
	switch e.(type) {
	case Submitted:
		return "submitted", true
	case Cancelled:
		return "cancelled", true
	case Finished:
		return "finished", true
	case Requeued:
		return "requeued", true
	case Reprioritised:
		return "reprioritised", true
	case DriveReady:
		return "drive ready", true
	case DriveGone:
		return "drive gone", true
	case LeaseMore:
		return "more", true
	case LeaseEnough:
		return "enough", true
	case LeaseEnded:
		return "ended", true
	case LeaseExpired:
		return "expired", true
	case VolumeChosen:
		return "chosen", true
	case VolumeRefused:
		return "refused", true
	case VolumesChanged:
		return "volumes changed", true
	case VolumeBlocked:
		return "blocked", true
	case VolumeFreed:
		return "freed", true
	case VolumeLeft:
		return "left", true
	case LibraryHeld:
		return "held", true
	case Ordered:
		return "ordered", true
	case RequestHeld:
		return "request held", true
	case RequestReleased:
		return "request released", true
	case Struck:
		return "struck", true
	case Forgiven:
		return "forgiven", true
	case Tick:
		return "tick", true
	case Configured:
		return "configured", true
	}
	return "", false
}
