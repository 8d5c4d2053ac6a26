package scsi

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/enstore-go/sdk/tape/driver"
)

// Sense is sense data (SPC-5, 4.4), in either format. It holds no reference to what it was parsed from.
type Sense struct {
	Key       Key
	ASC, ASCQ uint8
	Deferred  bool // about an earlier command, which had been reported good
	Filemark  bool // a filemark was met
	EOM       bool // end of medium, early warning, or the load point when moving backwards
	ILI       bool // the block has not the length that was asked for
	InfoValid bool
	// Info is the residue of a tape command, if InfoValid: what was asked for less what was done. It is negative if a block is
	// longer than asked for. Fixed format has 32 bits of it, with a sign.
	Info int64
	// Progress of what the unit is busy with, in 1/65536, if ProgressValid.
	Progress      uint16
	ProgressValid bool
	// Field is the byte of the command or parameter that is wrong, if FieldValid.
	Field      uint16
	FieldValid bool
}

// Key is a sense key.
type Key uint8

// The sense keys (SPC-5, table 48).
const (
	NoSense        Key = 0x0
	RecoveredError Key = 0x1
	NotReady       Key = 0x2
	MediumError    Key = 0x3
	HardwareError  Key = 0x4
	IllegalRequest Key = 0x5
	UnitAttention  Key = 0x6
	DataProtect    Key = 0x7
	BlankCheck     Key = 0x8
	VendorSpecific Key = 0x9
	CopyAborted    Key = 0xa
	AbortedCommand Key = 0xb
	VolumeOverflow Key = 0xd
	Miscompare     Key = 0xe
	Completed      Key = 0xf
)

var keyNames = [16]string{
	"no sense", "recovered error", "not ready", "medium error", "hardware error", "illegal request", "unit attention", "data protect",
	"blank check", "vendor specific", "copy aborted", "aborted command", "reserved", "volume overflow", "miscompare", "completed",
}

func (k Key) String() string { return keyNames[k&0xf] }

// Is tells whether key and additional sense code are these.
func (s Sense) Is(k Key, asc, ascq uint8) bool { return s.Key == k && s.ASC == asc && s.ASCQ == ascq }

// String is for people: "medium error 3/11/00, filemark, residue 5".
func (s Sense) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %x/%02x/%02x", s.Key, uint8(s.Key), s.ASC, s.ASCQ)
	for _, f := range []struct {
		on   bool
		name string
	}{{s.Deferred, "deferred"}, {s.Filemark, "filemark"}, {s.EOM, "end of medium"}, {s.ILI, "another length"}} {
		if f.on {
			b.WriteString(", " + f.name)
		}
	}
	if s.InfoValid {
		fmt.Fprintf(&b, ", residue %d", s.Info)
	}
	return b.String()
}

// Of is the sense data as drivers tell it; raw is kept up to MaxSense bytes, copied.
func (s Sense) Of(raw []byte) driver.Sense {
	d := driver.Sense{Key: uint8(s.Key), ASC: s.ASC, ASCQ: s.ASCQ, Deferred: s.Deferred, EOM: s.EOM, Info: driver.Unknown}
	if s.InfoValid {
		d.Info = s.Info
	}
	if len(raw) > 0 {
		d.Raw = append([]byte(nil), raw[:min(len(raw), MaxSense)]...)
	}
	return d
}

// ParseSense decodes sense data of fixed (response codes 70h, 71h) or descriptor format (72h, 73h). Data that are
// cut short give what is there, as long as the sense key is. It allocates nothing unless it fails.
func ParseSense(b []byte) (Sense, error) {
	if len(b) == 0 {
		return Sense{}, malformed("sense data", 0, "none")
	}
	switch code := b[0] & 0x7f; code {
	case 0x70, 0x71:
		return parseFixed(b, code == 0x71)
	case 0x72, 0x73:
		return parseDescriptors(b, code == 0x73)
	default:
		return Sense{}, malformed("sense data", 0, "response code %#x", code)
	}
}

// parseFixed decodes SPC-5, 4.4.3.
func parseFixed(b []byte, deferred bool) (Sense, error) {
	if len(b) < 3 {
		return Sense{}, malformed("sense data", len(b), "no sense key")
	}
	s := Sense{Key: Key(b[2] & 0x0f), Deferred: deferred, Filemark: b[2]&0x80 != 0, EOM: b[2]&0x40 != 0, ILI: b[2]&0x20 != 0}
	if len(b) >= 7 && b[0]&0x80 != 0 {
		s.InfoValid, s.Info = true, int64(int32(binary.BigEndian.Uint32(b[3:])))
	}
	if len(b) < 8 {
		return s, nil
	}
	b = b[:min(len(b), 8+int(b[7]))]
	if len(b) >= 13 {
		s.ASC = b[12]
	}
	if len(b) >= 14 {
		s.ASCQ = b[13]
	}
	if len(b) >= 18 {
		s.specific(b[15:18])
	}
	return s, nil
}

// specific decodes sense key specific data (SPC-5, 4.4.2.4).
func (s *Sense) specific(b []byte) {
	if b[0]&0x80 == 0 {
		return
	}
	switch s.Key {
	case IllegalRequest:
		s.FieldValid, s.Field = true, binary.BigEndian.Uint16(b[1:])
	case NoSense, NotReady:
		s.ProgressValid, s.Progress = true, binary.BigEndian.Uint16(b[1:])
	}
}

// parseDescriptors decodes SPC-5, 4.4.2.
func parseDescriptors(b []byte, deferred bool) (Sense, error) {
	if len(b) < 4 {
		return Sense{}, malformed("sense data", len(b), "no sense key")
	}
	s := Sense{Key: Key(b[1] & 0x0f), ASC: b[2], ASCQ: b[3], Deferred: deferred}
	if len(b) < 8 {
		return s, nil
	}
	b = b[8:min(len(b), 8+int(b[7]))]
	for len(b) >= 2 {
		d := b[:min(len(b), 2+int(b[1]))]
		b = b[len(d):]
		switch {
		case d[0] == 0x00 && len(d) >= 12: // information
			if d[2]&0x80 != 0 {
				s.InfoValid, s.Info = true, int64(binary.BigEndian.Uint64(d[4:]))
			}
		case d[0] == 0x02 && len(d) >= 7: // sense key specific
			s.specific(d[4:7])
		case d[0] == 0x04 && len(d) >= 4: // stream commands
			s.Filemark, s.EOM, s.ILI = d[3]&0x80 != 0, d[3]&0x40 != 0, d[3]&0x20 != 0
		}
	}
	return s, nil
}

// Moved is how many of the bytes or objects that a command asked for it moved, when it ended with sense data: what a
// transport counts is not to be trusted then, as units send stale bytes behind what they have. ok is false if the sense data do
// not tell; none may be used then. A residue beyond what was asked for tells nothing either.
func (s Sense) Moved(asked int64) (n int64, ok bool) {
	if !s.InfoValid || s.Info > asked || s.Info < 0 && !s.ILI {
		return 0, false
	}
	return min(asked-s.Info, asked), true
}

// Outcome is what the sense data of a command that failed mean to a driver's user. Conditions that are no failure
// (a filemark, early warning, another length) are for the caller to look at before.
func (s Sense) Outcome() driver.Outcome {
	switch s.Key {
	case NotReady:
		if s.ASC == 0x3a {
			return driver.OutcomeNoMedium
		}
		return driver.OutcomeNotReady
	case MediumError:
		return driver.OutcomeMedium
	case HardwareError:
		return driver.OutcomeHardware
	case IllegalRequest:
		switch {
		case s.ASC == 0x3b && s.ASCQ == 0x0d:
			return driver.OutcomeFull
		case s.ASC == 0x3b && s.ASCQ == 0x0e:
			return driver.OutcomeNoMedium
		case s.ASC == 0x53 && s.ASCQ == 0x02:
			return driver.OutcomeHeld
		}
		return driver.OutcomeIllegalRequest
	case UnitAttention:
		return driver.OutcomeUnitAttention
	case DataProtect:
		return driver.OutcomeWriteProtected
	case BlankCheck:
		return driver.OutcomeBlankCheck
	case AbortedCommand:
		return driver.OutcomeAborted
	case VolumeOverflow:
		return driver.OutcomeEndOfMedium
	}
	return driver.OutcomeUnknown
}
