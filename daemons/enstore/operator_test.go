package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/command/commandtest"
)

// appended adds tables to a site file.
func appended(t *testing.T, site, tables string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(site, "site.toml"), os.O_APPEND|os.O_WRONLY, 0)
	is.New(t).NoErr(err)
	_, err = f.WriteString("\n" + tables)
	is.New(t).NoErr(err)
	is.New(t).NoErr(f.Close())
}

// asked waits until so many requests are there.
func asked(t *testing.T, n int) []map[string]any {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		if rs := objects(t, good(t, "--json", "robot", "requests")); len(rs) == n {
			return rs
		}
		if time.Now().After(deadline) {
			t.Fatal("the request does not come")
		}
	}
}

func TestOperator(t *testing.T) {
	is := is.New(t)
	site := newSite(t)
	appended(t, site, "[robot.shelf]\nplugin = \"robot-operator\"\nconfig = { dir = \"shelf\", drives = [\"left\"], slots = 3, volumes = [\"VO0001\"] }\n")
	bad(t, 3, []string{"no shelf"}, "robot", "requests")
	flags := func(timeout string) []string {
		return []string{"--plugin", "robot-operator", "--config",
			fmt.Sprintf(`{"dir": %q, "drives": ["left"], "slots": 3, "volumes": ["VO0001"], "timeout": %q}`, filepath.Join(site, "shelf"), timeout)}
	}
	is.Equal(good(t, "robot", "add", "VO0002"), "VO0002: slot 1001\n") // by which the shelf is made
	is.Equal(good(t, "robot", "show", "--robot", "shelf"), "ADDRESS  PLACE    CARTRIDGE\n1        drive 0  -\n1000     slot     VO0001\n1001     slot     VO0002\n")
	is.Equal(good(t, "robot", "requests"), "nothing to do\n")
	is.Equal(objects(t, good(t, "--json", "robot", "add", "VO0003"))[0]["slot"], 1002.0)
	bad(t, 7, []string{"no free slot"}, "robot", "add", "VO0004")
	bad(t, 4, []string{"on the shelf already"}, "robot", "add", "VO0003")
	bad(t, 2, []string{"not a label"}, "robot", "add", "--", "-x")
	is.Equal(good(t, "robot", "remove", "VO0003"), "VO0003: slot 1002\n")
	bad(t, 3, []string{"VO0003"}, "robot", "remove", "VO0003")

	move := func(timeout, from, to string) chan result {
		done := make(chan result, 1)
		go func() { done <- command(t, with(flags(timeout), "robot", "move", from, to)...) }()
		return done
	}
	moved := move("1h", "1000", "1")
	r := asked(t, 1)[0]
	is.Equal(r["state"], "open")
	is.Equal(r["volume"], "VO0001")
	is.True(strings.Contains(good(t, "robot", "requests"), "carry VO0001 from slot 1000 to drive left\n"))
	bad(t, 3, []string{"request 99"}, "robot", "done", "99")
	good(t, "robot", "done", "1")
	is.Equal((<-moved).code, 0)
	bad(t, 4, []string{"answered already"}, "robot", "done", "1")

	moved = move("1h", "1", "1000")
	asked(t, 1)
	is.Equal(objects(t, good(t, "--json", "robot", "refuse", "2", "it", "is", "loaded"))[0]["state"], "refused")
	is.True(strings.Contains((<-moved).err, "was refused: it is loaded"))

	// Nobody answers in time.
	is.Equal((<-move("20ms", "1", "1000")).code, 1)
	is.True(strings.Contains(good(t, "robot", "requests"), "withdrawn"))
	bad(t, 8, []string{"put the cartridge back into drive left", "done --late"}, "robot", "done", "3")
	good(t, "robot", "done", "--late", "3", "--robot", "shelf")
	is.True(strings.Contains(good(t, with(flags("1h"), "robot", "show")...), "1000     slot     VO0001\n"))
	bad(t, 2, []string{"robot-file"}, "robot", "requests", "--robot", "robot0")
	bad(t, 2, []string{"no robot bench"}, "robot", "requests", "--robot", "bench")

	// Whoever waits is told what for.
	waiting := make(chan result, 1)
	go func() { waiting <- command(t, "robot", "move", "--robot", "shelf", "1000", "1") }()
	id := ""
	for id == "" {
		for _, r := range asked(t, 1) {
			if r["state"] == "open" {
				id = fmt.Sprint(r["id"])
			}
		}
	}
	good(t, "robot", "done", id)
	said := (<-waiting).err
	is.True(strings.Contains(said, "carry VO0001 from slot 1000 to drive left; answer with: enstore robot done "+id))

	// A person cannot be told to look anew.
	is.True(strings.HasPrefix(good(t, "robot", "inventory", "--robot", "shelf"), "this robot cannot be told to look anew; what it says:\nADDRESS"))
	bad(t, 2, []string{"2 robots"}, "robot", "inventory")
}

func TestRobotInventory(t *testing.T) {
	is := is.New(t)
	r := commandtest.New(t, 1, 4, "VO0001L8", "VO0002L8")
	flags := []string{"--plugin", "robot-command", "--config", string(r.Config(t, nil))}
	is.Equal(good(t, with(flags, "robot", "inventory")...), "5 places, 2 cartridges: 0 changes\n")
	r.Swap("VO0002L8", 1003)
	is.Equal(good(t, with(flags, "robot", "inventory")...),
		"ADDRESS  PLACE  WAS       IS\n1001     slot   VO0002L8  -\n1003     slot   -         VO0002L8\n5 places, 2 cartridges: 2 changes\n")
	r.Swap("VO0002L8", 1001)
	o := objects(t, good(t, with(flags, "--json", "robot", "inventory")...))
	is.Equal(len(o), 2)
	is.Equal(o[0], map[string]any{"address": 1001.0, "place": "slot", "was": "-", "is": "VO0002L8"})
	r.Fault("audit exit 5")
	bad(t, 5, []string{"audit", "not ready"}, with(flags, "robot", "inventory")...)
	without := []string{"--plugin", "robot-command", "--config", string(r.Config(t, map[string]any{"audit": nil}))}
	o = objects(t, good(t, with(without, "--json", "robot", "inventory")...))
	is.Equal(len(o), 5)
	is.Equal(o[1]["label"], "VO0001L8")
	// The site's own robot has nothing to look at anew, either.
	newSite(t)
	is.True(strings.Contains(good(t, "robot", "inventory"), "VO0003\n"))
}
