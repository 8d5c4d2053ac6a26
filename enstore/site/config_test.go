package site_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/enstore-go/sdk/enstore/site"
	"github.com/matryer/is"
)

// whole is a site file with nothing wrong in it.
const whole = `name = "x"

[tags]
library = "tapes"

[robot.r]
plugin = "robot-file"
config = { dir = "tapes" }

[drive.a]
plugin    = "drive-file"
robot     = "r"
libraries = ["tapes"]
config    = { dir = "tapes" }
`

func TestSiteFileWithAMistakeNamesIt(t *testing.T) {
	swap := func(old, new string) string { return strings.Replace(whole, old, new, 1) }
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", swap(`name = "x"`, `nmae = "x"`), "line 1: unknown key nmae"},
		{"unknown key in a table", swap(`library = "tapes"`, "library = \"tapes\"\nwidht = 2"), "line 5: unknown key tags.widht"},
		{"unknown key in a drive", whole + "speed = 3\n", "line 15: unknown key drive.a.speed"},
		{"unknown key behind a dotted one", swap(`name = "x"`, "name = \"x\"\nflush.files = 3\nflush.flies = 3"), "line 3: unknown key flush.flies"},
		{"unknown key in an inline table", swap("[tags]\nlibrary = \"tapes\"", `tags = { library = "tapes", famliy = "x" }`), "line 3: unknown key tags.famliy"},
		{"unknown table", whole + "[tapes]\nx = 1\n", "line 15: unknown key tapes"},
		{"unknown table within one", whole + "[spool.disk]\nx = 1\n", "line 15: unknown key spool.disk"},
		{"no TOML", swap("[tags]", "[tags"), "line 4"},
		{"key twice", swap(`name = "x"`, "name = \"x\"\nname = \"y\""), "line 2"},
		{"wrong type", swap(`name = "x"`, `name = 3`), "name"},
		{"negative size", whole + "[spool]\nsize = -1\n", "size"},
		{"size that is none", whole + "[spool]\nsize = \"3 bananas\"\n", "3 bananas"},
		{"size beyond all bounds", whole + "[spool]\nsize = \"99999999 PB\"\n", "99999999 PB"},
		{"negative duration", whole + "[flush]\nage = \"-3s\"\n", "-3s"},
		{"negative number of files", whole + "[flush]\nfiles = -1\n", "flush.files is -1"},
		{"negative width", swap("[tags]", "[tags]\nfile_family_width = -2"), "tags.file_family_width is -2"},
		{"no such wrapper", swap("[tags]", "[tags]\nfile_family_wrapper = \"zip\""), "zip"},
		{"bad brand", swap(`name = "x"`, `brand = "no good"`), "brand"},
		{"block size", whole + "[volumes]\nblock_size = \"3 KiB\"\n", "volumes.block_size is 3072"},
		{"too little memory", whole + "[transfer]\nmemory = \"1 MiB\"\n", "transfer.memory"},
		{"no drive", swap("[drive.a]", "[robot.q]"), "robot.q"},
		{"no plugin", swap(`plugin    = "drive-file"`, ``), "drive.a.plugin is missing"},
		{"relative plugin", swap(`plugin    = "drive-file"`, `plugin = "bin/drive"`), "drive.a.plugin"},
		{"cleaning cartridge twice", swap(`plugin = "robot-file"`, "plugin = \"robot-file\"\ncleaning = [\"CLN001L1\", \"CLN001L1\"]"), "robot.r.cleaning has CLN001L1 twice"},
		{"bad label of a cleaning cartridge", swap(`plugin = "robot-file"`, "plugin = \"robot-file\"\ncleaning = [\"a b\"]"), "robot.r.cleaning"},
		{"no such robot", swap(`robot     = "r"`, `robot = "s"`), `there is no robot "s"`},
		{"negative drive", whole + "number = -1\n", "drive.a.number is -1"},
		{"two drives in one bay", whole + strings.Replace(whole[strings.Index(whole, "[drive"):], "drive.a", "drive.b", 1), "drive.a and drive.b"},
		{"drive without a library", swap(`["tapes"]`, "[]"), "drive.a.libraries is empty"},
		{"bad library", swap(`["tapes"]`, `["ta pes"]`), "drive.a.libraries"},
		{"library of the tags that no drive serves", swap(`library = "tapes"`, `library = "taps"`), "tags.library"},
		{"data port for everybody", whole + "[transfer]\nlisten = \"0.0.0.0:0\"\n", "transfer.listen"},
		{"data port that is none", whole + "[transfer]\nlisten = \"here\"\n", "transfer.listen"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			_, err := site.ParseConfig(tt.text)
			is.True(errors.Is(err, site.ErrConfig)) // refused
			if !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%q does not say %q", err, tt.want)
			}
		})
	}
	_, err := site.ParseConfig(whole)
	is.New(t).NoErr(err)
}

func TestParseSize(t *testing.T) {
	is := is.New(t)
	for text, want := range map[string]site.Size{
		"0": 0, "17": 17, "17 B": 17, "1 kB": 1000, "1KiB": 1024, "1.5 MiB": 3 << 19, "12 TB": 12e12, "2 PiB": 2 << 50, " 3 GB ": 3e9,
	} {
		got, err := site.ParseSize(text)
		is.NoErr(err)
		is.Equal(got, want)
	}
	for _, text := range []string{"", "B", "-1", "1e9", "1 XB", "1,5 MB", "99999999 PB", "1 MB x", strings.Repeat("9", 400)} {
		_, err := site.ParseSize(text)
		is.True(err != nil)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(whole)
	f.Add("a.b = 1\n[a]\nc = [{}]")
	f.Add("[drive.\"x.y\"]\nz = {q = 1}")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := site.ParseConfig(text)
		if err == nil && (len(c.Drives) == 0 || c.Volumes.BlockSize == 0) {
			t.Fatalf("incomplete and accepted: %+v", c)
		}
		if err != nil && !errors.Is(err, site.ErrConfig) {
			t.Fatalf("not marked: %v", err)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	f.Add("12 TB")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := site.ParseSize(text); err == nil && n < 0 {
			t.Fatalf("%q gives %d", text, n)
		}
	})
}

// A plugin's settings may hold tables; what is in them is the plugin's affair.
func TestTablesInSettings(t *testing.T) {
	is := is.New(t)
	c, err := site.ParseConfig(whole + "[robot.silo]\nplugin = \"robot-command\"\n[robot.silo.config]\nexitCodes = { \"3\" = \"no medium\", \"4\" = \"full\" }\n[robot.silo.config.env]\nSILO = \"x\"\n")
	is.NoErr(err)
	is.Equal(c.Robots["silo"].Config["exitCodes"], map[string]any{"3": "no medium", "4": "full"})
	is.Equal(c.Robots["silo"].Config["env"], map[string]any{"SILO": "x"})
	_, err = site.ParseConfig(whole + "[robot.silo]\nplugin = \"robot-command\"\nconfug = { \"3\" = \"no medium\" }\n")
	is.True(err != nil && strings.Contains(err.Error(), "robot.silo.confug"))
}

// A volume rests in an idle drive for a minute, but not where a person would have to carry it.
func TestRestOfVolumes(t *testing.T) {
	is := is.New(t)
	for robot, rest := range map[string]time.Duration{"robot-file": 0, "robot-operator": -1} {
		c, err := site.ParseConfig("[robot.r]\nplugin = \"" + robot + "\"\n[drive.d]\nplugin = \"drive-file\"\nrobot = \"r\"\nlibraries = [\"tapes\"]\n")
		is.NoErr(err)
		is.Equal(c.Settings().Rest, rest)
	}
}

func TestRulesOfTheQueue(t *testing.T) {
	is := is.New(t)
	c, err := site.ParseConfig(whole + `
[queue]
max_requests = 5
max_per_user = 2
age_step = "10m"
useful = "0s"
rest = "5m"
min_bytes = "500 GB"
min_files = 100
min_age = "30m"
rate = "400 MB"

[[queue.priority]]
name = "daq"
match = { host = "daq.*", operation = "write" }
add = 5
admin = 1

[[queue.share]]
name = "cms"
match = { storage_group = "cms" }
weight = 3
least = 1
most = 2
each = "user"

  [[queue.share.share]]
  name = "production"
  match = { user = "prod" }
  weight = 10

[[queue.limit]]
name = "farm"
match = { host = "farm.*" }
each = "host"
drives = 2
mounted = 1
refuse = true
`)
	is.NoErr(err)
	s := c.Settings()
	is.Equal([]any{c.Queue.MaxRequests, c.Queue.MaxPerUser, s.AgeStep, s.Useful, s.Affinity, s.Rest}, []any{5, 2, 10 * time.Minute, time.Duration(-1), time.Duration(0), 5 * time.Minute})
	is.Equal([]any{s.MinBytes, s.MinFiles, s.MinAge, s.Rate}, []any{int64(500e9), 100, 30 * time.Minute, int64(400e6)})
	is.Equal([]any{s.Priorities[0].Add, s.Priorities[0].Admin, s.Priorities[0].Match["host"]}, []any{5, 1, "daq.*"})
	is.Equal([]any{s.Shares[0].Most, s.Shares[0].Shares[0].Weight}, []any{2, 10})
	is.Equal([]any{s.Limits[0].Each, s.Limits[0].Mounted, s.Limits[0].Refuse}, []any{"host", 1, true})
}
