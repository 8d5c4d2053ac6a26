package cern_test

import (
	"testing"

	"github.com/enstore-go/sdk/wrapper/cern"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

func TestAnsi(t *testing.T) { wrappertest.TestFormat(t, cern.Ansi) }
