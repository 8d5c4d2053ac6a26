//go:build !unix && !windows

package disk

import (
	"errors"
	"os"
)

func syncDir(dir string) error {
	_, err := os.Stat(dir)
	return err
}

func lockFile(name string) (*os.File, error) {
	return nil, &os.PathError{Op: "lock", Path: name, Err: errors.ErrUnsupported}
}
