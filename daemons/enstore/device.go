package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/enstore-go/sdk/plugins"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
	"github.com/hashicorp/go-hclog"
)

// device says which drive or robot a command is about.
type device struct {
	Plugin string `required:"" placeholder:"NAME" help:"A built-in plugin (drive-file, robot-file, drive-scsi, drive-st, robot-scsi, robot-command, robot-operator), or the path of a plugin's program."`
	Config string `default:"{}" placeholder:"JSON" help:"The plugin's settings, like {\"dir\": \"site/tapes\", \"drive\": 0}."`
}

// host runs work with a host of plugins of its own.
func (p *program) host(work func(*plugins.Host) error) error { return p.patient(0, work) }

// patient does so with a host that gives devices so long to be opened; 0 is the host's default.
func (p *program) patient(opening time.Duration, work func(*plugins.Host) error) (err error) {
	run, err := os.MkdirTemp("", "enstore-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(run)) }()
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	o := plugins.HostOptions{Dir: run, WorkDir: dir, HeldWait: time.Second, OpenTimeout: opening}
	if p.cmd.Verbose {
		o.Logger = hclog.New(&hclog.LoggerOptions{Name: "enstore", Output: p.err, Level: hclog.Debug})
	}
	h, err := plugins.NewHost(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	return work(h)
}

// source is what the host starts, with which settings.
func (d device) source() (plugins.Source, driver.Config, error) {
	if !json.Valid([]byte(d.Config)) {
		return "", nil, usage("--config is no JSON: %s", printable(d.Config))
	}
	name := d.Plugin
	if strings.ContainsRune(name, filepath.Separator) {
		abs, err := filepath.Abs(name)
		if err != nil {
			return "", nil, err
		}
		name = abs
	}
	return plugins.Source(name), driver.Config(d.Config), nil
}

// changer opens a robot for work.
func (p *program) changer(d device, work func(driver.Changer) error) error {
	src, cfg, err := d.source()
	if err != nil {
		return err
	}
	return p.host(func(h *plugins.Host) error {
		c, err := h.OpenChanger(p.ctx, src, cfg)
		if err != nil {
			return err
		}
		return errors.Join(work(c), c.Close())
	})
}

var errBroken = errors.New("the contract is broken")

// checked is what a conformance kit found.
type checked struct {
	p       *program
	results []drivertest.Result
	broken  int
}

// report tells about one rule.
func (c *checked) report(r drivertest.Result) {
	c.results = append(c.results, r)
	if r.Verdict == drivertest.Broken {
		c.broken++
	}
	if c.p.cmd.JSON {
		_ = c.p.json(struct {
			Rule        string  `json:"rule"`
			Verdict     string  `json:"verdict"`
			Text        string  `json:"text,omitempty"`
			Explanation string  `json:"explanation"`
			Seconds     float64 `json:"seconds"`
		}{r.Rule, string(r.Verdict), r.Text, r.Explanation, r.Took.Seconds()})
		return
	}
	verdict := string(r.Verdict)
	if r.Verdict == drivertest.Broken {
		verdict = "BROKEN"
	}
	text := indented(r.Text)
	if text != "" {
		text = "  " + text
	}
	_ = c.p.line("%-9s  %-45s %8s%s", verdict, r.Rule, r.Took.Round(time.Millisecond), text)
}

// end writes the report of continuous integration, if wanted, and sums up.
func (c *checked) end(suite, junit string) error {
	if junit != "" {
		f, err := os.Create(junit)
		if err != nil {
			return err
		}
		if err := errors.Join(drivertest.WriteJUnit(f, suite, c.results), f.Close()); err != nil {
			return err
		}
	}
	skipped := 0
	for _, r := range c.results {
		if r.Verdict == drivertest.NotTried {
			skipped++
		}
	}
	if !c.p.cmd.JSON {
		if err := c.p.line("%s: %d kept, %d broken, %d not tried", suite, len(c.results)-c.broken-skipped, c.broken, skipped); err != nil {
			return err
		}
	}
	if c.broken > 0 {
		return fmt.Errorf("%s: %s broken: %w", suite, count(c.broken, "rule"), errBroken)
	}
	return nil
}
