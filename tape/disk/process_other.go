//go:build !linux

package disk

import "errors"

func processStart(int) (string, error) { return "", errors.ErrUnsupported }
