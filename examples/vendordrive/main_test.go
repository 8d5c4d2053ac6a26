package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/plugins"
	"github.com/enstore-go/sdk/plugins/plugintest"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
)

func TestMain(m *testing.M) {
	plugins.Main(plugins.Plugin{Name: "drive-vendor", Drive: open})
	os.Setenv("GORACE", "atexit_sleep_ms=0") // under the race detector each plugin would take a second to end
	os.Exit(m.Run())
}

// scratch makes the cartridge that a rule wants, and returns the drive's settings.
func scratch(t testing.TB, s drivertest.Scratch, faults ...string) driver.Config {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cartridge")
	if !s.None {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	c, err := driver.ConfigOf(settings{Dir: dir, Capacity: s.Capacity, Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// has tells whether there are such cartridges for this drive.
func has(s drivertest.Scratch) bool { return !s.WriteProtect && !s.WORM }

func TestDrive(t *testing.T) {
	drivertest.TestDrive(t, func(t testing.TB, s drivertest.Scratch) *drivertest.Rig {
		if !has(s) {
			return nil
		}
		c := scratch(t, s)
		return &drivertest.Rig{Open: func() (driver.Drive, error) { return open(t.Context(), c) }}
	})
}

func TestThroughThePlugin(t *testing.T) {
	drivertest.TestDrive(t, func(t testing.TB, s drivertest.Scratch) *drivertest.Rig {
		if !has(s) {
			return nil
		}
		c := scratch(t, s)
		return &drivertest.Rig{Open: func() (driver.Drive, error) { return plugintest.OpenDrive(t, "drive-vendor")(t.Context(), c) }}
	})
}

func TestUnknownFault(t *testing.T) {
	_, err := open(t.Context(), scratch(t, drivertest.Scratch{}, "keeps the tial"))
	is.New(t).True(err != nil && strings.Contains(err.Error(), "keeps the tial"))
}

// Each fault is named by the kit.
func TestFaults(t *testing.T) {
	for fault, rules := range map[string][]string{
		keepsTheTail:  {"overwriting truncates", "a filemark truncates too"},
		losesCount:    {"positions"},
		mixesOutcomes: {"blank tape"},
		sharesItself:  {"one user at a time"},
		truncatesData: {"block too long"},
		comesShort:    {"locate everywhere"},
		hidesLabels:   {"a label"},
	} {
		t.Run(fault, func(t *testing.T) {
			is := is.New(t)
			var broken []string
			err := drivertest.CheckDrive(t.Context(), func(t testing.TB, s drivertest.Scratch) *drivertest.Rig {
				if s != (drivertest.Scratch{}) {
					return nil
				}
				c := scratch(t, s, fault)
				return &drivertest.Rig{Open: func() (driver.Drive, error) { return open(t.Context(), c) }}
			}, func(r drivertest.Result) {
				if r.Verdict == drivertest.Broken {
					broken = append(broken, r.Rule)
				}
			})
			is.NoErr(err)
			for _, r := range rules {
				if !slices.Contains(broken, r) {
					t.Errorf("the kit does not see that rule %q is broken; it names %q", r, broken)
				}
			}
		})
	}
}
