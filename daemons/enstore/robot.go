package main

import (
	"context"
	"fmt"
	"testing"
	"text/tabwriter"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
)

type robotCmd struct {
	Show  robotShowCmd  `cmd:"" help:"Show what is where in a robot."`
	Move  robotMoveCmd  `cmd:"" help:"Move a cartridge."`
	Check robotCheckCmd `cmd:"" help:"Try a robot against the contract that every robot must keep."`

	Inventory robotInventoryCmd `cmd:"" help:"Have a robot look at its places anew, and tell what has changed."`
	Requests  robotRequestsCmd  `cmd:"" help:"Show what a person has to do."`
	Done      robotDoneCmd      `cmd:"" help:"Say that a request was carried out."`
	Refuse    robotRefuseCmd    `cmd:"" help:"Say that a request is not carried out."`
	Add       robotAddCmd       `cmd:"" help:"Put cartridges on a person's shelf."`
	Remove    robotRemoveCmd    `cmd:"" help:"Take cartridges from a person's shelf."`
}

// places names the kinds of elements.
var places = map[driver.ElementKind]string{driver.Slot: "slot", driver.DriveBay: "drive", driver.Port: "port", driver.Transport: "hand"}

type robotShowCmd struct {
	oneRobot
	Empty bool `help:"Empty slots too."`
}

// Help is the example of --help.
func (robotShowCmd) Help() string {
	return "A site that is at work holds its robot: this is for one that is not.\n\nExample:\n  enstore robot show\n  enstore robot show --plugin robot-file --config '{\"dir\": \"site/tapes\"}'"
}

// Run lists a robot.
func (c *robotShowCmd) Run(p *program) error {
	return p.changer(c.oneRobot, func(r driver.Changer) error {
		es, err := r.Inventory(p.ctx)
		if err != nil {
			return err
		}
		return p.places(es, c.Empty)
	})
}

// places prints elements; empty slots if they are wanted, and always in JSON.
func (p *program) places(es []driver.Element, empty bool) error {
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	if !p.cmd.JSON {
		fmt.Fprintln(w, "ADDRESS\tPLACE\tCARTRIDGE")
	}
	for _, e := range es {
		if p.cmd.JSON {
			o := struct {
				Address int    `json:"address"`
				Place   string `json:"place"`
				Drive   *int   `json:"drive,omitempty"`
				Full    bool   `json:"full"`
				Label   string `json:"label,omitempty"`
				Held    bool   `json:"held,omitempty"`
			}{Address: e.Address, Place: places[e.Kind], Full: e.Full, Label: e.Label, Held: e.Held}
			if e.Kind == driver.DriveBay {
				o.Drive = &e.Drive
			}
			if err := p.json(o); err != nil {
				return err
			}
			continue
		}
		if e.Kind == driver.Slot && !e.Full && !empty {
			continue
		}
		what := contents(e)
		if e.Held {
			what += "  (loaded)"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\n", e.Address, placeName(e), what)
	}
	return w.Flush()
}

type robotMoveCmd struct {
	oneRobot
	From int `arg:"" help:"The address where the cartridge is, as robot show tells it."`
	To   int `arg:"" help:"The address where it goes."`
}

// Help is the example of --help.
func (robotMoveCmd) Help() string {
	return "A drive that has the cartridge loaded keeps it. A site that is at work holds its robot.\n\nExample:\n  enstore robot move 1003 1\n  enstore robot move --plugin robot-file --config '{\"dir\": \"site/tapes\"}' 1003 1"
}

// Run moves a cartridge.
func (c *robotMoveCmd) Run(p *program) error {
	return p.changer(c.oneRobot, func(r driver.Changer) error {
		if err := r.Move(p.ctx, c.From, c.To); err != nil {
			return err
		}
		if p.cmd.JSON {
			return p.json(struct {
				From int `json:"from"`
				To   int `json:"to"`
			}{c.From, c.To})
		}
		return nil
	})
}

type robotCheckCmd struct {
	oneRobot
	Shared bool   `help:"The robot may be open twice: do not try that it may not."`
	JUnit  string `name:"junit" placeholder:"FILE" help:"Write the results as JUnit's XML too."`
}

// Help is the example of --help.
func (robotCheckCmd) Help() string {
	return "The kit moves cartridges about, and back as far as the robot reads their labels. All drives have to be empty; at\nleast two cartridges and a free slot are needed. Nothing is written on a cartridge. Each broken rule is told\nwith what engines rely on; the exit code is 1 then.\nA robot that several programs may use at once, as over a network, is tried with --shared.\n\nExample:\n  enstore robot check\n  enstore robot check --shared --robot robot0\n  enstore robot check --plugin robot-file --config '{\"dir\": \"site/tapes\"}'"
}

// Run tries a robot.
func (c *robotCheckCmd) Run(p *program) error {
	report, err := newReport(p, c.JUnit)
	if err != nil {
		return err
	}
	defer report.close()
	return p.robots(c.oneRobot, func(with func(more map[string]any) (driver.Changer, error)) error {
		open := func() (driver.Changer, error) { return with(nil) }
		home, err := homes(p.ctx, open)
		if err != nil {
			return err
		}
		err = drivertest.CheckChanger(p.ctx, func(t testing.TB) *drivertest.Robot {
			t.Cleanup(func() {
				if err := tidy(p.ctx, open, home); err != nil {
					t.Errorf("putting the cartridges back: %v", err)
				}
			})
			return &drivertest.Robot{Open: open, Exclusive: !c.Shared}
		}, report.rule)
		if err != nil {
			return err
		}
		return report.end(c.name("robot"))
	})
}

// homes is where each cartridge is that has a label.
func homes(ctx context.Context, open func() (driver.Changer, error)) (map[string]int, error) {
	r, err := open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	es, err := r.Inventory(ctx)
	if err != nil {
		return nil, err
	}
	home := map[string]int{}
	for _, e := range es {
		switch {
		case e.Kind == driver.DriveBay && e.Full:
			return nil, usage("drive %d has a cartridge: the kit wants all drives empty", e.Drive)
		case e.Label != "":
			home[e.Label] = e.Address
		}
	}
	return home, nil
}

// tidy brings every cartridge home whose place is free.
func tidy(ctx context.Context, open func() (driver.Changer, error), home map[string]int) error {
	r, err := open()
	if err != nil {
		return err
	}
	defer r.Close()
	done := map[string]bool{}
	for moved := true; moved; {
		moved = false
		es, err := r.Inventory(ctx)
		if err != nil {
			return err
		}
		full := map[int]bool{}
		for _, e := range es {
			full[e.Address] = e.Full
		}
		for _, e := range es {
			to, known := home[e.Label]
			if !e.Full || !known || to == e.Address || full[to] {
				continue
			}
			if done[e.Label] {
				return fmt.Errorf("%s was moved to address %d, and is at %d", printable(e.Label), to, e.Address)
			}
			done[e.Label] = true
			if err := r.Move(ctx, e.Address, to); err != nil {
				return err
			}
			full[to], full[e.Address], moved = true, false, true
		}
	}
	return nil
}
