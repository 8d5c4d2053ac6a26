package site

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/queue/queuesim"
	"github.com/enstore-go/sdk/tape/disk"
)

// ReadStreams reads a file of streams, from which a workload is made: tables [[stream]] with the keys of [queuesim.Stream], and optional
// tables [drive] and [faults], with those of [queuesim.Drive] and [queuesim.Faults].
func ReadStreams(name string) (s queuesim.Scenario, err error) {
	st, err := os.Stat(name)
	if err != nil {
		return s, err
	}
	if st.Size() > maxSiteFile {
		return s, fmt.Errorf("%s: %w: larger than %d bytes", name, ErrConfig, maxSiteFile)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return s, err
	}
	var file struct {
		Streams []queuesim.Stream `toml:"stream"`
		Drive   queuesim.Drive    `toml:"drive"`
		Faults  queuesim.Faults   `toml:"faults"`
	}
	md, err := toml.Decode(string(text), &file)
	if err != nil {
		var pe toml.ParseError
		if errors.As(err, &pe) {
			return s, fmt.Errorf("%s: %w: line %d: %s", name, ErrConfig, pe.Position.Line, pe.Message)
		}
		return s, fmt.Errorf("%s: %w: %w", name, ErrConfig, err)
	}
	if k := md.Undecoded(); len(k) > 0 {
		return s, fmt.Errorf("%s: %w: line %d: unknown key %s", name, ErrConfig, lineOf(string(text), k[0]), k[0])
	}
	s.Work, s.Faults, s.Site.Drive = file.Streams, file.Faults, file.Drive
	return s, nil
}

// Simulated is the site as a simulator plays it: its libraries with their drives and robots. Volumes and blanks are as many as are asked for.
func (c *Config) Simulated() []queuesim.Library {
	var all []queuesim.Library
	for _, name := range c.Libraries() {
		l := queuesim.Library{Name: string(name), Volumes: 1000, Blanks: 100_000}
		for _, d := range c.driveNames() {
			dc := c.Drives[d]
			if len(dc.Libraries) == 0 || dc.Libraries[0] != string(name) {
				continue
			}
			l.Drives++
			for _, other := range dc.Libraries[1:] {
				if !slices.Contains(l.Also, other) {
					l.Also = append(l.Also, other)
				}
			}
		}
		all = append(all, l)
	}
	return all
}

// Arrivals are the requests that came while a site's journal was kept, the first one at once.
func Arrivals(dir string) ([]queuesim.Arrival, error) {
	var all []queuesim.Arrival
	var first time.Time
	h := library.History{
		Begin: func(*queue.Machine, uint64, queue.Digest) error { return nil },
		Event: func(e queue.Event, _ uint64, _ queue.Digest) error {
			if s, ok := e.(queue.Submitted); ok {
				if first.IsZero() {
					first = s.Time
				}
				all = append(all, queuesim.Arrival{At: max(s.Time.Sub(first), 0), Request: s.Request})
			}
			return nil
		},
	}
	err := h.Read(disk.OS(), dir)
	slices.SortStableFunc(all, func(a, b queuesim.Arrival) int { return int(a.At - b.At) })
	return all, err
}

// JournalDir is where the library manager of a site keeps its journal.
func (c *Config) JournalDir() string { return c.path(c.Journal) }
