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

// device says which drive or robot a command is about, without a site.
type device struct {
	Plugin, Config string
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
func (p *program) changer(r oneRobot, work func(driver.Changer) error) error {
	return p.robots(r, func(open func(map[string]any) (driver.Changer, error)) error {
		c, err := open(nil)
		if err != nil {
			return err
		}
		return errors.Join(work(c), c.Close())
	})
}

var errBroken = errors.New("the contract is broken")

// report is what a conformance kit found.
type report struct {
	p       *program
	junit   *os.File // or nil
	results []drivertest.Result
	broken  int
}

// newReport begins a report, which goes to a file for continuous integration too if one is named: what cannot be written is known before anything is
// tried.
func newReport(p *program, junit string) (*report, error) {
	r := &report{p: p}
	if junit == "" {
		return r, nil
	}
	f, err := os.Create(junit)
	r.junit = f
	return r, err
}

// close ends a report that may not have come to its end.
func (r *report) close() {
	if r.junit != nil {
		_ = r.junit.Close()
	}
}

// rule tells about one rule.
func (r *report) rule(res drivertest.Result) {
	r.results = append(r.results, res)
	if res.Verdict == drivertest.Broken {
		r.broken++
	}
	if r.p.cmd.JSON {
		_ = r.p.json(struct {
			Rule        string  `json:"rule"`
			Verdict     string  `json:"verdict"`
			Text        string  `json:"text,omitempty"`
			Explanation string  `json:"explanation"`
			Seconds     float64 `json:"seconds"`
		}{res.Rule, string(res.Verdict), res.Text, res.Explanation, res.Took.Seconds()})
		return
	}
	verdict, text := string(res.Verdict), res.Text
	if res.Verdict == drivertest.Broken {
		verdict = "BROKEN"
		text += "\n" + res.Explanation
	}
	if text = indented(text); text != "" {
		text = "  " + text
	}
	_ = r.p.line("%-9s  %-45s %8s%s", verdict, res.Rule, res.Took.Round(time.Millisecond), text)
}

// end writes the report of continuous integration, if wanted, and sums up.
func (r *report) end(suite string) error {
	if r.junit != nil {
		if err := errors.Join(drivertest.WriteJUnit(r.junit, suite, r.results), r.junit.Sync()); err != nil {
			return err
		}
	}
	skipped := 0
	for _, res := range r.results {
		if res.Verdict == drivertest.NotTried {
			skipped++
		}
	}
	if !r.p.cmd.JSON {
		if err := r.p.line("%s: %d kept, %d broken, %d not tried", suite, len(r.results)-r.broken-skipped, r.broken, skipped); err != nil {
			return err
		}
	}
	if r.broken > 1 {
		return hint(fmt.Errorf("%s: %s broken: %w", suite, count(r.broken, "rule"), errBroken),
			"Begin with the one that was broken first: what it left behind may break others.")
	}
	if r.broken > 0 {
		return fmt.Errorf("%s: %s broken: %w", suite, count(r.broken, "rule"), errBroken)
	}
	return nil
}
