package driver_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
)

func ExampleConfig_Decode() {
	var settings struct {
		Dir   string
		Drive int
	}
	err := driver.Config(`{"dir": "/srv/tapes", "drvie": 1}`).Decode(&settings)
	fmt.Println(err)
	// Output: configure: bad configuration: json: unknown field "drvie"
}

type settings struct {
	Dir   string `json:"dir"`
	Drive int    `json:"drive"`
}

func TestConfig(t *testing.T) {
	is := is.New(t)
	c, err := driver.ConfigOf(settings{"/x", 2})
	is.NoErr(err)
	got := settings{}
	is.NoErr(c.Decode(&got))
	is.Equal(got, settings{"/x", 2})

	kept := settings{"/default", 7}
	is.NoErr(driver.Config(nil).Decode(&kept))
	is.NoErr(driver.Config(" \n").Decode(&kept))
	is.NoErr(driver.Config("{}").Decode(&kept))
	is.Equal(kept, settings{"/default", 7})

	_, err = driver.ConfigOf(func() {})
	is.True(err != nil)
}

func TestConfigNamesTheKey(t *testing.T) {
	for in, key := range map[string]string{
		`{"drvie": 1}`:     "drvie",
		`{"drive": "one"}`: "drive",
		`{"drive"`:         "EOF",
	} {
		t.Run(in, func(t *testing.T) {
			is := is.New(t)
			var s settings
			err := driver.Config(in).Decode(&s)
			var e *driver.Error
			is.True(errors.As(err, &e))
			is.Equal(e.Outcome, driver.OutcomeConfig)
			is.True(strings.Contains(err.Error(), key))
		})
	}
}

// The numbers cross the plugin border: they never change.
func TestNumbersAreFrozen(t *testing.T) {
	is := is.New(t)
	for n, name := range []string{
		"good", "outcome unknown", "illegal request", "bad configuration", "no medium", "element full", "not ready", "held by another",
		"unit attention", "write protected", "blank check", "end of data", "end of medium", "block too long",
		"medium error", "hardware error", "aborted", "timed out", "plugin gone", "outcome 19",
	} {
		is.Equal(driver.Outcome(n).String(), name)
	}
	is.Equal([]uint8{uint8(driver.SpaceBlocks), uint8(driver.SpaceFilemarks), uint8(driver.SpaceEndOfData)}, []uint8{1, 2, 3})
	is.Equal([]uint8{uint8(driver.NoCondition), uint8(driver.Filemark), uint8(driver.EndOfData), uint8(driver.EarlyWarning), uint8(driver.LoadPoint)},
		[]uint8{0, 1, 2, 3, 4})
	is.Equal([]uint8{uint8(driver.Slot), uint8(driver.DriveBay), uint8(driver.Port), uint8(driver.Transport)}, []uint8{1, 2, 3, 4})
	is.Equal(driver.Unknown, int64(-1))
}

func TestErrorText(t *testing.T) {
	is := is.New(t)
	e := &driver.Error{Op: "write block", Outcome: driver.OutcomeMedium, Sense: driver.Sense{Key: 3, ASC: 0x0c, ASCQ: 2, Deferred: true}, Text: "spot"}
	is.Equal(e.Error(), "write block: medium error (deferred) [sense 3/0c/02]: spot")
	is.Equal((&driver.Error{Op: "load", Outcome: driver.OutcomeNoMedium}).Error(), "load: no medium")
}

func TestTimeoutDefaults(t *testing.T) {
	is := is.New(t)
	got := driver.Timeouts{Load: 2 * time.Hour}.WithDefaults()
	is.Equal(got, driver.Timeouts{
		Command: 30 * time.Second, Load: 2 * time.Hour, Locate: 10 * time.Minute, Transfer: 5 * time.Minute, Flush: 10 * time.Minute,
	})
}
