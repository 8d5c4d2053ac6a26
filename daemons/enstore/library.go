package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/desk"
	"github.com/enstore-go/sdk/enstore/library"
)

type libraryCmd struct {
	Show  libraryShowCmd  `cmd:"" help:"Tell the state of the libraries, and what they have to do."`
	Lock  libraryLockCmd  `cmd:"" help:"Take no more requests; those that there are are served."`
	Open  libraryOpenCmd  `cmd:"" help:"Take and serve requests again."`
	Pause libraryPauseCmd `cmd:"" help:"Take requests and start none."`
	Drain libraryDrainCmd `cmd:"" help:"Take no more requests, and wait until none is left."`
}

type libraryShowCmd struct{}

// Help is the example of --help.
func (libraryShowCmd) Help() string { return "Example:\n  enstore library show" }

// Run lists libraries.
func (c *libraryShowCmd) Run(p *program) error {
	return p.desk(func(d desk.Desk) error {
		all, err := d.Libraries(p.ctx)
		if err != nil {
			return err
		}
		var b strings.Builder
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "LIBRARY\tSTATE\tWORKING\tWAITING\tBYTES\tOLDEST\tWHY")
		for _, l := range all {
			if p.cmd.JSON {
				one := map[string]any{"library": l.Library, "state": l.State, "reason": l.Reason, "who": l.Who, "working": l.Working, "waiting": l.Waiting, "bytes": l.Bytes, "oldestSeconds": l.Oldest.Seconds()}
				if !l.Since.IsZero() {
					one["since"] = l.Since
				}
				if err := p.json(one); err != nil {
					return err
				}
				continue
			}
			why := l.Reason
			if l.Who != "" && l.State != library.StateOpen {
				why = strings.TrimSpace(why + " (" + l.Who + ", " + when(l.Since) + ")")
			}
			oldest := "-"
			if l.Waiting > 0 {
				oldest = span(l.Oldest)
			}
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\t%s\t%s\n", l.Library, l.State, l.Working, l.Waiting, size(l.Bytes), oldest, escaped(why))
		}
		if p.cmd.JSON {
			return nil
		}
		_ = t.Flush()
		return p.line("%s", strings.TrimSuffix(b.String(), "\n"))
	})
}

// oneLibrary says which library a command is about, and why.
type oneLibrary struct {
	Library string `arg:"" optional:"" help:"The library. Default: the site's only one."`
	Reason  string `placeholder:"TEXT" help:"Why: clients that are refused are told it."`
}

// set puts the library into a state, and gives its name.
func (c *oneLibrary) set(p *program, d desk.Desk, s library.State) (catalog.LibraryName, error) {
	name := catalog.LibraryName(c.Library)
	if name == "" {
		all, err := d.Libraries(p.ctx)
		if err != nil {
			return "", err
		}
		if len(all) != 1 {
			return "", usage("the site has %s: say which", count(len(all), "library"))
		}
		name = all[0].Library
	}
	if err := d.SetState(p.ctx, library.LibraryState{Library: name, State: s, Reason: c.Reason, Who: who()}); err != nil {
		return "", err
	}
	return name, nil
}

func (c *oneLibrary) run(p *program, s library.State) error {
	return p.desk(func(d desk.Desk) error {
		name, err := c.set(p, d, s)
		if err != nil {
			return err
		}
		if p.cmd.JSON {
			return p.json(map[string]any{"library": name, "state": s})
		}
		return p.line("library %s: %s", name, s)
	})
}

type libraryLockCmd struct {
	oneLibrary
	Reads  bool `xor:"only" help:"Reads only."`
	Writes bool `xor:"only" help:"Writes only."`
}

// Help is the example of --help.
func (libraryLockCmd) Help() string {
	return "The state outlives restarts.\n\nExample:\n  enstore library lock LTO9 --reason \"inventory until noon\"\n  enstore library lock LTO9 --writes"
}

// Run locks.
func (c *libraryLockCmd) Run(p *program) error {
	switch {
	case c.Reads:
		return c.run(p, library.StateNoRead)
	case c.Writes:
		return c.run(p, library.StateNoWrite)
	}
	return c.run(p, library.StateLocked)
}

type libraryOpenCmd struct{ oneLibrary }

// Help is the example of --help.
func (libraryOpenCmd) Help() string { return "Example:\n  enstore library open LTO9" }

// Run opens.
func (c *libraryOpenCmd) Run(p *program) error { return c.run(p, library.StateOpen) }

type libraryPauseCmd struct{ oneLibrary }

// Help is the example of --help.
func (libraryPauseCmd) Help() string {
	return "What drives are doing goes on. The state outlives restarts.\n\nExample:\n  enstore library pause LTO9 --reason \"robot door open\""
}

// Run pauses.
func (c *libraryPauseCmd) Run(p *program) error { return c.run(p, library.StatePaused) }

type libraryDrainCmd struct{ oneLibrary }

// Help is the example of --help.
func (libraryDrainCmd) Help() string {
	return "It returns when nothing is left, and leaves the library as it is then. An interrupt ends the waiting only.\n\nExample:\n  enstore library drain LTO9 --reason \"new firmware\""
}

// drainLook is how often a library that is drained is looked at.
const drainLook = time.Second

// Run drains.
func (c *libraryDrainCmd) Run(p *program) error {
	return p.desk(func(d desk.Desk) error {
		name, err := c.set(p, d, library.StateDraining)
		if err != nil {
			return err
		}
		last := -1
		for {
			all, err := d.Libraries(p.ctx)
			if err != nil {
				return err
			}
			left := 0
			for _, l := range all {
				if l.Library == name {
					left = l.Waiting + l.Working
				}
			}
			if left != last {
				last = left
				if p.cmd.JSON {
					err = p.json(map[string]any{"library": name, "left": left})
				} else if left > 0 && !p.cmd.Quiet {
					err = p.line("library %s: %s left", name, count(left, "request"))
				}
				if err != nil {
					return err
				}
			}
			if _, served := d.(*desk.Client); left > 0 && !served {
				return hint(fmt.Errorf("library %s: %s left, and no process has the site open that could serve them", name, count(left, "request")), "They are done when something is put or fetched.")
			}
			if left == 0 {
				if p.cmd.JSON {
					return nil
				}
				return p.line("library %s: drained", name)
			}
			select {
			case <-time.After(drainLook):
			case <-p.ctx.Done():
				return p.ctx.Err()
			}
		}
	})
}
