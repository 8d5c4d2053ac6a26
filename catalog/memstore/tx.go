package memstore

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/enstore-go/sdk/catalog"
)

var (
	errReadOnly = errors.New("transaction: write in a View")
	errEnded    = errors.New("transaction: used after its end")
)

// tx writes in place and remembers how to undo it.
type tx struct {
	rows     *rows
	readOnly bool
	ended    bool
	failed   error // the write that made the transaction fail as a whole
	undo     []func()
}

func (t *tx) end() { t.ended = true }

func (t *tx) rollback() {
	for _, undo := range slices.Backward(t.undo) {
		undo()
	}
}

// write is asked before every write.
func (t *tx) write() error {
	switch {
	case t.ended:
		return errEnded
	case t.readOnly:
		t.failed = errReadOnly
		return errReadOnly
	}
	return t.failed
}

func get[K comparable, V any](t *tx, from map[K]V, k K) (V, error) {
	v, ok := from[k]
	switch {
	case t.ended:
		return v, errEnded
	case !ok:
		return v, catalog.ErrNotFound
	}
	return v, nil
}

func (t *tx) Volume(l catalog.Label) (catalog.Volume, error) {
	v, err := get(t, t.rows.volumes, l)
	return v.Clone(), err
}

func (t *tx) VolumeOnTape(id string) (catalog.Volume, error) {
	l, err := get(t, t.rows.onTape, id)
	if err != nil {
		return catalog.Volume{}, err
	}
	return t.Volume(l)
}

func (t *tx) VolumeOfLease(id catalog.LeaseID) (catalog.Volume, error) {
	l, err := get(t, t.rows.ofLease, id)
	if err != nil {
		return catalog.Volume{}, err
	}
	return t.Volume(l)
}

func (t *tx) AddVolume(v catalog.Volume) error {
	if err := t.write(); err != nil {
		return err
	}
	_, taken := t.rows.volumes[v.Label]
	_, onTape := t.rows.onTape[v.Label.OnTape()]
	_, held := t.rows.ofLease[v.Holder]
	if taken || onTape || held {
		return catalog.ErrExists
	}
	t.setVolume(v.Label, nil, &v)
	return nil
}

func (t *tx) PutVolume(v catalog.Volume) error {
	if err := t.write(); err != nil {
		return err
	}
	old, ok := t.rows.volumes[v.Label]
	if !ok {
		return catalog.ErrNotFound
	}
	if l, held := t.rows.ofLease[v.Holder]; held && l != v.Label {
		t.failed = fmt.Errorf("lease %s: holds volume %s already", v.Holder, l)
		return t.failed
	}
	t.setVolume(v.Label, &old, &v)
	return nil
}

func (t *tx) setVolume(l catalog.Label, old, v *catalog.Volume) {
	*v = v.Normal()
	t.rows.setVolume(l, v)
	t.undo = append(t.undo, func() { t.rows.setVolume(l, old) })
}

func (t *tx) Volumes(f catalog.Filter, after catalog.Label, limit int) ([]catalog.Volume, error) {
	return t.list(limit, func(a, b catalog.Volume) int { return strings.Compare(string(a.Label), string(b.Label)) }, func(v *catalog.Volume) bool {
		return v.Label > after && (f.Library == "" || v.Library == f.Library) && (f.Family == nil || v.Family == *f.Family) &&
			(!f.Intents || v.Intent != nil) && (!f.Writing || v.Writing())
	})
}

func (t *tx) Candidates(l catalog.LibraryName, f catalog.Family, room int64, limit int) ([]catalog.Volume, error) {
	return t.list(limit, byDeclared, func(v *catalog.Volume) bool {
		return v.Library == l && v.Family == f && v.Remaining >= room && v.Writable() == nil && !v.Writing()
	})
}

func byDeclared(a, b catalog.Volume) int {
	if c := a.Declared.Compare(b.Declared); c != 0 {
		return c
	}
	return strings.Compare(string(a.Label), string(b.Label))
}

func (t *tx) list(limit int, compare func(a, b catalog.Volume) int, chosen func(*catalog.Volume) bool) ([]catalog.Volume, error) {
	if t.ended {
		return nil, errEnded
	}
	var list []catalog.Volume
	for _, v := range t.rows.volumes {
		if chosen(&v) {
			list = append(list, v.Clone())
		}
	}
	slices.SortFunc(list, compare)
	return list[:min(limit, len(list))], nil
}

func (t *tx) LargestCapacity(l catalog.LibraryName) (int64, error) {
	if t.ended {
		return 0, errEnded
	}
	largest := int64(0)
	for _, v := range t.rows.volumes {
		if v.Library == l {
			largest = max(largest, v.Capacity)
		}
	}
	return largest, nil
}

func (t *tx) AddFlush(r catalog.FlushRecord) error {
	if err := t.write(); err != nil {
		return err
	}
	k := flushKey{r.Lease, r.Seq}
	if _, taken := t.rows.flushes[k]; taken {
		return catalog.ErrExists
	}
	r.Results = slices.Clone(r.Results)
	t.rows.flushes[k] = r
	t.undo = append(t.undo, func() { delete(t.rows.flushes, k) })
	return nil
}

func (t *tx) Flush(lease catalog.LeaseID, seq uint64) (catalog.FlushRecord, error) {
	r, err := get(t, t.rows.flushes, flushKey{lease, seq})
	r.Results = slices.Clone(r.Results)
	return r, err
}

func (t *tx) AppendEvent(e catalog.Event) error {
	if err := t.write(); err != nil {
		return err
	}
	e.Seq = uint64(len(t.rows.events)) + 1
	e.Data = slices.Clone(e.Data)
	t.rows.events = append(t.rows.events, e)
	t.undo = append(t.undo, func() { t.rows.events = t.rows.events[:len(t.rows.events)-1] })
	return nil
}

func (t *tx) Events(since uint64, limit int) ([]catalog.Event, error) {
	if t.ended {
		return nil, errEnded
	}
	n := uint64(len(t.rows.events))
	if since >= n {
		return nil, nil
	}
	list := slices.Clone(t.rows.events[since:min(n, since+uint64(limit))])
	for i := range list {
		list[i].Data = slices.Clone(list[i].Data)
	}
	return list, nil
}

func (t *tx) Meta(name string) ([]byte, error) {
	value, err := get(t, t.rows.meta, name)
	return slices.Clone(value), err
}

func (t *tx) SetMeta(name string, value []byte) error {
	if err := t.write(); err != nil {
		return err
	}
	old, was := t.rows.meta[name]
	t.rows.meta[name] = slices.Clone(value)
	t.undo = append(t.undo, func() {
		if t.rows.meta[name] = old; !was {
			delete(t.rows.meta, name)
		}
	})
	return nil
}

func (t *tx) Tags(id catalog.EntryID) (map[string]string, error) {
	if t.ended {
		return nil, errEnded
	}
	tags := maps.Clone(t.rows.tags[id])
	if tags == nil {
		tags = map[string]string{}
	}
	return tags, nil
}

func (t *tx) PutTag(id catalog.EntryID, name, value string) error {
	if err := t.write(); err != nil {
		return err
	}
	old := t.rows.tags[id]
	tags := maps.Clone(old)
	if tags == nil {
		tags = map[string]string{}
	}
	if tags[name] = value; value == "" {
		delete(tags, name)
	}
	t.rows.setTags(id, tags)
	t.undo = append(t.undo, func() { t.rows.setTags(id, old) })
	return nil
}
