package main

import (
	"context"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/memtape"
)

// idle is a robot that says good and moves nothing.
type idle struct{ driver.Changer }

func (idle) Move(context.Context, int, int) error { return nil }

// A robot that does not do what it says does not keep the command for ever.
func TestTidyEnds(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{})
	_, err := lib.AddVolume("TST001", memtape.VolumeOptions{})
	is.NoErr(err)
	home := map[string]int{"TST001": memtape.FirstSlot + 2}
	err = tidy(t.Context(), func() (driver.Changer, error) {
		r, err := lib.OpenChanger()
		return idle{r}, err
	}, home)
	is.True(err != nil && strings.Contains(err.Error(), "TST001 was moved to address"))
	is.NoErr(tidy(t.Context(), lib.OpenChanger, home))
	r, err := lib.OpenChanger()
	is.NoErr(err)
	es, err := r.Inventory(t.Context())
	is.NoErr(err)
	for _, e := range es {
		is.Equal(e.Full, e.Address == memtape.FirstSlot+2)
	}
}
