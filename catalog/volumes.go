package catalog

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

const (
	page       = 256  // records read in one transaction by an iterator
	maxText    = 1024 // bytes of a comment, a reason, a drive's name
	maxBlocked = 16 << 20
)

// AddVolume declares a volume. Label, Library, MediaType and Capacity are required;
// Remaining defaults to Capacity if nothing but a label can be on it, Declared to now, and a
// volume with end of data 0 will be labelled when it is first written. Lease, counters and marks of v are not looked
// at. ErrExists if the label is taken, or the six characters of it that the cartridge
// carries; ErrInvalid names what is wrong.
func (c *Catalog) AddVolume(ctx context.Context, v Volume) error {
	v = v.Normal()
	if err := checkVolume(&v); err != nil {
		return err
	}
	if v.Remaining == 0 && v.EOD.File <= 1 {
		v.Remaining = v.Capacity
	}
	v.Epoch, v.Holder, v.Intent = 0, LeaseID{}, nil
	return c.store.Update(ctx, func(tx Tx) error {
		if v.Declared.IsZero() {
			v.Declared = c.Now()
		}
		if err := tx.AddVolume(v); errors.Is(err, ErrExists) {
			other, lookErr := tx.VolumeOnTape(v.Label.OnTape())
			if lookErr == nil && other.Label != v.Label {
				return fmt.Errorf("volume %s: its cartridge would carry %s, as that of %s does: %w", v.Label, v.Label.OnTape(), other.Label, ErrExists)
			}
			return fmt.Errorf("volume %s: %w", v.Label, ErrExists)
		} else if err != nil {
			return err
		}
		return Append(tx, c.Now(), VolumeAdded, string(v.Label), v.event("", ""))
	})
}

func checkVolume(v *Volume) error {
	if _, err := ParseLabel(string(v.Label)); err != nil {
		return err
	}
	if !v.Label.IsTape() || v.Label.IsDeleted() {
		return invalid("volume %s: not the label of a tape in use", v.Label)
	}
	if _, err := ParseLibraryName(string(v.Library)); err != nil {
		return fmt.Errorf("volume %s: %w", v.Label, err)
	}
	if err := v.Family.check(); err != nil {
		return fmt.Errorf("volume %s: %w", v.Label, err)
	}
	for s, i := range v.State {
		if !Slot(s).fits(i.Limit) {
			return invalid("volume %s: %s cannot be %.40q", v.Label, Slot(s), i.Limit)
		}
		if err := checkText("volume "+string(v.Label), i.Who, i.Why); err != nil {
			return err
		}
	}
	switch {
	case v.MediaType == "" || len(v.MediaType) > maxName || !printable(v.MediaType):
		return invalid("volume %s: media type %.40q", v.Label, v.MediaType)
	case v.Capacity <= 0:
		return invalid("volume %s: capacity %d", v.Label, v.Capacity)
	case v.Remaining < 0 || v.Remaining > v.Capacity:
		return invalid("volume %s: remaining %d of %d", v.Label, v.Remaining, v.Capacity)
	case v.BlockSize < 0 || v.BlockSize > maxBlocked:
		return invalid("volume %s: block size %d", v.Label, v.BlockSize)
	case !v.EOD.Valid():
		return invalid("volume %s: end of data %s", v.Label, v.EOD)
	case v.EOD.File > 1 && v.Family.IsBlank():
		return invalid("volume %s: end of data %s on a blank volume", v.Label, v.EOD)
	}
	return checkText("volume "+string(v.Label), v.Comment)
}

// Volume looks a volume up. ErrNotFound.
func (c *Catalog) Volume(ctx context.Context, l Label) (v Volume, err error) {
	err = c.store.View(ctx, func(tx Tx) error { v, err = volume(tx, l); return err })
	return v, err
}

func volume(tx Tx, l Label) (Volume, error) {
	v, err := tx.Volume(l)
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("volume %.40s: %w", l, ErrNotFound)
	}
	return v, err
}

// Volumes lists volumes by label. Volumes that come or go meanwhile may be listed or
// not. It ends with the first error.
func (c *Catalog) Volumes(ctx context.Context, f Filter) iter.Seq2[Volume, error] {
	if f.Family != nil {
		family := f.Family.normal()
		f.Family = &family
	}
	return func(yield func(Volume, error) bool) {
		for after := Label(""); ; {
			var list []Volume
			err := c.store.View(ctx, func(tx Tx) (err error) { list, err = tx.Volumes(f, after, page); return err })
			if err != nil {
				yield(Volume{}, err)
				return
			}
			for _, v := range list {
				if !yield(v, nil) {
					return
				}
				after = v.Label
			}
			if len(list) < page {
				return
			}
		}
	}
}

// LargestCapacity is the greatest capacity of a volume of the library: what is larger
// can never be written there. It is 0 for a library without volumes.
func (c *Catalog) LargestCapacity(ctx context.Context, l LibraryName) (n int64, err error) {
	err = c.store.View(ctx, func(tx Tx) error { n, err = tx.LargestCapacity(l); return err })
	return n, err
}

// changeVolume is the transaction of everything that an operator or engine does to one
// volume outside a lease.
func (c *Catalog) changeVolume(ctx context.Context, l Label, fn func(Tx, *Volume) error) error {
	return c.store.Update(ctx, func(tx Tx) error {
		v, err := volume(tx, l)
		if err != nil {
			return err
		}
		if v.State[SystemAccess].Is(Deleted) {
			return fmt.Errorf("volume %s: deleted: %w", l, ErrNotAllowed)
		}
		if err := fn(tx, &v); err != nil {
			return err
		}
		return tx.PutVolume(v)
	})
}

// SetInhibit sets one slot of a volume; Unlimited clears it. Deleted is not set this
// way. Setting what is set already keeps the older mark.
func (c *Catalog) SetInhibit(ctx context.Context, label Label, s Slot, limit Limit, who, why string) error {
	if !s.fits(limit) || limit == Deleted {
		return invalid("volume %s: %s cannot be set to %.40q", label, s, limit)
	}
	if err := checkText("volume "+string(label), who, why); err != nil {
		return err
	}
	return c.changeVolume(ctx, label, func(tx Tx, v *Volume) error {
		if v.State[s].Is(limit) {
			return nil
		}
		return c.setLimit(tx, v, s, limit, who, why)
	})
}

// setLimit changes the slot in v and records that; the caller puts v.
func (c *Catalog) setLimit(tx Tx, v *Volume, s Slot, limit Limit, who, why string) error {
	now := c.Now()
	v.inhibit(s, limit, now, who, why)
	e := v.event(who, why)
	e.Slot, e.Value = s.String(), string(limit)
	return Append(tx, now, VolumeInhibit, string(v.Label), e)
}

// SetWriteProtected records the position of the cartridge's tab.
func (c *Catalog) SetWriteProtected(ctx context.Context, label Label, protected bool, who string) error {
	return c.setFlag(ctx, label, VolumeProtect, protected, who, func(v *Volume) *bool { return &v.WriteProtected })
}

// SetChecked records whether catalogue and tape were found to agree.
func (c *Catalog) SetChecked(ctx context.Context, label Label, checked bool, who string) error {
	return c.setFlag(ctx, label, VolumeChecked, checked, who, func(v *Volume) *bool { return &v.Checked })
}

func (c *Catalog) setFlag(ctx context.Context, label Label, kind EventKind, value bool, who string, flag func(*Volume) *bool) error {
	if err := checkText("volume "+string(label), who); err != nil {
		return err
	}
	return c.changeVolume(ctx, label, func(tx Tx, v *Volume) error {
		if *flag(v) == value {
			return nil
		}
		*flag(v) = value
		e := v.event(who, "")
		e.Value = map[bool]string{true: "yes", false: "no"}[value]
		return Append(tx, c.Now(), kind, string(label), e)
	})
}

// SetComment replaces a volume's comment, at most 1024 bytes of UTF-8.
func (c *Catalog) SetComment(ctx context.Context, label Label, comment string) error {
	if err := checkText("volume "+string(label), comment); err != nil {
		return err
	}
	return c.changeVolume(ctx, label, func(_ Tx, v *Volume) error { v.Comment = comment; return nil })
}

// RecordMount counts a mount of the volume in the named drive.
func (c *Catalog) RecordMount(ctx context.Context, label Label, drive string) error {
	if err := checkText("volume "+string(label), drive); err != nil {
		return err
	}
	return c.changeVolume(ctx, label, func(_ Tx, v *Volume) error {
		v.Mounts++
		v.LastAccess = c.Now()
		return nil
	})
}

// RecordErrors adds to the volume's counts of failed reads and writes.
func (c *Catalog) RecordErrors(ctx context.Context, label Label, reads, writes int64) error {
	if reads < 0 || writes < 0 {
		return invalid("volume %s: %d read and %d write errors", label, reads, writes)
	}
	return c.changeVolume(ctx, label, func(_ Tx, v *Volume) error {
		v.ReadErrors += reads
		v.WriteErrors += writes
		return nil
	})
}
