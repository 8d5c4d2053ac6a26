package driver

import (
	"context"
	"fmt"
)

// HealthReporter is a Drive that tells how it and the cartridge in it are. It is optional: Capabilities.ReportsHealth
// says whether it is there, because an interface does not cross a process border. A drive that has the
// method but not the flag answers with OutcomeIllegalRequest.
type HealthReporter interface {
	// Health tells what the drive knows of itself, and of the cartridge if one is loaded. It may be called whenever
	// Status may, without a cartridge too. It moves nothing and changes no position.
	//
	// Reading the TapeAlert flags clears them in the drive. The implementer reads them here and nowhere else, and
	// returns each of them once; the caller keeps them. In an engine that caller is (*tape.Drive).Health alone.
	Health(ctx context.Context) (Health, error)
}

// Health is how a drive and the cartridge in it are. What the drive does not tell is Unknown, and never 0:
// [UnknownHealth] is a good begin.
type Health struct {
	Alerts   Alerts   // TapeAlert flags that went up since they were last read
	Cleaning Cleaning // what the drive wants

	// Of the drive, in its life.
	Loads       int64 // cartridges loaded
	Cleanings   int64 // times that it was cleaned
	PowerHours  int64 // hours with power
	MotionHours int64 // hours in which tape moved

	// Of the present load: they begin anew with each cartridge.
	Written, Read Traffic
	// Stops is how often the tape came to rest in the middle of a transfer, for want of data, of room for them, or
	// because of a flush. Each costs a stop, a step back and a new start: seconds.
	Stops int64

	Cartridge Cartridge
}

// Traffic is what passed between drive and medium in one direction.
type Traffic struct {
	Bytes       int64 // as they are on the medium, after compression
	Corrected   int64 // errors that the drive mended
	Uncorrected int64 // and those that it did not
}

// Cartridge is what its memory and the drive tell of a cartridge.
type Cartridge struct {
	Maker   string
	Serial  string
	Barcode string // as somebody wrote it into the memory
	Kind    CartridgeKind
	Density int64 // density code, as of MODE SENSE: 5Eh is LTO-8, 60h LTO-9; or Unknown
	Loads   int64 // in its life
	// Capacity and Remaining are bytes, uncompressed, to the end of the medium.
	Capacity, Remaining int64
	// WrapEnds has for each wrap that holds data the number of the first block behind it; the last one is end of data.
	// It may be as old as the load. Nil: not told.
	WrapEnds []int64
}

// CartridgeKind is what a cartridge is for. The numbers cross the plugin border and never change.
type CartridgeKind uint8

// The kinds.
const (
	CartridgeUnknown  CartridgeKind = iota
	CartridgeData                   // is written again and again
	CartridgeWORM                   // is written once
	CartridgeCleaning               // has no tape to write on
)

func (k CartridgeKind) String() string {
	switch k {
	case CartridgeData:
		return "data"
	case CartridgeWORM:
		return "write once"
	case CartridgeCleaning:
		return "cleaning"
	}
	return "unknown"
}

// Cleaning is how urgently a drive wants to be cleaned. The numbers cross the plugin border and never change, and grow
// with the urgency.
type Cleaning uint8

// The degrees.
const (
	CleaningUnknown Cleaning = iota // the drive does not tell
	CleaningNone                    // it wants none
	CleaningDue                     // at the next opportunity (TapeAlert 21)
	CleaningNow                     // before anything else (TapeAlert 20)
)

func (c Cleaning) String() string {
	switch c {
	case CleaningNone:
		return "not wanted"
	case CleaningDue:
		return "due"
	case CleaningNow:
		return "needed now"
	}
	return "unknown"
}

// Alerts are TapeAlert flags, numbered from 1 to 64 (SSC-5, annex A; for robots SMC-3, 7.2.3). Flag n is bit n-1.
type Alerts uint64

// The flags that are acted upon; package tape judges all of them.
const (
	AlertCleanNow        = 20
	AlertCleanDue        = 21
	AlertCleaningExpired = 22 // the cleaning cartridge is used up
	AlertCleaningInvalid = 23 // it does not fit the drive
)

// AlertsOf makes Alerts of numbers; those that are no flag's are left out.
func AlertsOf(flags ...int) (a Alerts) {
	for _, n := range flags {
		if n >= 1 && n <= 64 {
			a |= 1 << (n - 1)
		}
	}
	return a
}

// Has tells whether flag n is set.
func (a Alerts) Has(n int) bool { return n >= 1 && n <= 64 && a&(1<<(n-1)) != 0 }

// Flags lists the flags that are set, ascending.
func (a Alerts) Flags() []int {
	var all []int
	for n := 1; n <= 64; n++ {
		if a.Has(n) {
			all = append(all, n)
		}
	}
	return all
}

// UnknownHealth is the health of a drive that tells nothing.
func UnknownHealth() Health {
	none := Traffic{Unknown, Unknown, Unknown}
	return Health{
		Loads: Unknown, Cleanings: Unknown, PowerHours: Unknown, MotionHours: Unknown, Written: none, Read: none, Stops: Unknown,
		Cartridge: UnknownCartridge(),
	}
}

// UnknownCartridge is a cartridge of which nothing is known.
func UnknownCartridge() Cartridge {
	return Cartridge{Density: Unknown, Loads: Unknown, Capacity: Unknown, Remaining: Unknown}
}

// Limits of a Health.
const (
	MaxHealthText = 64   // bytes of each text; the longest attribute of a cartridge's memory that is used here has 32
	MaxWraps      = 4096 // LTO-10 has some 300
)

// Check tells what in h cannot be: a count below Unknown, a text that is too long, a degree or kind that there is not, a cartridge
// with more room than it has, wraps that do not ascend. What comes from a process or device of which one knows nothing
// is checked before it is believed.
func (h Health) Check() error {
	c := h.Cartridge
	for name, n := range map[string]int64{
		"loads": h.Loads, "cleanings": h.Cleanings, "hours with power": h.PowerHours, "hours in motion": h.MotionHours, "stops": h.Stops,
		"bytes written": h.Written.Bytes, "errors corrected in writing": h.Written.Corrected, "errors of writing": h.Written.Uncorrected,
		"bytes read": h.Read.Bytes, "errors corrected in reading": h.Read.Corrected, "errors of reading": h.Read.Uncorrected,
		"density": c.Density, "loads of the cartridge": c.Loads, "capacity": c.Capacity, "remaining capacity": c.Remaining,
	} {
		if n < Unknown {
			return fmt.Errorf("health: %s: %d", name, n)
		}
	}
	for name, s := range map[string]string{"maker": c.Maker, "serial number": c.Serial, "bar code": c.Barcode} {
		if len(s) > MaxHealthText {
			return fmt.Errorf("health: the %s has %d bytes, at most %d are allowed", name, len(s), MaxHealthText)
		}
	}
	switch {
	case h.Cleaning > CleaningNow:
		return fmt.Errorf("health: cleaning of degree %d", h.Cleaning)
	case c.Kind > CartridgeCleaning:
		return fmt.Errorf("health: a cartridge of kind %d", c.Kind)
	case c.Density > 0xff:
		return fmt.Errorf("health: density code %d", c.Density)
	case c.Capacity != Unknown && c.Remaining > c.Capacity:
		return fmt.Errorf("health: %d bytes remain of %d", c.Remaining, c.Capacity)
	case len(c.WrapEnds) > MaxWraps:
		return fmt.Errorf("health: %d wraps, at most %d are allowed", len(c.WrapEnds), MaxWraps)
	}
	last := int64(0)
	for i, e := range c.WrapEnds {
		if e <= last {
			return fmt.Errorf("health: wrap %d ends at block %d, the one before at %d", i, e, last)
		}
		last = e
	}
	return nil
}
