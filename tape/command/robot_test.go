package command_test

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/command"
	"github.com/enstore-go/sdk/tape/command/commandtest"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
)

func TestMain(m *testing.M) {
	commandtest.Main()
	os.Exit(m.Run())
}

// Package plugins tries the same without query.
func TestKit(t *testing.T) {
	drivertest.TestChanger(t, func(t testing.TB) *drivertest.Robot {
		r := commandtest.New(t, 2, 4, "VO0001L8", "VO0002L8", "VO0003L8")
		c := r.Config(t, map[string]any{"query": r.Query()})
		return &drivertest.Robot{
			Open: func() (driver.Changer, error) { return command.OpenChanger(t.Context(), c) },
			Hold: r.Hold, Release: r.Release,
		}
	})
}

func open(t *testing.T, r *commandtest.Robot, changes map[string]any) driver.Changer {
	t.Helper()
	c, err := command.OpenChanger(t.Context(), r.Config(t, changes))
	is.New(t).NoErr(err)
	t.Cleanup(func() { c.Close() })
	return c
}

func outcome(t *testing.T, err error) (driver.Outcome, string) {
	t.Helper()
	var e *driver.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is a %T", err, err)
	}
	return e.Outcome, e.Text
}

// full lists what is where.
func full(t *testing.T, c driver.Changer) map[int]string {
	t.Helper()
	es, err := c.Inventory(t.Context())
	is.New(t).NoErr(err)
	m := map[int]string{}
	for _, e := range es {
		if e.Full {
			m[e.Address] = e.Label
		}
	}
	return m
}

func TestCommandsAreTold(t *testing.T) {
	is := is.New(t)
	r := commandtest.New(t, 2, 3, "VO0001L8")
	c := open(t, r, map[string]any{"query": r.Query()})
	is.NoErr(c.Move(t.Context(), 1000, 1))
	is.NoErr(c.Move(t.Context(), 1, 1002))
	is.NoErr(c.Move(t.Context(), 1002, 1001))
	is.Equal(r.Told(), []string{
		"query 1000 b", "mount VO0001L8 1000 b", "query b 1002", "dismount VO0001L8 b 1002", "query 1002 1001", "move VO0001L8 1002 1001",
	})
	o, text := outcome(t, open(t, r, map[string]any{"move": nil}).Move(t.Context(), 1001, 1002))
	is.Equal(o, driver.OutcomeIllegalRequest)
	is.True(strings.Contains(text, "from slot 1001 to slot 1002: this robot only mounts"))
}

func TestExitCodes(t *testing.T) {
	for meaning, want := range map[string]driver.Outcome{
		"no medium": driver.OutcomeNoMedium, "full": driver.OutcomeFull, "held": driver.OutcomeHeld, "busy": driver.OutcomeNotReady, "not ready": driver.OutcomeNotReady,
		"medium": driver.OutcomeMedium, "hardware": driver.OutcomeHardware, "request": driver.OutcomeIllegalRequest, "config": driver.OutcomeConfig,
		"aborted": driver.OutcomeAborted, "unknown": driver.OutcomeUnknown, "": driver.OutcomeUnknown, "done": driver.OutcomeNone,
	} {
		t.Run(meaning, func(t *testing.T) {
			is := is.New(t)
			r := commandtest.New(t, 1, 3, "VO0001L8")
			codes := map[string]string{"9": meaning}
			if meaning == "" {
				codes = nil
			}
			c := open(t, r, map[string]any{"exitCodes": codes})
			r.Fault("mount exit 9")
			err := c.Move(t.Context(), 1000, 0)
			if want == driver.OutcomeNone {
				is.NoErr(err)
				return
			}
			o, text := outcome(t, err)
			is.Equal(o, want)
			is.True(strings.HasPrefix(text, "mount: "))
			is.True(strings.HasSuffix(text, ": exit code 9: robot: mount: the arm is tired")) // its own words
			is.Equal(full(t, c), map[int]string{1000: "VO0001L8"})
		})
	}
}

// After an outcome that nobody knows, the inventory tells what became of it.
func TestUnknownOutcomes(t *testing.T) {
	is := is.New(t)
	r := commandtest.New(t, 1, 3, "VO0001L8")
	c := open(t, r, nil)
	r.Fault("mount late 99")
	o, _ := outcome(t, c.Move(t.Context(), 1000, 0))
	is.Equal(o, driver.OutcomeUnknown)
	is.Equal(full(t, c), map[int]string{0: "VO0001L8"})
	r.Fault("dismount exit 99")
	o, _ = outcome(t, c.Move(t.Context(), 0, 1000))
	is.Equal(o, driver.OutcomeUnknown)
	is.Equal(full(t, c), map[int]string{0: "VO0001L8"})
}

// hung has the robot hang in a command of the verb; the function that it returns waits until it does.
func hung(t *testing.T, r *commandtest.Robot, verb string) (wait func() net.Conn) {
	t.Helper()
	is := is.New(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	is.NoErr(err)
	t.Cleanup(func() { l.Close() })
	r.Fault(verb + " hang " + l.Addr().String())
	return func() net.Conn {
		c, err := l.Accept()
		is.NoErr(err)
		return c
	}
}

func dead(t *testing.T, c net.Conn) {
	t.Helper()
	defer c.Close()
	_, err := c.Read(make([]byte, 1))
	is.New(t).True(err != nil)
}

func TestACommandThatHangs(t *testing.T) {
	for _, how := range []string{"timeout", "context", "close"} {
		t.Run(how, func(t *testing.T) {
			is := is.New(t)
			r := commandtest.New(t, 1, 3, "VO0001L8")
			timeout := "5m"
			if how == "timeout" {
				timeout = "2s"
			}
			c := open(t, r, map[string]any{"timeout": timeout})
			wait := hung(t, r, "mount")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			process := make(chan net.Conn, 1)
			go func() {
				process <- wait()
				switch how {
				case "context":
					cancel()
				case "close":
					c.Close()
				}
			}()
			o, text := outcome(t, c.Move(ctx, 1000, 0))
			is.Equal(o, driver.OutcomeUnknown)
			is.True(strings.Contains(text, map[string]string{"timeout": "no end within 2s", "context": "context canceled", "close": "was closed"}[how]))
			dead(t, <-process)
			if how != "close" {
				is.Equal(full(t, c), map[int]string{0: "VO0001L8"}) // it had moved it before it hung
			}
		})
	}
}

// Nothing moves by an inventory: one that is cut off, or that fails for no known reason, may be tried again.
func TestInventoriesThatFail(t *testing.T) {
	is := is.New(t)
	r := commandtest.New(t, 1, 3, "VO0001L8")
	c := open(t, r, nil)
	r.Fault("list exit 77")
	_, err := c.Inventory(t.Context())
	o, text := outcome(t, err)
	is.Equal(o, driver.OutcomeNotReady)
	is.True(strings.HasPrefix(text, "inventory: "))
	wait := hung(t, r, "list")
	ctx, cancel := context.WithCancel(t.Context())
	go func() { wait(); cancel() }()
	_, err = c.Inventory(ctx)
	o, _ = outcome(t, err)
	is.Equal(o, driver.OutcomeAborted)
	o, _ = outcome(t, c.Move(ctx, 1000, 0))
	is.Equal(o, driver.OutcomeAborted)
	is.Equal(full(t, c), map[int]string{1000: "VO0001L8"})
}

func TestRobotsThatTellNonsense(t *testing.T) {
	is := is.New(t)
	r := commandtest.New(t, 1, 3, "VO0001L8")
	c := open(t, r, map[string]any{"inventory": []string{"sh", "-c", "echo slot 1000 A; echo slot 1001 A"}})
	_, err := c.Inventory(t.Context())
	o, text := outcome(t, err)
	is.Equal(o, driver.OutcomeHardware)
	is.Equal(text, "inventory: sh: line 2: label A is at 1000 and at 1001")
	o, _ = outcome(t, c.Move(t.Context(), 1000, 0))
	is.Equal(o, driver.OutcomeHardware)
	c = open(t, r, map[string]any{"inventory": []string{"sh", "-c", "while echo more; do :; done"}})
	_, err = c.Inventory(t.Context())
	o, text = outcome(t, err)
	is.Equal(o, driver.OutcomeNotReady)
	is.True(strings.Contains(text, "prints too much"))
}

func TestUnknownLabels(t *testing.T) {
	is := is.New(t)
	r := commandtest.New(t, 1, 3)
	list := []string{"printf", `slot 1000 ?\ndrive a -\n`}
	o, text := outcome(t, open(t, r, map[string]any{"inventory": list}).Move(t.Context(), 1000, 0))
	is.Equal(o, driver.OutcomeIllegalRequest)
	is.True(strings.Contains(text, "slot 1000 has no label"))
	is.NoErr(open(t, r, map[string]any{"inventory": list, "mount": []string{"test", "{slot}{drive}", "=", "1000a"}}).Move(t.Context(), 1000, 0))
}

func TestRescan(t *testing.T) {
	is := is.New(t)
	r := commandtest.New(t, 1, 3, "VO0001L8")
	r.Swap("VO0001L8", 1002)
	is.Equal(full(t, open(t, r, nil)), map[int]string{1000: "VO0001L8"})
	is.Equal(full(t, open(t, r, map[string]any{"rescan": true})), map[int]string{1002: "VO0001L8"})
	r.Fault("audit exit 5")
	_, err := command.OpenChanger(t.Context(), r.Config(t, map[string]any{"rescan": true}))
	o, _ := outcome(t, err)
	is.Equal(o, driver.OutcomeNotReady)
}

func TestSettings(t *testing.T) {
	r := commandtest.New(t, 1, 3)
	for _, c := range []struct {
		changes map[string]any
		text    string
	}{
		{map[string]any{"mount": nil}, "mount: missing"},
		{map[string]any{"dismount": []string{}}, "dismount: missing"},
		{map[string]any{"inventory": []string{"/no/such/program"}}, "inventory: "},
		{map[string]any{"inventory": []string{"sh", "{volume}"}}, "inventory: there is no {volume}"},
		{map[string]any{"move": []string{"sh", "{slot}"}}, "move: there is no {slot}"},
		{map[string]any{"query": []string{}}, "query: missing"},
		{map[string]any{"rescan": true, "audit": nil}, "audit: missing"},
		{map[string]any{"timeout": "-1s"}, "timeout: "},
		{map[string]any{"timeout": "soon"}, "timeout: "},
		{map[string]any{"timeout": "48h"}, "timeout: "},
		{map[string]any{"exitCodes": map[string]string{"0": "full"}}, "exitCodes: "},
		{map[string]any{"exitCodes": map[string]string{"x": "full"}}, "exitCodes: "},
		{map[string]any{"exitCodes": map[string]string{"7": "fool"}}, `exitCodes: 7: "fool" means nothing`},
		{map[string]any{"drives": []string{"a", "a"}}, "drives: "},
		{map[string]any{"drives": []string{"a b"}}, "drives: "},
		{map[string]any{"drives": []string{"-x"}}, "drives: "},
		{map[string]any{"drives": slices.Repeat([]string{"a"}, 1001)}, "drives: "},
		{map[string]any{"env": map[string]string{"A=B": ""}}, "env: "},
		{map[string]any{"mout": "x"}, "mout"},
	} {
		t.Run(c.text, func(t *testing.T) {
			is := is.New(t)
			_, err := command.OpenChanger(t.Context(), r.Config(t, c.changes))
			o, text := outcome(t, err)
			is.Equal(o, driver.OutcomeConfig)
			is.True(strings.Contains(text, c.text))
		})
	}
}

// A program that was there when the robot was opened may be gone when it is needed.
func TestAProgramThatIsGone(t *testing.T) {
	is := is.New(t)
	r := commandtest.New(t, 1, 3, "VO0001L8")
	gone := t.TempDir() + "/mount"
	is.NoErr(os.WriteFile(gone, []byte("#!/bin/sh\n"), 0o700))
	c := open(t, r, map[string]any{"mount": []string{gone}})
	is.NoErr(os.Remove(gone))
	o, text := outcome(t, c.Move(t.Context(), 1000, 0))
	is.Equal(o, driver.OutcomeConfig)
	is.True(strings.HasPrefix(text, "mount: cannot be started"))
}
