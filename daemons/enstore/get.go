package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore"
)

type getCmd struct {
	Paths     []string `arg:"" name:"source... target" help:"Files (paths or BFIDs) or directories of the name space; then a file or directory of this machine, or - for standard output."`
	Recursive bool     `short:"r" help:"Directories with all that is in them."`
	Parents   bool     `short:"p" help:"Make the directories that are missing above the target."`
	Force     bool     `short:"f" help:"Replace files that are there."`
	work
}

// Help is the example of --help.
func (getCmd) Help() string {
	return `A target that is a directory, or ends in a slash, takes the sources under their own names; DIR/. is what is in
DIR, without its name. A file gets its
name when it is complete and its checksum is found right. What comes to standard output is checked at its
end: look at the exit code.

Example:
  enstore get /raw/run42.dat copy.dat
  enstore get -r /raw/run42 .
  enstore get -rp /raw/. copies
  enstore get /raw/run42.tar - | tar t`
}

// Run fetches files.
func (c *getCmd) Run(p *program) error {
	if len(c.Paths) < 2 {
		return usage("get needs a source and a target")
	}
	sources, target := c.Paths[:len(c.Paths)-1], c.Paths[len(c.Paths)-1]
	if target == "-" && len(sources) > 1 {
		return usage("one file at a time goes to standard output")
	}
	o := enstore.GetOptions{Class: c.Class, Priority: c.Priority, Dataset: c.Dataset, Deadline: c.Deadline, User: who(), Overwrite: c.Force}
	return p.client(func(cl *enstore.Client) error {
		if target == "-" {
			return c.stream(p, cl, sources[0], o)
		}
		w := &wanted{p: p, c: cl, recursive: c.Recursive, files: map[string]string{}}
		into, err := c.target(sources, target)
		if err != nil {
			return err
		}
		for _, s := range sources {
			if err := w.add(s, target, into); err != nil {
				return err
			}
		}
		return c.run(p, cl, w, o)
	})
}

// target finds out whether the sources go into a directory, and makes it, or the one above, if asked.
func (c *getCmd) target(sources []string, target string) (into bool, err error) {
	slash := target == "" || os.IsPathSeparator(target[len(target)-1])
	st, err := os.Stat(target)
	into = slash || len(sources) > 1 || err == nil && st.IsDir()
	switch {
	case err == nil && into && !st.IsDir():
		return into, usage("%s is not a directory", printable(target))
	case err == nil:
		return into, nil
	case !errors.Is(err, os.ErrNotExist):
		return into, err
	case into && c.Parents:
		return into, os.MkdirAll(target, 0o777)
	case into:
		return into, noDirectory(target)
	case c.Parents:
		return into, os.MkdirAll(filepath.Dir(target), 0o777)
	}
	if _, err := os.Stat(filepath.Dir(target)); errors.Is(err, os.ErrNotExist) {
		return into, noDirectory(filepath.Dir(target))
	}
	return into, nil
}

func noDirectory(name string) error {
	return hint(fmt.Errorf("directory %s: %w", printable(name), syscall.ENOENT), "Make it, or say get -p")
}

// run makes the directories and fetches the files.
func (c *getCmd) run(p *program, cl *enstore.Client, w *wanted, o enstore.GetOptions) error {
	for _, d := range w.dirs {
		if err := os.MkdirAll(d, 0o777); err != nil {
			return err
		}
	}
	began := time.Now()
	g := p.watch("fetching", len(w.list), w.total)
	var last enstore.Record
	err := many(p, w.list, func(ctx context.Context, f transfer) error {
		o := o
		o.Progress = g.meter()
		rec, err := cl.GetFile(ctx, f.key, f.file, o)
		if errors.Is(err, enstore.ErrExists) {
			return hint(err, "To replace it, say --force")
		}
		if err != nil {
			return err
		}
		g.finished(o.Progress, rec.Size)
		p.mu.Lock()
		last = rec
		p.mu.Unlock()
		if p.cmd.JSON {
			return p.json(recordOf(rec, f.file))
		}
		return nil
	})
	g.end(p)
	if p.cmd.JSON || g.done == 0 {
		return err
	}
	return errors.Join(err, p.report("fetched", g, last, known{}, time.Since(began)))
}

// stream fetches one file to standard output.
func (c *getCmd) stream(p *program, cl *enstore.Client, key string, o enstore.GetOptions) error {
	g := p.watch("fetching", 1, -1)
	defer g.end(p)
	o.Progress = g.meter()
	r, err := cl.Get(p.ctx, key, o)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(p.out, r)
	return err
}

// wanted is what a get has to do.
type wanted struct {
	p         *program
	c         *enstore.Client
	recursive bool

	files map[string]string // which key becomes a file
	dirs  []string
	list  []transfer
	total int64
}

// add plans one source.
func (w *wanted) add(src, target string, into bool) error {
	if !strings.HasPrefix(src, "/") { // a BFID, whose record knows a name
		rec, err := w.c.Stat(w.p.ctx, src)
		if err != nil {
			return err
		}
		return w.file(src, path.Base(rec.Key), target, into, rec.Size)
	}
	key, _ := trimmed(src)
	if inside := strings.TrimSuffix(key, "/."); inside != key { // what is in a directory, as for put
		key, _ = trimmed(inside + "/")
		into = false
	}
	is, err := w.p.look(w.c, key)
	switch {
	case err != nil:
		return err
	case is == nothing:
		return fmt.Errorf("%s: %w", printable(key), catalog.ErrNotFound)
	case is == aFile:
		rec, err := w.c.Stat(w.p.ctx, key)
		if err != nil {
			return err
		}
		return w.file(key, path.Base(key), target, into, rec.Size)
	case !w.recursive:
		return usage("%s is a directory: say -r", printable(key))
	}
	dir := target
	if into && key != "/" {
		if dir, err = local(target, path.Base(key)); err != nil {
			return err
		}
	}
	w.dirs = append(w.dirs, dir)
	return w.p.walk(w.c, key, func(k string, e enstore.Entry) error {
		rel := strings.TrimPrefix(strings.TrimPrefix(k, key), "/")
		if !e.Dir {
			return w.file(k, rel, dir, true, e.Record.Size)
		}
		d, err := local(dir, rel)
		w.dirs = append(w.dirs, d)
		return err
	})
}

func (w *wanted) file(key, rel, target string, into bool, size int64) error {
	name := target
	if into {
		var err error
		if name, err = local(target, rel); err != nil {
			return err
		}
	}
	if other, ok := w.files[name]; ok {
		return usage("%s and %s would both become %s", printable(other), printable(key), printable(name))
	}
	w.files[name] = key
	w.list = append(w.list, transfer{key: key, file: name, size: size})
	w.total += size
	return nil
}

// local is a name of the name space below a directory of this machine. A name that would lead
// elsewhere, or that the machine cannot have, is refused.
func local(dir, rel string) (string, error) {
	l, err := filepath.Localize(rel)
	if err != nil && runtime.GOOS != "windows" && filepath.IsLocal(rel) {
		l, err = rel, nil // Localize wants UTF-8; Unix does not
	}
	if err != nil {
		return "", usage("%s cannot be the name of a file here; fetch it alone, under another name", printable(rel))
	}
	return filepath.Join(dir, l), nil
}
