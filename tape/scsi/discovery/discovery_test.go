package discovery_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/scsi"
	"github.com/enstore-go/sdk/tape/scsi/discovery"
	"github.com/enstore-go/sdk/tape/scsi/iscsi"
	"github.com/enstore-go/sdk/tape/scsi/scsitest"
	"github.com/enstore-go/sdk/tape/scsi/sg"
	"github.com/enstore-go/sdk/tape/scsi/smc"
)

// sysfs is a tree like the kernel's, with its links: a disk, two drives and a robot at sg0 to sg3, and a robot without a generic device.
func sysfs(t *testing.T) fs.FS {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string) {
		name = filepath.Join(dir, name)
		is.New(t).NoErr(os.MkdirAll(filepath.Dir(name), 0o755))
		is.New(t).NoErr(os.WriteFile(name, []byte(content), 0o644))
	}
	link := func(class, node, device string) {
		at := filepath.Join(dir, device, class, node)
		is.New(t).NoErr(os.MkdirAll(at, 0o755))
		is.New(t).NoErr(os.Symlink(filepath.Join(dir, device), filepath.Join(at, "device")))
		is.New(t).NoErr(os.MkdirAll(filepath.Join(dir, "class", class), 0o755))
		is.New(t).NoErr(os.Symlink(at, filepath.Join(dir, "class", class, node)))
	}
	for _, d := range []struct {
		address, kind, vendor, model, serial string
		nodes                                []string
	}{
		{"0:0:0:0", "0", "ATA     ", "DISK", "X", []string{"sg0"}},
		{"10:0:1:0", "1", "IBM     ", "ULT3580-TD8     ", "0007", []string{"sg1", "st0", "nst0", "st0a", "nst0a"}},
		{"2:0:1:0", "1", "IBM     ", "ULT3580-TD8     ", "", []string{"sg2", "st1", "nst1"}},
		{"2:0:1:1", "8", "STK     ", "L700\x1b[31m", "LIB1", []string{"sg3", "sch0"}},
		{"3:0:0:0", "8", "ADIC    ", "Scalar          ", "", []string{"sch1"}},
	} {
		device := "devices/" + d.address
		write(device+"/type", d.kind+"\n")
		write(device+"/vendor", d.vendor+"\n")
		write(device+"/model", d.model+"\n")
		write(device+"/rev", "0001\n")
		if d.serial != "" {
			write(device+"/vpd_pg80", "\x01\x80\x00"+string(rune(len(d.serial)))+d.serial)
		}
		link("scsi_device", d.address, device)
		for _, n := range d.nodes {
			switch {
			case strings.HasPrefix(n, "sg"):
				link("scsi_generic", n, device)
			case strings.HasPrefix(n, "sch"):
				link("scsi_changer", n, device)
			default:
				link("scsi_tape", n, device)
			}
		}
	}
	return os.DirFS(dir)
}

func TestKernel(t *testing.T) {
	is := is.New(t)
	units, err := discovery.Kernel(sysfs(t))
	is.NoErr(err)
	is.Equal(units, []discovery.Unit{
		{Type: 1, Vendor: "IBM", Product: "ULT3580-TD8", Revision: "0001", Device: "/dev/sg2", Nodes: []string{"/dev/nst1"}, HCTL: "2:0:1:0"},
		{Type: 8, Vendor: "STK", Product: "L700?[31m", Revision: "0001", Serial: "LIB1", Device: "/dev/sg3", Nodes: []string{"/dev/sch0"}, HCTL: "2:0:1:1"},
		{Type: 8, Vendor: "ADIC", Product: "Scalar", Revision: "0001", Nodes: []string{"/dev/sch1"}, HCTL: "3:0:0:0"},
		{Type: 1, Vendor: "IBM", Product: "ULT3580-TD8", Revision: "0001", Serial: "0007", Device: "/dev/sg1", Nodes: []string{"/dev/nst0"}, HCTL: "10:0:1:0"},
	})
	units, err = discovery.Kernel(fstest.MapFS{})
	is.NoErr(err)
	is.Equal(len(units), 0)
	// What makes no sense is left out, whatever it is.
	units, err = discovery.Kernel(fstest.MapFS{
		"class/scsi_generic/sg0/device/type":   {Data: []byte("999999999999999999")},
		"class/scsi_generic/sg1/device/type":   {Data: []byte(strings.Repeat("1", 1<<20))},
		"class/scsi_generic/sg2/device/vendor": {Data: []byte("IBM")},
		"class/scsi_generic/sgx/device/type":   {Data: []byte("1")},
		"class/scsi_tape/st0/device/type":      {Data: []byte("1")},
		"class/scsi_tape/st0/device/vendor":    {Data: []byte(strings.Repeat("x", 1<<20))},
	})
	is.NoErr(err)
	is.Equal(len(units), 1)
	is.Equal(len(units[0].Vendor), 4096)
}

func drive(serial string) discovery.Unit {
	return discovery.Unit{Type: scsi.TypeTape, Vendor: "IBM", Product: "LTO", Serial: serial, Device: "/dev/sg" + serial}
}

func robot(bays ...smc.Bay) discovery.Unit {
	return discovery.Unit{Type: scsi.TypeChanger, Vendor: "STK", Product: "L700", Device: "/dev/sg99", Bays: bays}
}

func TestMatch(t *testing.T) {
	elsewhere := drive("9")
	elsewhere.ISCSI = iscsi.Unit{Portal: "p", Target: "t"}
	for _, c := range []struct {
		name  string
		units []discovery.Unit
		want  []string // robot, number and how of each drive
	}{
		{"by serial number", []discovery.Unit{drive("A1"), drive("A2"), robot(smc.Bay{Number: 0, Identity: "IBM     LTO             A2"}, smc.Bay{Number: 1, Identity: "A1"})},
			[]string{"robot0 1 serial number", "robot0 0 serial number"}},
		{"one number ends in another", []discovery.Unit{drive("1"), drive("21"), robot(smc.Bay{Number: 0, Identity: "X 21"}, smc.Bay{Number: 1, Identity: "X 1"})},
			[]string{"robot0 1 serial number", "robot0 0 serial number"}},
		{"one is left", []discovery.Unit{drive("A1"), drive("A2"), robot(smc.Bay{Number: 0, Identity: "X A1"}, smc.Bay{Number: 1, Identity: "X"})},
			[]string{"robot0 0 serial number", "robot0 1 the only one left"}},
		{"nothing is known", []discovery.Unit{drive(""), drive(""), robot(smc.Bay{Number: 0}, smc.Bay{Number: 1})},
			[]string{"robot0 0 guessed", "robot0 1 guessed"}},
		{"a robot that was not asked", []discovery.Unit{drive("A1"), robot()}, []string{"robot0 0 guessed"}},
		{"two robots", []discovery.Unit{robot(smc.Bay{Number: 3, Identity: "A1"}), robot(smc.Bay{Number: 5, Identity: "A2"}), drive("A2"), drive("A1")},
			[]string{"robot1 5 serial number", "robot0 3 serial number"}},
		{"a number that two bays have", []discovery.Unit{drive("A1"), robot(smc.Bay{Number: 0, Identity: "A1"}, smc.Bay{Number: 1, Identity: "A1"})},
			[]string{"robot0 0 guessed"}},
		{"two drives of one number", []discovery.Unit{drive("A1"), drive("A1"), robot(smc.Bay{Number: 0, Identity: "A1"})},
			[]string{"robot0 0 serial number", " 0 no robot"}},
		{"more drives than bays", []discovery.Unit{drive("1"), drive("2"), robot(smc.Bay{Number: 4})}, []string{"robot0 4 guessed", " 0 no robot"}},
		{"elsewhere", []discovery.Unit{elsewhere, robot(smc.Bay{Number: 0})}, []string{" 0 no robot"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, d := range discovery.Match(c.units).Drives {
				got = append(got, d.Robot+" "+string(rune('0'+d.Number))+" "+string(d.How))
			}
			is.New(t).Equal(got, c.want)
		})
	}
}

func TestWriteTOML(t *testing.T) {
	is := is.New(t)
	bare := drive("7")
	bare.Device, bare.Nodes = "", []string{"/dev/nst7"}
	quoted := drive("8")
	quoted.ISCSI = iscsi.Unit{Portal: "p:1", Target: `t"#`, LUN: 3}
	var b strings.Builder
	is.NoErr(discovery.Match([]discovery.Unit{robot(smc.Bay{Number: 2, Identity: "A1"}, smc.Bay{Number: 3}), drive("A1"), bare, quoted}).WriteTOML(&b))
	is.Equal(b.String(), `[robot.robot0] # STK L700
plugin = "robot-scsi"
config = { device = "/dev/sg99" }

[drive.drive0] # IBM LTO, serial number A1
plugin = "drive-scsi"
robot = "robot0"
number = 2
libraries = ["tapes"]
config = { device = "/dev/sgA1" }

[drive.drive1] # IBM LTO, serial number 7
plugin = "drive-scsi"
robot = "robot0"
number = 3 # the only bay that is left
libraries = ["tapes"]
# the kernel has no generic device for it: load its module sg, and look again
config = {}

[drive.drive2] # IBM LTO, serial number 8
plugin = "drive-scsi"
robot = "operator"
number = 0 # no robot was found for it
libraries = ["tapes"]
config = { portal = "p:1", target = "t\"#", lun = 3 }

[robot.operator] # a person with a shelf
plugin = "robot-operator"
config = { dir = "shelf", drives = ["drive2"], slots = 100 }
`)
}

// tgt cuts what it tells of its last drive, which is the only one left then.
func TestPortalOfTGT(t *testing.T) {
	is := is.New(t)
	lib := scsitest.Start(t, scsitest.Options{Drives: 3, Slots: 4})
	for _, target := range []string{"", lib.Target} {
		units, problems, err := discovery.Portal(t.Context(), lib.Portal, target, iscsi.Options{})
		is.NoErr(err)
		is.Equal(len(problems), 0)
		p := discovery.Match(units)
		is.Equal(len(p.Robots), 1)
		is.Equal(p.Robots[0].ISCSI.LUN, lib.Robot)
		is.Equal(p.Robots[0].Product, "VTL-CHANGER")
		is.Equal(len(p.Drives), 3)
		for n, d := range p.Drives {
			is.Equal(d.ISCSI.LUN, lib.Drives[n])
			is.Equal(d.Number, n)
			is.Equal(d.How, map[int]discovery.How{0: discovery.BySerial, 1: discovery.BySerial, 2: discovery.ByElimination}[n])
		}
	}
	_, problems, err := discovery.Portal(t.Context(), lib.Portal, "iqn.2026-01.test:none", iscsi.Options{})
	is.NoErr(err)
	is.Equal(len(problems), 1)
	is.True(strings.Contains(problems[0].Error(), "iqn.2026-01.test:none"))
}

func TestNobodyThere(t *testing.T) {
	is := is.New(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	is.NoErr(err)
	is.NoErr(l.Close())
	_, _, err = discovery.Portal(t.Context(), l.Addr().String(), "", iscsi.Options{})
	is.True(err != nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = discovery.Portal(ctx, l.Addr().String(), "t", iscsi.Options{})
	is.True(err != nil)
}

// Robots of the kernel are asked through their generic devices; one that another program has is a problem and no more.
func TestBaysOfTheKernel(t *testing.T) {
	is := is.New(t)
	lib := scsitest.Start(t, scsitest.Options{Drives: 2})
	asked := robot()
	held := robot()
	held.Device = "/dev/sg7"
	bare := robot()
	bare.Device = ""
	units := []discovery.Unit{drive("DRV00001"), asked, held, bare}
	problems := discovery.Bays(t.Context(), units, func(device string) (scsi.Transport, error) {
		if device == "/dev/sg7" {
			return nil, sg.ErrHeld
		}
		is.Equal(device, "/dev/sg99")
		return iscsi.Dial(t.Context(), iscsi.Unit{Portal: lib.Portal, Target: lib.Target, LUN: lib.Robot}, iscsi.Options{})
	})
	is.Equal(len(problems), 1)
	is.True(errors.Is(problems[0], sg.ErrHeld))
	is.True(strings.Contains(problems[0].Error(), "/dev/sg7"))
	is.Equal(len(units[1].Bays), 2)
	is.Equal(len(units[2].Bays)+len(units[3].Bays), 0)
	d := discovery.Match(units).Drives[0]
	is.Equal(d.Robot, "robot0")
	is.Equal(d.Number, 0)
	is.Equal(d.How, discovery.BySerial) // of the last bay tgt cuts the identity

	_, err := discovery.Generic("/dev/null")
	is.True(errors.Is(err, sg.ErrNoDevice))
}
