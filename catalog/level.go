package catalog

// Level is how safe a file is. Levels are ordered: a file that is Verified is also
// OnTape. The numbers are stored and never change.
type Level uint8

// The levels. Zero is no level.
const (
	Accepted Level = 1 // the request is recorded; its bytes are not
	Cached   Level = 2 // the bytes are on disk, synced
	OnTape   Level = 3 // the drive has reported the bytes written, and the catalogue has recorded the file
	Verified Level = 4 // the file was read back from tape and its checksum found right
)

var levelNames = [...]string{"none", "accepted", "cached", "on tape", "verified"}

func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return "level beyond verified"
}

// ParseLevel reads what String gives, or the same without the blank. The error wraps
// ErrInvalid.
func ParseLevel(s string) (Level, error) {
	if s == "ontape" {
		return OnTape, nil
	}
	for i, name := range levelNames[1:] {
		if s == name {
			return Level(i + 1), nil
		}
	}
	return 0, invalid("commit level %.40q", s)
}
