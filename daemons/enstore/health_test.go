package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
)

func TestDriveHealth(t *testing.T) {
	is := is.New(t)
	_, drive := devices(t)
	out := good(t, "drive", "show", "--health", "drive0")
	is.True(strings.Contains(out, "not wanted") && strings.Contains(out, "reports health"))
	is.True(!strings.Contains(good(t, "drive", "show", "drive0"), "not wanted")) // it was not asked for
	o := objects(t, good(t, append([]string{"--json"}, with(drive, "drive", "show", "--health")...)...))
	is.Equal(o[0]["needsClean"], false)
	is.Equal(o[0]["health"], map[string]any{"cleaning": "not wanted", "alerts": []any{}}) // such a drive counts nothing
}

// What a drive does not tell is left out, what it tells as 0 is there.
func TestHealthForPrograms(t *testing.T) {
	is := is.New(t)
	h := driver.UnknownHealth()
	h.Cleaning, h.Alerts = driver.CleaningNow, driver.AlertsOf(20, 61)
	h.Loads, h.Written.Uncorrected, h.Cartridge.Kind, h.Cartridge.Remaining = 0, 3, driver.CartridgeWORM, 0
	b, err := json.Marshal(healthIn(h))
	is.NoErr(err)
	is.Equal(string(b), `{"cleaning":"needed now","alerts":[`+
		`{"flag":20,"text":"the drive must be cleaned now","fault":"drive","do":"clean the drive"},`+
		`{"flag":61,"text":"TapeAlert flag 61, which this version does not know","fault":"unknown","do":"nothing known"}],`+
		`"loads":0,"writeErrors":3,"cartridge":{"kind":"write once","remaining":0}}`)
	is.Equal(healthIn(h).rows(), [][2]string{
		{"cleaning", "needed now"},
		{"alerts", "20: the drive must be cleaned now (clean the drive); 61: TapeAlert flag 61, which this version does not know (nothing known)"},
		{"loads", "0"}, {"write errors", "3"}, {"cartridge is", "write once"}, {"of that left", "0 B"},
	})
}
