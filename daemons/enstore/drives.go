package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/plugins"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
)

// driveState is a drive in JSON.
type driveState struct {
	Drive     string   `json:"drive,omitempty"`
	Plugin    string   `json:"plugin"`
	Robot     string   `json:"robot,omitempty"`
	Number    int      `json:"number"`
	Libraries []string `json:"libraries,omitempty"`
	Vendor    string   `json:"vendor,omitempty"`
	Product   string   `json:"product,omitempty"`
	Revision  string   `json:"revision,omitempty"`
	Serial    string   `json:"serial,omitempty"`
	State     string   `json:"state"` // empty, present, loaded, cleaning, held, out of order
	Label     string   `json:"label,omitempty"`
	Problem   string   `json:"problem,omitempty"`

	NeedsClean   bool            `json:"needsClean"`
	Status       *statusOf       `json:"status,omitempty"`
	Capabilities *capabilitiesOf `json:"capabilities,omitempty"`
	Health       *healthOf       `json:"health,omitempty"`
	healthless   bool            // it was asked how it is, and does not tell
}

// statusOf is a drive's status in JSON; a size that the drive does not tell is left out.
type statusOf struct {
	WriteProtect bool   `json:"writeProtect"`
	WORM         bool   `json:"worm"`
	Capacity     *int64 `json:"capacity,omitempty"`
	Remaining    *int64 `json:"remaining,omitempty"`
	NeedsClean   bool   `json:"needsClean"`
	Cleaning     bool   `json:"cleaning"`
}

// capabilitiesOf are a drive's capabilities in JSON.
type capabilitiesOf struct {
	MinBlock        int     `json:"minBlock"`
	MaxBlock        int     `json:"maxBlock"`
	Window          int     `json:"window"`
	ReportsPosition bool    `json:"reportsPosition"`
	ReportsFile     bool    `json:"reportsFile"`
	ReportsBuffer   bool    `json:"reportsBuffer"`
	LocatesByBlock  bool    `json:"locatesByBlock"`
	WORM            bool    `json:"worm"`
	ReportsHealth   bool    `json:"reportsHealth"`
	Exclusive       string  `json:"exclusive"`
	Command         float64 `json:"commandSeconds"` // time-outs
	Load            float64 `json:"loadSeconds"`
	Locate          float64 `json:"locateSeconds"`
	Transfer        float64 `json:"transferSeconds"`
	Flush           float64 `json:"flushSeconds"`
}

func told(n int64) *int64 {
	if n == driver.Unknown {
		return nil
	}
	return &n
}

// ask fills in what a drive says of itself; with health how it is too, by which it forgets its alerts. Nothing moves by it.
func (s *driveState) ask(p *program, health bool, open func() (driver.Drive, error)) (err error) {
	s.State = "out of order"
	d, err := open()
	if err != nil {
		if tape.OutcomeOf(err) == driver.OutcomeHeld {
			s.State = "held"
		}
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	id, c, err := d.Identify(p.ctx)
	if err != nil {
		return err
	}
	s.Vendor, s.Product, s.Revision, s.Serial = id.Vendor, id.Product, id.Revision, id.Serial
	t := c.Timeouts.WithDefaults()
	s.Capabilities = &capabilitiesOf{
		MinBlock: c.MinBlock, MaxBlock: c.MaxBlock, Window: c.Window, ReportsPosition: c.ReportsPosition, ReportsFile: c.ReportsFile, ReportsBuffer: c.ReportsBuffer,
		LocatesByBlock: c.LocatesByBlock, WORM: c.WORM, ReportsHealth: c.ReportsHealth, Exclusive: string(c.Exclusive),
		Command: t.Command.Seconds(), Load: t.Load.Seconds(), Locate: t.Locate.Seconds(), Transfer: t.Transfer.Seconds(), Flush: t.Flush.Seconds(),
	}
	st, err := d.Status(p.ctx)
	if err != nil {
		return err
	}
	s.Label = st.Barcode
	s.Status = &statusOf{st.WriteProtect, st.WORM, told(st.Capacity), told(st.Remaining), st.NeedsClean, st.Cleaning}
	s.NeedsClean = st.NeedsClean
	switch {
	case st.Cleaning:
		s.State = "cleaning"
	case st.Loaded:
		s.State = "loaded"
	case st.Present:
		s.State = "present"
	default:
		s.State = "empty"
	}
	if health {
		return s.askHealth(p, d, c)
	}
	return nil
}

// siteDrive is what the site file says of a drive.
func siteDrive(c *site.Config, name string) *driveState {
	d := c.Drives[name]
	return &driveState{Drive: name, Plugin: d.Plugin, Robot: d.Robot, Number: d.Number, Libraries: d.Libraries}
}

type driveLsCmd struct{}

// Help is the example of --help.
func (driveLsCmd) Help() string {
	return "A site that is at work holds its drives: this is for one that is not. States: empty; present (a cartridge that is not\nready); loaded; cleaning (a cleaning cartridge is in it); held (by somebody else); out of order. A drive that wants to be cleaned\nsays so; the site does it, if the site file names the robot's cleaning cartridges: cleaning = [\"CLN001L1\"].\n\nExample:\n  enstore drive ls"
}

// Run lists drives.
func (*driveLsCmd) Run(p *program) error {
	return p.devices(func(d *site.Devices) error {
		var all []*driveState
		for name := range d.Config().Drives {
			all = append(all, siteDrive(d.Config(), name))
		}
		slices.SortFunc(all, func(a, b *driveState) int { return strings.Compare(a.Drive, b.Drive) })
		var asking sync.WaitGroup
		for _, s := range all {
			asking.Go(func() {
				if err := s.ask(p, false, func() (driver.Drive, error) { return d.Drive(p.ctx, s.Drive) }); err != nil {
					s.Problem = err.Error()
				}
			})
		}
		asking.Wait()
		if err := p.ctx.Err(); err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		if !p.cmd.JSON {
			fmt.Fprintln(w, "DRIVE\tROBOT\tNUMBER\tLIBRARIES\tPRODUCT\tSTATE\tCARTRIDGE")
		}
		for _, s := range all {
			if p.cmd.JSON {
				s.Status, s.Capabilities = nil, nil // drive show has them
				if err := p.json(s); err != nil {
					return err
				}
				continue
			}
			label := "-"
			if s.Label != "" {
				label = printable(s.Label)
			}
			state := s.State
			if s.NeedsClean {
				state += ", needs cleaning"
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", s.Drive, s.Robot, s.Number, strings.Join(s.Libraries, ","), escaped(s.product()), state, label)
		}
		if err := w.Flush(); err != nil || p.cmd.JSON {
			return err
		}
		for _, s := range all {
			if s.Problem != "" {
				if err := p.line("%s: %s", s.Drive, escaped(s.Problem)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (s *driveState) product() string {
	if t := strings.TrimSpace(s.Vendor + " " + s.Product); t != "" {
		return t
	}
	return "-"
}

// oneDrive says which drive a command is about.
type oneDrive struct {
	Name   string `arg:"" optional:"" help:"The drive's name in the site file."`
	Plugin string `placeholder:"NAME" help:"Instead of a site's drive: a built-in plugin (drive-file, drive-scsi, drive-st), or the path of a plugin's program."`
	Config string `default:"{}" placeholder:"JSON" help:"The plugin's settings, with --plugin."`
}

// name is what the command's output calls it.
func (d oneDrive) name() string {
	if d.Plugin != "" {
		return "drive " + d.Plugin
	}
	return "drive " + d.Name
}

// oneDrive runs work with a way to open a drive, and what the site file says of it.
func (p *program) oneDrive(o oneDrive, work func(s *driveState, open func() (driver.Drive, error)) error) error {
	switch {
	case o.Name != "" && o.Plugin != "":
		return usage("want a drive's name, or --plugin and --config, not both")
	case o.Name == "" && o.Plugin == "":
		return usage("want a drive's name, as enstore drive ls has it, or --plugin and --config")
	case o.Plugin == "":
		return p.devices(func(d *site.Devices) error {
			if _, ok := d.Config().Drives[o.Name]; !ok {
				return hint(&wire.Error{Kind: wire.NotFound, Text: fmt.Sprintf("the site has no drive %s", printable(o.Name))}, "See: enstore drive ls")
			}
			return work(siteDrive(d.Config(), o.Name), func() (driver.Drive, error) { return d.Drive(p.ctx, o.Name) })
		})
	}
	src, cfg, err := device{o.Plugin, o.Config}.source()
	if err != nil {
		return err
	}
	return p.host(func(h *plugins.Host) error {
		return work(&driveState{Plugin: o.Plugin}, func() (driver.Drive, error) { return h.OpenDrive(p.ctx, src, cfg) })
	})
}

type driveShowCmd struct {
	oneDrive
	Health bool `help:"Ask how drive and cartridge are too: the drive forgets its TapeAlert flags by that."`
}

// Help is the example of --help.
func (driveShowCmd) Help() string {
	return "Who the drive is, what it can do, and what is in it. Nothing moves. A site that is at work holds its drives; it asks for their\nhealth itself.\n\nExample:\n  enstore drive show drive0\n  enstore drive show --plugin drive-file --config '{\"dir\": \"site/tapes\", \"drive\": 0}'"
}

// Run tells about a drive.
func (c *driveShowCmd) Run(p *program) error {
	return p.oneDrive(c.oneDrive, func(s *driveState, open func() (driver.Drive, error)) error { return p.drive(s, c.Health, open) })
}

// drive tells all about a drive.
func (p *program) drive(s *driveState, health bool, open func() (driver.Drive, error)) error {
	if err := s.ask(p, health, open); err != nil {
		return err
	}
	if p.cmd.JSON {
		return p.json(s)
	}
	robot, number := s.Robot, ""
	if robot != "" {
		number = strconv.Itoa(s.Number)
	}
	sized := func(n *int64) string {
		if n == nil {
			return "not told"
		}
		return exactly(*n)
	}
	state, c := s.State, s.Capabilities
	for _, f := range []struct {
		on   bool
		text string
	}{{s.Status.WriteProtect, "write protected"}, {s.Status.WORM, "write once"}, {s.Status.NeedsClean, "needs cleaning"}} {
		if f.on {
			state += ", " + f.text
		}
	}
	var can []string
	for _, f := range []struct {
		on   bool
		text string
	}{
		{c.ReportsPosition, "reports positions"}, {c.ReportsFile, "reports files"}, {c.ReportsBuffer, "reports its buffer"}, {c.LocatesByBlock, "locates by block"},
		{c.WORM, "writes once"}, {c.ReportsHealth, "reports health"},
	} {
		if f.on {
			can = append(can, f.text)
		}
	}
	seconds := func(f float64) string { return time.Duration(f * float64(time.Second)).String() }
	rows := [][2]string{
		{"drive", s.Drive}, {"plugin", printable(s.Plugin)}, {"robot", robot}, {"number", number}, {"libraries", strings.Join(s.Libraries, ", ")},
		{"product", escaped(s.product())}, {"revision", escaped(s.Revision)}, {"serial", escaped(s.Serial)},
		{"state", state}, {"cartridge", printableOr(s.Label)},
	}
	if s.State != "empty" {
		rows = append(rows, [2]string{"capacity", sized(s.Status.Capacity)}, [2]string{"remaining", sized(s.Status.Remaining)})
	}
	rows = append(rows, s.Health.rows()...)
	if s.healthless {
		rows = append(rows, [2]string{"health", "not told"})
	}
	return p.pairs(append(rows, [][2]string{
		{"blocks", fmt.Sprintf("%d to %d bytes, %d under way", c.MinBlock, c.MaxBlock, c.Window)}, {"abilities", strings.Join(can, ", ")}, {"exclusive by", c.Exclusive},
		{"time-outs", fmt.Sprintf("command %s, load %s, locate %s, transfer %s, flush %s", seconds(c.Command), seconds(c.Load), seconds(c.Locate), seconds(c.Transfer), seconds(c.Flush))},
	}...)...)
}
