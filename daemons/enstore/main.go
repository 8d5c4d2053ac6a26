package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/plugins"
	"github.com/hashicorp/go-hclog"
)

func main() {
	plugins.Main(plugins.Builtin...) // built-in drives are this program started again
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the process at once
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// commands is the command line.
type commands struct {
	Site    string `short:"s" env:"ENSTORE_SITE" placeholder:"DIR" help:"The site's directory or file. Default: the current directory, if it holds a site.toml."`
	JSON    bool   `help:"Print one JSON object a line."`
	Quiet   bool   `short:"q" help:"No progress."`
	Verbose bool   `short:"v" help:"Log what the site does to standard error."`

	Init     initCmd     `cmd:"" help:"Make a site."`
	Put      putCmd      `cmd:"" help:"Store files or directories on tape."`
	Get      getCmd      `cmd:"" help:"Fetch files or directories from tape."`
	Ls       lsCmd       `cmd:"" help:"List directories of the name space."`
	Stat     statCmd     `cmd:"" help:"Tell all about a file or directory."`
	Rm       rmCmd       `cmd:"" help:"Remove files or directories."`
	Mkdir    mkdirCmd    `cmd:"" help:"Make directories."`
	Tag      tagCmd      `cmd:"" help:"Show, set or remove the tags of a directory."`
	Volume   volumeCmd   `cmd:"" help:"Look after volumes."`
	Queue    queueCmd    `cmd:"" help:"See and change what is on its way, and why it waits."`
	Library  libraryCmd  `cmd:"" help:"Open, lock, pause and drain libraries."`
	Simulate simulateCmd `cmd:"" help:"Play a workload, or a journal, against other rules."`
	Tape     tapeCmd     `cmd:"" help:"Read the image of one cartridge, without a site or catalogue."`
	Drive    driveCmd    `cmd:"" help:"Look at tape drives, find them, try them."`
	Robot    robotCmd    `cmd:"" help:"Look at robots, move cartridges, answer requests, try robots."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// program is what every command works with.
type program struct {
	ctx context.Context
	in  io.Reader
	cmd *commands

	home string // of the site that is open
	verb string // the last word of the command

	mu       sync.Mutex // guards the streams
	out, err io.Writer
	progress *progress // on the terminal at the moment; may be nil
}

const about = `A tape site on this machine: store files on tape, fetch them, look after volumes.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 exists already, 5 busy: try again, 6 damaged, 7 no space, 8 not allowed, 130 interrupted.`

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) (code int) {
	var cmd commands
	helped := false
	parser, err := kong.New(&cmd, kong.Name("enstore"), kong.Description(about),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.Writers(out, errOut), kong.Exit(func(int) { helped = true }),
	)
	if err != nil {
		panic(err) // the table of commands is wrong; every test would show it
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if helped {
		return 0
	}
	p := &program{ctx: ctx, in: in, out: out, err: errOut, cmd: &cmd}
	if err != nil {
		cmd.JSON = cmd.JSON || wantsJSON(args) // the parser may have stopped before it came to it
		command := "enstore"
		if e, ok := errors.AsType[*kong.ParseError](err); ok && e.Context.Selected() != nil {
			command = e.Context.Selected().FullPath()
		}
		p.tell(hint(usage("%w", err), "Try: "+command+" --help"))
		return 2
	}
	if sel := k.Selected(); sel != nil {
		p.verb = sel.Name
	}
	if err := k.Run(p); err != nil {
		if ctx.Err() != nil {
			p.tell(errInterrupted)
			return exitCode(errInterrupted)
		}
		p.tell(err)
		return exitCode(err)
	}
	return 0
}

// wantsJSON tells whether the flag is among the arguments.
func wantsJSON(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	return slices.Contains(args, "--json")
}

// site finds the site that the command line names.
func (p *program) site() (string, error) {
	name := p.cmd.Site
	if name == "" {
		name = "."
	}
	st, err := os.Stat(name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, errNoSite)
	}
	if st.IsDir() {
		if _, err := os.Stat(filepath.Join(name, site.FileName)); errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("%s: %w: it has no %s", name, errNoSite, site.FileName)
		}
	}
	return name, nil
}

func (p *program) options() *site.Options {
	o := &hclog.LoggerOptions{Name: "enstore", Output: p.err, Level: hclog.Debug}
	if !p.cmd.Verbose {
		if !p.asksPersons() {
			return nil
		}
		o.Level, o.DisableTime, o.Output = hclog.Warn, true, aboveProgress{p}
	}
	return &site.Options{Logger: hclog.New(o)}
}

// asksPersons tells whether somebody has to be told what to carry.
func (p *program) asksPersons() bool {
	c, _, err := p.siteFile()
	if err != nil {
		return false
	}
	for _, r := range c.Robots {
		if isOperator(r.Plugin) {
			return true
		}
	}
	return false
}

// aboveProgress is standard error, above the line that shows progress.
type aboveProgress struct{ p *program }

func (w aboveProgress) Write(b []byte) (n int, err error) {
	w.p.above(func() { n, err = w.p.err.Write(b) })
	return n, err
}

// with runs work on the open site and closes it.
func (p *program) with(work func(*site.Site) error) (err error) {
	name, err := p.site()
	if err != nil {
		return err
	}
	s, err := site.Open(p.ctx, name, p.options())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if p.home = name; filepath.Ext(name) == ".toml" {
		p.home = filepath.Dir(name)
	}
	return work(s)
}

// client runs work with the site's client.
func (p *program) client(work func(*enstore.Client) error) error {
	return p.with(func(s *site.Site) error { return work(s.Client()) })
}
