//go:build unix

package plugins

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/command/commandtest"
	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
	"github.com/enstore-go/sdk/tape/operator"
)

func TestRobotCommandKeepsTheContract(t *testing.T) {
	found := drivertest.TestChanger(t, func(t testing.TB) *drivertest.Robot {
		r := commandtest.New(t, 2, 4, "VO0001L8", "VO0002L8", "VO0003L8")
		h := newHost(t, quickOptions(t))
		return &drivertest.Robot{
			Open: func() (driver.Changer, error) { return h.OpenChanger(t.Context(), "robot-command", r.Config(t, nil)) },
			Hold: r.Hold, Release: r.Release,
		}
	})
	drivertest.Judge(t, "../tape/testdata/targets/robot-command.json", drivertest.Target{Name: "command, plugin robot-command", Kind: "robot"}, found, nil)
}

// shelf is the table of an operator.
func shelf(t testing.TB, dir string) driver.Config {
	return config(t, map[string]any{"dir": dir, "drives": []string{"left", "right"}, "slots": 4, "volumes": []string{"VO0001", "VO0002", "VO0003"}})
}

// person does what is asked as soon as it is, until the test ends.
func person(t testing.TB, dir string) {
	stop := make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			rs, err := operator.Requests(disk.OS(), dir)
			if err != nil && !errors.Is(err, operator.ErrNoShelf) {
				t.Error(err)
				return
			}
			for _, r := range rs {
				if err := operator.Done(disk.OS(), dir, r.ID); err != nil && !errors.Is(err, operator.ErrWithdrawn) {
					t.Error(err)
					return
				}
			}
		}
	})
	t.Cleanup(func() { close(stop); busy.Wait() })
}

func TestRobotOperatorKeepsTheContract(t *testing.T) {
	found := drivertest.TestChanger(t, func(t testing.TB) *drivertest.Robot {
		dir := t.TempDir()
		h := newHost(t, quickOptions(t))
		person(t, dir)
		return &drivertest.Robot{
			Open:      func() (driver.Changer, error) { return h.OpenChanger(t.Context(), "robot-operator", shelf(t, dir)) },
			Exclusive: true,
		}
	})
	drivertest.Judge(t, "../tape/testdata/targets/robot-operator.json", drivertest.Target{Name: "operator, plugin robot-operator", Kind: "robot"}, found, nil)
}

// A request outlives the plugin that made it: the next one waits for its answer.
func TestAnOperatorsRequestOutlivesItsPlugin(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	h := newHost(t, quickOptions(t))
	move := func() (driver.Changer, chan error) {
		c, err := h.OpenChanger(t.Context(), "robot-operator", shelf(t, dir))
		is.NoErr(err)
		result := make(chan error, 1)
		go func() { result <- c.Move(t.Context(), operator.SlotAddress(0), operator.DriveAddress(1)) }()
		return c, result
	}
	open := func() operator.Request {
		t.Helper()
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(time.Minute); ; <-tick.C {
			rs, err := operator.Requests(disk.OS(), dir)
			is.NoErr(err)
			if len(rs) > 0 {
				return rs[0]
			}
			if time.Now().After(deadline) {
				t.Fatal("nothing is asked for")
			}
		}
	}
	c, result := move()
	first := open()
	c.(*remoteChanger).p.kill("a test does so")
	is.Equal(outcome(<-result), driver.OutcomeGone)
	c.Close()
	is.Equal(open(), first)

	c, result = move()
	defer c.Close()
	is.NoErr(operator.Done(disk.OS(), dir, first.ID))
	if err := <-result; err != nil { // the answer may have been quicker than the move
		is.Equal(outcome(err), driver.OutcomeNoMedium)
	}
	es, err := c.Inventory(t.Context())
	is.NoErr(err)
	is.Equal(es[1].Label, "VO0001")
}
