package driver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Config is a device's own table of settings, as JSON, as the site file has it. Only the driver
// understands it; it checks everything, and its complaint names the key.
type Config json.RawMessage

// Decode fills the struct that v points to. A key that v does not have, or a value of
// another type, is an error that names it. An empty Config leaves v as it is.
func (c Config) Decode(v any) error {
	if len(bytes.TrimSpace(c)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(c))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &Error{Op: "configure", Outcome: OutcomeConfig, Text: fmt.Sprintf("%s: a %s is there, and a %s is wanted", t.Field, t.Value, t.Type)}
	}
	if err != nil {
		return &Error{Op: "configure", Outcome: OutcomeConfig, Text: err.Error()}
	}
	return nil
}

// ConfigOf makes a Config of a table or struct.
func ConfigOf(v any) (Config, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("driver: configuration: %w", err)
	}
	return b, nil
}

// OpenDrive makes a Drive of its table. It takes the device for itself before it
// returns, or fails with OutcomeHeld.
type OpenDrive func(ctx context.Context, c Config) (Drive, error)

// OpenChanger makes a Changer of its table.
type OpenChanger func(ctx context.Context, c Config) (Changer, error)
