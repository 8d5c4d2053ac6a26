package filetape

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
)

func TestAddVolumeRefuses(t *testing.T) {
	f := disk.NewForgetful()
	is := is.New(t)
	is.NoErr(Create(f, "/lib", Options{Drives: 1, Slots: 2}))
	is.True(errors.Is(Create(f, "/lib", Options{Drives: 1, Slots: 2}), ErrExists))
	is.NoErr(AddVolume(f, "/lib", "VO0001", VolumeOptions{}))
	for _, c := range []struct {
		label string
		o     VolumeOptions
		want  error
		text  string
	}{
		{"VO0001", VolumeOptions{}, ErrExists, "VO0001"},
		{"vo0001", VolumeOptions{}, ErrExists, "vo0001"},
		{"", VolumeOptions{}, ErrLabel, `""`},
		{"../VO1", VolumeOptions{}, ErrLabel, `"../VO1"`},
		{`a\b`, VolumeOptions{}, ErrLabel, `a\\b`},
		{"VO 1", VolumeOptions{}, ErrLabel, `"VO 1"`},
		{"VO\x001", VolumeOptions{}, ErrLabel, "VO"},
		{"VO1.tap", VolumeOptions{}, ErrLabel, "VO1.tap"},
		{strings.Repeat("A", 33), VolumeOptions{}, ErrLabel, "AAA"},
		{"VO0002", VolumeOptions{Capacity: -1}, nil, "capacity: -1"},
		{"VO0002", VolumeOptions{Capacity: 100}, nil, "capacity: 100"},
		{"VO0002", VolumeOptions{Capacity: 5000, EarlyWarning: 5001}, nil, "early warning: 5001"},
		{"VO0002", VolumeOptions{Adopt: true}, os.ErrNotExist, "VO0002"},
	} {
		err := AddVolume(f, "/lib", c.label, c.o)
		is.True(err != nil)
		is.True(c.want == nil || errors.Is(err, c.want))
		is.True(strings.Contains(err.Error(), c.text))
	}
	is.NoErr(AddVolume(f, "/lib", "VO0002", VolumeOptions{}))
	is.True(errors.Is(AddVolume(f, "/lib", "VO0003", VolumeOptions{}), ErrNoSlot))
	is.True(errors.Is(AddVolume(f, "/other", "VO0003", VolumeOptions{}), ErrNotLibrary))
	is.True(errors.Is(SetWriteProtect(f, "/lib", "VO0009", true), ErrNotFound))
	for _, o := range []Options{{0, 1}, {1, 0}, {-1, 1}, {257, 1}, {1, 100_001}} {
		is.True(Create(f, "/bad", o) != nil)
	}
}

func TestConfigurationIsNamed(t *testing.T) {
	dir := t.TempDir()
	is := is.New(t)
	is.NoErr(Create(disk.OS(), dir, Options{Drives: 1, Slots: 1}))
	for config, text := range map[string]string{
		fmt.Sprintf(`{"dir":%q,"slot":1}`, dir):                "slot",
		fmt.Sprintf(`{"dir":%q,"drive":"0"}`, dir):             "drive",
		fmt.Sprintf(`{"dir":%q,"drive":1}`, dir):               "drive: 1",
		fmt.Sprintf(`{"dir":%q,"drive":-1}`, dir):              "drive: -1",
		fmt.Sprintf(`{"dir":%q,"capacity":99999}`, dir):        "capacity",
		`{"dir":"/nonexistent/library"}`:                       "/nonexistent/library",
		`{"drive":0}`:                                          "dir: missing",
		`{"null":true,"capacity":5}`:                           "capacity: 5",
		fmt.Sprintf(`{"dir":%q}`, filepath.Join(dir, "locks")): "not a tape library",
	} {
		_, err := OpenDrive(t.Context(), driver.Config(config))
		is.Equal(outcome(err), driver.OutcomeConfig)
		is.True(strings.Contains(err.Error(), text))
	}
	_, err := OpenChanger(t.Context(), driver.Config(fmt.Sprintf(`{"dir":%q,"drive":0}`, dir)))
	is.Equal(outcome(err), driver.OutcomeConfig)
	is.True(strings.Contains(err.Error(), "drive"))
}

func TestRobotFileRefuses(t *testing.T) {
	good, err := encodeRobot(&robot{ID: "1", Drives: 1, Slots: 2, Cartridges: []cartridge{{Label: "VO0001", Address: firstSlot}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, text string }{
		"edited":          {`"slots": 2`, `"slots": 3`, "checksum"},
		"a later version": {`"version": 1`, `"version": 7`, "version 7"},
		"another file":    {`"enstore filetape"`, `"what"`, "not a tape library"},
		"cut":             {"}\n", "", "damaged"},
		"unknown key":     {`"version": 1,`, `"version": 1, "color": 2,`, "color"},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			_, err := parseRobot(bytes.Replace(good, []byte(c.old), []byte(c.new), 1))
			is.True(err != nil)
			is.True(strings.Contains(err.Error(), c.text))
		})
	}
	is := is.New(t)
	is.True((&robot{Drives: 1, Slots: 1, Cartridges: []cartridge{{Label: "A", Address: firstSlot}, {Label: "B", Address: firstSlot}}}).check() != nil)
	is.True((&robot{Drives: 1, Slots: 2, Cartridges: []cartridge{{Label: "A", Address: firstSlot}, {Label: "a", Address: firstSlot + 1}}}).check() != nil)
	is.True((&robot{Drives: 1, Slots: 1, Cartridges: []cartridge{{Label: "A", Address: 7}}}).check() != nil)
}

// TestLibraryCrash makes a library, adds volumes and moves them with a power cut at every change of the disk. What
// was reported done is there, and nothing is in the way of going on.
func TestLibraryCrash(t *testing.T) {
	for cut := range int64(90) {
		is := is.New(t)
		r := rand.New(rand.NewPCG(uint64(cut), 4))
		f := disk.NewForgetful()
		f.StopAfter(cut)
		made := Create(f, "/lib", Options{Drives: 1, Slots: 2}) == nil
		added := made && AddVolume(f, "/lib", "VO0001", VolumeOptions{Capacity: 1 << 20, WORM: true}) == nil
		moved := false
		if added {
			if c, err := newChanger(library{f, "/lib"}); err == nil {
				moved = c.Move(t.Context(), SlotAddress(0), DriveAddress(0)) == nil
			}
		}
		f = f.Crash(r)
		l := library{f, "/lib"}
		got, err := l.read()
		if !made && err != nil {
			is.NoErr(Create(f, "/lib", Options{Drives: 1, Slots: 2}))
			got, err = l.read()
		}
		is.NoErr(err)
		if !added && len(got.Cartridges) == 0 {
			is.NoErr(AddVolume(f, "/lib", "VO0001", VolumeOptions{Capacity: 1 << 20, WORM: true}))
			got, err = l.read()
			is.NoErr(err)
		}
		is.Equal(len(got.Cartridges), 1)
		k := got.Cartridges[0]
		is.Equal(k.Capacity, int64(1<<20))
		is.True(k.WORM)
		is.True(!moved || k.Address == DriveAddress(0)) // a move that was reported has happened
		is.True(k.Address == SlotAddress(0) || k.Address == DriveAddress(0))
		if k.Address != DriveAddress(0) {
			c, err := newChanger(l)
			is.NoErr(err)
			is.NoErr(c.Move(t.Context(), k.Address, DriveAddress(0)))
			is.NoErr(c.Close())
		}
		d, err := newDrive(l, 0, false)
		is.NoErr(err)
		is.NoErr(d.Load(t.Context()))
		is.Equal(len(readAll(t, d)), 0)
		is.NoErr(d.Close())
	}
}

func TestHeldElsewhere(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	is.NoErr(Create(disk.OS(), dir, Options{Drives: 2, Slots: 2}))
	is.NoErr(AddVolume(disk.OS(), dir, "VO0001", VolumeOptions{}))
	table := driver.Config(fmt.Sprintf(`{"dir":%q}`, dir))
	robot, err := OpenChanger(t.Context(), table)
	is.NoErr(err)
	defer robot.Close()
	d, err := OpenDrive(t.Context(), table)
	is.NoErr(err)
	_, err = OpenDrive(t.Context(), table)
	is.Equal(outcome(err), driver.OutcomeHeld)
	is.True(strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())))

	is.NoErr(robot.Move(t.Context(), SlotAddress(0), DriveAddress(0)))
	held := func() bool {
		all, err := robot.Inventory(t.Context())
		is.NoErr(err)
		is.Equal(all[0].Label, "VO0001")
		return all[0].Held
	}
	is.True(!held())
	is.NoErr(d.Load(t.Context()))
	is.True(held())
	err = robot.Move(t.Context(), DriveAddress(0), SlotAddress(1))
	is.Equal(outcome(err), driver.OutcomeHeld)
	is.True(strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())))
	// Volumes can be added while the robot is in use.
	is.NoErr(AddVolume(disk.OS(), dir, "VO0002", VolumeOptions{}))
	is.NoErr(d.Close()) // with the cartridge in it, as when the process dies
	is.True(!held())
	is.NoErr(robot.Move(t.Context(), DriveAddress(0), SlotAddress(1)))
}

// TestAdopt takes an image that another program made: it is scanned, and gets an index with its first write.
func TestAdopt(t *testing.T) {
	is := is.New(t)
	f := disk.NewForgetful()
	is.NoErr(Create(f, "/lib", Options{Drives: 1, Slots: 1}))
	l := library{f, "/lib"}
	image, err := f.OpenFile(l.image("VO0001"), os.O_RDWR|os.O_CREATE, 0o666) // as cp does it: nothing is synced
	is.NoErr(err)
	_, err = image.Write(words("label", 0, "one", 0, 0))
	is.NoErr(errors.Join(err, image.Close()))
	is.True(errors.Is(AddVolume(f, "/lib", "VO0001", VolumeOptions{}), ErrExists))
	is.NoErr(AddVolume(f, "/lib", "VO0001", VolumeOptions{Adopt: true}))
	c, err := newChanger(l)
	is.NoErr(err)
	is.NoErr(c.Move(t.Context(), SlotAddress(0), DriveAddress(0)))
	d, err := newDrive(l, 0, false)
	is.NoErr(err)
	is.NoErr(d.Load(t.Context()))
	want := story{[]byte("label"), nil, []byte("one"), nil, nil}
	is.True(readAll(t, d).equal(want))
	_, err = f.Stat("/lib/volumes/VO0001.idx")
	is.True(errors.Is(err, os.ErrNotExist)) // reading writes nothing
	_, err = d.WriteBlock(t.Context(), []byte("two"))
	is.NoErr(err)
	f = f.Crash(rand.New(rand.NewPCG(1, 1)))
	d, err = newDrive(library{f, "/lib"}, 0, false)
	is.NoErr(err)
	is.NoErr(d.Load(t.Context()))
	is.True(readAll(t, d).equal(want)) // and what was not flushed is not there
}

// TestMoveFails has each call of the disk in a move fail: the outcome says whether the cartridge has moved, or that
// nobody knows.
func TestMoveFails(t *testing.T) {
	for k := int64(1); ; k++ {
		is := is.New(t)
		f := disk.NewForgetful()
		is.NoErr(Create(f, "/lib", Options{Drives: 1, Slots: 1}))
		is.NoErr(AddVolume(f, "/lib", "VO0001", VolumeOptions{}))
		c, err := newChanger(library{f, "/lib"})
		is.NoErr(err)
		f.FailChange(k, syscall.EIO)
		err = c.Move(t.Context(), SlotAddress(0), DriveAddress(0))
		f.Inject(nil)
		all, ierr := c.Inventory(t.Context())
		is.NoErr(ierr)
		switch outcome(err) {
		case driver.OutcomeNone:
			is.True(all[0].Full)
			is.True(k > 3) // a temporary file, its content, the rename and more had their turn
			return
		case driver.OutcomeHardware:
			is.True(!all[0].Full && all[1].Full)
		default:
			is.Equal(outcome(err), driver.OutcomeUnknown)
		}
		// The robot is not stuck.
		if all[1].Full {
			is.NoErr(c.Move(t.Context(), SlotAddress(0), DriveAddress(0)))
		}
		is.NoErr(c.Close())
	}
}

// TestUseAfterTheEnd calls closed devices and gives ended contexts.
func TestUseAfterTheEnd(t *testing.T) {
	is := is.New(t)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	d := openScratch(t, disk.NewForgetful(), "/lib", drivertest.Scratch{})
	n := Null(0)
	is.NoErr(n.Load(t.Context()))
	for _, d := range []driver.Drive{d, n} {
		is.Equal(outcome(d.Rewind(over)), driver.OutcomeAborted)
		is.NoErr(d.Unload(t.Context()))
		is.Equal(outcome(d.Rewind(t.Context())), driver.OutcomeNotReady)
		is.NoErr(d.Close())
		is.NoErr(d.Close())
		_, _, err := d.Identify(t.Context())
		is.Equal(outcome(err), driver.OutcomeNotReady)
		is.Equal(outcome(d.Load(t.Context())), driver.OutcomeNotReady)
	}
	c, err := newChanger(d.bay.library)
	is.NoErr(err)
	_, err = c.Inventory(over)
	is.Equal(outcome(err), driver.OutcomeAborted)
	is.NoErr(c.Close())
	is.NoErr(c.Close())
	is.Equal(outcome(c.Move(t.Context(), 1, 2)), driver.OutcomeNotReady)
}
