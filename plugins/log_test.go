//go:build unix

package plugins

import (
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/matryer/is"
)

func TestLevelOfALine(t *testing.T) {
	is := is.New(t)
	for line, want := range map[string]struct {
		level hclog.Level
		text  string
	}{
		"[WARN] the lid is open": {hclog.Warn, "the lid is open"},
		"[ERROR]  broken":        {hclog.Error, "broken"},
		"[debug] x":              {hclog.Debug, "x"},
		"[drive 3] x":            {hclog.Info, "[drive 3] x"},
		"[WARN the lid is open":  {hclog.Info, "[WARN the lid is open"},
		"WARN] the lid is open":  {hclog.Info, "WARN] the lid is open"},
		"warm":                   {hclog.Info, "warm"},
	} {
		level, text := levelOf(line)
		is.Equal(level, want.level)
		is.Equal(text, want.text)
	}
}
