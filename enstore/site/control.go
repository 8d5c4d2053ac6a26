package site

import (
	"context"
	"errors"
	"strings"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/namespace"
	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/enstore/wire"
)

// control is what a client of this site may ask: requests go to the library manager, names and
// records to the catalogue.
type control struct {
	*library.Library
	cat  *catalog.Catalog
	tree *namespace.Tree
}

var _ wire.Control = (*control)(nil)

// Stat tells about one file by its path or BFID. A file that is only in the spool yet is told by
// its path, at level Cached; List does not show it before it is on tape.
func (c *control) Stat(ctx context.Context, key string) (wire.Record, error) {
	pending, cached := c.Pending(key) // asked first: it is either still there, or in the catalogue by now
	f, err := c.file(ctx, key)
	if errors.Is(err, catalog.ErrNotFound) && cached {
		return pending, nil
	}
	if err != nil {
		return wire.Record{}, wire.AsError(err, "stat", key)
	}
	r := wire.RecordOf(f, wire.Phases{})
	if len(key) > 0 && key[0] == '/' {
		r.Key = key // it may have been renamed since it was written
	}
	return r, nil
}

func (c *control) file(ctx context.Context, key string) (catalog.File, error) {
	if len(key) > 0 && key[0] != '/' {
		id, err := catalog.ParseBFID(key)
		if err != nil {
			return catalog.File{}, err
		}
		return c.cat.File(ctx, id)
	}
	e, err := c.tree.Lookup(ctx, key)
	if err != nil {
		return catalog.File{}, err
	}
	if e.Dir {
		return catalog.File{}, wire.Errorf(wire.Invalid, key, "it is a directory")
	}
	return c.cat.File(ctx, e.BFID)
}

// List gives a page of a directory.
func (c *control) List(ctx context.Context, dir, after string, most int) ([]wire.Entry, error) {
	es, err := c.tree.ListAfter(ctx, dir, after, most)
	if err != nil {
		return nil, wire.AsError(err, "list", dir)
	}
	out := make([]wire.Entry, 0, len(es))
	for _, e := range es {
		w := wire.Entry{Name: e.Name, Dir: e.Dir, MTime: e.MTime}
		if !e.Dir {
			f, err := c.cat.File(ctx, e.BFID)
			if err != nil {
				return nil, wire.AsError(err, "list", dir)
			}
			r := wire.RecordOf(f, wire.Phases{})
			r.Key = strings.TrimSuffix(dir, "/") + "/" + e.Name
			w.Record = &r
		}
		out = append(out, w)
	}
	return out, nil
}

// Mkdir makes a directory, with those above it if asked.
func (c *control) Mkdir(ctx context.Context, dir string, parents bool) error {
	make := c.tree.Mkdir
	if parents {
		make = c.tree.MkdirAll
	}
	_, err := make(ctx, dir, namespace.Attr{Mode: 0o755})
	return asError(err, "mkdir", dir)
}

// Remove marks a file deleted, or removes an empty directory.
func (c *control) Remove(ctx context.Context, key string) error {
	return asError(c.tree.Remove(ctx, key, "client"), "remove", key)
}

// SetTag sets or clears a tag of a directory. A wrapper must be one that the site writes.
func (c *control) SetTag(ctx context.Context, dir string, tag wire.Tag, value string) error {
	if tag == wire.TagWrapper && value != "" {
		if _, err := format(value); err != nil {
			return asError(err, "tag", dir)
		}
	}
	return asError(c.tree.SetTag(ctx, dir, namespace.Tag(tag), value), "tag", dir)
}

// Tags gives the tags in force at a directory.
func (c *control) Tags(ctx context.Context, dir string) (wire.Tags, error) {
	t, err := c.tree.Tags(ctx, dir)
	if err != nil {
		return wire.Tags{}, wire.AsError(err, "tags", dir)
	}
	return wire.Tags{Library: t.Library, Group: t.Group, Family: t.Family, Width: t.Width, Wrapper: t.Wrapper}, nil
}

// Events gives what happened after since.
func (c *control) Events(ctx context.Context, since uint64, most int, wait bool) ([]wire.Event, error) {
	if wait {
		if err := c.cat.Watch(ctx, since); err != nil {
			return nil, wire.AsError(err, "events", "catalogue")
		}
	}
	es, err := c.cat.Events(ctx, since, most)
	if err != nil {
		return nil, wire.AsError(err, "events", "catalogue")
	}
	out := make([]wire.Event, 0, len(es))
	for _, e := range es {
		out = append(out, wire.Event{Seq: e.Seq, Time: e.Time, Kind: string(e.Kind), Subject: e.Subject, Data: e.Data})
	}
	return out, nil
}

// asError keeps a nil error nil.
func asError(err error, op, subject string) error {
	if err == nil {
		return nil
	}
	return wire.AsError(err, op, subject)
}
