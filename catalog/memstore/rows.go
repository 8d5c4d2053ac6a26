package memstore

import (
	"cmp"
	"maps"
	"slices"

	"github.com/enstore-go/sdk/catalog"
)

// rows is everything a store holds. Records are kept in normal form.
type rows struct {
	volumes   map[catalog.Label]catalog.Volume
	onTape    map[string]catalog.Label
	ofLease   map[catalog.LeaseID]catalog.Label
	files     map[catalog.BFID]catalog.File
	byRequest map[catalog.RequestID]catalog.BFID
	byVolume  map[catalog.Label]*sorted[place]
	copies    map[catalog.BFID]*sorted[catalog.BFID]
	flushes   map[flushKey]catalog.FlushRecord
	entries   map[catalog.EntryID]catalog.Entry
	children  map[catalog.EntryID]*sorted[child]
	tags      map[catalog.EntryID]map[string]string
	events    []catalog.Event // number n at n-1
	meta      map[string][]byte
}

func newRows() rows {
	return rows{
		volumes: map[catalog.Label]catalog.Volume{}, onTape: map[string]catalog.Label{}, ofLease: map[catalog.LeaseID]catalog.Label{},
		files: map[catalog.BFID]catalog.File{}, byRequest: map[catalog.RequestID]catalog.BFID{},
		byVolume: map[catalog.Label]*sorted[place]{}, copies: map[catalog.BFID]*sorted[catalog.BFID]{},
		flushes: map[flushKey]catalog.FlushRecord{},
		entries: map[catalog.EntryID]catalog.Entry{}, children: map[catalog.EntryID]*sorted[child]{}, tags: map[catalog.EntryID]map[string]string{},
		meta: map[string][]byte{},
	}
}

type flushKey struct {
	lease catalog.LeaseID
	seq   uint64
}

// place is where a file lies on its volume.
type place struct {
	file int64
	id   catalog.BFID
}

func (a place) compare(b place) int {
	return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.id, b.id))
}

// child is an entry by its name.
type child struct {
	name string
	id   catalog.EntryID
}

// sorted is an ordered set of keys.
type sorted[K any] struct {
	keys    []K
	compare func(a, b K) int
}

func (s *sorted[K]) find(k K) (int, bool) {
	if s == nil {
		return 0, false
	}
	return slices.BinarySearchFunc(s.keys, k, s.compare)
}

func (s *sorted[K]) add(k K) {
	i, _ := s.find(k)
	s.keys = slices.Insert(s.keys, i, k)
}

func (s *sorted[K]) remove(k K) {
	if i, ok := s.find(k); ok {
		s.keys = slices.Delete(s.keys, i, i+1)
	}
}

// behind lists at most limit keys greater than k.
func (s *sorted[K]) behind(k K, limit int) []K {
	if s == nil {
		return nil
	}
	i, ok := s.find(k)
	if ok {
		i++
	}
	return s.keys[i:min(len(s.keys), i+limit)]
}

// of gives the set of key k, making it if it is not there.
func of[M, K comparable](sets map[M]*sorted[K], k M, compare func(a, b K) int) *sorted[K] {
	s := sets[k]
	if s == nil {
		s = &sorted[K]{compare: compare}
		sets[k] = s
	}
	return s
}

func byName(a, b child) int { return cmp.Compare(a.name, b.name) }

// setVolume puts a record, or removes it if v is nil, and keeps the indexes.
func (r *rows) setVolume(l catalog.Label, v *catalog.Volume) {
	if old, ok := r.volumes[l]; ok {
		delete(r.onTape, l.OnTape())
		delete(r.ofLease, old.Holder)
	}
	delete(r.volumes, l)
	if v != nil {
		r.volumes[l] = *v
		r.onTape[l.OnTape()] = l
		if !v.Holder.IsZero() {
			r.ofLease[v.Holder] = l
		}
	}
}

func (r *rows) setFile(id catalog.BFID, f *catalog.File) {
	if old, ok := r.files[id]; ok {
		delete(r.byRequest, old.Request)
		r.byVolume[old.Volume].remove(place{old.Location.File, id})
		if old.Original != "" {
			r.copies[old.Original].remove(id)
		}
	}
	delete(r.files, id)
	if f != nil {
		r.files[id] = *f
		if !f.Request.IsZero() {
			r.byRequest[f.Request] = id
		}
		of(r.byVolume, f.Volume, place.compare).add(place{f.Location.File, id})
		if f.Original != "" {
			of(r.copies, f.Original, cmp.Compare[catalog.BFID]).add(id)
		}
	}
}

func (r *rows) setEntry(id catalog.EntryID, e *catalog.Entry) {
	if old, ok := r.entries[id]; ok {
		r.children[old.Parent].remove(child{name: old.Name})
	}
	delete(r.entries, id)
	if e != nil {
		r.entries[id] = *e
		of(r.children, e.Parent, byName).add(child{e.Name, id})
	}
}

// setTags replaces the tags of an entry.
func (r *rows) setTags(id catalog.EntryID, tags map[string]string) {
	if len(tags) == 0 {
		delete(r.tags, id)
		return
	}
	r.tags[id] = maps.Clone(tags)
}
