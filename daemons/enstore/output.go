package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/enstore-go/sdk/enstore"
)

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// json prints one object a line.
func (p *program) json(v any) (err error) {
	p.above(func() { err = encode(p.out, v) })
	return err
}

// line prints a line for people.
func (p *program) line(format string, args ...any) (err error) {
	p.above(func() { _, err = fmt.Fprintf(p.out, format+"\n", args...) })
	return err
}

// size is a number of bytes for people.
func size(n int64) string {
	if n < 0 {
		return "?"
	}
	if n < 10_000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f := float64(n)
	for _, u := range []string{"kB", "MB", "GB", "TB", "PB"} {
		f /= 1000
		if f < 999.5 {
			return strconv.FormatFloat(f, 'f', decimals(f), 64) + " " + u
		}
	}
	return strconv.FormatFloat(f/1000, 'f', 1, 64) + " EB"
}

func decimals(f float64) int {
	if f < 99.95 {
		return 1
	}
	return 0
}

// count is a number and its noun.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// span is a duration for people: 7.3s, 4:05, 2:00:09.
func span(d time.Duration) string {
	if d < 10*time.Second {
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	}
	s := int64(d.Round(time.Second) / time.Second)
	if s < 60 {
		return strconv.FormatInt(s, 10) + "s"
	}
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// when is a time for people, in their zone.
func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// printable makes a name from outside safe for a terminal: quoted if it holds anything that does not
// print, or could be taken for quoted.
func printable(s string) string {
	if s == "" || s[0] == '"' || s != escaped(s) {
		return strconv.Quote(s)
	}
	return s
}

// escaped is s with escapes in place of what a terminal would not show, or act upon.
func escaped(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r == utf8.RuneError || !strconv.IsPrint(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if strconv.IsPrint(r) && !(r == utf8.RuneError && n == 1) {
			b.WriteString(s[i : i+n])
		} else {
			q := strconv.Quote(s[i : i+n])
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}

// unlikeText gives a name's bytes if JSON cannot hold it as text.
func unlikeText(s string) []byte {
	if utf8.ValidString(s) {
		return nil
	}
	return []byte(s)
}

// record is a stored file in JSON.
type record struct {
	Key       string     `json:"key"`
	KeyBytes  []byte     `json:"keyBytes,omitempty"`
	File      string     `json:"file,omitempty"`
	FileBytes []byte     `json:"fileBytes,omitempty"`
	BFID      string     `json:"bfid,omitempty"`
	Size      int64      `json:"size"`
	Adler32   string     `json:"adler32"`
	Level     string     `json:"level"`
	Copies    int        `json:"copies"`
	Deleted   bool       `json:"deleted,omitempty"`
	Volume    string     `json:"volume,omitempty"`
	Location  string     `json:"location,omitempty"`
	Library   string     `json:"library,omitempty"`
	Family    string     `json:"family,omitempty"`
	Drive     string     `json:"drive,omitempty"`
	Request   string     `json:"request,omitempty"`
	Stored    time.Time  `json:"stored,omitzero"`
	MTime     time.Time  `json:"mtime,omitzero"`
	Mode      string     `json:"mode"`
	UID       uint32     `json:"uid"`
	GID       uint32     `json:"gid"`
	Seconds   *inSeconds `json:"seconds,omitempty"`
}

// inSeconds are the phases of a transfer.
type inSeconds struct {
	Queued  float64 `json:"queued"`
	Mount   float64 `json:"mount"`
	Load    float64 `json:"load"`
	Locate  float64 `json:"locate"`
	Stream  float64 `json:"stream"`
	Stopped float64 `json:"stopped"` // of stream: the drive had nothing to do
	Flush   float64 `json:"flush"`
	Commit  float64 `json:"commit"`
}

// recordOf makes the JSON of a record. file is the one on this machine, if there is one.
func recordOf(r enstore.Record, file string) record {
	o := record{
		Key: r.Key, KeyBytes: unlikeText(r.Key), File: file, FileBytes: unlikeText(file), BFID: string(r.BFID), Size: r.Size,
		Adler32: fmt.Sprintf("%08x", r.Adler), Level: r.Level.String(), Copies: r.Copies, Deleted: r.Deleted, Volume: string(r.Volume),
		Library: string(r.Library), Drive: r.Drive, Stored: r.Stored, MTime: r.MTime, Mode: fmt.Sprintf("%04o", r.Mode), UID: r.UID, GID: r.GID,
	}
	if r.Volume != "" {
		o.Location, o.Family = r.Location.String(), r.Family.String()
	}
	if !r.Request.IsZero() {
		o.Request = r.Request.String()
	}
	if ph := r.Phases; ph != (enstore.Phases{}) {
		o.Seconds = &inSeconds{
			ph.Queued.Seconds(), ph.Mount.Seconds(), ph.Load.Seconds(), ph.Locate.Seconds(),
			ph.Stream.Seconds(), ph.Stopped.Seconds(), ph.Flush.Seconds(), ph.Commit.Seconds(),
		}
	}
	return o
}

// pairs prints names and values in two columns; without a value the line is left out.
func (p *program) pairs(rows ...[2]string) error {
	width := 0
	for _, r := range rows {
		if r[1] != "" {
			width = max(width, len(r[0]))
		}
	}
	for _, r := range rows {
		if r[1] == "" {
			continue
		}
		if err := p.line("%-*s  %s", width, r[0], r[1]); err != nil {
			return err
		}
	}
	return nil
}

// terminal tells whether progress is for somebody who watches.
func (p *program) terminal() bool {
	f, ok := p.err.(*os.File)
	if !ok || p.cmd.Quiet || p.cmd.JSON || p.cmd.Verbose {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

type versionCmd struct{}

// Help is the example of --help.
func (versionCmd) Help() string { return "Example:\n  enstore version" }

// Run prints the version of the module and of Go.
func (versionCmd) Run(p *program) error {
	v := struct {
		Version string `json:"version"`
		Go      string `json:"go"`
	}{Version: "(unknown)"}
	if b, ok := debug.ReadBuildInfo(); ok {
		v.Version, v.Go = b.Main.Version, b.GoVersion
	}
	if p.cmd.JSON {
		return p.json(v)
	}
	return p.line("enstore %s, %s", v.Version, v.Go)
}
