package scsi

import (
	"encoding/binary"

	"github.com/enstore-go/sdk/tape/driver"
)

// LogSense asks for the present values of a log page, for an answer of n bytes (SPC-5, 6.9).
func LogSense(page uint8, n int) []byte {
	return []byte{0x4d, 0, 0x40 | page&0x3f, 0, 0, 0, 0, byte(n >> 8), byte(n), 0}
}

// Log pages.
const (
	LogSupported   = 0x00
	LogWriteErrors = 0x02
	LogReadErrors  = 0x03
	LogSequential  = 0x0c // bytes moved, and parameter 0100h: cleaning is wanted
	LogVolume      = 0x17 // of the cartridge
	LogAlert       = 0x2e // TapeAlert
)

// LogParameter is one value of a log page.
type LogParameter struct {
	Code  uint16
	Value []byte
}

// Number is a value of up to 8 bytes as an unsigned number. ok is false if it is empty or longer.
func (p LogParameter) Number() (n uint64, ok bool) {
	if len(p.Value) == 0 || len(p.Value) > 8 {
		return 0, false
	}
	for _, b := range p.Value {
		n = n<<8 | uint64(b)
	}
	return n, true
}

// ParseLog decodes a log page (SPC-5, 7.3.2). A parameter that overruns ends the list with an error and what came before.
func ParseLog(b []byte) (page uint8, all []LogParameter, err error) {
	if len(b) < 4 {
		return 0, nil, malformed("log page", len(b), "no header")
	}
	page = b[0] & 0x3f
	b = b[:min(len(b), 4+int(binary.BigEndian.Uint16(b[2:])))]
	for at := 4; at < len(b); {
		if at+4 > len(b) || at+4+int(b[at+3]) > len(b) {
			return page, all, malformed("log page", at, "a parameter overruns")
		}
		n := int(b[at+3])
		all = append(all, LogParameter{binary.BigEndian.Uint16(b[at:]), append([]byte(nil), b[at+4:at+4+n]...)})
		at += 4 + n
	}
	return page, all, nil
}

// Alerts are TapeAlert flags.
type Alerts = driver.Alerts

// ParseAlerts decodes log page LogAlert. Reading the page clears the flags in the drive.
func ParseAlerts(b []byte) (Alerts, error) {
	page, all, err := ParseLog(b)
	if err == nil && page != LogAlert {
		err = malformed("log page", 0, "page %#02x, TapeAlert was asked for", page)
	}
	if page != LogAlert {
		return 0, err
	}
	var a Alerts
	for _, p := range all {
		if n, ok := p.Number(); ok && n&1 != 0 && p.Code >= 1 && p.Code <= 64 {
			a |= 1 << (p.Code - 1)
		}
	}
	return a, err
}
