package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/desk"
	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/queue"
)

type queueCmd struct {
	Ls       queueLsCmd       `cmd:"" help:"List what is on its way."`
	Show     queueShowCmd     `cmd:"" help:"Tell all about one request."`
	Explain  queueShowCmd     `cmd:"" help:"Tell what holds a request back, and what would free it."`
	Estimate queueEstimateCmd `cmd:"" help:"Tell when requests will be done, about."`
	Cancel   queueChangeCmd   `cmd:"" help:"Give requests up."`
	Hold     queueChangeCmd   `cmd:"" help:"Keep requests from being started."`
	Release  queueChangeCmd   `cmd:"" help:"Take hold back."`
	Priority queuePriorityCmd `cmd:"" help:"Give requests another priority."`
	Shares   queueSharesCmd   `cmd:"" help:"Tell what the shares have of the drives."`
	Strikes  queueStrikesCmd  `cmd:"" help:"List the failures that count against drives and volumes, or forgive them."`
	Reload   queueReloadCmd   `cmd:"" help:"Read the rules of the site file anew, in the process that has the site open."`
}

// desk runs work at the library manager's desk: that of the process that has the site open, or else its own, at which nothing is started.
func (p *program) desk(work func(desk.Desk) error) (err error) {
	name, err := p.site()
	if err != nil {
		return err
	}
	c, _, err := p.siteFile()
	if err != nil {
		return err
	}
	for range 50 {
		d, err := desk.Dial(c.DeskSocket())
		if err == nil {
			defer d.Close()
			return work(d)
		}
		s, err := site.OpenQueue(p.ctx, name, p.options())
		if errors.Is(err, site.ErrInUse) { // it has just been opened, or is being closed
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-p.ctx.Done():
				return p.ctx.Err()
			}
		}
		if err != nil {
			return err
		}
		return errors.Join(work(s.Desk()), s.Close())
	}
	text := "The process that has it open answers nobody: it is starting or ending. Try again."
	if len(c.DeskSocket()) > longestSocket {
		text = "The process that has it open cannot be asked: the name of its socket is too long, " + c.DeskSocket() + ". Give the site file a shorter run."
	}
	return hint(fmt.Errorf("%s: %w", name, site.ErrInUse), text)
}

// longestSocket is how long the name of a Unix socket may be: 104 to 108 bytes, the last of which is 0.
const longestSocket = 103

// who is the person at the keyboard.
func who() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

// some says which requests a command is about: by their ids, or their beginnings, or by what they are.
type some struct {
	IDs     []string `arg:"" optional:"" name:"id" help:"Requests, by their ids or as much of them as is unique."`
	User    string   `placeholder:"NAME" help:"Those of a user."`
	Dataset string   `placeholder:"NAME" help:"Those of a dataset."`
	Volume  string   `placeholder:"LABEL" help:"Those for a volume."`
	Library string   `placeholder:"NAME" help:"Those for a library."`
	Under   string   `placeholder:"DIR" help:"Those for files in a directory of the name space, or below."`
}

// any tells whether a filter is set.
func (s *some) any() bool {
	return s.User != "" || s.Dataset != "" || s.Volume != "" || s.Library != "" || s.Under != ""
}

func (s *some) fits(r library.Request) bool {
	under := strings.TrimSuffix(s.Under, "/")
	return (s.User == "" || r.User == s.User) && (s.Dataset == "" || r.Dataset == s.Dataset) && (s.Volume == "" || string(r.Volume) == s.Volume) &&
		(s.Library == "" || string(r.Library) == s.Library) && (s.Under == "" || r.Subject == under || strings.HasPrefix(r.Subject, under+"/"))
}

// pick finds the requests. A command that changes something must be told which.
func (s *some) pick(ctx context.Context, d desk.Desk, must bool) ([]library.Request, error) {
	all, err := d.Requests(ctx)
	if err != nil {
		return nil, err
	}
	if len(s.IDs) == 0 {
		if must && !s.any() {
			return nil, usage("which requests? Give ids, or --user, --dataset, --volume, --library or --under")
		}
		return slices.DeleteFunc(all, func(r library.Request) bool { return !s.fits(r) }), nil
	}
	var out []library.Request
	for _, id := range s.IDs {
		short := strings.ReplaceAll(strings.ToLower(id), "-", "")
		var found []library.Request
		for _, r := range all {
			if short != "" && strings.HasPrefix(strings.ReplaceAll(r.ID.String(), "-", ""), short) && s.fits(r) {
				found = append(found, r)
			}
		}
		switch len(found) {
		case 0:
			return nil, notFound("request %s: is not on its way", printable(id))
		case 1:
			out = append(out, found[0])
		default:
			return nil, usage("%d requests begin with %s: give more of the id", len(found), printable(id))
		}
	}
	return out, nil
}

func notFound(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, catalog.ErrNotFound)...)
}

type queueLsCmd struct{ some }

// Help is the example of --help.
func (queueLsCmd) Help() string {
	return "What drives work on comes first, then the rest in the order in which it would go. The site may be at work, in another process.\n\nExample:\n  enstore queue ls\n  enstore queue ls --under /raw/2026"
}

// Run lists requests.
func (c *queueLsCmd) Run(p *program) error {
	return p.desk(func(d desk.Desk) error {
		all, err := c.pick(p.ctx, d, false)
		if err != nil {
			return err
		}
		if p.cmd.JSON {
			for _, r := range all {
				if err := p.json(requestJSON(r)); err != nil {
					return err
				}
			}
			return nil
		}
		if len(all) == 0 {
			return p.line("Nothing is on its way.")
		}
		var b strings.Builder
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "ID\tWHAT\tSIZE\tPRIO\tUSER\tWAITS\tFILE\tSTATE")
		for _, r := range all {
			prio := fmt.Sprint(r.Priority)
			if r.Admin > 0 {
				prio += "!"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID.String()[:13], readOrWrite(r), size(r.Size), prio, printable(cmp.Or(r.User, "-")), span(time.Since(r.Accepted)), printable(r.Subject), state(r))
		}
		_ = t.Flush()
		return p.line("%s", strings.TrimSuffix(b.String(), "\n"))
	})
}

func readOrWrite(r library.Request) string {
	if r.Write {
		return "write"
	}
	return "read"
}

func state(r library.Request) string {
	if r.Drive != "" {
		return fmt.Sprintf("%s, volume %s", r.Drive, cmp.Or(string(r.Volume), "?"))
	}
	return r.Reason
}

func requestJSON(r library.Request) map[string]any {
	return map[string]any{
		"id": r.ID, "subject": r.Subject, "write": r.Write, "spooled": r.Spooled, "size": r.Size, "priority": r.Priority, "admin": r.Admin, "class": r.Class, "user": r.User,
		"host": r.Host, "dataset": r.Dataset, "library": r.Library, "family": r.Family.String(), "volume": r.Volume, "drive": r.Drive, "accepted": r.Accepted, "attempts": r.Attempts,
		"ahead": r.Ahead, "reason": r.Reason, "why": whyJSON(r.Why),
	}
}

func whyJSON(w *queue.Why) any {
	if w == nil {
		return nil
	}
	return map[string]any{"rule": w.Rule.String(), "share": w.Share, "admin": w.Admin, "due": w.Due, "mountedSeconds": w.Mounted.Seconds(), "usefulSeconds": w.Useful.Seconds()}
}

type queueShowCmd struct {
	ID string `arg:"" help:"The request, by its id or as much of it as is unique."`
}

// Help is the example of --help.
func (queueShowCmd) Help() string {
	return "Everything that holds the request back is told, each with what would free it; when all of it is gone, the request runs.\n\nExample:\n  enstore queue explain 0192f7c1"
}

// Run tells about one request.
func (c *queueShowCmd) Run(p *program) error {
	return p.desk(func(d desk.Desk) error {
		s := some{IDs: []string{c.ID}}
		found, err := s.pick(p.ctx, d, true)
		if err != nil {
			return err
		}
		e, err := d.Explain(p.ctx, found[0].ID)
		if err != nil {
			return err
		}
		if p.cmd.JSON {
			out := requestJSON(e.Request)
			out["obstacles"], out["estimate"] = obstaclesJSON(e.Obstacles), estimateJSON(e.Estimate)
			return p.json(out)
		}
		return p.line("%s", explanation(e))
	})
}

func explanation(e desk.Explanation) string {
	var b strings.Builder
	r := e.Request
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(t, "%s\t%s\n", name, value) }
	row("request", r.ID.String())
	row("file", printable(r.Subject))
	row("what", readOrWrite(r)+", "+size(r.Size))
	row("library", string(r.Library)+", family "+r.Family.String())
	if r.Volume != "" {
		row("volume", string(r.Volume))
	}
	if r.Admin > 0 {
		row("priority", fmt.Sprintf("%d, administrative %d", r.Priority, r.Admin))
	} else {
		row("priority", fmt.Sprint(r.Priority))
	}
	if r.User != "" || r.Host != "" {
		row("asked by", printable(cmp.Or(r.User, "-"))+" on "+printable(cmp.Or(r.Host, "-")))
	}
	if r.Dataset != "" {
		row("dataset", printable(r.Dataset))
	}
	row("accepted", when(r.Accepted)+", "+span(time.Since(r.Accepted))+" ago")
	if r.Drive != "" {
		row("in work", "drive "+r.Drive)
	}
	if r.Why != nil {
		row("why it", whyIt(*r.Why))
	}
	if e.Estimate != nil {
		row("starts", spanOf(e.Estimate.Start))
		row("done", spanOf(e.Estimate.Finish))
	} else {
		row("done", "nobody knows: see what holds it back")
	}
	_ = t.Flush()
	if len(e.Obstacles) > 0 {
		b.WriteString("\nHeld back by:\n")
	}
	for i, o := range e.Obstacles {
		fmt.Fprintf(&b, "%2d. %s: %s", i+1, o.Reason, printable(o.What))
		switch {
		case o.Reason == queue.TooLittle:
			fmt.Fprintf(&b, " (%s of %s)", size(o.Value), size(o.Limit))
		case o.Limit > 0 || o.Reason == queue.Limited:
			fmt.Fprintf(&b, " (%d of %d)", o.Value, o.Limit)
		case o.Value > 0:
			fmt.Fprintf(&b, " (%d)", o.Value)
		}
		if !o.Until.IsZero() {
			fmt.Fprintf(&b, ", until %s", when(o.Until))
		}
		fmt.Fprintf(&b, "\n    frees it: %s\n", o.Frees)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// whyIt says why the lease of a request was next.
func whyIt(w queue.Why) string {
	text := w.Rule.String()
	if w.Share != "" {
		text += ", share " + w.Share
	}
	text += ", due " + when(w.Due)
	if !w.TurnedAt.IsZero() {
		text += ", but its group had a turn until " + when(w.TurnedAt)
	}
	if w.Mounted > 0 {
		text += ", " + span(w.Mounted) + " credit for a mounted volume"
	}
	if w.Useful > 0 {
		text += ", " + span(w.Useful) + " credit for useful work"
	}
	return text
}

func spanOf(s queue.Span) string {
	return fmt.Sprintf("%s, most likely between %s and %s", when(s.Middle), when(s.Early), when(s.Late))
}

func obstaclesJSON(all []queue.Obstacle) []map[string]any {
	out := []map[string]any{}
	for _, o := range all {
		one := map[string]any{"reason": o.Reason.String(), "what": o.What, "value": o.Value, "limit": o.Limit, "frees": o.Frees}
		if !o.Until.IsZero() {
			one["until"] = o.Until
		}
		out = append(out, one)
	}
	return out
}

func estimateJSON(e *queue.Estimate) any {
	if e == nil {
		return nil
	}
	one := func(s queue.Span) map[string]any {
		return map[string]any{"early": s.Early, "middle": s.Middle, "late": s.Late}
	}
	return map[string]any{"start": one(e.Start), "finish": one(e.Finish), "aheadSeconds": e.Ahead.Seconds(), "drives": e.Drives}
}

type queueEstimateCmd struct{ some }

// Help is the example of --help.
func (queueEstimateCmd) Help() string {
	return "The interval holds four of five requests, as far as the next hours are like the last ones.\n\nExample:\n  enstore queue estimate --dataset run42"
}

// Run tells when requests will be done.
func (c *queueEstimateCmd) Run(p *program) error {
	return p.desk(func(d desk.Desk) error {
		all, err := c.pick(p.ctx, d, false)
		if err != nil {
			return err
		}
		var b strings.Builder
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "ID\tFILE\tEARLY\tMIDDLE\tLATE")
		for _, r := range all {
			e, err := d.Explain(p.ctx, r.ID)
			if err != nil {
				continue // it is done, or not in the queue yet
			}
			if p.cmd.JSON {
				if err := p.json(map[string]any{"id": r.ID, "subject": r.Subject, "estimate": estimateJSON(e.Estimate)}); err != nil {
					return err
				}
				continue
			}
			if e.Estimate == nil {
				fmt.Fprintf(t, "%s\t%s\tnobody knows: %s\t\t\n", r.ID.String()[:13], printable(r.Subject), r.Reason)
				continue
			}
			f := e.Estimate.Finish
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", r.ID.String()[:13], printable(r.Subject), when(f.Early), when(f.Middle), when(f.Late))
		}
		if p.cmd.JSON {
			return nil
		}
		_ = t.Flush()
		return p.line("%s", strings.TrimSuffix(b.String(), "\n"))
	})
}

type queueChangeCmd struct{ some }

// Help is the example of --help.
func (queueChangeCmd) Help() string {
	return "A file that is in work ends first when it is held; one that is cancelled is given up at once, unless it is being recorded just now.\n\nExample:\n  enstore queue hold --user anna\n  enstore queue cancel 0192f7c1"
}

// does are what the commands do, by their names.
var does = map[string]struct {
	do   desk.Do
	past string
}{"cancel": {desk.Cancel, "cancelled"}, "hold": {desk.Hold, "held"}, "release": {desk.Release, "released"}, "priority": {desk.Priority, "priority"}}

// Run does something with requests.
func (c *queueChangeCmd) Run(p *program) error { return p.change(&c.some, p.verb, 0) }

type queuePriorityCmd struct {
	Priority int `arg:"" help:"The priority; below 0 is background work."`
	some
}

// Help is the example of --help.
func (queuePriorityCmd) Help() string {
	return "Larger goes first; one unit outweighs half an hour of waiting, unless the site file says otherwise.\n\nExample:\n  enstore queue priority 20 0192f7c1\n  enstore queue priority --user anna -- -1"
}

// Run gives requests another priority.
func (c *queuePriorityCmd) Run(p *program) error { return p.change(&c.some, "priority", c.Priority) }

func (p *program) change(s *some, verb string, priority int) error {
	return p.desk(func(d desk.Desk) error {
		all, err := s.pick(p.ctx, d, true)
		if err != nil {
			return err
		}
		done := 0
		var failed []error
		for _, r := range all {
			if err := d.Change(p.ctx, r.ID, desk.Change{Do: does[verb].do, Priority: priority, Who: who()}); err != nil {
				failed = append(failed, fmt.Errorf("%s: %w", printable(r.Subject), err))
				continue
			}
			done++
			if p.cmd.JSON {
				if err := p.json(map[string]any{"id": r.ID, "subject": r.Subject, "done": string(does[verb].do)}); err != nil {
					return err
				}
			}
		}
		if !p.cmd.JSON {
			past := does[verb].past
			if verb == "priority" {
				past += " " + strconv.Itoa(priority)
			}
			if err := p.line("%s: %s", count(done, "request"), past); err != nil {
				return err
			}
		}
		return errors.Join(failed...)
	})
}

type queueSharesCmd struct{}

// Help is the example of --help.
func (queueSharesCmd) Help() string {
	return "Used is drive time for each unit of weight, since the share was first seen: who has least goes next.\n\nExample:\n  enstore queue shares"
}

// Run lists shares.
func (c *queueSharesCmd) Run(p *program) error {
	return p.desk(func(d desk.Desk) error {
		all, err := d.Shares(p.ctx)
		if err != nil {
			return err
		}
		var b strings.Builder
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "LIBRARIES\tSHARE\tWEIGHT\tLEAST\tMOST\tDRIVES\tUSED")
		for _, s := range all {
			var libraries []string
			for _, l := range s.Libraries {
				libraries = append(libraries, string(l))
			}
			if p.cmd.JSON {
				if err := p.json(map[string]any{"libraries": libraries, "share": s.Path, "weight": s.Weight, "least": s.Least, "most": s.Most, "drives": s.Drives, "usedSeconds": s.Used.Seconds()}); err != nil {
					return err
				}
				continue
			}
			most := "-"
			if s.Most > 0 {
				most = fmt.Sprint(s.Most)
			}
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\t%d\t%s\n", strings.Join(libraries, ","), printable(cmp.Or(s.Path, "all")), s.Weight, s.Least, most, s.Drives, span(s.Used))
		}
		if p.cmd.JSON {
			return nil
		}
		_ = t.Flush()
		return p.line("%s", strings.TrimSuffix(b.String(), "\n"))
	})
}

type queueStrikesCmd struct {
	Forgive bool   `help:"Forget them: those of --drive, of --volume, or of both together."`
	Drive   string `placeholder:"NAME" help:"Of a drive."`
	Volume  string `placeholder:"LABEL" help:"Of a volume."`
}

// Help is the example of --help.
func (queueStrikesCmd) Help() string {
	return "A volume that fails in three drives, or a drive in which three volumes fail with nothing good between, is not used any more until it is forgiven, or a day has passed.\n\nExample:\n  enstore queue strikes\n  enstore queue strikes --forgive --drive LTO9-03"
}

// Run lists or forgives.
func (c *queueStrikesCmd) Run(p *program) error {
	return p.desk(func(d desk.Desk) error {
		if c.Forgive {
			if c.Drive == "" && c.Volume == "" {
				return usage("--forgive: of which --drive or --volume?")
			}
			return d.Forgive(p.ctx, c.Drive, catalog.Label(c.Volume))
		}
		all, err := d.Strikes(p.ctx)
		if err != nil {
			return err
		}
		if len(all) == 0 && !p.cmd.JSON {
			return p.line("Nothing has failed lately.")
		}
		for _, s := range all {
			if c.Drive != "" && string(s.Drive) != c.Drive || c.Volume != "" && string(s.Volume) != c.Volume {
				continue
			}
			if p.cmd.JSON {
				err = p.json(map[string]any{"drive": s.Drive, "volume": s.Volume, "time": s.Time, "against": s.Against, "blamed": s.Blamed})
			} else {
				blamed := ""
				if s.Blamed {
					blamed = ": not used any more"
				}
				err = p.line("%s  volume %s in drive %s, against the %s%s", when(s.Time), s.Volume, s.Drive, s.Against, blamed)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

type queueReloadCmd struct{}

// Help is the example of --help.
func (queueReloadCmd) Help() string {
	return "The rules are checked first: bad ones change nothing.\n\nExample:\n  enstore queue reload"
}

// Run reloads rules.
func (c *queueReloadCmd) Run(p *program) error {
	return p.desk(func(d desk.Desk) error {
		if err := d.Reload(p.ctx); err != nil || p.cmd.JSON {
			return err
		}
		return p.line("rules read anew")
	})
}
