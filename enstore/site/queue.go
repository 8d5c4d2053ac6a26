package site

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/desk"
	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/queue/discipline"
	"github.com/enstore-go/sdk/queue/fairshare"
	"github.com/enstore-go/sdk/queue/match"
	"github.com/enstore-go/sdk/queue/priority"
)

// QueueConfig is who goes next: see [queue.Settings], whose numbers these are. A time that may be switched off is by "0s". Rules are tables in order:
//
//	[[queue.priority]]
//	name = "data acquisition"
//	match = { host = "daq.*", operation = "write" }
//	admin = 1
//
//	[[queue.share]]
//	name = "cms"
//	match = { storage_group = "cms" }
//	weight = 3
//	least = 2
//	each = "user"
//
//	[[queue.limit]]
//	name = "farm"
//	match = { host = "farm.*" }
//	each = "host"
//	drives = 2
type QueueConfig struct {
	MaxRequests int `toml:"max_requests"` // on their way at once; 100,000
	MaxPerUser  int `toml:"max_per_user"` // of those, of one user; 0 = as many as there may be

	AgeStep    Duration  `toml:"age_step"`    // waiting that outweighs one unit of priority; 30 min
	Affinity   *Duration `toml:"affinity"`    // credit for a volume that is mounted; 10 min
	Useful     *Duration `toml:"useful"`      // credit for a lease in which much data would flow; 30 min
	Window     *Duration `toml:"window"`      // by how much a write may go ahead to its dataset; 1 h
	Tail       *Duration `toml:"tail"`        // credit for the last files of a dataset; 1 h
	Lead       *Duration `toml:"lead"`        // before its deadline, when a request is moved ahead; 4 h
	Batch      int       `toml:"batch"`       // requests handed to a drive at once; 16
	BatchBytes Size      `toml:"batch_bytes"` // bytes handed to a drive at once; 16 GiB
	LeaseFiles int       `toml:"lease_files"` // files after which a drive serves others; 1000
	LeaseBytes Size      `toml:"lease_bytes"` // bytes after which a drive serves others; 1 TiB
	LeaseTime  Duration  `toml:"lease_time"`  // after which a drive serves others; 30 min
	MinBytes   Size      `toml:"min_bytes"`   // that warrant a mount
	MinFiles   int       `toml:"min_files"`   // that do
	MinAge     Duration  `toml:"min_age"`     // of a request that does; 0 = anything does
	Rest       *Duration `toml:"rest"`        // of a volume in an idle drive, before it is taken out; 1 min, "0s" = until the drive is needed, as where a robot is a person
	Strikes    int       `toml:"strikes"`     // until a volume or drive is blamed; 3
	StrikeTime Duration  `toml:"strike_time"` // after which one does not count; 24 h
	MountTime  Duration  `toml:"mount_time"`  // what a mount costs a drive, about; 150 s
	FileTime   *Duration `toml:"file_time"`   // what a file does, beside its bytes; 10 s
	Rate       Size      `toml:"rate"`        // bytes a second of a drive; 300 MB

	Priorities []priority.Rule    `toml:"priority"`
	Shares     []fairshare.Share  `toml:"share"`
	Limits     []discipline.Limit `toml:"limit"`
}

// settings are those of the queue.
func (q *QueueConfig) settings() queue.Settings {
	off := func(d *Duration) time.Duration {
		switch {
		case d == nil:
			return 0 // the default
		case *d == 0:
			return -1
		}
		return time.Duration(*d)
	}
	return queue.Settings{
		AgeStep: time.Duration(q.AgeStep), Affinity: off(q.Affinity), Useful: off(q.Useful), Window: off(q.Window), Tail: off(q.Tail), Lead: off(q.Lead),
		Batch: q.Batch, BatchBytes: int64(q.BatchBytes), LeaseFiles: q.LeaseFiles, LeaseBytes: int64(q.LeaseBytes), LeaseTime: time.Duration(q.LeaseTime),
		MinBytes: int64(q.MinBytes), MinFiles: q.MinFiles, MinAge: time.Duration(q.MinAge), Rest: off(q.Rest), Strikes: q.Strikes, StrikeTime: time.Duration(q.StrikeTime),
		MountTime: time.Duration(q.MountTime), FileTime: off(q.FileTime), Rate: int64(q.Rate),
		Priorities: q.Priorities, Shares: q.Shares, Limits: q.Limits,
	}
}

// Settings are the numbers and rules of the queue that a site file asks for.
func (c *Config) Settings() queue.Settings {
	s := c.Queue.settings()
	for _, r := range c.Robots {
		if c.Queue.Rest == nil && filepath.Base(r.Plugin) == "robot-operator" {
			s.Rest = -1 // nobody is asked to carry what may be wanted again
		}
	}
	return s
}

// checkQueue checks numbers and rules, the latter against the site's libraries, robots and drives.
func (c *Config) checkQueue() error {
	q := &c.Queue
	for _, n := range []struct {
		key   string
		value int
	}{{"max_requests", q.MaxRequests}, {"max_per_user", q.MaxPerUser}, {"batch", q.Batch}, {"lease_files", q.LeaseFiles}, {"min_files", q.MinFiles}, {"strikes", q.Strikes}} {
		if n.value < 0 || n.value > 100_000_000 {
			return bad("queue.%s = %d", n.key, n.value)
		}
	}
	if err := q.settings().Check(); err != nil {
		return fmt.Errorf("%w: queue: %w", ErrConfig, err)
	}
	rules, err := fairshare.Compile(q.Shares)
	if err != nil {
		return fmt.Errorf("%w: queue: %w", ErrConfig, err)
	}
	if n := rules.Guaranteed(); n > len(c.Drives) {
		return bad("queue: the shares are guaranteed %d drives, the site has %d", n, len(c.Drives))
	}
	for _, r := range q.Priorities {
		if err := c.reaches("priority rule", r.Name, r.Match); err != nil {
			return err
		}
	}
	for _, l := range q.Limits {
		if err := c.reaches("limit", l.Name, l.Match); err != nil {
			return err
		}
		if _, ok := c.Robots[l.Robot]; l.Robot != "" && !ok {
			return bad("queue: limit %q: the site has no robot %q", l.Name, l.Robot)
		}
	}
	for _, s := range q.Shares {
		if err := c.reaches("share", s.Name, s.Match); err != nil {
			return err
		}
	}
	return nil
}

// reaches checks that a rule can match a request for one of the site's libraries.
func (c *Config) reaches(kind, name string, p match.Pattern) error {
	text, ok := p["library"]
	if !ok {
		return nil
	}
	re, err := regexp.Compile(`^(?:` + text + `)$`)
	if err != nil {
		return bad("queue: %s %q: %v", kind, name, err)
	}
	if !slices.ContainsFunc(c.Libraries(), func(l catalog.LibraryName) bool { return re.MatchString(string(l)) }) {
		return bad("queue: %s %q never matches: no library of the site is %q", kind, name, text)
	}
	return nil
}

// Desk is where the library manager of this site is spoken with.
func (s *Site) Desk() desk.Desk { return desk.Of(s.lib, s.cfg.Libraries(), s.reload) }

// reload reads the rules of the site file anew.
func (s *Site) reload() error {
	c, err := ReadConfig(s.cfg.file)
	if err != nil {
		return err
	}
	return s.lib.Configure(c.Settings())
}
