package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/scsi/scsitest"
)

func TestDriveLs(t *testing.T) {
	is := is.New(t)
	robot, drive := devices(t)
	good(t, with(robot, "robot", "move", "1001", "1")...)
	is.Equal(good(t, "drive", "ls"), "DRIVE   ROBOT   NUMBER  LIBRARIES  PRODUCT           STATE    CARTRIDGE\n"+
		"drive0  robot0  0       tapes      ENSTORE FILETAPE  present  VO0002\ndrive1  robot0  1       tapes      ENSTORE FILETAPE  empty    -\n")
	o := objects(t, good(t, "--json", "drive", "ls"))
	is.Equal(len(o), 2)
	is.Equal(o[0]["state"], "present")
	is.Equal(o[0]["label"], "VO0002")
	is.Equal(o[1]["number"], 1.0)

	for _, args := range [][]string{{"drive", "show", "drive0"}, with(drive, "drive", "show")} {
		out := good(t, args...)
		for _, want := range []string{"ENSTORE FILETAPE", "state         present", "cartridge     VO0002", "1 to ", "locates by block", "exclusive by  lock", "load 15m0s"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is missing:\n%s", want, out)
			}
		}
	}
	o = objects(t, good(t, "--json", "drive", "show", "drive1"))
	is.Equal(o[0]["drive"], "drive1")
	is.Equal(o[0]["state"], "empty")
	is.Equal(o[0]["capabilities"].(map[string]any)["exclusive"], "lock")
	bad(t, 3, []string{"no drive drive9", "drive ls"}, "drive", "show", "drive9")

	// What somebody else holds, or what is out of order, is told of each.
	dir := os.Getenv("ENSTORE_SITE")
	lock, err := disk.TryLock(disk.OS(), filepath.Join(dir, "run", "lock"))
	is.NoErr(err)
	bad(t, 5, []string{"in use"}, "drive", "ls")
	is.NoErr(lock.Close())
	is.NoErr(os.Rename(filepath.Join(dir, "tapes", "robot.json"), filepath.Join(dir, "tapes", "gone")))
	is.True(strings.Contains(good(t, "drive", "ls"), "\ndrive1: "))
	o = objects(t, good(t, "--json", "drive", "ls"))
	is.Equal(o[1]["state"], "out of order")
	is.True(o[1]["problem"] != nil)
}

// fakeSys is a tree of devices like the kernel's.
func fakeSys(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"sg1/device/type": "1\n", "sg1/device/vendor": "IBM     \n", "sg1/device/model": "ULT3580-TD8\n", "sg1/device/vpd_pg80": "\x00\x80\x00\x040007",
		"sg1/device/scsi_generic/sg1/x": "", "sg1/device/scsi_tape/st0/x": "", "sg1/device/scsi_device/2:0:1:0/x": "",
		"sg2/device/type": "8\n", "sg2/device/vendor": "STK\n", "sg2/device/model": "L700\n",
		"sg2/device/scsi_generic/sg2/x": "", "sg2/device/scsi_changer/sch0/x": "", "sg2/device/scsi_device/2:0:1:1/x": "",
	} {
		write(t, filepath.Join(dir, "class", "scsi_generic", name), []byte(content))
	}
	return dir
}

func TestDriveDiscover(t *testing.T) {
	is := is.New(t)
	sys := fakeSys(t)
	r := command(t, "drive", "discover", "--sys", sys)
	is.Equal(r.code, 1)                                        // the robot cannot be asked for its bays,
	is.True(strings.Contains(r.err, "/dev/sg2: which drives")) // which is said
	out := r.out
	is.True(strings.HasPrefix(out, "# found: 1 robot, 1 drive\n# robot0: STK L700, /dev/sg2\n# drive0: IBM ULT3580-TD8, /dev/sg1, number 0 of robot0 (guessed)\n\n[robot.robot0] # STK L700\n"))
	c, err := site.ParseConfig(out) // it is a site file as it stands
	is.NoErr(err)
	is.Equal(c.Drives["drive0"].Config["device"], "/dev/sg1")
	is.Equal(c.Robots["robot0"].Plugin, "robot-scsi")
	o := objects(t, command(t, "--json", "drive", "discover", "--sys", sys).out)
	is.Equal(len(o), 2)
	is.Equal(o[0]["type"], "robot")
	is.Equal(o[1]["serial"], "0007")
	is.Equal(o[1]["nodes"], []any{"/dev/nst0"})
	is.Equal(o[1]["how"], "guessed")

	is.Equal(good(t, "drive", "discover", "--sys", t.TempDir()), "# found: 0 robots, 0 drives\n# looked at: this machine's kernel; iSCSI portals are looked at with --portal HOST:PORT\n")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	is.NoErr(err)
	is.NoErr(l.Close())
	bad(t, 3, []string{"--sys", "no such"}, "drive", "discover", "--sys", filepath.Join(sys, "nowhere"))
	r = command(t, "drive", "discover", "--sys", sys, "--portal", l.Addr().String())
	is.Equal(r.code, 5) // what is there is printed all the same
	is.Equal(r.out, out)
	is.True(strings.Contains(r.err, l.Addr().String()))
}

// What is printed of tgt is a site at work, but for its name.
func TestDiscoverTGT(t *testing.T) {
	is := is.New(t)
	lib := scsitest.Start(t, scsitest.Options{Drives: 2, Slots: 4, Capacity: 64 << 20})
	for _, portal := range []string{lib.Portal, lib.Portal + "," + lib.Target} {
		out := good(t, "drive", "discover", "--no-kernel", "--portal", portal)
		is.True(strings.Contains(out, "number 0 of robot0 (serial number)\n"))
		is.True(strings.Contains(out, "number = 1 # the only bay that is left\n"))
		dir := t.TempDir()
		write(t, filepath.Join(dir, site.FileName), []byte(out))
		t.Setenv("ENSTORE_SITE", dir)
		o := objects(t, good(t, "--json", "drive", "ls"))
		is.Equal(len(o), 2)
		is.Equal(o[0]["state"], "empty")
		is.Equal(o[1]["serial"], "DRV00002")
		is.Equal(good(t, "robot", "inventory"), "7 places, 3 cartridges: 0 changes\n")
	}
}
