package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/plugins"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
)

type robotInventoryCmd struct {
	oneRobot
	Empty bool `help:"Empty slots too, where the whole list is printed."`
}

// Help is the example of --help.
func (robotInventoryCmd) Help() string {
	return "Has a robot look at all its places anew, which may take many minutes, and prints what is now elsewhere than the\nrobot said before. Of a robot that cannot be told to look the list is printed as it is:\nrobot-scsi can be told, and robot-command if its settings have a command audit. A site that is at work holds its\nrobot: this is for one that is not.\n\nExample:\n  enstore robot inventory\n  enstore robot inventory --plugin robot-scsi --config '{\"portal\": \"192.0.2.7:3260\", \"target\": \"iqn.2026-01.example:lib\", \"lun\": 3}'"
}

// Run looks anew.
func (c *robotInventoryCmd) Run(p *program) error {
	return p.robots(c.oneRobot, func(open func(more map[string]any) (driver.Changer, error)) error {
		look := func(more map[string]any) (es []driver.Element, err error) {
			r, err := open(more)
			if err != nil {
				return nil, err
			}
			defer func() { err = errors.Join(err, r.Close()) }()
			return r.Inventory(p.ctx)
		}
		was, err := look(nil)
		if err != nil {
			return err
		}
		is, err := look(map[string]any{"rescan": true})
		if tape.OutcomeOf(err) == driver.OutcomeConfig { // it was opened without the setting just now
			if !p.cmd.JSON {
				if err := p.line("this robot cannot be told to look anew; what it says:"); err != nil {
					return err
				}
			}
			return p.places(was, c.Empty)
		}
		if err != nil {
			return err
		}
		return p.changes(was, is)
	})
}

// robots runs work with a way to open a robot, with settings beside its own.
func (p *program) robots(r oneRobot, work func(open func(more map[string]any) (driver.Changer, error)) error) (err error) {
	if r.Plugin != "" {
		src, cfg, err := device{Plugin: r.Plugin, Config: r.Config}.source()
		if err != nil {
			return err
		}
		var t map[string]any
		if err := json.Unmarshal(cfg, &t); err != nil {
			return usage("--config: %w", err)
		}
		return p.patient(2*time.Hour, func(h *plugins.Host) error {
			return work(func(more map[string]any) (driver.Changer, error) {
				all := map[string]any{}
				maps.Copy(all, t)
				maps.Copy(all, more)
				cfg, err := driver.ConfigOf(all)
				if err != nil {
					return nil, err
				}
				return h.OpenChanger(p.ctx, src, cfg)
			})
		})
	}
	return p.devices(func(d *site.Devices) error {
		name, err := pick(d.Config(), r.Robot, func(site.RobotConfig) bool { return true }, "robot")
		if err != nil {
			return err
		}
		return work(func(more map[string]any) (driver.Changer, error) { return d.Robot(p.ctx, name, more) })
	})
}

// devices runs work with the devices of the site.
func (p *program) devices(work func(*site.Devices) error) (err error) {
	name, err := p.site()
	if err != nil {
		return err
	}
	d, err := site.OpenDevices(p.ctx, name, p.options())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return work(d)
}

// changes prints what is elsewhere.
func (p *program) changes(was, is []driver.Element) error {
	before, seen := map[int]driver.Element{}, map[int]bool{}
	for _, e := range was {
		before[e.Address] = e
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	changed, full := 0, 0
	tell := func(e driver.Element, was, is string) error {
		if was == is {
			return nil
		}
		if changed++; p.cmd.JSON {
			return p.json(struct {
				Address int    `json:"address"`
				Place   string `json:"place"`
				Was     string `json:"was"`
				Is      string `json:"is"`
			}{e.Address, places[e.Kind], was, is})
		}
		if changed == 1 {
			fmt.Fprintln(w, "ADDRESS\tPLACE\tWAS\tIS")
		}
		_, err := fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", e.Address, placeName(e), was, is)
		return err
	}
	for _, e := range is {
		seen[e.Address] = true
		if e.Full {
			full++
		}
		old, ok := before[e.Address]
		from := "(not there)"
		if ok {
			from = contents(old)
		}
		if err := tell(e, from, contents(e)); err != nil {
			return err
		}
	}
	for _, e := range was {
		if !seen[e.Address] {
			if err := tell(e, contents(e), "(not there)"); err != nil {
				return err
			}
		}
	}
	if err := w.Flush(); err != nil || p.cmd.JSON {
		return err
	}
	return p.line("%s, %s: %s", count(len(is), "place"), count(full, "cartridge"), count(changed, "change"))
}

// placeName is what people call an element.
func placeName(e driver.Element) string {
	if e.Kind == driver.DriveBay {
		return places[e.Kind] + " " + strconv.Itoa(e.Drive)
	}
	return places[e.Kind]
}

// contents is what stands in an element.
func contents(e driver.Element) string {
	switch {
	case e.Full && e.Label != "":
		return printable(e.Label)
	case e.Full:
		return "(no bar code)"
	}
	return "-"
}
