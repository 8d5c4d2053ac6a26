package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/enstore-go/sdk/tape/scsi/discovery"
	"github.com/enstore-go/sdk/tape/scsi/iscsi"
)

type driveDiscoverCmd struct {
	Portal   []string `sep:"none" placeholder:"HOST:PORT[,TARGET]" help:"An iSCSI portal, and the only one of its targets to look at. May be given several times."`
	NoKernel bool     `help:"Only what the portals have, not what this machine's kernel has."`
	Sys      string   `default:"/sys" placeholder:"DIR" help:"Where the kernel's devices are told of."`
}

// Help is the example of --help.
func (driveDiscoverCmd) Help() string {
	return "Prints what was found as comments, and the tables for a site file behind them. A drive's place in a robot is told by\nits serial number; where the robot does not tell that it is guessed, and the table says so. Nothing moves.\n\nExample:\n  enstore drive discover --portal 192.0.2.7:3260"
}

// Run finds drives and robots.
func (c *driveDiscoverCmd) Run(p *program) error {
	var units []discovery.Unit
	var problems []error
	if !c.NoKernel {
		if _, err := os.Stat(c.Sys); err != nil && c.Sys != "/sys" { // a system without /sys has no such devices
			return fmt.Errorf("--sys: %w", err)
		}
		us, err := discovery.Kernel(os.DirFS(c.Sys))
		if err != nil {
			problems = append(problems, err)
		}
		units = us
		problems = append(problems, discovery.Bays(p.ctx, units, discovery.Generic)...)
	}
	for _, arg := range c.Portal {
		portal, target, _ := strings.Cut(arg, ",")
		if portal == "" {
			return usage("--portal %s: want HOST:PORT, or HOST:PORT,TARGET", printable(arg))
		}
		us, ps, err := discovery.Portal(p.ctx, portal, target, iscsi.Options{})
		units, problems = append(units, us...), append(problems, ps...)
		if err != nil {
			problems = append(problems, err)
		}
	}
	plan := discovery.Match(units)
	if err := c.print(p, plan); err != nil {
		return err
	}
	return errors.Join(problems...)
}

// found is a unit in JSON.
type found struct {
	Type     string   `json:"type"`
	Name     string   `json:"name"`
	Vendor   string   `json:"vendor,omitempty"`
	Product  string   `json:"product,omitempty"`
	Revision string   `json:"revision,omitempty"`
	Serial   string   `json:"serial,omitempty"`
	Device   string   `json:"device,omitempty"`
	Nodes    []string `json:"nodes,omitempty"`
	HCTL     string   `json:"hctl,omitempty"`
	Portal   string   `json:"portal,omitempty"`
	Target   string   `json:"target,omitempty"`
	LUN      *int     `json:"lun,omitempty"`
	Robot    string   `json:"robot,omitempty"`
	Number   *int     `json:"number,omitempty"`
	How      string   `json:"how,omitempty"` // the number was found
}

func foundUnit(kind, name string, u *discovery.Unit) *found {
	f := &found{
		Type: kind, Name: name, Vendor: u.Vendor, Product: u.Product, Revision: u.Revision, Serial: u.Serial, Device: u.Device, Nodes: u.Nodes, HCTL: u.HCTL,
		Portal: u.ISCSI.Portal, Target: u.ISCSI.Target,
	}
	if u.ISCSI.Target != "" {
		f.LUN = &u.ISCSI.LUN
	}
	return f
}

func (c *driveDiscoverCmd) print(p *program, plan *discovery.Plan) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "# found: %s, %s\n", count(len(plan.Robots), "robot"), count(len(plan.Drives), "drive"))
	if len(plan.Robots)+len(plan.Drives) == 0 {
		where := c.Portal
		if !c.NoKernel {
			where = append([]string{"this machine's kernel"}, where...)
		}
		fmt.Fprintf(&text, "# looked at: %s; iSCSI portals are looked at with --portal HOST:PORT\n", strings.Join(where, ", "))
	}
	for _, r := range plan.Robots {
		if p.cmd.JSON {
			if err := p.json(foundUnit("robot", r.Name, &r.Unit)); err != nil {
				return err
			}
		}
		fmt.Fprintf(&text, "# %s: %s %s, %s\n", r.Name, r.Vendor, r.Product, r.Where())
	}
	for _, d := range plan.Drives {
		if p.cmd.JSON {
			f := foundUnit("drive", d.Name, &d.Unit)
			if f.How = string(d.How); d.Robot != "" {
				f.Robot, f.Number = d.Robot, &d.Number
			}
			if err := p.json(f); err != nil {
				return err
			}
		}
		place := "no robot was found for it"
		if d.Robot != "" {
			place = fmt.Sprintf("number %d of %s (%s)", d.Number, d.Robot, d.How)
		}
		fmt.Fprintf(&text, "# %s: %s %s, %s, %s\n", d.Name, d.Vendor, d.Product, d.Where(), place)
	}
	if p.cmd.JSON {
		return nil
	}
	fmt.Fprintln(&text)
	if err := plan.WriteTOML(&text); err != nil {
		return err
	}
	return p.line("%s", strings.TrimRight(text.String(), "\n"))
}
