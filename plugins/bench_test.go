//go:build unix

package plugins

import (
	"context"
	"os"

	"github.com/enstore-go/sdk/tape/driver"
)

// null is a drive that writes its blocks to the null device.
type null struct {
	ram
	f *os.File
}

func openNull(ctx context.Context, _ driver.Config) (driver.Drive, error) {
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	return &null{f: f, ram: ram{conf: ramConfig{MinBlock: 1, MaxBlock: 256 << 10}, closed: make(chan struct{})}}, nil
}

func (n *null) WriteBlock(_ context.Context, p []byte) (driver.Condition, error) {
	_, err := n.f.Write(p)
	return driver.NoCondition, err
}
