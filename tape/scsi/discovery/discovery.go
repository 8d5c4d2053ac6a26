// Package discovery finds the tape drives and robots that a machine can reach: those that the Linux kernel has, and those of iSCSI portals.
//
// Nouns: a [Unit] is a drive or robot with the way to it; a [Plan] says which drive stands in which bay of which robot.
//
//	units, err := discovery.Kernel(os.DirFS("/sys"))
//	problems := discovery.Bays(ctx, units, discovery.Generic)
//	more, problems, err := discovery.Portal(ctx, "192.0.2.7:3260", "", iscsi.Options{})
//	plan := discovery.Match(append(units, more...))
//	err = plan.WriteTOML(os.Stdout) // to paste into a site file
//
// It reads and asks only: nothing moves, and no device is kept. Texts of devices come as package scsi has them, ASCII for print.
package discovery

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/enstore-go/sdk/tape/scsi"
	"github.com/enstore-go/sdk/tape/scsi/iscsi"
	"github.com/enstore-go/sdk/tape/scsi/sg"
	"github.com/enstore-go/sdk/tape/scsi/smc"
)

// Unit is a drive or robot.
type Unit struct {
	Type     uint8 // scsi.TypeTape or scsi.TypeChanger
	Vendor   string
	Product  string
	Revision string
	Serial   string // "" if it is not known

	// A unit of the kernel has these,
	Device string   // generic SCSI device: "/dev/sg3"; "" if the kernel has none for it
	Nodes  []string // its other devices: "/dev/nst0", "/dev/sch0"
	HCTL   string   // host, channel, target and unit: "0:0:1:0"
	// and a unit of an iSCSI target this.
	ISCSI iscsi.Unit // of a unit of the kernel the zero value

	Bays []smc.Bay // of a robot that was asked
}

// Where is the way to the unit for people.
func (u *Unit) Where() string {
	switch {
	case u.ISCSI.Target != "":
		return u.ISCSI.String()
	case u.Device != "":
		return u.Device
	case len(u.Nodes) > 0:
		return u.Nodes[0]
	}
	return u.HCTL
}

// Bounds of what is believed.
const (
	maxDevices = 4096 // of the kernel
	maxFile    = 4096 // bytes of a file in sysfs
	maxTargets = 256
	maxUnits   = 1024 // of a target
)

var (
	tapeNode    = regexp.MustCompile(`^st[0-9]+$`)
	changerNode = regexp.MustCompile(`^sch[0-9]+$`)
	genericNode = regexp.MustCompile(`^sg[0-9]+$`)
	hctl        = regexp.MustCompile(`^[0-9]+:[0-9]+:[0-9]+:[0-9]+$`)
)

// Kernel lists the drives and robots of a Linux kernel, by their SCSI addresses. sys is what is mounted at /sys. A machine
// without any, or without that directory, has an empty list. It reads that directory only; Bays asks the
// robots among them.
func Kernel(sys fs.FS) ([]Unit, error) {
	var all []Unit
	seen := map[string]bool{}
	for _, class := range []struct {
		name string
		node *regexp.Regexp
	}{
		{"scsi_generic", genericNode}, {"scsi_tape", tapeNode}, {"scsi_changer", changerNode}, // the last two for a kernel without the first
	} {
		es, err := fs.ReadDir(sys, path.Join("class", class.name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range es[:min(len(es), maxDevices)] {
			if !class.node.MatchString(e.Name()) || seen[e.Name()] {
				continue
			}
			u, ok := kernelUnit(sys, path.Join("class", class.name, e.Name(), "device"))
			if !ok {
				continue
			}
			for _, n := range append(u.Nodes, u.Device) {
				n = path.Base(n)
				seen[n] = true
				seen[strings.TrimPrefix(n, "n")] = true // nst0 is st0
			}
			all = append(all, u)
		}
	}
	slices.SortStableFunc(all, func(a, b Unit) int { return slices.Compare(numbers(a.HCTL), numbers(b.HCTL)) })
	return all, nil
}

// Generic opens a device of Linux's generic SCSI driver, for Bays.
func Generic(device string) (scsi.Transport, error) { return sg.Open(device) }

// Bays asks the robots of the kernel among units for their bays, which Match needs: without them it can only guess. Each is opened by its generic device
// and closed again. What of it fails, as for a robot that a site at work has open, is a problem, and the robot has no bays.
func Bays(ctx context.Context, units []Unit, open func(device string) (scsi.Transport, error)) (problems []error) {
	for i := range units {
		u := &units[i]
		if u.Type != scsi.TypeChanger || u.Device == "" {
			continue
		}
		t, err := open(u.Device)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: which drives the robot has: %w", u.Device, err))
			continue
		}
		if u.Bays, err = smc.Bays(ctx, t); err != nil {
			problems = append(problems, fmt.Errorf("%s: which drives the robot has: %w", u.Device, err))
		}
		_ = t.Close()
	}
	return problems
}

// kernelUnit reads the directory of a SCSI device; ok is false for one that is neither drive nor robot.
func kernelUnit(sys fs.FS, dir string) (u Unit, ok bool) {
	t, err := strconv.ParseUint(line(sys, path.Join(dir, "type")), 10, 5)
	if err != nil || t != scsi.TypeTape && t != scsi.TypeChanger {
		return u, false
	}
	u = Unit{Type: uint8(t), Vendor: line(sys, path.Join(dir, "vendor")), Product: line(sys, path.Join(dir, "model")), Revision: line(sys, path.Join(dir, "rev"))}
	if b, err := small(sys, path.Join(dir, "vpd_pg80")); err == nil { // older kernels keep it from all but root
		u.Serial, _ = scsi.ParseSerial(b)
	}
	children := func(class string, node *regexp.Regexp, prefix string) (found []string) {
		es, err := fs.ReadDir(sys, path.Join(dir, class))
		if err != nil {
			return nil
		}
		for _, e := range es[:min(len(es), maxDevices)] {
			if node.MatchString(e.Name()) {
				found = append(found, prefix+e.Name())
			}
		}
		return found
	}
	u.Nodes = append(children("scsi_tape", tapeNode, "/dev/n"), children("scsi_changer", changerNode, "/dev/")...)
	if g := children("scsi_generic", genericNode, "/dev/"); len(g) > 0 {
		u.Device = g[0]
	}
	if a := children("scsi_device", hctl, ""); len(a) > 0 {
		u.HCTL = a[0]
	}
	return u, true
}

func small(sys fs.FS, name string) ([]byte, error) {
	f, err := sys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// line is a file of one line, as ASCII for print.
func line(sys fs.FS, name string) string {
	b, err := small(sys, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(ascii(string(b)))
}

func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == 0:
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, s)
}

// numbers are those of an address, to sort by.
func numbers(hctl string) (n []int) {
	for f := range strings.SplitSeq(hctl, ":") {
		v, err := strconv.Atoi(f)
		if err != nil {
			v = -1
		}
		n = append(n, v)
	}
	return n
}

// Portal lists the drives and robots of an iSCSI target, or if that is "" of all targets that the portal tells of, and asks robots for their
// bays. What of it fails for one target or unit is a problem, and the others are listed all the same; err is for a portal that does not answer.
func Portal(ctx context.Context, portal, target string, o iscsi.Options) (units []Unit, problems []error, err error) {
	targets := []iscsi.Target{{Name: target}}
	if target == "" {
		if targets, err = iscsi.Discover(ctx, portal, o); err != nil {
			return nil, nil, err
		}
	}
	for _, t := range targets[:min(len(targets), maxTargets)] {
		if t.Name == "" || t.Name != ascii(t.Name) {
			problems = append(problems, fmt.Errorf("%s: the target %q: not a name", portal, t.Name))
			continue
		}
		us, ps, err := targetUnits(ctx, iscsi.Unit{Portal: portal, Target: t.Name}, o)
		if err != nil {
			ps = append(ps, err)
		}
		units, problems = append(units, us...), append(problems, ps...)
		if ctx.Err() != nil {
			return units, problems, ctx.Err()
		}
	}
	return units, problems, nil
}

// targetUnits lists the units of a target. u names its unit 0, which has to be there and knows the others (SPC-5, 6.33).
func targetUnits(ctx context.Context, u iscsi.Unit, o iscsi.Options) (units []Unit, problems []error, err error) {
	s, err := iscsi.Dial(ctx, u, o)
	if err != nil {
		return nil, nil, err
	}
	in := make([]byte, 8+8*maxUnits)
	zero := scsi.NewUnit(s)
	defer zero.Close()
	n, err := 0, zero.Greet(ctx)
	if err == nil {
		n, err = zero.Must(ctx, "report luns", scsi.ReportLUNs(len(in)), nil, in)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%v: %w", u, err)
	}
	luns, err := scsi.ParseLUNs(in[:n])
	if err != nil {
		return nil, nil, fmt.Errorf("%v: %w", u, err)
	}
	for _, l := range luns {
		if l>>62 == 3 { // a well-known unit, which is none of ours (SAM-5, 4.7.7.4)
			continue
		}
		n, ok := number(l)
		if !ok {
			problems = append(problems, fmt.Errorf("%v: the unit %#016x: has a number of several levels", u, l))
			continue
		}
		u.LUN = n
		unit, ok, err := ask(ctx, u, o)
		if err != nil {
			problems = append(problems, fmt.Errorf("%v: %w", u, err))
		}
		if ok {
			units = append(units, unit)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return units, problems, nil
}

// number is a unit's number of one level: peripheral or flat space addressing (SAM-5, 4.7.7).
func number(lun uint64) (int, bool) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], lun)
	switch {
	case lun<<16 != 0:
		return 0, false
	case b[0] == 0:
		return int(b[1]), true
	case b[0]>>6 == 1:
		return int(b[0]&0x3f)<<8 | int(b[1]), true
	}
	return 0, false
}

// ask asks a unit who it is, and a robot for its bays. ok is false for one that is neither drive nor robot; with an error it may still be
// true: then the bays are missing.
func ask(ctx context.Context, where iscsi.Unit, o iscsi.Options) (u Unit, ok bool, err error) {
	s, err := iscsi.Dial(ctx, where, o)
	if err != nil {
		return u, false, err
	}
	defer s.Close()
	unit := scsi.NewUnit(s)
	if err := unit.Greet(ctx); err != nil {
		return u, false, err
	}
	in := make([]byte, 96)
	n, err := unit.Must(ctx, "inquiry", scsi.Inquiry(len(in)), nil, in)
	if err != nil {
		return u, false, err
	}
	q, err := scsi.ParseInquiry(in[:n])
	if err != nil || !q.Connected || q.Type != scsi.TypeTape && q.Type != scsi.TypeChanger {
		return u, false, err
	}
	id, err := unit.Identity(ctx, q.Type)
	u = Unit{Type: q.Type, Vendor: id.Vendor, Product: id.Product, Revision: id.Revision, Serial: id.Serial, ISCSI: where}
	if err == nil && q.Type == scsi.TypeChanger {
		u.Bays, err = smc.Bays(ctx, s)
	}
	return u, true, err
}
