package site

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/plugins"
	"github.com/enstore-go/sdk/tape/driver"
)

// Config is a site file. Every key has a default but the drives and robots; what is not known is refused
// with its line. Relative paths are relative to the directory of the file. Each field names its key and, behind a
// semicolon, the default; the tables are [SpoolConfig], [FlushConfig] and so on. Init writes a file to begin with.
type Config struct {
	Name    string `toml:"name"`    // of the site, for labels and messages; "enstore"
	Brand   string `toml:"brand"`   // in front of every BFID; "ENST"
	Journal string `toml:"journal"` // directory of the library manager's journal; "journal"
	Catalog string `toml:"catalog"` // the catalogue's file; "catalog.db"
	Run     string `toml:"run"`     // directory of locks, sockets and process records; "run"

	Spool    SpoolConfig            `toml:"spool"`
	Flush    FlushConfig            `toml:"flush"`
	Tags     TagsConfig             `toml:"tags"`
	Volumes  VolumesConfig          `toml:"volumes"`
	Transfer TransferConfig         `toml:"transfer"`
	Queue    QueueConfig            `toml:"queue"`
	Robots   map[string]RobotConfig `toml:"robot"`
	Drives   map[string]DriveConfig `toml:"drive"`

	dir  string // of the file
	file string // its name, "" if it was not read from one
}

// SpoolConfig is the disk in front of the tapes, for streams of unknown size or slower than a drive.
type SpoolConfig struct {
	Dir     string `toml:"dir"`      // "spool"
	Size    Size   `toml:"size"`     // at most so many bytes wait there; 64 GiB
	MinRate Size   `toml:"min_rate"` // a client that states a lower rate (bytes a second) goes through the spool; 0 = none does
}

// FlushConfig says when files written to tape are made safe; see mover.FlushPolicy.
type FlushConfig struct {
	Bytes  Size     `toml:"bytes"`  // of data since the last flush; 8 GiB
	Files  int      `toml:"files"`  // since the last flush; 200
	Age    Duration `toml:"age"`    // of the first file that is not flushed; 10 s
	Linger Duration `toml:"linger"` // wait for more to write before the drive is stopped; 100 ms
}

// TagsConfig are the tags of the root directory, made with the name space.
type TagsConfig struct {
	Library string `toml:"library"`             // the only library by default
	Group   string `toml:"storage_group"`       // "main"
	Family  string `toml:"file_family"`         // "data"
	Width   int    `toml:"file_family_width"`   // 1
	Wrapper string `toml:"file_family_wrapper"` // "cpio_odc"
}

// VolumesConfig is how volumes are added that do not say otherwise.
type VolumesConfig struct {
	BlockSize Size   `toml:"block_size"` // 256 KiB; 64 KiB to 1 MiB
	Capacity  Size   `toml:"capacity"`   // 12 TB, an LTO-8 cartridge
	MediaType string `toml:"media_type"` // "file"
}

// TransferConfig bounds transfers.
type TransferConfig struct {
	Memory Size     `toml:"memory"` // of one drive, the plugin's ring included; 256 MiB
	Client Duration `toml:"client"` // how long a client that was told to connect may take; 30 s
	Stall  Duration `toml:"stall"`  // how long a connected client may send nothing, or take nothing; 2 min
	Close  Duration `toml:"close"`  // how long Close waits for what is on its way, and again for each device; 1 min
	Listen string   `toml:"listen"` // address of the data ports; only loopback: "127.0.0.1:0"
}

// RobotConfig is one robot.
type RobotConfig struct {
	Plugin   string         `toml:"plugin"`   // a built-in name or an absolute path
	Cleaning []string       `toml:"cleaning"` // labels of its cleaning cartridges, in the order in which they are used: ["CLN001L1"]; none
	Config   map[string]any `toml:"config"`   // the plugin's own table
}

// DriveConfig is one drive.
type DriveConfig struct {
	Plugin    string         `toml:"plugin"`    // a built-in name or an absolute path
	Robot     string         `toml:"robot"`     // the robot that serves it
	Number    int            `toml:"number"`    // its number in the robot, from 0
	Libraries []string       `toml:"libraries"` // the libraries it belongs to
	Config    map[string]any `toml:"config"`    // the plugin's own table
}

// Size is a number of bytes, written in TOML as a number or as text with a unit: "256 KiB", "12 TB".
type Size int64

var sizeText = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s*([kKMGTP]i?)?B?$`)

// ParseSize reads a size: decimal units kB, MB, GB, TB, PB and binary ones KiB to PiB.
func ParseSize(s string) (Size, error) {
	m := sizeText.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return 0, fmt.Errorf("size %q: want a number with a unit, like \"256 KiB\" or \"12 TB\"", s)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, fmt.Errorf("size %q: %w", s, err)
	}
	base := 1000.0
	if strings.HasSuffix(m[2], "i") {
		base = 1024
	}
	if m[2] != "" {
		n *= math.Pow(base, float64(1+strings.Index("kMGTP", strings.Replace(m[2][:1], "K", "k", 1))))
	}
	if n >= math.MaxInt64 {
		return 0, fmt.Errorf("size %q: too large", s)
	}
	return Size(n), nil
}

// UnmarshalTOML makes a Size of a number or a text.
func (z *Size) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case int64:
		if v < 0 {
			return fmt.Errorf("size %d: must not be negative", v)
		}
		*z = Size(v)
		return nil
	case string:
		n, err := ParseSize(v)
		*z = n
		return err
	}
	return fmt.Errorf("size %v: want a number or a text like \"256 KiB\"", v)
}

// Duration is a time span, written as text: "10s", "1h30m".
type Duration time.Duration

// UnmarshalText reads what time.ParseDuration reads, but nothing negative.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err == nil && v < 0 {
		err = fmt.Errorf("duration %q: must not be negative", b)
	}
	*d = Duration(v)
	return err
}

// ErrConfig marks every complaint about a site file.
var ErrConfig = errors.New("bad site file")

// maxSiteFile bounds what is read of a site file.
const maxSiteFile = 1 << 20

// ReadConfig reads and checks a site file.
func ReadConfig(name string) (*Config, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if st.Size() > maxSiteFile {
		return nil, fmt.Errorf("%s: %w: larger than %d bytes", name, ErrConfig, maxSiteFile)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	c, err := ParseConfig(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if c.file, err = filepath.Abs(name); err != nil {
		return nil, err
	}
	c.dir = filepath.Dir(c.file)
	return c, nil
}

// ParseConfig checks the text of a site file and fills in the defaults. An unknown key is an
// error that names its line.
func ParseConfig(text string) (*Config, error) {
	c := &Config{dir: "."}
	md, err := toml.Decode(text, c)
	var pe toml.ParseError
	switch {
	case errors.As(err, &pe):
		return nil, fmt.Errorf("%w: line %d: %s", ErrConfig, pe.Position.Line, pe.Message)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	for _, k := range md.Undecoded() {
		if len(k) > 3 && k[2] == "config" && (k[0] == "robot" || k[0] == "drive") {
			continue // a table within a plugin's settings, which the plugin checks
		}
		return nil, fmt.Errorf("%w: line %d: unknown key %s", ErrConfig, lineOf(text, k), k)
	}
	c.defaults()
	return c, c.check()
}

// lineOf finds the line that sets a key: the last table header that leads to it, then its name.
func lineOf(text string, key toml.Key) int {
	best, depth := 1, -1
	table := ""
	full := key.String()
	sc := bufio.NewScanner(strings.NewReader(text))
	for n := 1; sc.Scan(); n++ {
		l := strings.TrimSpace(sc.Text())
		if strings.HasPrefix(l, "[") {
			table = strings.Trim(strings.SplitN(l, "]", 2)[0], "[] ")
			if table == full {
				return n
			}
			continue
		}
		name, _, ok := strings.Cut(l, "=")
		if !ok {
			continue
		}
		name = strings.Trim(strings.TrimSpace(name), `"'`)
		if table != "" {
			name = table + "." + name
		}
		if (name == full || strings.HasPrefix(full, name+".")) && len(name) > depth {
			best, depth = n, len(name)
		}
	}
	return best
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (c *Config) defaults() {
	def(&c.Name, "enstore")
	def(&c.Brand, "ENST")
	def(&c.Journal, "journal")
	def(&c.Catalog, "catalog.db")
	def(&c.Run, "run")
	def(&c.Spool.Dir, "spool")
	def(&c.Spool.Size, 64<<30)
	if libs := c.Libraries(); len(libs) == 1 {
		def(&c.Tags.Library, string(libs[0]))
	}
	def(&c.Tags.Group, "main")
	def(&c.Tags.Family, "data")
	def(&c.Tags.Width, 1)
	def(&c.Tags.Wrapper, "cpio_odc")
	def(&c.Volumes.BlockSize, 256<<10)
	def(&c.Volumes.Capacity, 12e12)
	def(&c.Volumes.MediaType, "file")
	def(&c.Transfer.Memory, 256<<20)
	def(&c.Transfer.Client, Duration(30*time.Second))
	def(&c.Transfer.Stall, Duration(2*time.Minute))
	def(&c.Transfer.Close, Duration(time.Minute))
	def(&c.Transfer.Listen, "127.0.0.1:0")
}

// Block sizes: the least that streams, and the most that CERN's tape server reads.
const (
	minBlock = 64 << 10
	maxBlock = 1 << 20
)

// Libraries lists the libraries that the drives serve, in order.
func (c *Config) Libraries() []catalog.LibraryName {
	var out []catalog.LibraryName
	for _, d := range c.Drives {
		for _, l := range d.Libraries {
			out = append(out, catalog.LibraryName(l))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (c *Config) driveNames() []string {
	out := make([]string, 0, len(c.Drives))
	for n := range c.Drives {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// path makes a configured path absolute.
func (c *Config) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.dir, p)
}

// robot is what a robot is opened with: its plugin and its table, with settings beside those of the file.
func (c *Config) robot(name string, more map[string]any) (plugins.Source, driver.Config, error) {
	r, ok := c.Robots[name]
	if !ok {
		return "", nil, bad("robot %q: the site has no such robot, it has %q", name, slices.Sorted(maps.Keys(c.Robots)))
	}
	settings := maps.Clone(r.Config)
	if settings == nil {
		settings = map[string]any{}
	}
	maps.Copy(settings, more)
	t, err := table("robot."+name, settings)
	return plugins.Source(r.Plugin), t, err
}

// table is a plugin's own table as it travels to the plugin.
func table(name string, t map[string]any) (driver.Config, error) {
	cfg, err := driver.ConfigOf(t)
	if err != nil {
		return nil, fmt.Errorf("%w: %s.config: %w", ErrConfig, name, err)
	}
	return cfg, nil
}
