// Package program runs programs that a site has configured: an argument list, never a shell, with places to fill in.
//
// Nouns: a [Program] is a setting's argument list, [Ended] how a run of it ended.
//
//	p := program.Program{Key: "mount", Args: []string{"/opt/robot/mount", "{volume}", "{drive}"}}
//	if err := p.Check("volume", "drive"); err != nil {
//		return err // it names the setting
//	}
//	e := p.Run(ctx, program.Input{Values: map[string]string{"volume": "VO0001L8", "drive": "0"}, Out: 1 << 20})
//
// A program runs in a process group of its own, which is killed as a whole when the context ends, when it prints more than it may, or
// when it has ended and left something behind that holds its output open. Its environment is PATH, LC_ALL=C and what it is
// given; on systems that are not Unix there are no groups, and only the program itself is killed.
//
// It decides nothing: what an exit code means is its users' matter.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Program is one setting.
type Program struct {
	Key  string   // the setting's name, in front of every complaint
	Args []string // the program and its arguments, which may hold {placeholders}
	Env  []string // beside the minimal environment, as NAME=value
}

// Bounds of a setting: more is a mistake.
const (
	maxArgs = 64
	maxArg  = 4096 // bytes
)

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// Check says what is wrong with a setting: nothing in it, a placeholder that is none of those that it may use, a program that is not there.
// Its errors begin with the key.
func (p *Program) Check(placeholders ...string) error {
	bad := func(format string, a ...any) error { return fmt.Errorf(p.Key+": "+format, a...) }
	if len(p.Args) == 0 || p.Args[0] == "" {
		return bad("missing: a program and its arguments, as a list")
	}
	if len(p.Args) > maxArgs {
		return bad("%d arguments, at most %d are passed", len(p.Args), maxArgs)
	}
	for i, a := range p.Args {
		if len(a) > maxArg || strings.ContainsRune(a, 0) {
			return bad("argument %d is longer than %d bytes, or holds a NUL", i, maxArg)
		}
		for _, f := range placeholder.FindAllString(a, -1) {
			if i == 0 {
				return bad("the program's own name cannot hold %s", f)
			}
			if !slices.Contains(placeholders, f[1:len(f)-1]) {
				return bad("there is no %s here; what may be filled in: %s", f, braced(placeholders))
			}
		}
	}
	if _, err := exec.LookPath(p.Args[0]); err != nil {
		return bad("%v", err)
	}
	return nil
}

// Uses tells whether an argument holds the placeholder.
func (p *Program) Uses(name string) bool {
	return slices.ContainsFunc(p.Args, func(a string) bool { return strings.Contains(a, "{"+name+"}") })
}

func braced(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return "{" + strings.Join(names, "} {") + "}"
}

// Input is what a run gets.
type Input struct {
	Values map[string]string // of the placeholders
	In     []byte            // standard input
	Out    int               // most bytes of standard output
}

// Ended is how a run ended.
type Ended struct {
	Code int    // exit code; -1 if it did not exit by itself
	Out  []byte // what it printed
	Said string // the last lines that it printed on standard error, fit for a message
	Why  error  // why there is no exit code: ErrNotStarted, ErrTooMuch, ErrKilled or the context's error, wrapped; nil if there is one
}

// Errors of Ended.Why.
var (
	ErrNotStarted = errors.New("cannot be started")
	ErrTooMuch    = errors.New("prints too much")
	ErrKilled     = errors.New("was killed")
)

// lingers is how long what a program left behind may hold its output open.
const lingers = 2 * time.Second

// Run runs the program and waits for its end.
func (p *Program) Run(ctx context.Context, in Input) Ended {
	if err := ctx.Err(); err != nil {
		return Ended{Code: -1, Why: err}
	}
	args := make([]string, len(p.Args))
	for i, a := range p.Args {
		args[i] = placeholder.ReplaceAllStringFunc(a, func(f string) string { return in.Values[f[1:len(f)-1]] })
	}
	run, kill := context.WithCancel(ctx)
	defer kill()
	out := &bounded{most: in.Out, full: kill}
	said := &tail{}
	cmd := exec.CommandContext(run, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in.In), out, said
	cmd.Env = append([]string{"PATH=" + searchPath(), "LC_ALL=C"}, p.Env...)
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	cmd.WaitDelay = lingers
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return Ended{Code: -1, Why: fmt.Errorf("%w: %w", ErrNotStarted, err)}
	}
	err := cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		_ = killGroup(cmd.Process)
	}
	e := Ended{Code: cmd.ProcessState.ExitCode(), Out: out.b.Bytes(), Said: said.lines()}
	switch {
	case out.over:
		e.Code, e.Why = -1, fmt.Errorf("%w: more than %d bytes", ErrTooMuch, in.Out)
	case e.Code >= 0: // it came to its end before anybody could kill it
	case ctx.Err() != nil:
		e.Why = context.Cause(ctx)
	default:
		e.Why = fmt.Errorf("%w: %v", ErrKilled, cmd.ProcessState)
	}
	return e
}

func searchPath() string {
	if p := os.Getenv("PATH"); p != "" {
		return p
	}
	return "/usr/local/bin:/usr/bin:/bin"
}

// bounded keeps so many bytes, and tells when there are more.
type bounded struct {
	b    bytes.Buffer
	most int
	full func()
	over bool
}

func (w *bounded) Write(p []byte) (int, error) {
	if w.b.Len()+len(p) > w.most {
		w.over = true
		w.full()
		return 0, ErrTooMuch
	}
	return w.b.Write(p)
}

// Bounds of what is kept of standard error.
const (
	maxSaid  = 4 << 10 // bytes
	maxLines = 4
	maxText  = 1000 // bytes of the text that is made of it
)

// tail keeps the last bytes.
type tail struct{ b []byte }

func (w *tail) Write(p []byte) (int, error) {
	w.b = append(w.b, p[max(0, len(p)-maxSaid):]...)
	w.b = w.b[max(0, len(w.b)-maxSaid):]
	return len(p), nil
}

// lines are the last lines that are not empty, in one. Whatever is not for print becomes '?'.
func (w *tail) lines() string {
	var last []string
	all := strings.Split(string(w.b), "\n")
	for i := len(all) - 1; i >= 0 && len(last) < maxLines; i-- {
		if l := strings.TrimSpace(Printable(all[i])); l != "" {
			last = append(last, l)
		}
	}
	slices.Reverse(last)
	s := strings.Join(last, "; ")
	return s[max(0, len(s)-maxText):]
}

// Printable is a text with '?' in place of each byte that is not ASCII for print, and blanks for tabs.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, s)
}
