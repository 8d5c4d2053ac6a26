// Package scsitest starts tape libraries that others wrote, for tests to be judged by.
//
// [TGT] is a private daemon of tgt, the Linux SCSI target framework (Debian's package of that name), on loopback: tape drives
// and a robot over iSCSI, whose cartridges are files. It ends with the test.
//
//	lib := scsitest.Start(t, scsitest.Options{Drives: 2, Slots: 8, Cartridges: 4})
//	s, err := iscsi.Dial(t.Context(), iscsi.Unit{Portal: lib.Portal, Target: lib.Target, LUN: lib.Drives[0]}, iscsi.Options{})
//
// A test is skipped where this is not root, or tgt is not installed; with the environment variable ENSTORE_JUDGES set to
// "required" the latter fails it. What tgt does other than the standards want is listed at [Known].
package scsitest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Known are faults of tgt 1.0.85 that tests of everything above have to bear.
var Known = []string{
	"READ POSITION never knows where the tape stands, and LOCATE is not there",
	"SILI is ignored, and a block longer than asked for moves no data",
	"at a filemark or end of data the residual is 0 and stale bytes are sent",
	"end of data is a blank check without its additional sense code",
	"of a block shorter than asked for it sends as many bytes as are missing: less than the block if that is longer than half",
	"SPACE over blocks does not stop at a filemark, nor backwards at the load point; over filemarks backwards it lands a block too early",
	"SPACE into end of data does not tell how far it came",
	"there is no early warning: end of medium comes with the block that passes the capacity, and that block is stored",
	"no unit attention after a change of the medium",
	"LOG SENSE, REPORT DENSITY SUPPORT, READ ATTRIBUTE and reservations are not there",
	"READ ELEMENT STATUS of all kinds at once is garbled, and its last descriptor is cut by 8 bytes",
	"a cartridge that a drive has loaded can be moved out, unless removal was prevented",
}

// Options may be left zero.
type Options struct {
	Drives     int   // 1
	Slots      int   // 4
	Cartridges int   // in the first slots, labelled VT0001L8 and on; Slots-1
	Capacity   int64 // bytes of each cartridge, whole MiB; 64 MiB
}

// TGT is a running library.
type TGT struct {
	Portal string // for iscsi.Unit
	Target string
	Drives []int // units of the drives
	Robot  int   // unit of the robot
	// Elements: drives from 1 on, the hand 100, slots from 1000 on.
	dir string
	pid int
}

// First addresses of a library's elements.
const (
	FirstDrive = 1
	Hand       = 100
	FirstSlot  = 1000
)

// Label of cartridge n, from 1.
func Label(n int) string { return fmt.Sprintf("VT%04dL8", n) }

// Start starts a library, which ends with the test.
func Start(t testing.TB, o Options) *TGT {
	t.Helper()
	def(&o.Drives, 1)
	def(&o.Slots, 4)
	def(&o.Cartridges, o.Slots-1)
	if o.Capacity == 0 {
		o.Capacity = 64 << 20
	}
	tgtd := program(t, "tgtd")
	program(t, "tgtadm")
	tgtimg := program(t, "tgtimg")
	dir, err := os.MkdirTemp("", "tgt") // its paths have to be shorter than those of a test
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	l := &TGT{dir: dir, Target: "iqn.2026-01.test:" + filepath.Base(dir)}
	media := filepath.Join(dir, "media")
	must(t, os.Mkdir(media, 0o700))
	must(t, os.WriteFile(filepath.Join(media, "changer"), make([]byte, 1024), 0o600))
	image := func(name, file string, size int64) {
		t.Helper()
		run(t, nil, tgtimg, "--op", "new", "--device-type", "tape", "--barcode", name, "--size", fmt.Sprint(max(size>>20, 1)), "--type", "data", "--file", file, "--thin-provisioning")
	}
	for n := 1; n <= o.Cartridges; n++ {
		image(Label(n), filepath.Join(media, Label(n)), o.Capacity)
	}
	parking := filepath.Join(dir, "parking") // a drive needs an image when it is made
	image("PARKING", parking, 1)

	l.daemon(t, tgtd)
	l.adm(t, "--op", "new", "--mode", "target", "--tid", "1", "-T", l.Target)
	unit := func(lun int, op string, more ...string) {
		t.Helper()
		l.adm(t, append([]string{"--mode", "logicalunit", "--op", op, "--tid", "1", "--lun", fmt.Sprint(lun)}, more...)...)
	}
	for n := 1; n <= o.Drives; n++ {
		unit(n, "new", "-b", parking, "--device-type=tape")
		unit(n, "update", "--params", fmt.Sprintf("vendor_id=STGT,product_id=VTL-TAPE,product_rev=0001,scsi_sn=DRV%05d,removable=1", n))
		unit(n, "update", "--params", "online=0")
		l.Drives = append(l.Drives, n)
	}
	l.Robot = o.Drives + 1
	unit(l.Robot, "new", "-b", filepath.Join(media, "changer"), "--device-type=changer")
	for _, p := range []string{
		"vendor_id=STGT,product_id=VTL-CHANGER,product_rev=0001,scsi_sn=LIB00001", "media_home=" + media,
		fmt.Sprintf("element_type=1,start_address=%d,quantity=1", Hand), fmt.Sprintf("element_type=4,start_address=%d,quantity=%d", FirstDrive, o.Drives),
	} {
		unit(l.Robot, "update", "--params", p)
	}
	for n := range o.Drives {
		unit(l.Robot, "update", "--params", fmt.Sprintf("element_type=4,address=%d,tid=1,lun=%d", FirstDrive+n, n+1))
	}
	unit(l.Robot, "update", "--params", fmt.Sprintf("element_type=2,start_address=%d,quantity=%d", FirstSlot, o.Slots))
	for n := 1; n <= o.Cartridges; n++ {
		unit(l.Robot, "update", "--params", fmt.Sprintf("element_type=2,address=%d,barcode=%s,sides=1", FirstSlot+n-1, Label(n)))
	}
	l.adm(t, "--op", "bind", "--mode", "target", "--tid", "1", "-I", "127.0.0.1")
	return l
}

// Set sets a parameter of the target for sessions to come, like InitialR2T or MaxRecvDataSegmentLength.
func (l *TGT) Set(t testing.TB, name, value string) {
	t.Helper()
	l.adm(t, "--mode", "target", "--op", "update", "--tid", "1", "--name", name, "--value", value)
}

// daemon starts tgtd on a port of its own. The port is looked for before, so another process may be faster: then it is tried again.
func (l *TGT) daemon(t testing.TB, tgtd string) {
	t.Helper()
	var said strings.Builder
	for range 10 {
		probe, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		l.Portal = probe.Addr().String()
		must(t, probe.Close())
		cmd := exec.Command(tgtd, "-f", "-C", "0", "--iscsi", "portal="+l.Portal)
		cmd.Env = append(os.Environ(), "TGT_IPC_SOCKET="+filepath.Join(l.dir, "ipc"))
		cmd.Stdout, cmd.Stderr = &said, &said
		must(t, cmd.Start())
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		stop := func() { _ = cmd.Process.Kill(); <-ended }
		if l.answers(ended) {
			l.pid = cmd.Process.Pid
			t.Cleanup(stop)
			return
		}
		stop()
	}
	t.Fatalf("tgtd does not start: %s", said.String())
}

// answers waits until the daemon can be controlled and connected to.
func (l *TGT) answers(ended <-chan struct{}) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); ; {
		select {
		case <-ended:
			return false
		case <-deadline:
			return false
		case <-tick.C:
		}
		if _, err := os.Stat(filepath.Join(l.dir, "ipc.0")); err != nil {
			continue
		}
		if c, err := net.Dial("tcp", l.Portal); err == nil {
			_ = c.Close()
			return true
		}
	}
}

func (l *TGT) adm(t testing.TB, args ...string) {
	t.Helper()
	run(t, []string{"TGT_IPC_SOCKET=" + filepath.Join(l.dir, "ipc")}, program(t, "tgtadm"), append([]string{"-C", "0", "--lld", "iscsi"}, args...)...)
}

// program finds one of tgt's programs, or skips the test.
func program(t testing.TB, name string) string {
	t.Helper()
	missing := ""
	path, err := exec.LookPath(name)
	if err != nil {
		path = filepath.Join("/usr/sbin", name)
		if _, err := os.Stat(path); err != nil {
			missing = name + " is not installed (Debian: tgt)"
		}
	}
	switch {
	case os.Geteuid() != 0:
		t.Skip(name + " runs as root only")
	case missing == "":
	case os.Getenv("ENSTORE_JUDGES") == "required":
		t.Fatal(missing)
	default:
		t.Skip(missing)
	}
	return path
}

func run(t testing.TB, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func def(n *int, v int) {
	if *n == 0 {
		*n = v
	}
}
