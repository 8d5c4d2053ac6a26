package driver_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
)

func ExampleAlerts() {
	a := driver.AlertsOf(21, 3, 64, 65, 0)
	fmt.Println(a.Flags(), a.Has(21), a.Has(20))
	// Output: [3 21 64] true false
}

func TestUnknownIsNotZero(t *testing.T) {
	is := is.New(t)
	h := driver.UnknownHealth()
	is.NoErr(h.Check())
	is.NoErr(driver.Health{}.Check()) // zeros are numbers like others
	for _, n := range []int64{h.Loads, h.Stops, h.Written.Bytes, h.Read.Uncorrected, h.Cartridge.Density, h.Cartridge.Remaining} {
		is.Equal(n, driver.Unknown)
	}
}

func TestHealthThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(*driver.Health){
		"stops: -2":            func(h *driver.Health) { h.Stops = -2 },
		"errors of reading":    func(h *driver.Health) { h.Read.Uncorrected = -1 << 63 },
		"maker has 65 bytes":   func(h *driver.Health) { h.Cartridge.Maker = strings.Repeat("x", 65) },
		"cleaning of degree 4": func(h *driver.Health) { h.Cleaning = 4 },
		"kind 4":               func(h *driver.Health) { h.Cartridge.Kind = 4 },
		"density code 256":     func(h *driver.Health) { h.Cartridge.Density = 256 },
		"8 bytes remain of 7":  func(h *driver.Health) { h.Cartridge.Capacity, h.Cartridge.Remaining = 7, 8 },
		"4097 wraps":           func(h *driver.Health) { h.Cartridge.WrapEnds = make([]int64, 4097) },
		"wrap 1 ends":          func(h *driver.Health) { h.Cartridge.WrapEnds = []int64{5, 5} },
		"wrap 0 ends":          func(h *driver.Health) { h.Cartridge.WrapEnds = []int64{0} },
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			h := driver.UnknownHealth()
			change(&h)
			err := h.Check()
			is.True(err != nil)
			is.True(strings.Contains(err.Error(), name))
		})
	}
	h := driver.UnknownHealth()
	h.Cartridge.Remaining, h.Cartridge.WrapEnds = 8, []int64{5, 9} // of an unknown capacity
	is.New(t).NoErr(h.Check())
}
