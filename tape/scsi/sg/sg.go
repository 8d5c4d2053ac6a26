package sg

import (
	"errors"
	"time"

	"github.com/enstore-go/sdk/tape/scsi"
)

// Errors of Open.
var (
	// ErrHeld: somebody has the device open.
	ErrHeld = errors.New("sg: the device is in use")
	// ErrNoDevice: it is no generic SCSI device, or not there.
	ErrNoDevice = errors.New("sg: no generic SCSI device")
)

// NoDeadline bounds a command whose context has no deadline: longer than the two hours that the first load of an LTO-9 cartridge may take.
const NoDeadline = 3 * time.Hour

// maxCDB is the longest command of version 3.
const maxCDB = 16

var _ scsi.Device = (*Device)(nil)
