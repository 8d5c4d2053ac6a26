package drivertest

import "github.com/enstore-go/sdk/tape/driver"

func needsHealth(k *kit) string {
	if !k.caps.ReportsHealth {
		return "the drive does not tell how it is"
	}
	return ""
}

// health asks for a health that can be.
func (k *kit) health() driver.Health {
	k.Helper()
	r, ok := k.d.(driver.HealthReporter)
	if !ok {
		k.fail("Capabilities.ReportsHealth is set, and the drive is no driver.HealthReporter")
	}
	h, err := r.Health(k.ctx)
	k.good("health", err)
	if err := h.Check(); err != nil {
		k.fail("%v", err)
	}
	return h
}

var healthRules = []rule{
	{
		name:        "health",
		explanation: "How a drive and a cartridge are is asked before each unload, and may be asked in the middle of a transfer: it moves nothing, what is not known is driver.Unknown, and the counters of a load do not run backwards.",
		needs:       needsHealth,
		run: func(k *kit) {
			before := k.health()
			t := k.story(3000, 0, 4000)
			k.flush()
			after := k.health()
			k.at(3, 1)
			grows := func(what string, a, b int64) {
				k.Helper()
				if a == driver.Unknown != (b == driver.Unknown) || b < a {
					k.fail("%s: %d, and later in the same load %d", what, a, b)
				}
			}
			grows("bytes written", before.Written.Bytes, after.Written.Bytes)
			grows("errors mended in writing", before.Written.Corrected, after.Written.Corrected)
			grows("errors of writing", before.Written.Uncorrected, after.Written.Uncorrected)
			grows("bytes read", before.Read.Bytes, after.Read.Bytes)
			grows("stops", before.Stops, after.Stops)
			grows("loads", before.Loads, after.Loads)
			c := after.Cartridge
			if c.Kind != driver.CartridgeUnknown && c.Kind != driver.CartridgeData {
				k.fail("a scratch cartridge is of the kind %q", c.Kind)
			}
			if c.Capacity == 0 {
				k.fail("a scratch cartridge that was written on has no capacity; if it is not known, it is driver.Unknown")
			}
			s, err := k.d.Status(k.ctx)
			k.good("status", err)
			if s.Cleaning {
				k.fail("the status of a scratch cartridge says that it is a cleaning cartridge")
			}
			if s.NeedsClean != (after.Cleaning >= driver.CleaningDue) && after.Cleaning != driver.CleaningUnknown {
				k.fail("the status says that cleaning is wanted: %v; the health says that it is %v", s.NeedsClean, after.Cleaning)
			}
			k.check(t)
		},
	},
	{
		name:        "health of a write-once cartridge",
		explanation: "What is written on a write-once cartridge is there for good. Status and health agree on what it is, as far as they tell.",
		scratch:     Scratch{WORM: true},
		needs: func(k *kit) string {
			if why := needsWORM(k); why != "" {
				return why
			}
			return needsHealth(k)
		},
		run: func(k *kit) {
			h := k.health()
			s, err := k.d.Status(k.ctx)
			k.good("status", err)
			if !s.WORM {
				k.fail("the status of a write-once cartridge does not say that it is one: %+v", s)
			}
			if h.Cartridge.Kind != driver.CartridgeWORM && h.Cartridge.Kind != driver.CartridgeUnknown {
				k.fail("the health of a write-once cartridge says that it is of the kind %q", h.Cartridge.Kind)
			}
		},
	},
	{
		name:        "health of an empty drive",
		explanation: "A drive tells that it wants cleaning when nothing is in it: only then a cleaning cartridge can be put in. Of a cartridge that is not there it tells nothing.",
		scratch:     Scratch{None: true},
		needs:       needsHealth,
		run: func(k *kit) {
			c := k.health().Cartridge
			if c.Serial != "" || c.Barcode != "" || c.Kind != driver.CartridgeUnknown || c.Loads > 0 || c.Capacity > 0 || len(c.WrapEnds) > 0 {
				k.fail("an empty drive tells of a cartridge: %+v", c)
			}
		},
	},
}
