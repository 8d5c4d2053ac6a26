//go:build !unix

package plugins

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/enstore-go/sdk/tape/driver"
)

var errUnsupported = errors.New("plugins: plugin processes are not supported on this system")

func serve(Plugin) {
	fmt.Fprintln(os.Stderr, errUnsupported)
	os.Exit(1)
}

// Host starts plugin processes. On this system it cannot be made.
type Host struct{}

// NewHost refuses: plugin processes are not supported on this system.
func NewHost(HostOptions) (*Host, error) { return nil, errUnsupported }

// OpenDrive refuses.
func (*Host) OpenDrive(context.Context, Source, driver.Config) (driver.Drive, error) {
	return nil, errUnsupported
}

// OpenChanger refuses.
func (*Host) OpenChanger(context.Context, Source, driver.Config) (driver.Changer, error) {
	return nil, errUnsupported
}

// Close does nothing.
func (*Host) Close() error { return nil }
