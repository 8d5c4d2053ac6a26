package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
)

// healthOf is how a drive is, in JSON. What it does not tell is left out.
type healthOf struct {
	Cleaning             string       `json:"cleaning"`
	Alerts               []alertOf    `json:"alerts"`
	Loads                *int64       `json:"loads,omitempty"`
	Cleanings            *int64       `json:"cleanings,omitempty"`
	PowerHours           *int64       `json:"powerHours,omitempty"`
	MotionHours          *int64       `json:"motionHours,omitempty"`
	BytesWritten         *int64       `json:"bytesWritten,omitempty"`
	WriteErrors          *int64       `json:"writeErrors,omitempty"`
	WriteErrorsCorrected *int64       `json:"writeErrorsCorrected,omitempty"`
	BytesRead            *int64       `json:"bytesRead,omitempty"`
	ReadErrors           *int64       `json:"readErrors,omitempty"`
	ReadErrorsCorrected  *int64       `json:"readErrorsCorrected,omitempty"`
	Stops                *int64       `json:"stops,omitempty"`
	Cartridge            *cartridgeOf `json:"cartridge,omitempty"`
}

// alertOf is a TapeAlert flag with its verdict.
type alertOf struct {
	Flag  int    `json:"flag"`
	Text  string `json:"text"`
	Fault string `json:"fault"`
	Do    string `json:"do"`
}

// cartridgeOf is a cartridge in JSON.
type cartridgeOf struct {
	Maker     string `json:"maker,omitempty"`
	Serial    string `json:"serial,omitempty"`
	Barcode   string `json:"barcode,omitempty"`
	Kind      string `json:"kind"`
	Density   *int64 `json:"density,omitempty"`
	Loads     *int64 `json:"loads,omitempty"`
	Capacity  *int64 `json:"capacity,omitempty"`
	Remaining *int64 `json:"remaining,omitempty"`
}

func healthIn(h driver.Health) *healthOf {
	out := &healthOf{
		Cleaning: h.Cleaning.String(), Alerts: []alertOf{},
		Loads: told(h.Loads), Cleanings: told(h.Cleanings), PowerHours: told(h.PowerHours), MotionHours: told(h.MotionHours),
		BytesWritten: told(h.Written.Bytes), WriteErrors: told(h.Written.Uncorrected), WriteErrorsCorrected: told(h.Written.Corrected),
		BytesRead: told(h.Read.Bytes), ReadErrors: told(h.Read.Uncorrected), ReadErrorsCorrected: told(h.Read.Corrected), Stops: told(h.Stops),
	}
	for _, n := range h.Alerts.Flags() {
		v, why := tape.JudgeAlert(n)
		out.Alerts = append(out.Alerts, alertOf{n, why, v.Fault.String(), v.Do.String()})
	}
	if c := h.Cartridge; c.Kind != driver.CartridgeUnknown || c.Serial != "" || c.Barcode != "" {
		out.Cartridge = &cartridgeOf{
			Maker: c.Maker, Serial: c.Serial, Barcode: c.Barcode, Kind: c.Kind.String(), Density: told(c.Density), Loads: told(c.Loads),
			Capacity: told(c.Capacity), Remaining: told(c.Remaining),
		}
	}
	return out
}

// askHealth fills in how a drive is.
func (s *driveState) askHealth(p *program, d driver.Drive, c driver.Capabilities) error {
	r, ok := d.(driver.HealthReporter)
	if !ok || !c.ReportsHealth {
		s.healthless = true
		return nil
	}
	h, err := r.Health(p.ctx)
	if err != nil {
		return err
	}
	if err := h.Check(); err != nil {
		return err
	}
	s.Health = healthIn(h)
	return nil
}

// rows is the health for people; none if it was not asked for.
func (h *healthOf) rows() (rows [][2]string) {
	if h == nil {
		return nil
	}
	rows = append(rows, [2]string{"cleaning", h.Cleaning})
	var alerts []string
	for _, a := range h.Alerts {
		alerts = append(alerts, fmt.Sprintf("%d: %s (%s)", a.Flag, a.Text, a.Do))
	}
	if len(alerts) == 0 {
		alerts = []string{"none"}
	}
	rows = append(rows, [2]string{"alerts", strings.Join(alerts, "; ")})
	row := func(name string, n *int64, text func(int64) string) {
		if n != nil {
			rows = append(rows, [2]string{name, text(*n)})
		}
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	row("loads", h.Loads, number)
	row("cleanings", h.Cleanings, number)
	row("hours on", h.PowerHours, number)
	row("hours in motion", h.MotionHours, number)
	row("written", h.BytesWritten, exactly)
	row("write errors", h.WriteErrors, number)
	row("mended", h.WriteErrorsCorrected, number)
	row("read", h.BytesRead, exactly)
	row("read errors", h.ReadErrors, number)
	row("mended", h.ReadErrorsCorrected, number)
	row("stops", h.Stops, number)
	if c := h.Cartridge; c != nil {
		rows = append(rows, [2]string{"cartridge is", escaped(strings.TrimSpace(c.Kind + " " + c.Maker + " " + c.Serial))})
		row("its density", c.Density, func(n int64) string { return fmt.Sprintf("%#02x", n) })
		row("its loads", c.Loads, number)
		row("its room", c.Capacity, exactly)
		row("of that left", c.Remaining, exactly)
	}
	return rows
}
