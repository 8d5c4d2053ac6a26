package wrapper_test

import (
	"testing"

	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

func TestNull(t *testing.T) { wrappertest.TestFormat(t, wrapper.Null) }
