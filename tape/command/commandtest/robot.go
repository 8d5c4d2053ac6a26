// Package commandtest plays the robot behind the commands of package command, for tests: the commands are the test binary itself, started
// again, and the robot is a directory.
//
//	func TestMain(m *testing.M) {
//		commandtest.Main() // does not return if this process was started as a command
//		os.Exit(m.Run())
//	}
//
//	r := commandtest.New(t, 2, 4, "VO0001L8", "VO0002L8")
//	c, err := command.OpenChanger(t.Context(), r.Config(t, nil))
//
// Drives are called a, b and so on; slots are numbered from 1000 on. A [Robot] can be told to misbehave. It has no faults of timing:
// what it is told, it does.
package commandtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
)

// Exit codes of the commands, which Config explains.
const (
	exitNoMedium = 3
	exitFull     = 4
	exitBusy     = 5
	exitWrong    = 6
)

// FirstSlot is the number of the first slot.
const FirstSlot = 1000

// play is the first argument of a command.
const play = "play-robot"

// state is the robot's, as a file.
type state struct {
	Drives, Slots int
	Real, Seen    map[string]int // label to address; the robot tells what it has seen
	Held          map[int]bool
	Fault         string   // of the next command of a verb: "mount exit 9", "mount hang ADDR", "mount late 9"
	Told          []string // the commands
}

// Robot is a robot of a test.
type Robot struct {
	t   testing.TB
	dir string
}

// New makes a robot with cartridges in its first slots.
func New(t testing.TB, drives, slots int, labels ...string) *Robot {
	t.Helper()
	r := &Robot{t, t.TempDir()}
	s := state{Drives: drives, Slots: slots, Real: map[string]int{}, Held: map[int]bool{}}
	for i, l := range labels {
		s.Real[l] = FirstSlot + i
	}
	s.Seen = maps.Clone(s.Real)
	r.must(s.write(r.dir))
	return r
}

func (r *Robot) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *Robot) change(f func(s *state)) {
	r.t.Helper()
	unlock, err := lock(r.dir)
	r.must(err)
	defer unlock.Close()
	s, err := read(r.dir)
	r.must(err)
	f(s)
	r.must(s.write(r.dir))
}

// lock waits until no other process is at the state: a robot does one thing after the other.
func lock(dir string) (io.Closer, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		l, err := disk.TryLock(disk.OS(), filepath.Join(dir, "lock"))
		if !errors.Is(err, disk.ErrLocked) || time.Now().After(deadline) {
			return l, err
		}
	}
}

// Settings are those of command.OpenChanger.
func (r *Robot) Settings() map[string]any {
	r.t.Helper()
	self, err := os.Executable()
	r.must(err)
	does := func(args ...string) []string { return append([]string{self, play, r.dir}, args...) }
	s, err := read(r.dir)
	r.must(err)
	names := make([]string, s.Drives)
	for i := range names {
		names[i] = name(i)
	}
	return map[string]any{
		"mount": does("mount", "{volume}", "{slot}", "{drive}"), "dismount": does("dismount", "{volume}", "{drive}", "{slot}"),
		"move": does("move", "{volume}", "{from}", "{to}"), "inventory": does("list"), "audit": does("audit"), "drives": names, "timeout": "1m",
		"exitCodes": map[string]string{
			strconv.Itoa(exitNoMedium): "no medium", strconv.Itoa(exitFull): "full", strconv.Itoa(exitBusy): "busy", strconv.Itoa(exitWrong): "request",
		},
		"env": map[string]string{"GORACE": "atexit_sleep_ms=0"}, // the race detector keeps a process for a second after its end, otherwise
	}
}

// Query is a value for the setting query.
func (r *Robot) Query() []string {
	return append(slices.Clone(r.Settings()["inventory"].([]string)[:3]), "query", "{from}", "{to}")
}

// Config is Settings with changes; a nil value takes a setting away.
func (r *Robot) Config(t testing.TB, changes map[string]any) driver.Config {
	t.Helper()
	s := r.Settings()
	maps.Copy(s, changes)
	maps.DeleteFunc(s, func(_ string, v any) bool { return v == nil })
	c, err := driver.ConfigOf(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Hold has drive n load its cartridge, Release unload it.
func (r *Robot) Hold(n int) error { r.change(func(s *state) { s.Held[n] = true }); return nil }

// Release undoes Hold.
func (r *Robot) Release(n int) error { r.change(func(s *state) { delete(s.Held, n) }); return nil }

// Swap puts a cartridge elsewhere behind the robot's back: it tells so after an audit.
func (r *Robot) Swap(label string, to int) { r.change(func(s *state) { s.Real[label] = to }) }

// Fault has the next command of a verb (mount, dismount, move, list, query, audit) misbehave: "mount exit 9" does nothing and exits, "mount late 9"
// exits so when it has done its work, "mount hang ADDR" does its work, connects to the address, and hangs until it is killed.
func (r *Robot) Fault(f string) { r.change(func(s *state) { s.Fault = f }) }

// Told lists the commands so far, without program and directory.
func (r *Robot) Told() []string {
	s, err := read(r.dir)
	r.must(err)
	return s.Told
}

func name(drive int) string { return string(rune('a' + drive)) }

func read(dir string) (*state, error) {
	b, err := os.ReadFile(filepath.Join(dir, "state"))
	if err != nil {
		return nil, err
	}
	s := &state{}
	return s, json.Unmarshal(b, s)
}

func (s *state) write(dir string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, "new")
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, "state"))
}

// Main is the command, if this process was started as one.
func Main() {
	if len(os.Args) < 4 || os.Args[1] != play {
		return
	}
	code, err := act(os.Args[2], os.Args[3], os.Args[4:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "robot:", err)
	}
	os.Exit(code)
}

func act(dir, verb string, args []string) (int, error) {
	unlock, err := lock(dir)
	if err != nil {
		return 1, err
	}
	defer unlock.Close()
	s, err := read(dir)
	if err != nil {
		return 1, err
	}
	s.Told = append(s.Told, strings.Join(append([]string{verb}, args...), " "))
	fault := strings.Fields(s.Fault)
	if len(fault) == 0 || fault[0] != verb {
		fault = nil
	} else {
		s.Fault = ""
	}
	code := 0
	if len(fault) == 3 {
		code, _ = strconv.Atoi(fault[2])
	}
	if fault == nil || fault[1] != "exit" {
		if c, err := s.do(verb, args); err != nil {
			return c, err
		}
	}
	if err := s.write(dir); err != nil {
		return 1, err
	}
	if fault == nil {
		return 0, nil
	}
	if fault[1] == "hang" {
		if err := unlock.Close(); err != nil {
			return 1, err
		}
		if _, err := net.Dial("tcp", fault[2]); err != nil {
			return 1, err
		}
		select {}
	}
	return code, fmt.Errorf("%s: the arm is tired", verb)
}

// do carries out a command.
func (s *state) do(verb string, args []string) (int, error) {
	switch verb {
	case "list":
		s.list(func(int) bool { return true })
	case "query":
		from, to := s.address(args[0]), s.address(args[1])
		s.list(func(a int) bool { return a == from || a == to })
	case "audit":
		s.Seen = maps.Clone(s.Real)
	case "mount", "dismount", "move":
		return s.move(args[0], s.address(args[1]), s.address(args[2]))
	default:
		return exitWrong, fmt.Errorf("there is no command %q", verb)
	}
	return 0, nil
}

// address is a drive's by its name, or a slot's number.
func (s *state) address(word string) int {
	for i := range s.Drives {
		if word == name(i) {
			return i
		}
	}
	n, err := strconv.Atoi(word)
	if err != nil {
		return -1
	}
	return n
}

func (s *state) move(label string, from, to int) (int, error) {
	exists := to >= 0 && to < s.Drives || to >= FirstSlot && to < FirstSlot+s.Slots
	if at, ok := s.Real[label]; !ok || at != from {
		return exitNoMedium, fmt.Errorf("%s is not at %d", label, from)
	}
	if !exists || s.Held[from] {
		return exitWrong, fmt.Errorf("from %d to %d", from, to)
	}
	for l, at := range s.Real {
		if at == to {
			return exitFull, fmt.Errorf("%s is at %d", l, to)
		}
	}
	s.Real[label], s.Seen[label] = to, to
	return 0, nil
}

func (s *state) list(wanted func(address int) bool) {
	at := map[int]string{}
	for l, a := range s.Seen {
		at[a] = l
	}
	fmt.Println("# what is where")
	line := func(kind, name string, a int) {
		if !wanted(a) {
			return
		}
		l := at[a]
		if l == "" {
			l = "-"
		} else if s.Held[a] {
			l += "\theld"
		}
		fmt.Printf("%s\t%s\t%s\n", kind, name, l)
	}
	for i := range s.Slots {
		line("slot", strconv.Itoa(FirstSlot+i), FirstSlot+i)
	}
	for i := range s.Drives {
		line("drive", name(i), i)
	}
}
