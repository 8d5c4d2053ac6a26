//go:build !linux

package sg

import (
	"context"
	"fmt"

	"github.com/enstore-go/sdk/tape/scsi"
)

// Device is an open device of the Linux kernel; here there is none.
type Device struct{}

// Open fails with ErrNoDevice: generic SCSI devices are Linux's.
func Open(name string) (*Device, error) {
	return nil, fmt.Errorf("%s: %w: this is not Linux; reach the unit by iSCSI", name, ErrNoDevice)
}

// MaxTransfer is the most that one command can move, in bytes.
func (*Device) MaxTransfer() int { return 0 }

// Exec implements scsi.Transport.
func (*Device) Exec(context.Context, []byte, []byte, []byte) (scsi.Result, error) {
	return scsi.Result{}, fmt.Errorf("%w: %w", scsi.ErrNotSent, scsi.ErrSessionLost)
}

// Close implements scsi.Transport.
func (*Device) Close() error { return nil }
