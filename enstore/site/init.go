package site

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/filetape"
)

// FileName is the name of a site's file in its directory.
const FileName = "site.toml"

// InitOptions say what Init makes. The zero value is a site of two drives.
type InitOptions struct {
	Name   string // "enstore"
	Brand  string // of BFIDs; "ENST"
	Drives int    // 2
	Slots  int    // of the robot; 100
}

// ErrExists is returned by Init where there is a site already.
var ErrExists = errors.New("there is a site already")

// Init makes a new site in the directory: a site file, and a library of tape images under
// tapes. The directory is made if need be; one that holds a site is refused with ErrExists. No
// volume is added: see (*Site).AddVolumes.
func Init(ctx context.Context, dir string, o InitOptions) error {
	def(&o.Name, "enstore")
	def(&o.Brand, "ENST")
	def(&o.Drives, 2)
	def(&o.Slots, 100)
	if o.Drives < 1 || o.Drives > 256 || o.Slots < 1 || o.Slots > 100000 {
		return fmt.Errorf("init %s: %d drives and %d slots: want 1 to 256 drives and 1 to 100000 slots", dir, o.Drives, o.Slots)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	name := filepath.Join(dir, FileName)
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("%s: %w", name, ErrExists)
	}
	fs := disk.OS()
	tapes := filepath.Join(dir, "tapes")
	if _, err := os.Lstat(tapes); errors.Is(err, os.ErrNotExist) {
		if err := filetape.Create(fs, tapes, filetape.Options{Drives: o.Drives, Slots: o.Slots}); err != nil {
			return err
		}
	} else if err == nil {
		return fmt.Errorf("%s: %w: there are tapes without a site file; write one, or choose another directory", tapes, ErrExists)
	}
	var text strings.Builder
	if err := fileTemplate.Execute(&text, struct {
		InitOptions
		List []int
	}{o, make([]int, o.Drives)}); err != nil {
		return err
	}
	if _, err := ParseConfig(text.String()); err != nil {
		return err
	}
	// The file comes last: a directory with a site file is a whole site.
	return disk.WriteFileAtomic(fs, name, []byte(text.String()), 0o640)
}

// fileTemplate is the site file that Init writes. Plugins run in the site's directory, so that
// relative names in their tables stay true when the site is moved.
var fileTemplate = template.Must(template.New(FileName).Parse(`# An Enstore site. Every key that is not here has a default:
# go doc github.com/enstore-go/sdk/enstore/site Config
name  = "{{.Name}}"
brand = "{{.Brand}}" # in front of every BFID

[tags] # of the root directory; directories inherit and override them
library             = "tapes"
storage_group       = "main"
file_family         = "data"
file_family_width   = {{if gt .Drives 1}}2{{else}}1{{end}} # how many volumes of a family are written at once
file_family_wrapper = "cpio_odc"

[robot.robot0]
plugin = "robot-file"
config = { dir = "tapes" }
{{range $i, $_ := .List}}
[drive.drive{{$i}}]
plugin    = "drive-file"
robot     = "robot0"
number    = {{$i}}
libraries = ["tapes"]
config    = { dir = "tapes", drive = {{$i}} }
{{end}}`))
