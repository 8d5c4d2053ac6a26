package site

import (
	"fmt"
	"math"
	"net"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/enstore-go/sdk/catalog"
)

// least is what Transfer.Memory must be: some buffers, and what the plugin takes for itself.
const least = 40 << 20

// brands are the brands that a catalogue takes.
var brands = regexp.MustCompile(`^[A-Za-z0-9]{0,7}[A-Za-z]$`)

// bad is a complaint about a site file.
func bad(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrConfig, fmt.Errorf(format, a...))
}

// maxGroup bounds the files of one flush: what the catalogue takes in one transaction.
const maxGroup = 10_000

// check says what is wrong with a configuration whose defaults are filled in.
func (c *Config) check() error {
	if len(c.Drives) == 0 {
		return bad("no [drive.NAME] table: a site needs a drive")
	}
	if !brands.MatchString(c.Brand) {
		return bad("brand %q: want at most 8 letters and digits, the last one a letter", c.Brand)
	}
	if b := c.Volumes.BlockSize; b < minBlock || b > maxBlock {
		return bad("volumes.block_size is %d: want %d to %d", b, minBlock, maxBlock)
	}
	if c.Flush.Files < 0 || c.Flush.Files > maxGroup {
		return bad("flush.files is %d: want 1 to %d", c.Flush.Files, maxGroup)
	}
	if c.Transfer.Memory < least {
		return bad("transfer.memory is %d: want at least %d bytes", c.Transfer.Memory, least)
	}
	if err := loopback(c.Transfer.Listen); err != nil {
		return bad("transfer.listen: %w", err)
	}
	for name, r := range c.Robots {
		if err := checkPlugin(r.Plugin, "robot-file, robot-scsi, robot-command, robot-operator"); err != nil {
			return bad("robot.%s.plugin %w", name, err)
		}
		for i, l := range r.Cleaning {
			if _, err := catalog.ParseLabel(l); err != nil {
				return bad("robot.%s.cleaning: %w", name, err)
			}
			if slices.Contains(r.Cleaning[:i], l) {
				return bad("robot.%s.cleaning has %s twice", name, l)
			}
		}
	}
	bays := map[string]string{}
	for _, name := range c.driveNames() {
		if err := c.checkDrive(name, bays); err != nil {
			return err
		}
	}
	if err := c.checkQueue(); err != nil {
		return err
	}
	return c.checkTags()
}

func (c *Config) checkTags() error {
	t := c.Tags
	if t.Width < 1 || t.Width > math.MaxInt32 {
		return bad("tags.file_family_width is %d: want at least 1", t.Width)
	}
	if _, err := catalog.ParseLibraryName(t.Library); err != nil {
		return bad("tags.library: %w", err)
	}
	if libs := c.Libraries(); !slices.Contains(libs, catalog.LibraryName(t.Library)) {
		return bad("tags.library is %q: no drive serves it, the drives serve %q", t.Library, libs)
	}
	if _, err := catalog.ParseFamily(t.Group + "." + t.Family + "." + t.Wrapper); err != nil {
		return bad("tags: %w", err)
	}
	if _, err := format(t.Wrapper); err != nil {
		return bad("tags.file_family_wrapper: %w", err)
	}
	return nil
}

// checkDrive checks one drive; bays are the robots' drives that are taken.
func (c *Config) checkDrive(name string, bays map[string]string) error {
	d := c.Drives[name]
	if err := checkPlugin(d.Plugin, "drive-file, drive-scsi, drive-st"); err != nil {
		return bad("drive.%s.plugin %w", name, err)
	}
	if _, ok := c.Robots[d.Robot]; !ok {
		return bad("drive.%s.robot: there is no robot %q", name, d.Robot)
	}
	if d.Number < 0 {
		return bad("drive.%s.number is %d: want 0 or more", name, d.Number)
	}
	bay := fmt.Sprintf("%s/%d", d.Robot, d.Number)
	if other := bays[bay]; other != "" {
		return bad("drive.%s and drive.%s are both number %d of robot %s", other, name, d.Number, d.Robot)
	}
	bays[bay] = name
	if len(d.Libraries) == 0 {
		return bad("drive.%s.libraries is empty", name)
	}
	for _, l := range d.Libraries {
		if _, err := catalog.ParseLibraryName(l); err != nil {
			return bad("drive.%s.libraries: %w", name, err)
		}
	}
	return nil
}

// checkPlugin checks how a plugin is named; whether it is there shows when it is started.
func checkPlugin(source, builtin string) error {
	switch {
	case source == "":
		return fmt.Errorf("is missing: name a built-in plugin (%s) or an absolute path", builtin)
	case !filepath.IsAbs(source) && filepath.Base(source) != source:
		return fmt.Errorf("is %q: want the name of a built-in plugin (%s) or an absolute path", source, builtin)
	}
	return nil
}

// loopback checks an address to listen on. Data ports have neither encryption nor more than a one-time token.
func loopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%q: data ports without TLS listen on loopback only, like 127.0.0.1:0", address)
	}
	return nil
}
