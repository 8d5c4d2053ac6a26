package site_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/tape/disk"
)

// plugin is the process that holds a lock of the tape library: "drive0" or "changer".
func (f *faulty) plugin(lock string) int {
	f.t.Helper()
	h, err := disk.ReadHolder(disk.OS(), filepath.Join(f.dir, "tapes", "locks", lock))
	f.is.NoErr(err)
	f.is.True(h.PID > 1 && h.PID != os.Getpid())
	return h.PID
}

// signal sends one of the site's plugins a signal.
func (f *faulty) signal(lock string, s syscall.Signal) {
	f.t.Helper()
	f.is.NoErr(syscall.Kill(f.plugin(lock), s))
}

func TestKilledDriveInTheMiddleOfAPut(t *testing.T) {
	for _, streamed := range []bool{false, true} {
		t.Run(map[bool]string{false: "file", true: "stream"}[streamed], func(t *testing.T) {
			f := newFaulty(t, shape{})
			a, b := stuff("a", 1<<20), stuff("b", 12<<20)
			_, err := f.put("/a", a)
			f.is.NoErr(err)
			if streamed {
				_, err = f.stream("/b", b, int64(len(b)), func(sent int) {
					if sent == 6<<20 {
						f.signal("drive0", syscall.SIGKILL)
					}
				})
				f.wants(err, enstore.ErrRestart, "FA0001")
				e, _ := errors.AsType[*enstore.Error](err)
				f.is.Equal(e.SafeBytes, int64(0)) // nothing is safe
				_, err = f.c.Stat(f.ctx, "/b")
				f.wants(err, enstore.ErrNotFound)
				_, err = f.stream("/b", b, int64(len(b)), nil)
				f.is.NoErr(err)
			} else {
				var once sync.Once
				_, err = f.c.PutFile(f.ctx, "/b", f.source(b), enstore.PutOptions{Progress: func(p enstore.Progress) {
					if p.State == enstore.Streaming {
						once.Do(func() { f.signal("drive0", syscall.SIGKILL) })
					}
				}})
				f.is.NoErr(err) // the caller does not notice
			}
			v := f.volume("FA0001")
			f.is.NoErr(v.Writable()) // the volume is not to blame
			f.is.Equal(v.Files, int64(2))
			f.holds(map[string][]byte{"/a": a, "/b": b})
		})
	}
}

func TestKilledDriveInTheMiddleOfAGet(t *testing.T) {
	f := newFaulty(t, shape{})
	b := stuff("b", 16<<20)
	_, err := f.put("/b", b)
	f.is.NoErr(err)
	r, err := f.c.Get(f.ctx, "/b", enstore.GetOptions{})
	f.is.NoErr(err)
	defer r.Close()
	start := make([]byte, 1<<20)
	_, err = io.ReadFull(r, start)
	f.is.NoErr(err)
	f.signal("drive0", syscall.SIGKILL)
	rest, err := io.ReadAll(r)
	f.is.NoErr(err) // the caller does not notice
	got := append(start, rest...)
	f.is.True(bytes.Equal(got, b))
	f.is.NoErr(f.volume("FA0001").Readable())
	f.holds(map[string][]byte{"/b": b})
}

func TestKilledWhileNothingHappens(t *testing.T) {
	for _, lock := range []string{"drive0", "changer"} {
		t.Run(lock, func(t *testing.T) {
			f := newFaulty(t, shape{})
			a, b := stuff("a", 1<<20), stuff("b", 1<<20)
			_, err := f.put("/a", a)
			f.is.NoErr(err)
			f.signal(lock, syscall.SIGKILL)
			_, err = f.stream("/b", b, int64(len(b)), nil)
			f.is.NoErr(err)                                   // nothing of it had been taken
			_ = syscall.Kill(f.plugin(lock), syscall.SIGKILL) // a robot that nobody needed is not there
			f.holds(map[string][]byte{"/a": a, "/b": b})
		})
	}
}

func TestKilledRobotWhileCartridgesMove(t *testing.T) {
	f := newFaulty(t, shape{volumes: 4})
	files := map[string][]byte{}
	for i := range 4 { // a family each, so that every file wants another cartridge
		dir := fmt.Sprintf("/d%d", i)
		f.is.NoErr(f.c.Mkdir(f.ctx, dir))
		f.is.NoErr(f.c.SetTag(f.ctx, dir, enstore.TagFamily, fmt.Sprint("fam", i)))
		files[dir+"/x"] = stuff(dir, 1<<20)
	}
	stop := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() {
		for n := 0; n < 6; n++ {
			select {
			case <-stop:
				return
			case <-time.After(150 * time.Millisecond): // the moments are the test
			}
			h, err := disk.ReadHolder(disk.OS(), filepath.Join(f.dir, "tapes", "locks", "changer"))
			if err != nil || h.PID == 0 {
				continue
			}
			if alive, _ := h.Running(); alive {
				_ = syscall.Kill(h.PID, syscall.SIGKILL)
			}
		}
	})
	for k, b := range files {
		_, err := f.put(k, b)
		f.is.NoErr(err)
	}
	close(stop)
	killer.Wait()
	for _, l := range labels(4) {
		f.is.NoErr(f.volume(l).Writable()) // no volume is to blame
	}
	f.holds(files)
}

func TestDriveThatIsKilledAgainAndAgain(t *testing.T) {
	f := newFaulty(t, shape{})
	b := stuff("b", 4<<20)
	killed := map[int]bool{}
	_, err := f.c.PutFile(f.ctx, "/b", f.source(b), enstore.PutOptions{Progress: func(p enstore.Progress) {
		if pid := f.plugin("drive0"); p.State == enstore.Streaming && len(killed) < 3 && !killed[pid] {
			killed[pid] = true
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}})
	f.is.NoErr(err)
	f.is.Equal(len(killed), 3)
	f.is.NoErr(f.volume("FA0001").Writable())
	f.holds(map[string][]byte{"/b": b})
}

func TestStoppedPlugin(t *testing.T) {
	for _, lock := range []string{"drive0", "changer"} {
		t.Run(lock, func(t *testing.T) {
			f := newFaulty(t, shape{})
			a, b := stuff("a", 1<<20), stuff("b", 4<<20)
			_, err := f.put("/a", a)
			f.is.NoErr(err)
			if lock == "changer" { // the next one needs it
				f.is.NoErr(f.c.Mkdir(f.ctx, "/d"))
				f.is.NoErr(f.c.SetTag(f.ctx, "/d", enstore.TagFamily, "other"))
			} else {
				f.is.NoErr(f.c.Mkdir(f.ctx, "/d"))
			}
			f.signal(lock, syscall.SIGSTOP)
			again := time.AfterFunc(3*time.Second, func() { _ = syscall.Kill(f.plugin(lock), syscall.SIGCONT) })
			defer again.Stop()
			_, err = f.put("/d/b", b)
			f.is.NoErr(err) // slow is not dead
			f.holds(map[string][]byte{"/a": a, "/d/b": b})
		})
	}
}

func TestCloseWithAPluginThatDoesNotAnswer(t *testing.T) {
	f := newFaulty(t, shape{})
	a := stuff("a", 1<<20)
	_, err := f.put("/a", a)
	f.is.NoErr(err)
	f.signal("drive0", syscall.SIGSTOP)
	_ = f.within(patience, "Close of the site", f.s.Close) // whether that is an error does not matter
	f.s = nil
	f.is.Equal(len(processes(f.dir)), 0)
	f.open()
	f.holds(map[string][]byte{"/a": a})
}

func TestSiteWithBadPluginsDoesNotOpen(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		says           []string
	}{
		{"drive that is not there", `"drive-file"`, `"/nowhere/drive"`, []string{"drive.drive0", "/nowhere/drive"}},
		{"drive that cannot be run", `"drive-file"`, `"/etc/passwd"`, []string{"drive.drive0", "/etc/passwd"}},
		{"unknown built-in drive", `"drive-file"`, `"drive-fiel"`, []string{"drive.drive0", "drive-fiel"}},
		{"robot as a drive", `"drive-file"`, `"robot-file"`, []string{"drive.drive0", "robot-file"}},
		{"key that the drive does not know", `drive = 0 }`, `drive = 0, speed = 3 }`, []string{"drive.drive0", "speed"}},
		{"drive number beyond the library's", `drive = 0 }`, `drive = 7 }`, []string{"drive.drive0", "7"}},
		{"no library there", `config    = { dir = "tapes"`, `config    = { dir = "elsewhere"`, []string{"drive.drive0", "elsewhere"}},
		{"robot that is not there", `"robot-file"`, `"/nowhere/robot"`, []string{"robot.robot0", "/nowhere/robot"}},
		{"key that the robot does not know", `config = { dir = "tapes" }`, `config = { dir = "tapes", arms = 2 }`, []string{"robot.robot0", "arms"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFaulty(t, shape{})
			f.close()
			var good string
			f.edit(func(text string) string { good = text; return strings.Replace(text, tt.old, tt.new, 1) })
			var err error
			_ = f.within(30*time.Second, "Open", func() error {
				f.s, err = site.Open(f.ctx, f.dir, nil)
				return nil
			})
			if err == nil {
				t.Fatal("it opens")
			}
			t.Log(err)
			for _, says := range tt.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("it does not say %q", says)
				}
			}
			f.is.Equal(len(processes(f.dir)), 0)
			f.edit(func(string) string { return good })
			f.open() // and nothing is in the way of a corrected one
		})
	}
}

func TestTwoProcessesOpenOneSite(t *testing.T) {
	f := newFaulty(t, shape{})
	_, err := site.Open(f.ctx, f.dir, nil)
	f.is.True(errors.Is(err, site.ErrInUse))
	f.is.True(strings.Contains(err.Error(), fmt.Sprint(os.Getpid()))) // it says who
	out, err := processIn(f.dir).CombinedOutput()
	f.is.True(err != nil)
	if !strings.Contains(string(out), site.ErrInUse.Error()) || !strings.Contains(string(out), fmt.Sprint(os.Getpid())) {
		t.Fatalf("the second process says %q", out)
	}
	a := stuff("a", 1<<20)
	_, err = f.put("/a", a)
	f.is.NoErr(err) // the first is not troubled
	f.holds(map[string][]byte{"/a": a})
}

// processIn is this program, opening a site on its own.
func processIn(dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envDir+"="+dir)
	return cmd
}
