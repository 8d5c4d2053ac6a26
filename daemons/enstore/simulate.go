package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/queue/queuesim"
	"github.com/enstore-go/sdk/queue/queuesim/peers"
	"github.com/enstore-go/sdk/tape/disk"
)

type simulateCmd struct {
	Sites      []string      `arg:"" optional:"" help:"Site files, or directories of sites, whose rules are compared. Default: the site."`
	Workload   string        `xor:"what" placeholder:"FILE" help:"Requests: a line of JSON each, as --save writes them."`
	Streams    string        `xor:"what" placeholder:"FILE" help:"Requests that are made by a TOML file of streams."`
	Journal    string        `xor:"what" placeholder:"DIR" help:"Requests that came while this journal was kept: since the last process opened the site, or since the journal was last begun anew."`
	Replay     bool          `xor:"what" help:"Do not simulate: tell the queue again what the site's journal holds, and compare the decisions."`
	Length     time.Duration `default:"24h" help:"How long requests of streams come."`
	Drain      time.Duration `default:"168h" help:"How long the site may work on after that."`
	Seed       uint64        `default:"1" help:"Of what is random."`
	Volumes    int           `default:"1000" help:"Volumes of each library that streams read from."`
	Generation string        `default:"LTO-9" help:"Of the drives: LTO-5 to LTO-9."`
	With       []string      `enum:"enstore,cta" help:"Compare with other rules too: enstore, cta."`
	Picture    string        `placeholder:"FILE" help:"Write an SVG of drives at work and requests waiting."`
	Save       string        `placeholder:"FILE" help:"Write the requests as a workload file."`
}

// Help is the example of --help.
func (simulateCmd) Help() string {
	return "Drives and robots are played as the site files have them, with the published times of a generation of LTO drives.\n\n" +
		"Example:\n  enstore simulate --streams streams.toml --with enstore --with cta --picture day.svg\n" +
		"  enstore simulate --journal ~/site/journal ~/site/site.toml other-rules.toml\n  enstore simulate --replay"
}

// Run simulates.
func (c *simulateCmd) Run(p *program) error {
	names := c.Sites
	if len(names) == 0 {
		name, err := p.site()
		if err != nil {
			return err
		}
		names = []string{name}
	}
	var configs []*site.Config
	for _, name := range names {
		if st, err := os.Stat(name); err == nil && st.IsDir() {
			name = filepath.Join(name, site.FileName)
		}
		cfg, err := site.ReadConfig(name)
		if err != nil {
			return err
		}
		configs = append(configs, cfg)
	}
	if c.Replay {
		return c.replay(p, configs[0])
	}
	s, err := c.scenario()
	if err != nil {
		return err
	}
	s.Site.Libraries = configs[0].Simulated()
	for i := range s.Site.Libraries {
		s.Site.Libraries[i].Volumes = c.Volumes
	}
	if s.Arrivals, err = queuesim.Arrivals(s); err != nil {
		return usage("%w", err)
	}
	if len(s.Arrivals) > 0 {
		s.Length = max(s.Arrivals[len(s.Arrivals)-1].At+1, 1)
	}
	if c.Save != "" {
		if err := save(c.Save, func(f *os.File) error { return queuesim.WriteArrivals(f, s.Arrivals) }); err != nil {
			return err
		}
	}
	var all []queuesim.Named
	for i, cfg := range configs {
		m, err := queue.New(cfg.Settings())
		if err != nil {
			return usage("%s: %w", names[i], err)
		}
		one := s
		one.Site.Libraries = cfg.Simulated()
		if all, err = c.play(p, all, cmp.Or(strings.TrimSuffix(filepath.Base(names[i]), ".toml"), names[i]), one, m); err != nil {
			return err
		}
	}
	for _, other := range c.With {
		var d queuesim.Decider = peers.NewEnstore(peers.EnstoreSettings{})
		if other == "cta" {
			d = peers.NewCTA(peers.CTASettings{AdminPriority: 1000})
		}
		if all, err = c.play(p, all, other, s, d); err != nil {
			return err
		}
	}
	if c.Picture != "" {
		if err := save(c.Picture, func(f *os.File) error { return queuesim.Picture(f, all) }); err != nil {
			return err
		}
	}
	if p.cmd.JSON {
		return nil
	}
	var b bytes.Buffer
	if err := queuesim.Table(&b, all); err != nil {
		return err
	}
	return p.line("%s", strings.TrimSuffix(b.String(), "\n"))
}

// scenario is the work.
func (c *simulateCmd) scenario() (s queuesim.Scenario, err error) {
	switch {
	case c.Workload != "":
		f, err := os.Open(c.Workload)
		if err != nil {
			return s, err
		}
		defer f.Close()
		if s.Arrivals, err = queuesim.ReadArrivals(f); err != nil {
			return s, usage("%s: %w", c.Workload, err)
		}
	case c.Journal != "":
		if s.Arrivals, err = site.Arrivals(c.Journal); err != nil {
			return s, err
		}
		if len(s.Arrivals) == 0 {
			return s, notFound("%s: requests in the journal", c.Journal)
		}
	case c.Streams != "":
		if s, err = site.ReadStreams(c.Streams); err != nil {
			return s, err
		}
	default:
		return s, usage("what is to be played? Give --workload, --streams, --journal or --replay")
	}
	s.Name, s.Length, s.Drain, s.Seed = "simulation", c.Length, c.Drain, c.Seed
	s.Site.Drive.Generation = cmp.Or(s.Site.Drive.Generation, c.Generation)
	return s, nil
}

func (c *simulateCmd) play(p *program, all []queuesim.Named, name string, s queuesim.Scenario, d queuesim.Decider) ([]queuesim.Named, error) {
	r, err := queuesim.Run(s, d)
	if errors.Is(err, queuesim.ErrScenario) {
		return nil, usage("%s: %w", name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if p.cmd.JSON {
		if err := p.json(map[string]any{"rules": name, "result": r}); err != nil {
			return nil, err
		}
	}
	return append(all, queuesim.Named{Name: name, Result: r}), nil
}

func save(name string, write func(*os.File) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// replay tells whether the journal's decisions are made again.
func (c *simulateCmd) replay(p *program, cfg *site.Config) error {
	r, err := library.Replay(disk.OS(), cfg.JournalDir())
	if err != nil {
		return err
	}
	if p.cmd.JSON {
		return p.json(map[string]any{"events": r.Events, "grants": r.Grants, "differs": r.Differs})
	}
	if r.Differs > 0 {
		return fmt.Errorf("the decisions differ from event %d on, of %s", r.Differs, count(int(r.Events), "event"))
	}
	return p.line("%s, %s: the same decisions again", count(int(r.Events), "event"), count(r.Grants, "lease"))
}
