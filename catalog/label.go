package catalog

import "strings"

// Label is the name of a volume: six capitals or digits, mostly with a suffix for the
// medium, as "VO1234L8"; with ".deleted" behind it for a volume that was deleted. Old
// databases also name disk volumes, "host:group.family.wrapper".
type Label string

// deletedSuffix marks the record of a volume whose label may be used again.
const deletedSuffix = ".deleted"

// maxLabel bounds what is read from outside; only disk volumes come near it.
const maxLabel = 255

// ParseLabel accepts six of A-Z and 0-9, then nothing, L or M and a digit (LTO), or J,
// JC, JY (3592), then perhaps ".deleted"; and the names of disk volumes. The error
// wraps ErrInvalid.
func ParseLabel(s string) (Label, error) {
	name := strings.TrimSuffix(s, deletedSuffix)
	if len(s) > maxLabel || !tapeName(name) && !diskName(name) {
		return "", invalid("label %.40q", s)
	}
	return Label(s), nil
}

func tapeName(s string) bool {
	if len(s) < 6 || !allOf(s[:6], isUpperOrDigit) {
		return false
	}
	switch suffix := s[6:]; suffix {
	case "", "J", "JC", "JY":
		return true
	default:
		return len(suffix) == 2 && (suffix[0] == 'L' || suffix[0] == 'M') && isDigit(suffix[1])
	}
}

// diskName: HOST:SG.FF.WRAPPER, then perhaps ":" and an ISO 8601 time.
func diskName(s string) bool {
	host, rest, ok := strings.Cut(s, ":")
	if !ok || host == "" || !allOf(host, func(c byte) bool { return isAlnum(c) || c == '-' || c == '.' }) {
		return false
	}
	family, when, dated := strings.Cut(rest, ":")
	if dated && (when == "" || !allOf(when, func(c byte) bool { return isDigit(c) || strings.IndexByte("-TZ:", c) >= 0 })) {
		return false
	}
	_, err := ParseFamily(family)
	return err == nil
}

func isUpperOrDigit(c byte) bool { return isUpper(c) || isDigit(c) }

// IsTape tells a tape volume from a disk volume.
func (l Label) IsTape() bool { return tapeName(strings.TrimSuffix(string(l), deletedSuffix)) }

// IsDeleted tells whether the label is that of a deleted volume.
func (l Label) IsDeleted() bool { return strings.HasSuffix(string(l), deletedSuffix) }

// OnTape is the part of the label that its cartridge carries: the first six characters.
// Two volumes in use never share it. For a deleted or a disk volume, which have no
// cartridge of their own, it is the whole label.
func (l Label) OnTape() string {
	if len(l) > 6 && tapeName(string(l)) {
		return string(l[:6])
	}
	return string(l)
}

func (l Label) String() string { return string(l) }
