package reach_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/scsi"
	"github.com/enstore-go/sdk/tape/scsi/reach"
	"github.com/enstore-go/sdk/tape/scsi/scsitest"
)

func TestWrongSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	is.New(t).NoErr(os.WriteFile(file, nil, 0o600))
	for name, c := range map[string]struct {
		s    reach.Settings
		says string
	}{
		"nothing":          {reach.Settings{}, "device: missing"},
		"both":             {reach.Settings{Device: "/dev/sg0", Portal: "127.0.0.1:1", Target: "a"}, "either a device, or portal"},
		"a device and lun": {reach.Settings{Device: "/dev/sg0", LUN: 1}, "either a device, or portal"},
		"no target":        {reach.Settings{Portal: "127.0.0.1:1"}, "target: missing"},
		"no portal":        {reach.Settings{Target: "a"}, "portal: missing"},
		"a unit too many":  {reach.Settings{Portal: "127.0.0.1:1", Target: "a", LUN: 1 << 14}, "lun: "},
		"no such device":   {reach.Settings{Device: file + "x"}, "device: " + file + "x"},
		"a file":           {reach.Settings{Device: file}, "device: " + file},
		"another device":   {reach.Settings{Device: "/dev/null"}, "device: /dev/null"},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			_, err := c.s.Open(t.Context())
			e, ok := errors.AsType[*driver.Error](err)
			is.True(ok)
			is.Equal(e.Outcome, driver.OutcomeConfig)
			is.True(strings.Contains(err.Error(), c.says))
		})
	}
}

func TestPortal(t *testing.T) {
	is := is.New(t)
	lib := scsitest.Start(t, scsitest.Options{})
	way, err := reach.Settings{Portal: lib.Portal, Target: lib.Target, LUN: lib.Robot}.Open(t.Context())
	is.NoErr(err)
	defer way.Close()
	id, err := scsi.NewUnit(way).Identity(t.Context(), scsi.TypeChanger)
	is.NoErr(err)
	is.Equal(id.Serial, "LIB00001")

	_, err = reach.Settings{Portal: lib.Portal, Target: lib.Target + "x"}.Open(t.Context())
	e, ok := errors.AsType[*driver.Error](err)
	is.True(ok)
	is.Equal(e.Outcome, driver.OutcomeConfig) // the target knows that better

	_, err = reach.Settings{Portal: "127.0.0.1:1", Target: "a"}.Open(t.Context())
	e, ok = errors.AsType[*driver.Error](err)
	is.True(ok)
	is.Equal(e.Outcome, driver.OutcomeNotReady) // nobody is there, for now
}
