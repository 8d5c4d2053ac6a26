package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/enstore-go/sdk/catalog"
)

// Dump is everything that can be listed in a store, one record a line: two stores with
// equal dumps hold the same, but for flushes and meta values, which are found only by name:
// those of leases that volumes or events tell of are in it.
func Dump(t testing.TB, s catalog.Store) []string {
	t.Helper()
	d := dump{leases: map[catalog.LeaseID]bool{}}
	if err := s.View(context.Background(), d.all); err != nil {
		t.Fatalf("dump: %v", err)
	}
	return d.lines
}

type dump struct {
	lines  []string
	leases map[catalog.LeaseID]bool
}

func (d *dump) add(kind string, record any) {
	d.lines = append(d.lines, strings.TrimSpace(fmt.Sprintf("%s %+v", kind, record)))
}

const everything = 1 << 20

func (d *dump) all(tx catalog.Tx) error {
	volumes, err := tx.Volumes(catalog.Filter{}, "", everything)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		intent := "none"
		if v.Intent != nil {
			intent = fmt.Sprintf("%+v", *v.Intent)
			d.leases[v.Intent.Lease] = true
		}
		d.leases[v.Holder] = true
		v.Intent = nil
		d.add("volume intent "+intent, v)
		files, err := tx.FilesOfVolume(v.Label, -1, "", everything)
		if err != nil {
			return err
		}
		for _, f := range files {
			d.add("file", f)
		}
	}
	if err := d.tree(tx, 0); err != nil {
		return err
	}
	return d.rest(tx)
}

func (d *dump) tree(tx catalog.Tx, parent catalog.EntryID) error {
	children, err := tx.Children(parent, "", everything)
	if parent == 0 { // the root has no name, and is behind no other
		root, rootErr := tx.Entry(catalog.RootEntry)
		children, err = append(children, root), errors.Join(err, rootErr)
	}
	if err != nil {
		return err
	}
	for _, e := range children {
		d.add("entry", e)
		own, err := tx.Tags(e.ID)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(own)) {
			d.add("tag", name+"="+own[name])
		}
		if err := d.tree(tx, e.ID); err != nil {
			return err
		}
	}
	return nil
}

func (d *dump) rest(tx catalog.Tx) error {
	events, err := tx.Events(0, everything)
	if err != nil {
		return err
	}
	for _, e := range events {
		d.add("event", fmt.Sprintf("%d %s %s %q %s", e.Seq, e.Time, e.Kind, e.Subject, e.Data))
	}
	for _, lease := range slices.SortedFunc(maps.Keys(d.leases), func(a, b catalog.LeaseID) int { return slices.Compare(a[:], b[:]) }) {
		for seq := uint64(1); ; seq++ {
			r, err := tx.Flush(lease, seq)
			if errors.Is(err, catalog.ErrNotFound) {
				break
			}
			if err != nil {
				return err
			}
			d.add("flush", r)
		}
	}
	for _, name := range []string{"bfid.mark", "old", "m"} {
		value, err := tx.Meta(name)
		if err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return err
		}
		d.add("meta "+name, value)
	}
	return nil
}
