package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/enstore"
)

type putCmd struct {
	Paths     []string `arg:"" name:"source... target" help:"Files or directories of this machine, or - for standard input; then the path in the name space."`
	Recursive bool     `short:"r" help:"Directories with all that is in them."`
	Parents   bool     `short:"p" help:"Make the directories that are missing above the target."`
	Level     string   `default:"ontape" enum:"cached,ontape" help:"Wait until files are so safe: cached (on the site's disk; only streams stay there; ls and get know them when they are on tape, stat before) or ontape."`
	Adler32   string   `name:"adler32" placeholder:"SUM" help:"Refuse the one file if this is not its checksum (8 hexadecimal digits)."`
	Size      int64    `placeholder:"BYTES" help:"How long standard input will be; it goes straight to tape then."`
	work
}

// work is what is said of the work that a command asks for.
type work struct {
	Class    string    `help:"What you call this kind of work: it is kept and shown, and there for the site's rules."`
	Priority int       `help:"Larger goes first; below 0 is background work."`
	Dataset  string    `placeholder:"NAME" help:"What the files belong to: they are kept together, and the last few of them are hurried."`
	Deadline time.Time `placeholder:"TIME" help:"By when it should be done, like 2026-03-04T17:00:00Z."`
}

// Help is the example of --help.
func (putCmd) Help() string {
	return `A target that is a directory, or ends in a slash, takes the sources under their own names; of DIR/. it
takes what is in DIR. What is stored already with the same content is not stored again; other content is refused.
So a put that was interrupted can be given again, if the target means the same the second time: data/. does, data alone
becomes /raw/data when /raw has been made. Of a directory, symbolic links and other special files are skipped, which is
told and makes the exit code 1.

Example:
  enstore put run42.dat /raw/run42.dat
  enstore put -r run42 run43 /raw/
  enstore put -rp data/. /raw
  tar c run42 | enstore put - /raw/run42.tar`
}

// Run stores files.
func (c *putCmd) Run(p *program) error {
	if len(c.Paths) < 2 {
		return usage("put needs a source and a target")
	}
	sources, target := c.Paths[:len(c.Paths)-1], c.Paths[len(c.Paths)-1]
	o, err := c.options(sources)
	if err != nil {
		return err
	}
	return p.client(func(cl *enstore.Client) error {
		target, into, err := c.target(p, cl, sources, target)
		if err != nil {
			return err
		}
		if sources[0] == "-" {
			return c.stream(p, cl, target, into, o)
		}
		plan := plan{recursive: c.Recursive, keys: map[string]string{}, home: p.home}
		for _, src := range sources {
			if err := plan.add(src, target, into); err != nil {
				return err
			}
		}
		return c.run(p, cl, &plan, o)
	})
}

func (c *putCmd) options(sources []string) (o enstore.PutOptions, err error) {
	o = enstore.PutOptions{Class: c.Class, Priority: c.Priority, Dataset: c.Dataset, Deadline: c.Deadline, User: who()}
	if o.Commit, err = catalog.ParseLevel(c.Level); err != nil {
		return o, err
	}
	for _, s := range sources {
		if s == "-" && len(sources) > 1 {
			return o, usage("standard input (-) goes alone")
		}
	}
	if c.Size < 0 || c.Size > 0 && sources[0] != "-" {
		return o, usage("--size is for standard input, in bytes")
	}
	if c.Adler32 != "" {
		sum, err := crc.ParseHex(strings.TrimPrefix(c.Adler32, "adler32:"))
		if err != nil || len(sources) > 1 || c.Recursive {
			return o, usage("--adler32 %q: want 8 hexadecimal digits, and one file", c.Adler32)
		}
		o.Expect = &sum.Value
	}
	o.Size = c.Size
	return o, nil
}

// target finds out whether the sources go into a directory, and makes it, or the one above, if asked.
func (c *putCmd) target(p *program, cl *enstore.Client, sources []string, name string) (key string, into bool, err error) {
	key, slash := trimmed(name)
	is, err := p.look(cl, key)
	if err != nil {
		return key, false, err
	}
	into = slash || len(sources) > 1 || is == aDir
	switch {
	case into && is == aFile:
		return key, into, fmt.Errorf("%s: %w", printable(key), catalog.ErrNotDir)
	case is == nothing && into && !c.Parents:
		return key, into, missing(key)
	case is == nothing && into:
		return key, into, cl.MkdirAll(p.ctx, key)
	case is == nothing && c.Parents:
		return key, into, cl.MkdirAll(p.ctx, path.Dir(key))
	case is == nothing && !c.Recursive: // which makes what it needs
		if above, err := p.look(cl, path.Dir(key)); err != nil || above == nothing {
			return key, into, cmp.Or(err, missing(path.Dir(key)))
		}
	}
	return key, into, nil
}

// missing is what a put says of a directory that is not there.
func missing(dir string) error {
	return hint(fmt.Errorf("directory %s: %w", printable(dir), catalog.ErrNotFound), "Make it with: enstore mkdir -p, or say put -p")
}

// run makes the directories and stores the files of a plan.
func (c *putCmd) run(p *program, cl *enstore.Client, plan *plan, o enstore.PutOptions) error {
	for _, d := range plan.dirs {
		if err := cl.MkdirAll(p.ctx, d); err != nil {
			return err
		}
	}
	var total int64
	for _, f := range plan.files {
		total += f.size
	}
	began := time.Now()
	g := p.watch("storing", len(plan.files), total)
	var last enstore.Record
	var before known
	err := many(p, plan.files, func(ctx context.Context, f transfer) error {
		o := o
		o.Progress = g.meter()
		rec, err := cl.PutFile(ctx, f.key, f.file, o)
		if err != nil {
			return err
		}
		g.finished(o.Progress, rec.Size)
		p.mu.Lock()
		last = rec
		before.count(rec, began)
		p.mu.Unlock()
		if p.cmd.JSON {
			return p.json(recordOf(rec, f.file))
		}
		return nil
	})
	g.end(p)
	for _, s := range plan.skipped {
		p.tell(fmt.Errorf("%s: skipped: it is neither a file nor a directory", s))
	}
	if err == nil && len(plan.skipped) > 0 {
		err = fmt.Errorf("%s skipped", count(len(plan.skipped), "name"))
	}
	if p.cmd.JSON || g.done == 0 {
		return err
	}
	return errors.Join(err, p.report("stored", g, last, before, time.Since(began)))
}

// known counts the files that were stored with the same content before.
type known struct {
	files int
	bytes int64
}

func (k *known) count(r enstore.Record, began time.Time) {
	if r.Stored.Before(began) {
		k.files++
		k.bytes += r.Size
	}
}

// report tells what became of files: all about one, else numbers.
func (p *program) report(did string, g *progress, last enstore.Record, before known, took time.Duration) error {
	if g.files == 1 {
		if before.files == 1 {
			did += " already"
		}
		return p.line("%s %s: %s, adler32 %08x, %s%s", did, printable(last.Key), size(last.Size), last.Adler, last.Level, place(last))
	}
	bytes, already := g.bytes-before.bytes, ""
	if before.files > 0 {
		already = fmt.Sprintf("; %s already", count(before.files, "file"))
	}
	if before.files == g.done {
		return p.line("%s already: %s, %s", did, count(g.done, "file"), size(g.bytes))
	}
	speed := float64(bytes) / max(took.Seconds(), 1e-9)
	return p.line("%s %s, %s in %s (%s/s)%s", did, count(g.done-before.files, "file"), size(bytes), span(took), size(int64(speed)), already)
}

// place is where a record lies.
func place(r enstore.Record) string {
	if r.Volume == "" {
		return ""
	}
	return fmt.Sprintf(", volume %s file %d", r.Volume, r.Location.File)
}

// stream stores what comes from standard input.
func (c *putCmd) stream(p *program, cl *enstore.Client, key string, into bool, o enstore.PutOptions) error {
	if into {
		return usage("%s: standard input has no name of its own: say which file it becomes", printable(key))
	}
	total := int64(-1)
	if o.Size > 0 {
		total = o.Size
	}
	began := time.Now()
	g := p.watch("storing", 1, total)
	defer g.end(p)
	o.Progress = g.meter()
	w, err := cl.Put(p.ctx, key, o)
	if err != nil {
		return err
	}
	defer w.Abort() // harmless after Commit
	if err := copyTo(p.ctx, w, p.in); err != nil {
		return err
	}
	rec, err := w.Commit(p.ctx)
	if err != nil {
		return err
	}
	g.finished(o.Progress, rec.Size)
	if p.cmd.JSON {
		return p.json(recordOf(rec, "-"))
	}
	var before known
	before.count(rec, began)
	return p.report("stored", g, rec, before, time.Since(began))
}

// copyTo copies until the end of ctx: a terminal or pipe that says nothing does not keep us. The
// reading goroutine may stay behind then; the process is about to end.
func copyTo(ctx context.Context, w io.Writer, r io.Reader) error {
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 256<<10))
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// plan is what a put has to do.
type plan struct {
	recursive bool
	home      string            // the site's directory, which cannot be stored in itself
	keys      map[string]string // which source goes to a key

	dirs    []string
	files   []transfer
	skipped []string
}

// add plans one source.
func (l *plan) add(src, target string, into bool) error {
	st, err := os.Stat(src)
	if err != nil {
		return err
	}
	key := target
	if base := filepath.Base(src); into && base != "." {
		if base == ".." {
			return usage("%s has no name of its own: say which", printable(src))
		}
		key = path.Join(target, base)
	}
	switch {
	case st.Mode().IsRegular():
		return l.file(src, key, st.Size())
	case !st.IsDir():
		return hint(usage("%s is neither a file nor a directory", printable(src)), "Send it as a stream: enstore put - TARGET < SOURCE")
	case !l.recursive:
		return usage("%s is a directory: say -r", printable(src))
	case inside(src, l.home):
		return usage("%s contains the site itself, %s", printable(src), printable(l.home))
	}
	top, err := filepath.EvalSymlinks(src) // a link that was named is followed; those below are not
	if err != nil {
		return err
	}
	return filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, name)
		if err != nil {
			return err
		}
		k := path.Join(key, filepath.ToSlash(rel))
		switch {
		case d.IsDir():
			l.dirs = append(l.dirs, k)
			return nil
		case !d.Type().IsRegular():
			l.skipped = append(l.skipped, name)
			return nil
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		return l.file(name, k, st.Size())
	})
}

func (l *plan) file(name, key string, size int64) error {
	if other, ok := l.keys[key]; ok {
		return usage("%s and %s would both become %s", printable(other), printable(name), printable(key))
	}
	if err := enstore.CheckKey(key); err != nil {
		return fmt.Errorf("%s: %w", printable(name), err)
	}
	l.keys[key] = name
	l.files = append(l.files, transfer{key: key, file: name, size: size})
	return nil
}

// inside tells whether name lies in dir.
func inside(dir, name string) bool {
	real := func(s string) string {
		if r, err := filepath.EvalSymlinks(s); err == nil {
			s = r
		}
		if a, err := filepath.Abs(s); err == nil {
			s = a
		}
		return s
	}
	rel, err := filepath.Rel(real(dir), real(name))
	return err == nil && filepath.IsLocal(rel)
}
