package memstore

import (
	"github.com/enstore-go/sdk/catalog"
)

func (t *tx) File(id catalog.BFID) (catalog.File, error) {
	f, err := get(t, t.rows.files, id)
	if err == nil {
		f.Copies = t.countCopies(f)
	}
	return f, err
}

// countCopies counts what is neither deleted nor bad among the original and its copies.
func (t *tx) countCopies(f catalog.File) int {
	original := f.BFID
	if f.Original != "" {
		original = f.Original
	}
	ids := []catalog.BFID{original}
	if s := t.rows.copies[original]; s != nil {
		ids = append(ids, s.keys...)
	}
	n := 0
	for _, id := range ids {
		if f, ok := t.rows.files[id]; ok && f.Deletion != catalog.Gone && !f.Bad {
			n++
		}
	}
	return n
}

func (t *tx) FileByRequest(id catalog.RequestID) (catalog.File, error) {
	bfid, err := get(t, t.rows.byRequest, id)
	if err != nil {
		return catalog.File{}, err
	}
	return t.File(bfid)
}

func (t *tx) FilesOfVolume(l catalog.Label, after int64, afterID catalog.BFID, limit int) ([]catalog.File, error) {
	if t.ended {
		return nil, errEnded
	}
	var files []catalog.File
	for _, p := range t.rows.byVolume[l].behind(place{after, afterID}, limit) {
		f, err := t.File(p.id)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func (t *tx) CopiesOf(original catalog.BFID) ([]catalog.File, error) {
	if t.ended {
		return nil, errEnded
	}
	var files []catalog.File
	s := t.rows.copies[original]
	if s == nil {
		return nil, nil
	}
	for _, id := range s.keys {
		f, err := t.File(id)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func (t *tx) AddFile(f catalog.File) error {
	if err := t.write(); err != nil {
		return err
	}
	_, taken := t.rows.files[f.BFID]
	_, requested := t.rows.byRequest[f.Request]
	if taken || requested {
		return catalog.ErrExists
	}
	t.setFile(f.BFID, nil, &f)
	return nil
}

func (t *tx) PutFile(f catalog.File) error {
	if err := t.write(); err != nil {
		return err
	}
	old, ok := t.rows.files[f.BFID]
	if !ok {
		return catalog.ErrNotFound
	}
	f.Request = old.Request
	t.setFile(f.BFID, &old, &f)
	return nil
}

func (t *tx) setFile(id catalog.BFID, old, f *catalog.File) {
	*f = f.Normal()
	f.Copies = 0
	t.rows.setFile(id, f)
	t.undo = append(t.undo, func() { t.rows.setFile(id, old) })
}

func (t *tx) Entry(id catalog.EntryID) (catalog.Entry, error) { return get(t, t.rows.entries, id) }

func (t *tx) Child(parent catalog.EntryID, name string) (catalog.Entry, error) {
	if t.ended {
		return catalog.Entry{}, errEnded
	}
	s := t.rows.children[parent]
	i, ok := s.find(child{name: name})
	if !ok {
		return catalog.Entry{}, catalog.ErrNotFound
	}
	return t.Entry(s.keys[i].id)
}

func (t *tx) Children(parent catalog.EntryID, after string, limit int) ([]catalog.Entry, error) {
	if t.ended {
		return nil, errEnded
	}
	var entries []catalog.Entry
	for _, c := range t.rows.children[parent].behind(child{name: after}, limit) {
		e, err := t.Entry(c.id)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (t *tx) AddEntry(e catalog.Entry) error {
	if err := t.write(); err != nil {
		return err
	}
	if e.Parent != 0 && !t.rows.entries[e.Parent].Dir {
		return catalog.ErrNotFound
	}
	_, taken := t.rows.entries[e.ID]
	_, named := t.rows.children[e.Parent].find(child{name: e.Name})
	if taken || named {
		return catalog.ErrExists
	}
	t.setEntry(e.ID, nil, &e)
	return nil
}

func (t *tx) PutEntry(e catalog.Entry) error {
	if err := t.write(); err != nil {
		return err
	}
	old, ok := t.rows.entries[e.ID]
	if !ok {
		return catalog.ErrNotFound
	}
	s := t.rows.children[e.Parent]
	if i, named := s.find(child{name: e.Name}); named && s.keys[i].id != e.ID {
		return catalog.ErrExists
	}
	t.setEntry(e.ID, &old, &e)
	return nil
}

func (t *tx) setEntry(id catalog.EntryID, old, e *catalog.Entry) {
	*e = e.Normal()
	t.rows.setEntry(id, e)
	t.undo = append(t.undo, func() { t.rows.setEntry(id, old) })
}

func (t *tx) DeleteEntry(id catalog.EntryID) error {
	if err := t.write(); err != nil {
		return err
	}
	old, ok := t.rows.entries[id]
	if !ok {
		return catalog.ErrNotFound
	}
	tags := t.rows.tags[id]
	t.rows.setTags(id, nil)
	t.rows.setEntry(id, nil)
	t.undo = append(t.undo, func() { t.rows.setEntry(id, &old); t.rows.setTags(id, tags) })
	return nil
}
