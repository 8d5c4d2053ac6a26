//go:build unix

package plugins

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

// A lifetime names one process for good: a number is used again, a number with its start
// time is not.
type lifetime struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // comparable for equality only; "" where the system does not tell
}

// alive tells whether the very process still runs. Where the system tells no start times, or
// forbids to look, a number in use counts as alive: it is then never ended, only reported.
func (l lifetime) alive() bool {
	now, err := lifetimeOf(l.PID)
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	return now.Start == "" || l.Start == "" || now == l
}

// A record, in the run directory while a plugin process lives, says whose it is.
type record struct {
	Version int      `json:"version"`
	Device  string   `json:"device"` // key of the device
	Name    string   `json:"name"`   // of the plugin, for people
	Plugin  lifetime `json:"plugin"`
	Host    lifetime `json:"host"`
	Sockets string   `json:"sockets"` // go-plugin's directory
}

const (
	recordVersion = 1
	recordPrefix  = "process-"
	recordSuffix  = ".json"
	recordNew     = ".new"
	maxRecord     = 16 << 10
)

func (h *Host) recordName(pid int) string {
	return filepath.Join(h.o.Dir, fmt.Sprintf("%s%d%s", recordPrefix, pid, recordSuffix))
}

// record writes down a process before it may take its device.
func (h *Host) record(p *process) error {
	of, err := lifetimeOf(p.pid())
	if errors.Is(err, os.ErrNotExist) {
		return p.gone("open")
	}
	if err != nil {
		return fmt.Errorf("plugins: record: %w", err)
	}
	b, err := json.Marshal(record{Version: recordVersion, Device: p.device, Name: p.name, Plugin: of, Host: h.self, Sockets: p.sockets})
	if err != nil {
		return fmt.Errorf("plugins: record: %w", err)
	}
	name := h.recordName(p.pid())
	if err := os.WriteFile(name+recordNew, b, 0o600); err != nil {
		return fmt.Errorf("plugins: record: %w", err)
	}
	if err := os.Rename(name+recordNew, name); err != nil {
		return fmt.Errorf("plugins: record: %w", err)
	}
	return nil
}

func (h *Host) unrecord(p *process) {
	if pid := p.pid(); pid != 0 {
		_ = os.Remove(h.recordName(pid))
	}
}

// records reads all that can be read. One of a newer version is left alone.
func (h *Host) records() []record {
	entries, err := os.ReadDir(h.o.Dir)
	if err != nil {
		return nil
	}
	var all []record
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), recordPrefix) || !strings.HasSuffix(e.Name(), recordSuffix) {
			continue
		}
		r, err := readRecord(filepath.Join(h.o.Dir, e.Name()))
		if err != nil {
			h.log.Warn("plugin record cannot be read", "file", e.Name(), "error", err)
			continue
		}
		all = append(all, r)
	}
	return all
}

func readRecord(name string) (record, error) {
	f, err := os.Open(name)
	if err != nil {
		return record{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return record{}, err
	}
	return parseRecordFile(b)
}

func parseRecordFile(b []byte) (record, error) {
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return record{}, fmt.Errorf("plugins: record: %w", err)
	}
	switch {
	case r.Version > recordVersion:
		return record{}, fmt.Errorf("plugins: record: has version %d, this program reads up to %d", r.Version, recordVersion)
	case r.Version < 1 || r.Plugin.PID <= 1 || r.Host.PID < 1:
		return record{}, errors.New("plugins: record: names no process")
	}
	return r, nil
}

// sweep removes the records and sockets of processes that are dead, and records that were
// never finished.
func (h *Host) sweep() {
	unfinished, _ := filepath.Glob(filepath.Join(h.o.Dir, recordPrefix+"*"+recordSuffix+recordNew))
	for _, name := range unfinished {
		if st, err := os.Stat(name); err == nil && time.Since(st.ModTime()) > time.Minute {
			_ = os.Remove(name)
		}
	}
	for _, r := range h.records() {
		if r.Plugin.alive() || r.Host.alive() {
			continue
		}
		_ = os.Remove(h.recordName(r.Plugin.PID))
		// Only what go-plugin made here; a record is a file like others, and may say anything.
		if filepath.Dir(r.Sockets) == filepath.Clean(h.o.Dir) && strings.HasPrefix(filepath.Base(r.Sockets), socketsPrefix) {
			_ = os.RemoveAll(r.Sockets)
		}
	}
}

// socketsPrefix begins the name of the directory that go-plugin makes for one process.
const socketsPrefix = "plugin-dir"

// endOrphans kills the plugins of this run directory that outlived their host, which by their
// own rule they never do while they can act. It is called when a device is held: the
// orphans of the same device go, and since one device can be named by two tables, so do the others.
func (h *Host) endOrphans(except *process) {
	for _, r := range h.records() {
		if r.Plugin.PID == except.pid() || r.Plugin.Start == "" || r.Host.alive() {
			continue
		}
		// The handle is taken before the start time is compared, and stays with that process even
		// if its number is used again.
		proc, err := os.FindProcess(r.Plugin.PID)
		if err != nil {
			continue
		}
		if now, err := lifetimeOf(r.Plugin.PID); err == nil && now == r.Plugin {
			h.log.Warn("plugin outlived its host and is ended", "plugin", r.Name, "pid", r.Plugin.PID, "host", r.Host.PID)
			_ = proc.Kill()
		}
		_ = proc.Release()
	}
}

// held adds who holds the device to what the driver said.
func (h *Host) held(p *process, err error) error {
	e, _ := errors.AsType[*driver.Error](err)
	more := *e
	for _, r := range h.records() {
		if r.Device == p.device && r.Plugin.PID != p.pid() && r.Plugin.alive() {
			who := fmt.Sprintf("held by process %d, plugin %s of process %d", r.Plugin.PID, r.Name, r.Host.PID)
			if !r.Host.alive() {
				who += ", which is dead"
			}
			if more.Text != "" {
				who += ": " + more.Text
			}
			more.Text = clip(who, maxText)
			break
		}
	}
	return &more
}
