package plugintest_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/plugins"
	"github.com/enstore-go/sdk/plugins/plugintest"
	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
	"github.com/enstore-go/sdk/tape/filetape"
	"github.com/enstore-go/sdk/tape/memtape"
)

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // else the race detector keeps each plugin for a second after its end
	plugins.Main(append(plugins.Builtin, memory)...)
	if runtime.GOOS == "windows" {
		return
	}
	os.Exit(m.Run())
}

// memoryConfig describes the cartridge in a drive of package memtape.
type memoryConfig struct {
	Scratch drivertest.Scratch `json:"scratch"`
	Window  int                `json:"window"`
	Damage  []int              `json:"damage"`
}

// memory is a drive whose cartridge lasts as long as its process.
var memory = plugins.Plugin{
	Name: "memory",
	Drive: func(_ context.Context, c driver.Config) (driver.Drive, error) {
		var m memoryConfig
		if err := c.Decode(&m); err != nil {
			return nil, err
		}
		lib := memtape.New(memtape.Options{Window: m.Window})
		if !m.Scratch.None {
			o := memtape.VolumeOptions{Capacity: m.Scratch.Capacity, EarlyWarning: m.Scratch.Capacity / 4, // more than the blocks on their way
				WORM: m.Scratch.WORM, WriteProtect: m.Scratch.WriteProtect}
			if _, err := lib.AddVolume("TST001", o); err != nil {
				return nil, err
			}
			if err := lib.Insert("TST001", 0); err != nil {
				return nil, err
			}
		}
		return lib.OpenDrive(0)
	},
}

func config(t testing.TB, v any) driver.Config {
	t.Helper()
	c, err := driver.ConfigOf(v)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// library makes a directory of tape images with cartridges in its first slots.
func library(t testing.TB, labels int, o filetape.VolumeOptions) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "library")
	if err := filetape.Create(disk.OS(), dir, filetape.Options{Drives: 2, Slots: 5}); err != nil {
		t.Fatal(err)
	}
	for i := range labels {
		if err := filetape.AddVolume(disk.OS(), dir, "TST00"+string(rune('1'+i)), o); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// fileRig is a drive of package filetape with a scratch cartridge in it, behind the border.
func fileRig(host plugins.HostOptions) drivertest.Harness {
	return func(t testing.TB, s drivertest.Scratch) *drivertest.Rig {
		volumes := 1
		if s.None {
			volumes = 0
		}
		dir := library(t, volumes, filetape.VolumeOptions{Capacity: s.Capacity, WORM: s.WORM, WriteProtect: s.WriteProtect})
		if volumes > 0 {
			robot := plugintest.Changer(t, "robot-file", config(t, map[string]any{"dir": dir}))
			if err := robot.Move(t.Context(), filetape.SlotAddress(0), filetape.DriveAddress(0)); err != nil {
				t.Fatal(err)
			}
			if err := robot.Close(); err != nil {
				t.Fatal(err)
			}
		}
		h := plugintest.Host(t, host)
		return &drivertest.Rig{Open: func() (driver.Drive, error) {
			return h.OpenDrive(t.Context(), "drive-file", config(t, map[string]any{"dir": dir}))
		}}
	}
}

func TestFileDriveThroughTheRing(t *testing.T) {
	found := drivertest.TestDrive(t, fileRig(plugins.HostOptions{}))
	drivertest.Judge(t, "../../tape/testdata/targets/drive-file.json", drivertest.Target{Name: "filetape, plugin drive-file", Kind: "drive"}, found, nil)
}

// A cartridge that ends with its process does not keep the rules about what comes after Close.
func TestMemoryDriveKit(t *testing.T) {
	const gone = "its cartridge ends with its process"
	var found []drivertest.Result
	err := drivertest.CheckDrive(t.Context(), func(t testing.TB, s drivertest.Scratch) *drivertest.Rig {
		open := plugintest.OpenDrive(t, "memory")
		return &drivertest.Rig{Open: func() (driver.Drive, error) { return open(t.Context(), config(t, memoryConfig{Scratch: s})) }}
	}, func(r drivertest.Result) { found = append(found, r) })
	is.New(t).NoErr(err)
	drivertest.Judge(t, "../../tape/testdata/targets/memory.json", drivertest.Target{Name: "memtape, as a plugin", Kind: "drive"}, found, map[string]string{
		"one user at a time": gone, "flushed data outlives Close": gone, "what was not flushed is lost from its end": gone,
		"close is for good": gone, "positions are the volume's": gone, "close in the middle of a call": gone,
	})
}

func TestFileDriveThroughTheStream(t *testing.T) {
	drivertest.TestDrive(t, fileRig(plugins.HostOptions{NoSharedMemory: true}))
}

func TestFileRobot(t *testing.T) {
	drivertest.TestChanger(t, func(t testing.TB) *drivertest.Robot {
		dir := library(t, 3, filetape.VolumeOptions{})
		open, drive := plugintest.OpenChanger(t, "robot-file"), plugintest.OpenDrive(t, "drive-file")
		held := map[int]driver.Drive{}
		return &drivertest.Robot{
			Exclusive: true,
			Open: func() (driver.Changer, error) {
				return open(t.Context(), config(t, map[string]any{"dir": dir}))
			},
			Hold: func(n int) error {
				d, err := drive(t.Context(), config(t, map[string]any{"dir": dir, "drive": n}))
				if err != nil {
					return err
				}
				held[n] = d
				return d.Load(t.Context())
			},
			Release: func(n int) error {
				if err := held[n].Unload(t.Context()); err != nil {
					return err
				}
				return held[n].Close()
			},
		}
	})
}

// A drive with a buffer of its own, whose late errors come through a window that
// is late itself.
func TestMemoryDrive(t *testing.T) {
	for _, window := range []int{0, 4} {
		t.Run("window "+string(rune('0'+window)), func(t *testing.T) {
			is := is.New(t)
			d := plugintest.Drive(t, "memory", config(t, memoryConfig{Window: window, Scratch: drivertest.Scratch{Capacity: 100_000}}))
			is.NoErr(d.Load(t.Context()))
			var err error
			accepted := 0
			for err == nil {
				_, err = d.WriteBlock(t.Context(), make([]byte, 4096))
				accepted++
			}
			e, ok := err.(*driver.Error)
			is.True(ok)
			is.Equal(e.Outcome, driver.OutcomeEndOfMedium)
			_, caps, err := d.Identify(t.Context())
			is.NoErr(err)
			_, err = d.WriteFilemarks(t.Context(), 0, false)
			is.NoErr(err)
			p, err := d.Position(t.Context())
			is.NoErr(err)
			is.True(p.Block <= int64(accepted) && p.Block >= int64(accepted-1-caps.Window))
		})
	}
}

func TestAProgramOfItsOwn(t *testing.T) {
	is := is.New(t)
	path := filepath.Join(t.TempDir(), "drive-file")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/enstore-go/sdk/plugins/drive-file").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d := plugintest.Drive(t, plugins.Source(path), config(t, map[string]any{"null": true}))
	is.NoErr(d.Load(t.Context()))
	_, err = d.WriteBlock(t.Context(), make([]byte, 1000))
	is.NoErr(err)
	is.NoErr(d.Close())

	byHand := exec.CommandContext(t.Context(), path)
	out, err = byHand.CombinedOutput()
	is.Equal(err.Error(), "exit status 1")
	is.Equal(string(out), "drive-file is a plugin: it is started by the program that uses its device.\n"+
		"Name its absolute path there, as the plugin of a drive or robot.\n")
}

func TestAnUnknownKeyIsNamedThroughTheBorder(t *testing.T) {
	is := is.New(t)
	_, err := plugintest.OpenDrive(t, "drive-file")(t.Context(), config(t, map[string]any{"directory": "/x"}))
	is.Equal(err.Error(), `configure: bad configuration: json: unknown field "directory"`)
	var e *driver.Error
	is.True(json.Valid(config(t, e)))
}

func BenchmarkFileDrive(b *testing.B) {
	b.Run("ring", func(b *testing.B) { drivertest.RunBenchmarks(b, fileRig(plugins.HostOptions{})) })
	b.Run("stream", func(b *testing.B) { drivertest.RunBenchmarks(b, fileRig(plugins.HostOptions{NoSharedMemory: true})) })
}
