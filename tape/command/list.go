package command

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/internal/program"
)

// Bounds of what a robot may print.
const (
	maxOutput  = 16 << 20 // bytes
	maxPlaces  = 100_000
	maxWord    = 32 // bytes of a label or name
	firstOther = 1000
	maxAddress = 999_999_999
)

// kinds are the first words of lines.
var kinds = map[string]driver.ElementKind{"slot": driver.Slot, "drive": driver.DriveBay, "port": driver.Port, "hand": driver.Transport}

// parseList decodes what the inventory command prints, in the order of addresses; names are those of drives.
func parseList(out []byte, names []string) ([]driver.Element, error) {
	var all []driver.Element
	labels := map[string]int{}
	n := 0
	for line := range strings.Lines(string(out)) {
		n++
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		e, err := parseLine(f, names)
		if err != nil {
			return nil, fmt.Errorf("line %d, %q: %w", n, clip(line), err)
		}
		if len(all) == maxPlaces {
			return nil, fmt.Errorf("line %d: more than %d places", n, maxPlaces)
		}
		if e.Label != "" {
			if at, twice := labels[e.Label]; twice {
				return nil, fmt.Errorf("line %d: label %s is at %d and at %d", n, e.Label, at, e.Address)
			}
			labels[e.Label] = e.Address
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b driver.Element) int { return a.Address - b.Address })
	for i := 1; i < len(all); i++ {
		if all[i].Address == all[i-1].Address {
			return nil, fmt.Errorf("there are two lines of %d", all[i].Address)
		}
	}
	return all, nil
}

// parseLine decodes the fields of a line.
func parseLine(f []string, names []string) (driver.Element, error) {
	e := driver.Element{Drive: -1}
	if len(f) < 3 || len(f) > 4 {
		return e, fmt.Errorf("want a kind, a number and a label or '-', perhaps with \"held\" behind it")
	}
	kind, ok := kinds[f[0]]
	if !ok {
		return e, fmt.Errorf("want slot, drive, port or hand as the first word")
	}
	e.Kind = kind
	address := slices.Index(names, f[1])
	if kind != driver.DriveBay || address < 0 {
		n, err := strconv.ParseUint(f[1], 10, 32)
		if err != nil {
			return e, fmt.Errorf("want a number as the second word")
		}
		address = int(n)
	}
	e.Address = address
	if kind == driver.DriveBay {
		e.Drive = address
		if address >= firstOther || names != nil && address >= len(names) {
			return e, fmt.Errorf("drives are numbered from 0 to %d, as many as drives names", firstOther-1)
		}
	} else if address < firstOther || address > maxAddress {
		return e, fmt.Errorf("all but drives are numbered from %d to %d", firstOther, maxAddress)
	}
	switch label := f[2]; {
	case label == "-":
	case label == "?":
		e.Full = true
	case isWord(label):
		e.Full, e.Label = true, label
	default:
		return e, fmt.Errorf("want a label of 1 to %d characters, '-' for empty or '?' for unknown as the third word", maxWord)
	}
	if len(f) == 4 {
		if f[3] != "held" || kind != driver.DriveBay || !e.Full {
			return e, fmt.Errorf("behind the label only a full drive has a word: held")
		}
		e.Held = true
	}
	return e, nil
}

// isWord tells whether a label or name is one that a command can be told: it is neither taken for an option nor for a sign of the list.
func isWord(s string) bool {
	if s == "" || len(s) > maxWord || strings.ContainsRune("-?#", rune(s[0])) {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// clip is a piece of a line for a message.
func clip(line string) string {
	line = strings.TrimSpace(line)
	return program.Printable(line[:min(len(line), 60)])
}
