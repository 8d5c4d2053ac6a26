package linuxst_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/linuxst"
)

func TestWrongSettings(t *testing.T) {
	for c, says := range map[string]string{
		`{}`:                                     "device: missing",
		`{"devise": "/dev/nst0"}`:                "devise",
		`{"device": "/dev/nst0", "minBlock": 0}`: "minBlock",
		`{"device": "/dev/nst0", "minBlock": 9, "maxBlock": 8}`: "maxBlock",
		`{"device": "/dev/nst0", "maxBlock": 16777216}`:         "maxBlock",
		`{"device": "/dev/null"}`:                               "/dev/null",
		`{"device": "/there/is/no/such/device"}`:                "/there/is/no/such/device",
	} {
		t.Run(c, func(t *testing.T) {
			is := is.New(t)
			_, err := linuxst.OpenDrive(t.Context(), driver.Config(c))
			e, ok := errors.AsType[*driver.Error](err)
			is.True(ok)
			is.Equal(e.Outcome, driver.OutcomeConfig)
			is.True(strings.Contains(err.Error(), says))
		})
	}
}
