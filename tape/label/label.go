// Package label is the codec of volume labels: what the first record of a
// cartridge says of it.
//
// A [Volume] is a label as data. It has two forms on tape, both of ASCII characters
// in groups of 80, both one record, both followed by one filemark:
//
//	plain  80 bytes   VOL1               wrappers null and cpio_odc, standard '0'
//	user  240 bytes   VOL1 UVL1 UVL2     wrapper cern, standard '3'
//
//	VOL1  offset len                     UVL1  offset len
//	          0   4  VOL1                         0   4  UVL1
//	          4   6  volume id                    4   1  side, '0'
//	         10   1  accessibility                5  75  blanks
//	         11  13  blanks                UVL2  offset len
//	         24  13  implementation               0   4  UVL2
//	         37  14  owner                        4  19  declared, YYYY/MM/DD HH:MM:SS, UTC
//	         51  28  blanks                      23  57  volume family
//	         79   1  label standard
//
// Every field is left-justified and filled with blanks. The id on tape is the first
// six characters of a volume's name ([ID]): the suffix of the medium, as in VO1234L8,
// is on the cartridge's sticker only.
//
//	record, err := label.Plain("VO1234L8").Encode()
//	...
//	v, err := label.Parse(record)
//	if v.ID != label.ID("VO1234L8") { ... another cartridge
//
// CERN's tape server asks for more than Parse does: an id of exactly six characters,
// a blank accessibility and blank fields around it. Labels made by [Plain] and
// [User] of six-character names meet that.
//
// The package does no I/O and does not know file labels (HDR1, EOF1 and their kin),
// which belong to a wrapper. No label of a tape's end is ever written: files do not
// span volumes.
package label

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The errors of this package. Both are wrapped with what was found.
var (
	// ErrNoLabel tells that a record is no volume label at all: it does not begin with VOL1.
	ErrNoLabel = errors.New("label: no volume label")
	// ErrBadLabel tells that a record begins as a volume label and breaks its rules, or
	// that a Volume cannot be written as one.
	ErrBadLabel = errors.New("label: bad volume label")
)

// Sizes, in bytes.
const (
	Group     = 80         // one label; records are multiples of it
	MaxRecord = 18 * Group // the longest record Parse accepts: VOL1 to VOL9 and UVL1 to UVL9
	MaxID     = 6          // of a volume id on tape
	MaxFamily = 57         // of a volume family in UVL2; longer ones are cut
)

// The label standards.
const (
	StandardPlain byte = '0'
	StandardUser  byte = '3'
)

const (
	ownerLen, implementationLen = 14, 13
	dateForm                    = "2006/01/02 15:04:05"
)

// Volume is a volume label.
type Volume struct {
	// ID is the name on tape: at most MaxID printable characters without blanks, "VO1234".
	// Parse may return a longer one, up to 20, because the old labelling
	// tool wrote whole names ("VO1234L8"); Encode refuses that.
	ID             string
	Standard       byte   // StandardPlain or StandardUser; 0 means the one that goes with UserLabels
	Owner          string // at most 14 characters
	Implementation string // at most 13 characters
	Access         byte   // accessibility, a blank for everybody; 0 means a blank

	UserLabels bool      // UVL1 and UVL2 are there
	Declared   time.Time // of UVL2, whole seconds, UTC; zero for blanks
	Family     string    // of UVL2: "exp.raw2024.cern"; cut at MaxFamily
}

// ID returns what of a volume's name is on tape: its first six characters.
func ID(volume string) string {
	if len(volume) > MaxID {
		return volume[:MaxID]
	}
	return volume
}

// Plain returns the label that the wrappers null and cpio_odc use.
func Plain(volume string) Volume {
	return Volume{ID: ID(volume), Standard: StandardPlain, Access: ' '}
}

// User returns the label with user labels that the wrapper cern uses. The owner is the
// one that Enstore writes, which readers of these tapes expect.
func User(volume, family string, declared time.Time) Volume {
	if len(family) > MaxFamily {
		family = family[:MaxFamily]
	}
	if !declared.IsZero() {
		declared = declared.UTC().Truncate(time.Second)
	}
	return Volume{
		ID: ID(volume), Standard: StandardUser, Owner: "Fermilab", Access: ' ',
		UserLabels: true, Declared: declared, Family: family,
	}
}

// Encode returns the record: 80 bytes, or 240 with UserLabels. A field that is too long
// or not printable ASCII is ErrBadLabel, except a long Family, which is cut.
func (v Volume) Encode() ([]byte, error) {
	if len(v.ID) == 0 || len(v.ID) > MaxID || strings.Contains(v.ID, " ") {
		return nil, fmt.Errorf("%w: volume id %q is not 1 to %d characters without blanks", ErrBadLabel, v.ID, MaxID)
	}
	standard, access := v.Standard, v.Access
	if standard == 0 {
		standard = StandardPlain
		if v.UserLabels {
			standard = StandardUser
		}
	}
	if access == 0 {
		access = ' '
	}
	for _, f := range []struct {
		name, value string
		max         int
	}{
		{"volume id", v.ID, MaxID},
		{"owner", v.Owner, ownerLen},
		{"implementation", v.Implementation, implementationLen},
		{"label standard", string(rune(standard)), 1},
		{"accessibility", string(rune(access)), 1},
		{"volume family", v.Family, len(v.Family)},
	} {
		if len(f.value) > f.max || !printable(f.value) {
			return nil, fmt.Errorf("%w: %s %q is not at most %d printable characters", ErrBadLabel, f.name, f.value, f.max)
		}
	}
	groups := 1
	if v.UserLabels {
		groups = 3
	}
	b := []byte(strings.Repeat(" ", groups*Group))
	copy(b, "VOL1")
	copy(b[4:], v.ID)
	b[10] = access
	copy(b[24:], v.Implementation)
	copy(b[37:], v.Owner)
	b[79] = standard
	if v.UserLabels {
		copy(b[80:], "UVL10")
		copy(b[160:], "UVL2")
		if !v.Declared.IsZero() {
			if y := v.Declared.UTC().Year(); y < 0 || y > 9999 {
				return nil, fmt.Errorf("%w: year %d has not four digits", ErrBadLabel, y)
			}
			copy(b[164:183], v.Declared.UTC().Format(dateForm))
		}
		copy(b[183:240], v.Family)
	}
	return b, nil
}

// Parse reads the first record of a volume. A record that does not begin with VOL1 is
// ErrNoLabel. ErrBadLabel is one whose length is not a multiple of 80 or above
// MaxRecord, without an id, or with further groups out of place: VOL2 to VOL9 and then
// UVL1 to UVL9 may follow VOL1, where each UVL may come as soon as its number
// allows. Groups that Volume has no field for are accepted and dropped.
func Parse(record []byte) (Volume, error) {
	if len(record) < 4 || string(record[:4]) != "VOL1" {
		return Volume{}, fmt.Errorf("%w: record of %d bytes begins with %q", ErrNoLabel, len(record), record[:min(4, len(record))])
	}
	if len(record)%Group != 0 || len(record) > MaxRecord {
		return Volume{}, fmt.Errorf("%w: %d bytes are not 1 to %d groups of %d", ErrBadLabel, len(record), MaxRecord/Group, Group)
	}
	if !printable(string(record)) {
		return Volume{}, fmt.Errorf("%w: characters that are not printable ASCII", ErrBadLabel)
	}
	v := Volume{
		Standard:       record[79],
		Access:         record[10],
		Implementation: strings.TrimSpace(string(record[24:37])),
		Owner:          strings.TrimSpace(string(record[37:51])),
	}
	word, _, _ := strings.Cut(strings.TrimLeft(string(record[4:24]), " "), " ")
	switch {
	case word == "":
		return Volume{}, fmt.Errorf("%w: the volume id is blank", ErrBadLabel)
	case record[11] == ' ' && strings.TrimSpace(string(record[4:10])) != "":
		v.ID, _, _ = strings.Cut(strings.TrimSpace(string(record[4:10])), " ")
	default:
		// A name that runs on over accessibility: the old labelling tool.
		v.ID, v.Access = word, ' '
	}
	for at := Group; at < len(record); at += Group {
		kind := string(record[at : at+4])
		if !inPlace(kind, at/Group) {
			return Volume{}, fmt.Errorf("%w: %q at byte %d is out of place", ErrBadLabel, kind, at)
		}
		switch kind {
		case "UVL1":
			v.UserLabels = true
		case "UVL2":
			v.UserLabels = true
			v.Family = strings.TrimSpace(string(record[at+23 : at+Group]))
			// A date that is none is no reason to refuse the cartridge: it is for people.
			if t, err := time.Parse(dateForm, string(record[at+4:at+23])); err == nil {
				v.Declared = t
			}
		}
	}
	return v, nil
}

// inPlace tells whether a group of this kind may be the one with index k (VOL1 is 0).
func inPlace(kind string, k int) bool {
	n := int(kind[3]) - '0'
	switch {
	case n < 1 || n > 9:
		return false
	case kind[:3] == "VOL":
		return k <= 8 && n == k+1
	case kind[:3] == "UVL":
		return n <= k && n >= k-8
	}
	return false
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
