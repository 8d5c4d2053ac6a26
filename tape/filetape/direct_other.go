//go:build !linux

package filetape

import (
	"errors"

	"github.com/enstore-go/sdk/tape/disk"
)

func setDirect(disk.File, bool) error { return errors.ErrUnsupported }

func refusesDirect(error) bool { return false }
