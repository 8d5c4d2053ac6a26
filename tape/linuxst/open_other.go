//go:build !linux || !(amd64 || arm64)

package linuxst

import (
	"context"

	"github.com/enstore-go/sdk/tape/driver"
)

func open(_ context.Context, s settings) (driver.Drive, error) {
	return nil, fail("open", driver.OutcomeConfig, "device: %s: tape devices are known on Linux on amd64 and arm64 only; reach the drive by iSCSI", s.Device)
}
