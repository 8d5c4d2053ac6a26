package cpio_test

import (
	"testing"

	"github.com/enstore-go/sdk/wrapper/cpio"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

func TestOdc(t *testing.T) { wrappertest.TestFormat(t, cpio.Odc) }
