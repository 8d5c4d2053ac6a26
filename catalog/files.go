package catalog

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// File looks a file up. ErrNotFound; a deleted file is found, see File.Deletion.
func (c *Catalog) File(ctx context.Context, id BFID) (f File, err error) {
	err = c.store.View(ctx, func(tx Tx) error { f, err = file(tx, id); return err })
	return f, err
}

func file(tx Tx, id BFID) (File, error) {
	f, err := tx.File(id)
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("file %.40s: %w", id, ErrNotFound)
	}
	return f, err
}

// FileByRequest finds the file that was recorded for a request. ErrNotFound if none was.
func (c *Catalog) FileByRequest(ctx context.Context, id RequestID) (f File, err error) {
	if id.IsZero() {
		return File{}, fmt.Errorf("request %s: %w", id, ErrNotFound)
	}
	err = c.store.View(ctx, func(tx Tx) error {
		f, err = tx.FileByRequest(id)
		if errors.Is(err, ErrNotFound) {
			err = fmt.Errorf("request %s: %w", id, ErrNotFound)
		}
		return err
	})
	return f, err
}

// CopiesOf lists an original and all its copies, given any of them. ErrNotFound.
func (c *Catalog) CopiesOf(ctx context.Context, id BFID) (files []File, err error) {
	err = c.store.View(ctx, func(tx Tx) error {
		f, err := file(tx, id)
		if err != nil {
			return err
		}
		if f.Original != "" {
			if f, err = file(tx, f.Original); err != nil {
				return err
			}
		}
		copies, err := tx.CopiesOf(f.BFID)
		files = append([]File{f}, copies...)
		return err
	})
	return files, err
}

// FilesOfVolume lists the files of a volume, deleted ones too, in the order in which
// they lie on it. Of an unknown volume there are none.
func (c *Catalog) FilesOfVolume(ctx context.Context, label Label) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		after, afterID := int64(-1), BFID("")
		for {
			var list []File
			err := c.store.View(ctx, func(tx Tx) (err error) {
				list, err = tx.FilesOfVolume(label, after, afterID, page)
				return err
			})
			if err != nil {
				yield(File{}, err)
				return
			}
			for _, f := range list {
				if !yield(f, nil) {
					return
				}
				after, afterID = f.Location.File, f.BFID
			}
			if len(list) < page {
				return
			}
		}
	}
}

// Delete marks a file as deleted. The bytes stay on tape, a name in the built-in name
// space stays as well: namespace.Remove takes both. Deleting a deleted file succeeds.
func (c *Catalog) Delete(ctx context.Context, id BFID, who string) error {
	return c.store.Update(ctx, func(tx Tx) error { return c.DeleteIn(tx, id, who) })
}

// DeleteIn is Delete inside a transaction of package namespace or one like it.
func (c *Catalog) DeleteIn(tx Tx, id BFID, who string) error {
	if err := checkText("file "+string(id), who); err != nil {
		return err
	}
	f, err := file(tx, id)
	if err != nil || f.Deletion == Gone {
		return err
	}
	v, err := volume(tx, f.Volume)
	if err != nil {
		return err
	}
	f.Deletion = Gone
	v.Files--
	v.Bytes -= f.Size
	v.DeletedFiles++
	v.DeletedBytes += f.Size
	if err := tx.PutVolume(v); err != nil {
		return err
	}
	return c.putFile(tx, f, FileDeleted, who, "")
}

func (c *Catalog) putFile(tx Tx, f File, kind EventKind, who, why string) error {
	if err := tx.PutFile(f); err != nil {
		return err
	}
	return Append(tx, c.Now(), kind, string(f.BFID), f.event(who, why))
}

// MarkVerified records that a file was read back from tape just now and its checksum
// found right; it is no longer bad then.
func (c *Catalog) MarkVerified(ctx context.Context, id BFID, who string) error {
	return c.changeFile(ctx, id, who, "", func(f *File) EventKind {
		f.Level, f.Verified, f.Bad = Verified, c.Now(), false
		return FileVerified
	})
}

// MarkBad records that a file cannot be read, or is not what was stored: it is not given
// to readers any more. Its level falls back to OnTape.
func (c *Catalog) MarkBad(ctx context.Context, id BFID, who, why string) error {
	return c.changeFile(ctx, id, who, why, func(f *File) EventKind {
		if f.Bad {
			return ""
		}
		f.Bad, f.Level = true, min(f.Level, OnTape)
		return FileBad
	})
}

// MarkGood takes a MarkBad back.
func (c *Catalog) MarkGood(ctx context.Context, id BFID, who, why string) error {
	return c.changeFile(ctx, id, who, why, func(f *File) EventKind {
		if !f.Bad {
			return ""
		}
		f.Bad = false
		return FileGood
	})
}

// changeFile changes one record; fn gives the kind of the event, empty for no change.
func (c *Catalog) changeFile(ctx context.Context, id BFID, who, why string, fn func(*File) EventKind) error {
	if err := checkText("file "+string(id), who, why); err != nil {
		return err
	}
	return c.store.Update(ctx, func(tx Tx) error {
		f, err := file(tx, id)
		if err != nil {
			return err
		}
		if kind := fn(&f); kind != "" {
			return c.putFile(tx, f, kind, who, why)
		}
		return nil
	})
}

// Events lists at most max events numbered above since.
func (c *Catalog) Events(ctx context.Context, since uint64, max int) (events []Event, err error) {
	if max <= 0 {
		return nil, invalid("events above %d: at most %d", since, max)
	}
	err = c.store.View(ctx, func(tx Tx) error { events, err = tx.Events(since, min(max, 10_000)); return err })
	return events, err
}

// Watch returns when there is an event numbered above since, at once if there is one.
func (c *Catalog) Watch(ctx context.Context, since uint64) error {
	return c.store.WaitEvents(ctx, since)
}
