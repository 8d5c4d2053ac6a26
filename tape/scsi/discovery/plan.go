package discovery

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/enstore-go/sdk/tape/scsi"
	"github.com/enstore-go/sdk/tape/scsi/smc"
)

// How says how a drive's bay was found.
type How string

// The ways.
const (
	BySerial      How = "serial number"     // the robot tells the drive's serial number for the bay
	ByElimination How = "the only one left" // one bay and one drive of the same target were left
	ByGuess       How = "guessed"           // by the order of addresses: check it before anything is written
	NoRobot       How = "no robot"
)

// Robot is a robot of a plan.
type Robot struct {
	Name string
	Unit
}

// Drive is a drive of a plan.
type Drive struct {
	Name string
	Unit
	Robot  string // its robot's name; "" if there is none
	Number int    // its number in the robot
	How    How
}

// Plan says what stands where.
type Plan struct {
	Robots []Robot
	Drives []Drive
}

// Match makes a plan: each drive is looked for in the bays of the robots by its serial number. What is left
// over is taken together where one bay and one drive of the same iSCSI target or kernel are left, and guessed by the order of addresses otherwise.
func Match(units []Unit) *Plan {
	p := &Plan{}
	for _, u := range units {
		if u.Type == scsi.TypeChanger {
			p.Robots = append(p.Robots, Robot{fmt.Sprintf("robot%d", len(p.Robots)), u})
		} else {
			p.Drives = append(p.Drives, Drive{Name: fmt.Sprintf("drive%d", len(p.Drives)), Unit: u, How: NoRobot})
		}
	}
	taken := map[string]map[int]bool{} // bays, by robot
	take := func(d *Drive, robot string, number int, how How) {
		d.Robot, d.Number, d.How = robot, number, how
		if taken[robot] == nil {
			taken[robot] = map[int]bool{}
		}
		taken[robot][number] = true
	}
	for i := range p.Drives {
		d := &p.Drives[i]
		if robot, bay, ok := p.bayOf(d.Serial); ok && !taken[robot][bay.Number] {
			take(d, robot, bay.Number, BySerial)
		}
	}
	for _, r := range p.Robots {
		var left []*Drive
		for i := range p.Drives {
			if d := &p.Drives[i]; d.Robot == "" && near(&d.Unit, &r.Unit) {
				left = append(left, d)
			}
		}
		var free []int
		for _, b := range r.Bays {
			if !taken[r.Name][b.Number] {
				free = append(free, b.Number)
			}
		}
		switch {
		case len(left) == 1 && len(free) == 1:
			take(left[0], r.Name, free[0], ByElimination)
		case len(r.Bays) > 0:
			for i := range min(len(left), len(free)) {
				take(left[i], r.Name, free[i], ByGuess)
			}
		default: // a robot that was not asked
			for i, d := range left {
				take(d, r.Name, i, ByGuess)
			}
		}
	}
	return p
}

// near tells whether a drive may stand in a robot: both are of the kernel, or of one iSCSI target.
func near(d, r *Unit) bool {
	return d.ISCSI.Portal == r.ISCSI.Portal && d.ISCSI.Target == r.ISCSI.Target
}

// bayOf finds the bay whose identity ends in a serial number, and in no longer one of another drive.
func (p *Plan) bayOf(serial string) (robot string, bay smc.Bay, ok bool) {
	if serial == "" {
		return "", bay, false
	}
	n := 0
	for _, r := range p.Robots {
		for _, b := range r.Bays {
			longer := slices.ContainsFunc(p.Drives, func(d Drive) bool {
				return len(d.Serial) > len(serial) && strings.HasSuffix(b.Identity, d.Serial)
			})
			if strings.HasSuffix(b.Identity, serial) && !longer {
				robot, bay = r.Name, b
				n++
			}
		}
	}
	return robot, bay, n == 1
}

// WriteTOML writes the tables of a site file. Drives without a robot get a person for one; what is guessed says so.
func (p *Plan) WriteTOML(w io.Writer) error {
	var b strings.Builder
	for _, r := range p.Robots {
		fmt.Fprintf(&b, "[robot.%s] # %s\nplugin = \"robot-scsi\"\n%s\n\n", r.Name, r.what(), r.config())
	}
	var shelf []string // drives of the person
	for _, d := range p.Drives {
		robot, number := d.Robot, d.Number
		if robot == "" {
			robot, number = "operator", len(shelf)
			shelf = append(shelf, d.Name)
		}
		note := ""
		switch d.How {
		case ByGuess:
			note = " # guessed by the order of addresses: check it"
		case ByElimination:
			note = " # the only bay that is left"
		case NoRobot:
			note = " # no robot was found for it"
		}
		fmt.Fprintf(&b, "[drive.%s] # %s\nplugin = \"drive-scsi\"\nrobot = %q\nnumber = %d%s\nlibraries = [\"tapes\"]\n%s\n\n", d.Name, d.what(), robot, number, note, d.config())
	}
	if len(shelf) > 0 {
		fmt.Fprintf(&b, "[robot.operator] # a person with a shelf\nplugin = \"robot-operator\"\nconfig = { dir = \"shelf\", drives = [\"%s\"], slots = 100 }\n\n", strings.Join(shelf, `", "`))
	}
	_, err := io.WriteString(w, strings.TrimSuffix(b.String(), "\n"))
	return err
}

// what says for people what the unit is.
func (u *Unit) what() string {
	s := strings.TrimSpace(u.Vendor + " " + u.Product)
	if u.Serial != "" {
		s += ", serial number " + u.Serial
	}
	return s
}

// config is the line of the plugin's settings. All texts are ASCII for print, which TOML quotes as Go does.
func (u *Unit) config() string {
	switch {
	case u.ISCSI.Target != "":
		return fmt.Sprintf("config = { portal = %q, target = %q, lun = %d }", u.ISCSI.Portal, u.ISCSI.Target, u.ISCSI.LUN)
	case u.Device != "":
		return fmt.Sprintf("config = { device = %q }", u.Device)
	}
	return "# the kernel has no generic device for it: load its module sg, and look again\nconfig = {}"
}
