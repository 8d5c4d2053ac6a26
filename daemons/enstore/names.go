package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore"
)

// directory is a directory in JSON.
type directory struct {
	Key      string     `json:"key"`
	KeyBytes []byte     `json:"keyBytes,omitempty"`
	Dir      bool       `json:"dir"`
	MTime    *time.Time `json:"mtime,omitempty"`
	Tags     *tags      `json:"tags,omitempty"`
}

type lsCmd struct {
	Paths     []string `arg:"" optional:"" name:"path" help:"Directories or files. Default: /"`
	Long      bool     `short:"l" help:"Level, copies, size, time and volume, too."`
	Recursive bool     `short:"R" help:"What is in directories below, too, with full paths."`
}

// Help is the example of --help.
func (lsCmd) Help() string { return "Example:\n  enstore ls -l /raw" }

// Run lists.
func (c *lsCmd) Run(p *program) error {
	if len(c.Paths) == 0 {
		c.Paths = []string{"/"}
	}
	return p.client(func(cl *enstore.Client) error {
		if c.Long && !p.cmd.JSON {
			if err := c.columns(p, "LEVEL", "COPIES", "SIZE", "STORED", "VOLUME", "NAME"); err != nil {
				return err
			}
		}
		for _, arg := range c.Paths {
			key, _ := trimmed(arg)
			if err := c.list(p, cl, key); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *lsCmd) list(p *program, cl *enstore.Client, key string) error {
	is, err := p.look(cl, key)
	switch {
	case err != nil:
		return err
	case is == nothing:
		return fmt.Errorf("%s: %w", printable(key), catalog.ErrNotFound)
	case is == aFile:
		rec, err := cl.Stat(p.ctx, key)
		if err != nil {
			return err
		}
		return c.entry(p, key, key, enstore.Entry{Record: &rec})
	case c.Recursive:
		return p.walk(cl, key, func(k string, e enstore.Entry) error { return c.entry(p, k, k, e) })
	}
	for e, err := range cl.List(p.ctx, key) {
		if err != nil {
			return err
		}
		if err := c.entry(p, path.Join(key, e.Name), e.Name, e); err != nil {
			return err
		}
	}
	return nil
}

// entry prints one name; shown is what people see of it.
func (c *lsCmd) entry(p *program, key, shown string, e enstore.Entry) error {
	shown = printable(shown)
	if e.Dir {
		shown += "/"
	}
	switch {
	case p.cmd.JSON && e.Dir:
		d := directory{Key: key, KeyBytes: unlikeText(key), Dir: true}
		if !e.MTime.IsZero() {
			d.MTime = &e.MTime
		}
		return p.json(d)
	case p.cmd.JSON:
		rec := *e.Record
		rec.Key = key
		return p.json(recordOf(rec, ""))
	case !c.Long:
		return p.line("%s", shown)
	case e.Dir:
		return c.columns(p, "-", "-", "-", when(e.MTime), "-", shown)
	}
	r := e.Record
	volume := string(r.Volume)
	if volume == "" {
		volume = "-"
	}
	return c.columns(p, r.Level.String(), strconv.Itoa(r.Copies), size(r.Size), when(r.Stored), volume, shown)
}

// columns are of fixed width, so that a long list need not be known to its end before it is shown.
func (c *lsCmd) columns(p *program, level, copies, size, stored, volume, name string) error {
	return p.line("%-8s  %6s  %8s  %-19s  %-8s  %s", level, copies, size, stored, volume, name)
}

type statCmd struct {
	Names []string `arg:"" name:"name" help:"Files (paths or BFIDs) or directories."`
}

// Help is the example of --help.
func (statCmd) Help() string {
	return "Level and copies say how safe a file is: a copy of your own may go when it is on tape.\n\nExample:\n  enstore stat /raw/run42.dat"
}

// Run tells about names.
func (c *statCmd) Run(p *program) error {
	return p.client(func(cl *enstore.Client) error {
		for i, arg := range c.Names {
			if i > 0 && !p.cmd.JSON {
				if err := p.line(""); err != nil {
					return err
				}
			}
			if err := c.stat(p, cl, arg); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *statCmd) stat(p *program, cl *enstore.Client, name string) error {
	if strings.HasPrefix(name, "/") {
		key, _ := trimmed(name)
		is, err := p.look(cl, key)
		if err != nil {
			return err
		}
		if is == aDir {
			return p.directory(cl, key)
		}
		name = key
	}
	r, err := cl.Stat(p.ctx, name)
	if err != nil {
		return err
	}
	o := recordOf(r, "")
	if p.cmd.JSON {
		return p.json(o)
	}
	level, changed := o.Level, ""
	if r.Deleted {
		level = "deleted, was " + level
	}
	if !r.MTime.IsZero() {
		changed = when(r.MTime)
	}
	return p.pairs([][2]string{
		{"file", printable(r.Key)}, {"bfid", o.BFID}, {"size", exactly(r.Size)}, {"adler32", o.Adler32}, {"level", level}, {"copies", strconv.Itoa(r.Copies)},
		{"volume", o.Volume}, {"location", o.Location}, {"library", o.Library}, {"family", o.Family}, {"drive", printableOr(o.Drive)},
		{"stored", when(r.Stored)}, {"changed", changed}, {"mode", o.Mode}, {"owner", fmt.Sprintf("%d:%d", r.UID, r.GID)}, {"request", o.Request},
	}...)
}

func printableOr(s string) string {
	if s == "" {
		return ""
	}
	return printable(s)
}

// exactly is a size for people who also want all digits.
func exactly(n int64) string {
	if n < 10_000 {
		return size(n)
	}
	return fmt.Sprintf("%d (%s)", n, size(n))
}

// directory tells about a directory.
func (p *program) directory(cl *enstore.Client, key string) error {
	t, err := cl.Tags(p.ctx, key)
	if err != nil {
		return err
	}
	o := tagsOf(t)
	if p.cmd.JSON {
		return p.json(directory{Key: key, KeyBytes: unlikeText(key), Dir: true, Tags: &o})
	}
	return p.pairs(append([][2]string{{"directory", printable(key)}}, o.rows()...)...)
}

type mkdirCmd struct {
	Dirs    []string `arg:"" name:"dir" help:"Directories of the name space."`
	Parents bool     `short:"p" help:"Make those above that are missing, and do not mind one that is there."`
}

// Help is the example of --help.
func (mkdirCmd) Help() string { return "Example:\n  enstore mkdir -p /raw/2026/run42" }

// Run makes directories.
func (c *mkdirCmd) Run(p *program) error {
	return p.client(func(cl *enstore.Client) error {
		make := cl.Mkdir
		if c.Parents {
			make = cl.MkdirAll
		}
		for _, arg := range c.Dirs {
			key, _ := trimmed(arg)
			if err := make(p.ctx, key); err != nil {
				return err
			}
			if err := p.did(key); err != nil {
				return err
			}
		}
		return nil
	})
}

// did prints a key in JSON; people get no answer if all went well.
func (p *program) did(key string) error {
	if !p.cmd.JSON {
		return nil
	}
	return p.json(struct {
		Key      string `json:"key"`
		KeyBytes []byte `json:"keyBytes,omitempty"`
	}{key, unlikeText(key)})
}

type rmCmd struct {
	Paths     []string `arg:"" name:"path" help:"Files, or empty directories."`
	Recursive bool     `short:"r" help:"Directories with all that is in them."`
	Force     bool     `short:"f" help:"Do not mind what is not there."`
}

// Help is the example of --help.
func (rmCmd) Help() string {
	return "A removed file leaves the name space; its bytes stay on tape until the volume is recycled.\n\nExample:\n  enstore rm /raw/run42.dat\n  enstore rm -r /raw/test"
}

// Run removes names.
func (c *rmCmd) Run(p *program) error {
	return p.client(func(cl *enstore.Client) error {
		var missing error
		var files []transfer
		var dirs []string // each before what is in it
		for _, arg := range c.Paths {
			key, _ := trimmed(arg)
			is, err := p.look(cl, key)
			switch {
			case err != nil:
				return err
			case is == nothing && c.Force:
				continue
			case is == nothing:
				missing = errors.Join(missing, fmt.Errorf("%s: %w", printable(key), catalog.ErrNotFound))
				continue
			case is == aFile:
				files = append(files, transfer{key: key})
				continue
			case key == "/":
				return usage("the root directory stays")
			}
			dirs = append(dirs, key)
			if !c.Recursive {
				continue
			}
			if err := p.walk(cl, key, func(k string, e enstore.Entry) error {
				if e.Dir {
					dirs = append(dirs, k)
				} else {
					files = append(files, transfer{key: k})
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return errors.Join(c.remove(p, cl, files, dirs), missing)
	})
}

func (c *rmCmd) remove(p *program, cl *enstore.Client, files []transfer, dirs []string) error {
	gone := func(ctx context.Context, key string) error {
		err := cl.Remove(ctx, key)
		if errors.Is(err, enstore.ErrNotFound) && c.Force {
			return nil
		}
		if errors.Is(err, enstore.ErrInvalid) && !c.Recursive {
			return hint(err, "To remove what is in it, too, say -r")
		}
		if err != nil {
			return err
		}
		return p.did(key)
	}
	if err := many(p, files, func(ctx context.Context, f transfer) error { return gone(ctx, f.key) }); err != nil {
		return err
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		if err := gone(p.ctx, dirs[i]); err != nil {
			return err
		}
	}
	return nil
}
