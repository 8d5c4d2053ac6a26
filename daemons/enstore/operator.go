package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/operator"
)

// oneRobot says which robot a command is about.
type oneRobot struct {
	Robot  string `placeholder:"NAME" help:"The robot's name in the site file. Default: the only one of the site that fits."`
	Plugin string `placeholder:"NAME" help:"Instead of a site's robot: a built-in plugin (robot-file, robot-scsi, robot-command, robot-operator), or the path of a plugin's program."`
	Config string `default:"{}" placeholder:"JSON" help:"The plugin's settings, with --plugin."`
}

// name is what the command's output calls it.
func (r oneRobot) name(kind string) string {
	switch {
	case r.Plugin != "":
		return kind + " " + r.Plugin
	case r.Robot != "":
		return kind + " " + r.Robot
	}
	return kind
}

const robotOperator = "robot-operator"

// isOperator tells whether a plugin is the built-in one for persons, or that as a program of its own.
func isOperator(plugin string) bool { return filepath.Base(plugin) == robotOperator }

// siteFile reads the site's file and tells its directory.
func (p *program) siteFile() (*site.Config, string, error) {
	name, err := p.site()
	if err != nil {
		return nil, "", err
	}
	if st, err := os.Stat(name); err == nil && st.IsDir() {
		name = filepath.Join(name, site.FileName)
	}
	c, err := site.ReadConfig(name)
	return c, filepath.Dir(name), err
}

// pick is the robot that is named, or the only one that fits.
func pick(c *site.Config, name string, fits func(site.RobotConfig) bool, what string) (string, error) {
	if name != "" {
		r, ok := c.Robots[name]
		switch {
		case !ok:
			return "", usage("the site has no robot %s, it has %q", printable(name), slices.Sorted(maps.Keys(c.Robots)))
		case !fits(r):
			return "", usage("robot %s: its plugin is %s, not %s", name, r.Plugin, what)
		}
		return name, nil
	}
	var all []string
	for _, n := range slices.Sorted(maps.Keys(c.Robots)) {
		if fits(c.Robots[n]) {
			all = append(all, n)
		}
	}
	if len(all) == 0 {
		return "", usage("the site has no %s: give --plugin and --config", what)
	}
	if len(all) != 1 {
		return "", usage("the site has %s, %q: say which with --robot, or give --plugin and --config", count(len(all), what), all)
	}
	return all[0], nil
}

// shelf is the directory of an operator's shelf. The site may be at work.
func (p *program) shelf(r oneRobot) (string, error) {
	var settings struct {
		Dir string `json:"dir"`
	}
	base := ""
	if r.Plugin != "" {
		if !isOperator(r.Plugin) {
			return "", usage("--plugin is %s: only %s has requests for a person", printable(r.Plugin), robotOperator)
		}
		if err := json.Unmarshal([]byte(r.Config), &settings); err != nil {
			return "", usage("--config: %w", err)
		}
	} else {
		c, dir, err := p.siteFile()
		if err != nil {
			return "", err
		}
		name, err := pick(c, r.Robot, func(r site.RobotConfig) bool { return isOperator(r.Plugin) }, robotOperator)
		if err != nil {
			return "", err
		}
		settings.Dir, _ = c.Robots[name].Config["dir"].(string)
		base = dir
	}
	switch {
	case settings.Dir == "":
		return "", usage("the robot's settings have no dir")
	case filepath.IsAbs(settings.Dir):
		return settings.Dir, nil
	}
	return filepath.Join(base, settings.Dir), nil
}

type robotRequestsCmd struct{ oneRobot }

// Help is the example of --help.
func (robotRequestsCmd) Help() string {
	return "What robot-operator wants a person to do. A withdrawn request is one that nobody waits for any more: put the\ncartridge back and refuse it, or say done --late if it is to stay where it was asked to go. The site may be at work.\n\nExample:\n  enstore robot requests\n  enstore robot requests --plugin robot-operator --config '{\"dir\": \"shelf\"}'"
}

// Run lists requests.
func (c *robotRequestsCmd) Run(p *program) error {
	dir, err := p.shelf(c.oneRobot)
	if err != nil {
		return err
	}
	rs, err := operator.Requests(disk.OS(), dir)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	if !p.cmd.JSON {
		if len(rs) == 0 {
			return p.line("nothing to do")
		}
		fmt.Fprintln(w, "REQUEST\tSTATE\tASKED\tWHAT")
	}
	for _, r := range rs {
		if p.cmd.JSON {
			if err := p.json(r); err != nil {
				return err
			}
			continue
		}
		what := r.String()
		if r.Why != "" {
			what += " (" + r.Why + ")"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", r.ID, r.State, when(r.Asked), escaped(what))
	}
	return w.Flush()
}

// answered tells of an answer.
func (p *program) answered(id int, state operator.State) error {
	if !p.cmd.JSON {
		return p.line("request %d: %s", id, state)
	}
	return p.json(struct {
		ID    int            `json:"id"`
		State operator.State `json:"state"`
	}{id, state})
}

type robotDoneCmd struct {
	oneRobot
	ID   int  `arg:"" help:"The request, as robot requests tells it."`
	Late bool `help:"Also if it was withdrawn: the cartridge does stand where it was asked to go."`
}

// Help is the example of --help.
func (robotDoneCmd) Help() string {
	return "The cartridge stands where the request wants it. This is what changes the inventory.\n\nExample:\n  enstore robot done 7"
}

// Run answers a request.
func (c *robotDoneCmd) Run(p *program) error {
	dir, err := p.shelf(c.oneRobot)
	if err != nil {
		return err
	}
	answer := operator.Done
	if c.Late {
		answer = operator.Late
	}
	if err := answer(disk.OS(), dir, c.ID); err != nil {
		return err
	}
	return p.answered(c.ID, operator.Carried)
}

type robotRefuseCmd struct {
	oneRobot
	ID  int      `arg:"" help:"The request, as robot requests tells it."`
	Why []string `arg:"" help:"Why, for whoever waits."`
}

// Help is the example of --help.
func (robotRefuseCmd) Help() string {
	return "The cartridge was not moved, or is back at its place.\n\nExample:\n  enstore robot refuse 7 the drive has it loaded"
}

// Run answers a request.
func (c *robotRefuseCmd) Run(p *program) error {
	dir, err := p.shelf(c.oneRobot)
	if err != nil {
		return err
	}
	if err := operator.Refuse(disk.OS(), dir, c.ID, strings.Join(c.Why, " ")); err != nil {
		return err
	}
	return p.answered(c.ID, operator.Refused)
}

type robotAddCmd struct {
	oneRobot
	Labels []string `arg:"" name:"label" help:"Labels of cartridges."`
}

// Help is the example of --help.
func (robotAddCmd) Help() string {
	return "Puts cartridges on the shelf of robot-operator, and tells for each the slot where it has to stand. To have the site\nwrite on them say volume add, too.\n\nExample:\n  enstore robot add VO0001 VO0002"
}

// Run adds cartridges.
func (c *robotAddCmd) Run(p *program) error { return p.stock(c.oneRobot, c.Labels, operator.Add) }

type robotRemoveCmd struct {
	oneRobot
	Labels []string `arg:"" name:"label" help:"Labels of cartridges."`
}

// Help is the example of --help.
func (robotRemoveCmd) Help() string {
	return "Takes cartridges from the shelf of robot-operator, and tells for each the slot where it was.\n\nExample:\n  enstore robot remove VO0001"
}

// Run removes cartridges.
func (c *robotRemoveCmd) Run(p *program) error { return p.stock(c.oneRobot, c.Labels, operator.Remove) }

// stock adds or removes cartridges, one after the other.
func (p *program) stock(r oneRobot, labels []string, change func(disk.FS, string, string) (int, error)) error {
	dir, err := p.shelf(r)
	if err != nil {
		return err
	}
	for _, l := range labels {
		slot, err := change(disk.OS(), dir, l)
		if errors.Is(err, operator.ErrNoShelf) && r.Plugin == "" {
			if err := p.makeShelf(r); err != nil {
				return err
			}
			slot, err = change(disk.OS(), dir, l)
		}
		if err != nil {
			return err
		}
		if p.cmd.JSON {
			err = p.json(struct {
				Label string `json:"label"`
				Slot  int    `json:"slot"`
			}{l, slot})
		} else {
			err = p.line("%s: slot %s", l, strconv.Itoa(slot))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// makeShelf opens a site's robot, which makes its shelf.
func (p *program) makeShelf(r oneRobot) error {
	c, _, err := p.siteFile()
	if err != nil {
		return err
	}
	if r.Robot, err = pick(c, r.Robot, func(r site.RobotConfig) bool { return isOperator(r.Plugin) }, robotOperator); err != nil {
		return err
	}
	return p.changer(r, func(driver.Changer) error { return nil })
}
