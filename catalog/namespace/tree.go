package namespace

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/enstore-go/sdk/catalog"
)

// Tree is the name space of one catalogue. It holds nothing itself and is safe for
// concurrent use. Its errors are those of package catalog, and begin with the path.
type Tree struct{ c *catalog.Catalog }

// New gives the name space of a catalogue.
func New(c *catalog.Catalog) *Tree { return &Tree{c: c} }

// Attr are the attributes of a new directory; a zero Mode means 0755.
type Attr struct{ Mode, UID, GID uint32 }

// Place is where a new file gets its name: Parent and Name go into catalog.NewFile.
type Place struct {
	Path   string
	Parent catalog.EntryID
	Name   string
	Tags   Tags

	// Existing is what has the name already; set together with ErrExists.
	Existing *catalog.Entry
}

// page is how many entries List reads in one transaction.
const page = 256

// walk finds an entry. Into every directory on the way, and into the entry itself if it is
// one, it calls enter, if that is not nil.
func walk(tx catalog.Tx, p Path, enter func(catalog.Entry) error) (catalog.Entry, error) {
	e, err := tx.Entry(catalog.RootEntry)
	for i := 0; err == nil; i++ {
		if e.Dir && enter != nil {
			if err := enter(e); err != nil {
				return catalog.Entry{}, err
			}
		}
		if i == len(p) {
			return e, nil
		}
		if !e.Dir {
			return catalog.Entry{}, fmt.Errorf("path %q: %w", p[:i], catalog.ErrNotDir)
		}
		e, err = tx.Child(e.ID, p[i])
		if errors.Is(err, catalog.ErrNotFound) {
			err = fmt.Errorf("path %q: %w", p[:i+1], catalog.ErrNotFound)
		}
	}
	return catalog.Entry{}, err
}

// directory finds a directory.
func directory(tx catalog.Tx, p Path) (catalog.Entry, error) {
	e, err := walk(tx, p, nil)
	if err == nil && !e.Dir {
		err = fmt.Errorf("path %q: %w", p, catalog.ErrNotDir)
	}
	return e, err
}

// Lookup finds a directory or file. ErrNotFound; ErrNotDir if a file is on the way.
func (t *Tree) Lookup(ctx context.Context, path string) (e catalog.Entry, err error) {
	p, err := ParsePath(path)
	if err != nil {
		return catalog.Entry{}, err
	}
	err = t.c.View(ctx, func(tx catalog.Tx) error { e, err = walk(tx, p, nil); return err })
	return e, err
}

// Resolve says where a new file of that path would get its name, and what tags hold
// there. If something has the name it is ErrExists, with the Place filled in; ErrNotFound
// if the directory does not exist.
func (t *Tree) Resolve(ctx context.Context, path string) (place Place, err error) {
	p, err := ParsePath(path)
	if err != nil {
		return Place{}, err
	}
	if p.IsRoot() {
		return Place{}, fmt.Errorf("path %q: %w", p, catalog.ErrIsDir)
	}
	err = t.c.View(ctx, func(tx catalog.Tx) error {
		dir, tags, err := walkTagged(tx, p.Dir())
		if err != nil {
			return err
		}
		if !dir.Dir {
			return fmt.Errorf("path %q: %w", p.Dir(), catalog.ErrNotDir)
		}
		place = Place{Path: p.String(), Parent: dir.ID, Name: p.Base(), Tags: tags}
		e, err := tx.Child(dir.ID, p.Base())
		switch {
		case errors.Is(err, catalog.ErrNotFound):
			return nil
		case err != nil:
			return err
		}
		place.Existing = &e
		return fmt.Errorf("path %q: %w", p, catalog.ErrExists)
	})
	return place, err
}

// Mkdir makes a directory in an existing one. ErrExists if something has the name.
func (t *Tree) Mkdir(ctx context.Context, path string, a Attr) (e catalog.Entry, err error) {
	p, err := ParsePath(path)
	if err != nil {
		return catalog.Entry{}, err
	}
	if p.IsRoot() {
		return catalog.Entry{}, fmt.Errorf("path %q: %w", p, catalog.ErrExists)
	}
	id, err := t.c.NewEntryID(ctx)
	if err != nil {
		return catalog.Entry{}, err
	}
	if a.Mode == 0 {
		a.Mode = 0o755
	}
	err = t.c.Update(ctx, func(tx catalog.Tx) error {
		dir, err := directory(tx, p.Dir())
		if err != nil {
			return err
		}
		now := t.c.Now()
		e = catalog.Entry{ID: id, Parent: dir.ID, Name: p.Base(), Dir: true, Mode: a.Mode, UID: a.UID, GID: a.GID, MTime: now, Created: now}
		if err := tx.AddEntry(e); errors.Is(err, catalog.ErrExists) {
			return fmt.Errorf("path %q: %w", p, catalog.ErrExists)
		} else if err != nil {
			return err
		}
		return t.event(tx, now, catalog.DirectoryMade, e, p, nil, "")
	})
	if err != nil {
		return catalog.Entry{}, err
	}
	return e, nil
}

func (t *Tree) event(tx catalog.Tx, now time.Time, kind catalog.EventKind, e catalog.Entry, p, to Path, who string) error {
	data := catalog.EntryEvent{Entry: e.ID, Path: catalog.Bytes(p.String()), BFID: e.BFID, Who: who}
	if to != nil {
		data.To = catalog.Bytes(to.String())
	}
	return catalog.Append(tx, now, kind, p.String(), data)
}

// MkdirAll makes a directory and those above it that are missing, one after the other; it
// gives the last. That it exists is no error, unless it is a file: ErrNotDir.
func (t *Tree) MkdirAll(ctx context.Context, path string, a Attr) (catalog.Entry, error) {
	p, err := ParsePath(path)
	if err != nil {
		return catalog.Entry{}, err
	}
	var missing int
	err = t.c.View(ctx, func(tx catalog.Tx) error {
		missing = len(p)
		_, err := walk(tx, p, func(catalog.Entry) error { missing--; return nil })
		missing = min(missing+1, len(p)) // the root was entered as well
		if errors.Is(err, catalog.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return catalog.Entry{}, err
	}
	for n := len(p) - missing + 1; n <= len(p); n++ {
		if _, err := t.Mkdir(ctx, p[:n].String(), a); err != nil && !errors.Is(err, catalog.ErrExists) {
			return catalog.Entry{}, err
		}
	}
	e, err := t.Lookup(ctx, path)
	if err == nil && !e.Dir {
		return catalog.Entry{}, fmt.Errorf("path %q: %w", p, catalog.ErrNotDir)
	}
	return e, err
}

// List lists a directory by name, bytewise. Entries that come or go meanwhile may be
// listed or not. It ends with the first error.
func (t *Tree) List(ctx context.Context, dir string) iter.Seq2[catalog.Entry, error] {
	return func(yield func(catalog.Entry, error) bool) {
		for after := ""; ; {
			list, err := t.ListAfter(ctx, dir, after, page)
			if err != nil {
				yield(catalog.Entry{}, err)
				return
			}
			for _, e := range list {
				if !yield(e, nil) {
					return
				}
				after = e.Name
			}
			if len(list) < page {
				return
			}
		}
	}
}

// ListAfter lists at most max entries of a directory behind the name after; from the first
// one if after is empty.
func (t *Tree) ListAfter(ctx context.Context, dir, after string, max int) (list []catalog.Entry, err error) {
	p, err := ParsePath(dir)
	if err != nil {
		return nil, err
	}
	if max <= 0 {
		return nil, fmt.Errorf("path %q: list of at most %d: %w", p, max, catalog.ErrInvalid)
	}
	err = t.c.View(ctx, func(tx catalog.Tx) error {
		e, err := directory(tx, p)
		if err != nil {
			return err
		}
		list, err = tx.Children(e.ID, after, min(max, 10_000))
		return err
	})
	return list, err
}

// Remove removes a name: of a file, whose record and those of its copies are marked
// deleted with it, or of an empty directory (else ErrNotEmpty).
func (t *Tree) Remove(ctx context.Context, path, who string) error {
	p, err := ParsePath(path)
	if err != nil {
		return err
	}
	if p.IsRoot() {
		return fmt.Errorf("path %q: %w", p, catalog.ErrNotAllowed)
	}
	return t.c.Update(ctx, func(tx catalog.Tx) error {
		e, err := walk(tx, p, nil)
		if err != nil {
			return err
		}
		if e.Dir {
			inside, err := tx.Children(e.ID, "", 1)
			if err != nil {
				return err
			}
			if len(inside) > 0 {
				return fmt.Errorf("path %q: %w", p, catalog.ErrNotEmpty)
			}
		} else if err := t.deleteFiles(tx, e.BFID, who); err != nil {
			return err
		}
		if err := tx.DeleteEntry(e.ID); err != nil {
			return err
		}
		return t.event(tx, t.c.Now(), catalog.EntryRemoved, e, p, nil, who)
	})
}

// deleteFiles marks a file and its copies.
func (t *Tree) deleteFiles(tx catalog.Tx, id catalog.BFID, who string) error {
	if id == "" {
		return nil
	}
	copies, err := tx.CopiesOf(id)
	if err != nil {
		return err
	}
	for _, f := range copies {
		if err := t.c.DeleteIn(tx, f.BFID, who); err != nil {
			return err
		}
	}
	return t.c.DeleteIn(tx, id, who)
}

// Rename gives an entry another name, in this directory or another, whose tags hold for
// it from then on. The file's record keeps the path under which it was written. ErrExists
// if something has the name; ErrInvalid if a directory would come to lie in itself.
func (t *Tree) Rename(ctx context.Context, from, to, who string) error {
	src, err := ParsePath(from)
	if err != nil {
		return err
	}
	dst, err := ParsePath(to)
	if err != nil {
		return err
	}
	if src.IsRoot() || dst.IsRoot() {
		return fmt.Errorf("path %q: rename to %q: %w", src, dst, catalog.ErrNotAllowed)
	}
	if len(dst) > len(src) && slices.Equal(dst[:len(src)], src) {
		return fmt.Errorf("path %q: rename to %q, into itself: %w", src, dst, catalog.ErrInvalid)
	}
	return t.c.Update(ctx, func(tx catalog.Tx) error {
		e, err := walk(tx, src, nil)
		if err != nil || slices.Equal(src, dst) {
			return err
		}
		dir, err := directory(tx, dst.Dir())
		if err != nil {
			return err
		}
		e.Parent, e.Name = dir.ID, dst.Base()
		if err := tx.PutEntry(e); errors.Is(err, catalog.ErrExists) {
			return fmt.Errorf("path %q: %w", dst, catalog.ErrExists)
		} else if err != nil {
			return err
		}
		return t.event(tx, t.c.Now(), catalog.EntryRenamed, e, src, dst, who)
	})
}

// PathOf gives the path that an entry has now. ErrNotFound.
func (t *Tree) PathOf(ctx context.Context, id catalog.EntryID) (path string, err error) {
	err = t.c.View(ctx, func(tx catalog.Tx) error {
		var p Path
		for at := id; at != catalog.RootEntry; {
			e, err := tx.Entry(at)
			if err != nil {
				return fmt.Errorf("entry %s: %w", id, err)
			}
			p = append(p, e.Name)
			at = e.Parent
		}
		slices.Reverse(p)
		path = p.String()
		return nil
	})
	return path, err
}
