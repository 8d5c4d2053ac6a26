package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Choice asks for a volume to write on.
type Choice struct {
	Lease   LeaseID
	Library LibraryName
	Family  Family
	Width   int // volumes of the family that may be written at once; 0 means 1

	// MinBytes is what the first file needs on tape, its wrapper included.
	MinBytes int64
	Prefer   []Label // volumes that are mounted, best first
	Veto     []Label // volumes that are not to be chosen
	Drive    string
}

// Grant is a lease of one volume as the catalogue recorded it.
type Grant struct {
	Volume Volume
	Epoch  uint64 // presented with every flush
	Lease  LeaseID

	// Explains is there if an earlier write lease did not end cleanly: data found beyond
	// the end of data may be what it wrote, and may be overwritten. Nil: nothing may be
	// there.
	Explains *Intent
}

// ChooseForWrite picks a volume, raises its epoch and records the intent to write, in
// one transaction. It looks for the family's own volumes first, then for blanks that are
// reserved for the family, for its storage group, and for anybody; a blank becomes the
// family's. Among equals it takes those of Prefer, in that order, then the one declared
// first, then the lesser label.
//
// ErrNoVolume: none is usable now. ErrWidth: the family is being written on as many
// volumes as it may. ErrTooLarge: no volume of the library, were it empty, could take the
// first file. ErrFenced: the lease has had a volume and lost it. Asked again with the
// same lease, it gives the same volume and epoch.
func (c *Catalog) ChooseForWrite(ctx context.Context, ch Choice) (g Grant, err error) {
	if err := ch.check(); err != nil {
		return Grant{}, err
	}
	err = c.store.Update(ctx, func(tx Tx) error {
		held, err := tx.VolumeOfLease(ch.Lease)
		if err == nil {
			if !held.Writing() || held.Intent.Lease != ch.Lease {
				return fmt.Errorf("lease %s: no longer writes on volume %s: %w", ch.Lease, held.Label, ErrFenced)
			}
			g = grant(held)
			return nil
		} else if !errors.Is(err, ErrNotFound) {
			return err
		}
		v, err := ch.pick(tx)
		if err != nil {
			return err
		}
		g, err = c.begin(tx, v, ch)
		return err
	})
	return g, err
}

func (ch *Choice) check() error {
	ch.Family = ch.Family.normal()
	switch {
	case ch.Lease.IsZero():
		return invalid("choice of a volume: no lease id")
	case ch.Width < 0:
		return invalid("volume family %s: width %d", ch.Family, ch.Width)
	case ch.MinBytes < 0:
		return invalid("volume family %s: first file of %d bytes", ch.Family, ch.MinBytes)
	case ch.Family.IsBlank():
		return invalid("volume family %s: open parts", ch.Family)
	}
	if _, err := ParseLibraryName(string(ch.Library)); err != nil {
		return err
	}
	if err := ch.Family.check(); err != nil {
		return err
	}
	return checkText("lease "+ch.Lease.String(), ch.Drive)
}

// pick is the choice itself; it changes nothing.
func (ch *Choice) pick(tx Tx) (Volume, error) {
	width := max(ch.Width, 1)
	open, err := tx.Volumes(Filter{Library: ch.Library, Family: &ch.Family, Writing: true}, "", width)
	if err != nil {
		return Volume{}, err
	}
	if len(open) >= width {
		return Volume{}, fmt.Errorf("volume family %s: %d in library %s: %w", ch.Family, width, ch.Library, ErrWidth)
	}
	for _, pool := range ch.Family.pools() {
		v, err := ch.pickFrom(tx, pool)
		if !errors.Is(err, ErrNotFound) {
			return v, err
		}
	}
	largest, err := tx.LargestCapacity(ch.Library)
	if err != nil {
		return Volume{}, err
	}
	if largest > 0 && ch.MinBytes > largest {
		return Volume{}, fmt.Errorf("file of %d bytes: library %s has volumes of %d at most: %w", ch.MinBytes, ch.Library, largest, ErrTooLarge)
	}
	return Volume{}, fmt.Errorf("volume family %s: library %s: %w", ch.Family, ch.Library, ErrNoVolume)
}

// pickFrom gives ErrNotFound if the pool has nothing usable.
func (ch *Choice) pickFrom(tx Tx, pool Family) (Volume, error) {
	for _, l := range ch.Prefer {
		v, err := tx.Volume(l)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return Volume{}, err
		}
		if v.Library == ch.Library && v.Family == pool && v.Writable() == nil && v.Remaining >= ch.MinBytes && !v.Writing() && !slices.Contains(ch.Veto, l) {
			return v, nil
		}
	}
	// One more than there are vetoes: either one of them is free of a veto, or there are
	// no more.
	list, err := tx.Candidates(ch.Library, pool, ch.MinBytes, len(ch.Veto)+1)
	if err != nil {
		return Volume{}, err
	}
	for _, v := range list {
		if !slices.Contains(ch.Veto, v.Label) {
			return v, nil
		}
	}
	return Volume{}, ErrNotFound
}

// begin makes the volume the lease's and the family's.
func (c *Catalog) begin(tx Tx, v Volume, ch Choice) (Grant, error) {
	now := c.Now()
	blank := v.Family != ch.Family
	v.Family = ch.Family
	v.Epoch++
	v.Holder = ch.Lease
	v.LastAccess = now
	v.Intent = &Intent{Lease: ch.Lease, Epoch: v.Epoch, From: v.EOD, Since: now, Drive: ch.Drive, Unclean: v.Intent != nil}
	if err := tx.PutVolume(v); err != nil {
		return Grant{}, err
	}
	e := v.leaseEvent(ch.Lease, ch.Drive)
	if blank {
		if err := Append(tx, now, VolumeAssigned, string(v.Label), e); err != nil {
			return Grant{}, err
		}
	}
	return grant(v), Append(tx, now, VolumeLeased, string(v.Label), e)
}

func (v *Volume) leaseEvent(lease LeaseID, drive string) VolumeEvent {
	e := v.event("", "")
	e.Lease, e.Drive = &lease, drive
	return e
}

// grant tells what a write lease got. An unclean intent stands for the one it took over.
func grant(v Volume) Grant {
	g := Grant{Volume: v, Epoch: v.Epoch, Lease: v.Holder}
	if v.Intent != nil && (v.Intent.Unclean || v.Intent.Lease != v.Holder) {
		intent := *v.Intent
		g.Explains = &intent
	}
	return g
}

// LeaseForRead raises the volume's epoch for a lease that will only read: whoever held
// the volume before can record nothing on it any more. ErrNotAllowed if it may not be
// read. Asked again with the same lease, it gives the same grant; ErrFenced if the lease
// has had another volume.
func (c *Catalog) LeaseForRead(ctx context.Context, label Label, lease LeaseID, drive string) (g Grant, err error) {
	if lease.IsZero() {
		return Grant{}, invalid("volume %s: no lease id", label)
	}
	if err := checkText("volume "+string(label), drive); err != nil {
		return Grant{}, err
	}
	err = c.store.Update(ctx, func(tx Tx) error {
		held, err := tx.VolumeOfLease(lease)
		if err == nil && held.Label != label {
			return fmt.Errorf("lease %s: is one of volume %s: %w", lease, held.Label, ErrFenced)
		}
		if err == nil {
			g = grant(held)
			return nil
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		v, err := volume(tx, label)
		if err != nil {
			return err
		}
		if err := v.Readable(); err != nil {
			return err
		}
		v.Epoch++
		v.Holder = lease
		v.LastAccess = c.Now()
		g = grant(v)
		return tx.PutVolume(v)
	})
	return g, err
}

// Labelled records that the volume of a write lease got its label, with blocks of
// blockSize bytes from now on: its end of data becomes tape file 1. ErrFenced if the
// lease has lost the volume. Asked again, it gives the same grant.
func (c *Catalog) Labelled(ctx context.Context, lease LeaseID, label Label, epoch uint64, blockSize int) (g Grant, err error) {
	if blockSize <= 0 || blockSize > maxBlocked {
		return Grant{}, invalid("volume %s: block size %d", label, blockSize)
	}
	err = c.store.Update(ctx, func(tx Tx) error {
		v, err := fenced(tx, label, lease, epoch)
		if err != nil {
			return err
		}
		if v.EOD.File != 0 {
			if v.EOD.File == 1 && v.BlockSize == blockSize {
				g = grant(v)
				return nil
			}
			return fmt.Errorf("volume %s: labelled before, end of data %s: %w", label, v.EOD, ErrFenced)
		}
		now := c.Now()
		v.EOD = Location{File: 1}
		v.BlockSize = blockSize
		v.Intent.From = v.EOD
		v.Intent.Unclean = false
		v.LastAccess = now
		if v.FirstAccess.IsZero() {
			v.FirstAccess = now
		}
		if err := tx.PutVolume(v); err != nil {
			return err
		}
		g = grant(v)
		return Append(tx, now, VolumeLabelled, string(label), v.leaseEvent(lease, v.Intent.Drive))
	})
	return g, err
}

// fenced gives the volume to the lease that writes on it, and ErrFenced to any other.
func fenced(tx Tx, label Label, lease LeaseID, epoch uint64) (Volume, error) {
	v, err := volume(tx, label)
	if err != nil {
		return Volume{}, err
	}
	if v.Epoch != epoch || !v.Writing() || v.Intent.Lease != lease {
		return Volume{}, fmt.Errorf("volume %s: epoch %d of lease %s is over, it is at %d: %w", label, epoch, lease, v.Epoch, ErrFenced)
	}
	return v, nil
}

// EndIntent ends a write lease cleanly: nothing lies behind the end of data but what an
// earlier lease may have left there and this one did not overwrite. ErrFenced if the
// lease has lost the volume. Asked again, it succeeds.
func (c *Catalog) EndIntent(ctx context.Context, lease LeaseID, label Label, epoch uint64) error {
	return c.store.Update(ctx, func(tx Tx) error {
		v, err := fenced(tx, label, lease, epoch)
		if errors.Is(err, ErrFenced) {
			if v, err := tx.Volume(label); err == nil && v.Holder == lease && !v.Writing() {
				return nil
			}
		}
		if err != nil {
			return err
		}
		if v.Intent.Unclean {
			v.Epoch++
		} else {
			v.Intent = nil
		}
		return c.release(tx, v, lease, "clean")
	})
}

// AbandonIntent ends a write lease that wrote, or may have written, what no flush has
// recorded: its holder is fenced, its intent stays as the explanation of what lies behind
// the end of data, and the volume may be chosen again. It succeeds if the lease does not
// write on the volume, so that the leases of a dead process can be ended as they are
// found (Filter.Writing).
func (c *Catalog) AbandonIntent(ctx context.Context, lease LeaseID, label Label, why string) error {
	if err := checkText("volume "+string(label), why); err != nil {
		return err
	}
	return c.store.Update(ctx, func(tx Tx) error {
		v, err := volume(tx, label)
		if err != nil {
			return err
		}
		if !v.Writing() || v.Intent.Lease != lease {
			return nil
		}
		v.Epoch++
		return c.release(tx, v, lease, why)
	})
}

func (c *Catalog) release(tx Tx, v Volume, lease LeaseID, why string) error {
	if err := tx.PutVolume(v); err != nil {
		return err
	}
	e := v.leaseEvent(lease, "")
	e.Why = why
	return Append(tx, c.Now(), VolumeReleased, string(v.Label), e)
}
