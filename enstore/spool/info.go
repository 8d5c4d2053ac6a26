package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/enstore-go/sdk/crc"
)

const (
	dataSuffix  = ".data"
	infoSuffix  = ".json"
	maxInfo     = 32 << 10 // bytes of a .json: a name of 4096 bytes may take six times as many
	infoVersion = 1
)

// infoFile is the content of a .json.
type infoFile struct {
	Version int             `json:"version"`
	CRC     string          `json:"crc"`
	Info    json.RawMessage `json:"info"`
}

var (
	errTorn  = errors.New("torn")
	errNewer = errors.New("written by a newer version")
)

func appendInfo(b []byte, i Info) ([]byte, error) {
	text, err := json.Marshal(i)
	if err != nil {
		return nil, err
	}
	text, err = json.Marshal(infoFile{infoVersion, fmt.Sprintf("%08x", crc.CRC32C(text)), text})
	return append(b, text...), err
}

// parseInfo reads a .json. It is errNewer for a version that it does not know and errTorn for everything
// else that appendInfo does not write.
func parseInfo(text []byte) (Info, error) {
	var f infoFile
	var i Info
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&f); err != nil || f.Version < 1 {
		return i, errTorn
	}
	if f.Version > infoVersion {
		return i, fmt.Errorf("version %d, this program reads up to %d: %w", f.Version, infoVersion, errNewer)
	}
	if f.CRC != fmt.Sprintf("%08x", crc.CRC32C(f.Info)) {
		return i, errTorn
	}
	if err := json.Unmarshal(f.Info, &i); err != nil || i.Size < 0 || i.SanitySize < 0 {
		return i, errTorn
	}
	return i, nil
}
