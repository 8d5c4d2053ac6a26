package catalog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Catalog is file clerk and volume clerk in one, over a Store. It is safe for
// concurrent use, holds nothing that the store does not, and needs no closing; several
// may share a store.
type Catalog struct {
	store Store
	brand string
	now   func() time.Time
	ids   idSource
}

// Options adjust a Catalog; nil means all defaults.
type Options struct {
	// Brand stands in front of the BFIDs made here: at most 8 letters and digits, the
	// last one a letter; made upper case. Default "ENST".
	Brand string
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Open gives the catalogue in a store, which stays the caller's to close. In an empty
// store it makes the root directory. The error wraps ErrInvalid for a bad brand.
func Open(ctx context.Context, s Store, o *Options) (*Catalog, error) {
	if o == nil {
		o = &Options{}
	}
	c := &Catalog{store: s, brand: strings.ToUpper(o.Brand), now: o.Now}
	if c.brand == "" {
		c.brand = "ENST"
	}
	if len(c.brand) > 8 || !allOf(c.brand, isAlnum) || isDigit(c.brand[len(c.brand)-1]) {
		return nil, invalid("brand %.40q", o.Brand)
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.ids.turn = make(chan struct{}, 1)
	c.ids.last = uint64(max(0, c.now().Unix())) * perSecond
	err := s.View(ctx, func(tx Tx) error { _, err := tx.Entry(RootEntry); return err })
	if errors.Is(err, ErrNotFound) {
		err = s.Update(ctx, c.makeRoot)
	}
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	return c, nil
}

func (c *Catalog) makeRoot(tx Tx) error {
	now := c.Now()
	err := tx.AddEntry(Entry{ID: RootEntry, Dir: true, Mode: 0o755, MTime: now, Created: now})
	if errors.Is(err, ErrExists) { // another Open was faster
		return nil
	}
	return err
}

// Now is the catalogue's time, in UTC and whole microseconds.
func (c *Catalog) Now() time.Time { return micro(c.now()) }

// View runs fn on a snapshot of the rows, as Store.View does. It is there for packages
// that keep rows of their own kind in the store, as package namespace does.
func (c *Catalog) View(ctx context.Context, fn func(Tx) error) error { return c.store.View(ctx, fn) }

// Update runs fn in a transaction, as Store.Update does, for the same packages. The
// records of volumes and files are changed through the methods of Catalog only.
func (c *Catalog) Update(ctx context.Context, fn func(Tx) error) error {
	return c.store.Update(ctx, fn)
}

// NewEntryID makes the id of a new entry of the name space. It is not called inside
// View or Update.
func (c *Catalog) NewEntryID(ctx context.Context) (EntryID, error) {
	n, err := c.newNumbers(ctx, 1)
	return EntryID(n), err
}

// NewBFID makes an id that no file has. It is not called inside View or Update.
func (c *Catalog) NewBFID(ctx context.Context) (BFID, error) {
	n, err := c.newNumbers(ctx, 1)
	return c.bfid(n), err
}

func (c *Catalog) bfid(n uint64) BFID { return BFID(fmt.Sprintf("%s%011d", c.brand, n)) }

// idSource hands out the numbers of BFIDs and entries: seconds*100000+counter as in
// formats of old, but a counter that overflows borrows from the next second, and what
// may have been handed out is recorded before: numbers up to a durable high-water mark
// belong to whoever raised it, so neither a restart nor a clock set back, nor a second
// catalogue over the same store, gives a number twice.
type idSource struct {
	turn   chan struct{} // holds one while somebody takes numbers
	last   uint64        // handed out last
	marked uint64        // numbers up to this one are ours
}

// markMeta is the name of the high-water mark: 8 bytes, big endian.
const markMeta = "bfid.mark"

// newNumbers hands out n numbers and returns the first; the others follow it.
func (c *Catalog) newNumbers(ctx context.Context, n int) (uint64, error) {
	s := &c.ids
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-s.turn }()
	first := max(s.last+1, c.second())
	if first+uint64(n)-1 > s.marked {
		var err error
		if first, err = c.raiseMark(ctx, first, uint64(n)); err != nil {
			return 0, fmt.Errorf("bfid high-water mark: %w", err)
		}
	}
	s.last = first + uint64(n) - 1
	return first, nil
}

// second is the first number of the present second.
func (c *Catalog) second() uint64 { return uint64(max(0, c.now().Unix())) * perSecond }

// raiseMark makes n numbers ours, and those of about one second with them, starting at
// first unless somebody else has raised the mark meanwhile.
func (c *Catalog) raiseMark(ctx context.Context, first, n uint64) (uint64, error) {
	var start, mark uint64
	err := c.store.Update(ctx, func(tx Tx) error {
		value, err := tx.Meta(markMeta)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		var old uint64
		if err == nil {
			if len(value) != 8 {
				return invalid("stored value of %d bytes", len(value))
			}
			old = binary.BigEndian.Uint64(value)
		}
		start = first
		if old != c.ids.marked || old == 0 {
			start = max(first, old+1)
		}
		mark = start + n + perSecond
		return tx.SetMeta(markMeta, binary.BigEndian.AppendUint64(nil, mark))
	})
	if err != nil {
		return 0, err
	}
	c.ids.marked = mark
	return start, nil
}
