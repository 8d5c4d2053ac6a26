package sqlitestore

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/schema"
)

var (
	errReadOnly = errors.New("transaction: write in a View")
	errEnded    = errors.New("transaction: used after its end")
)

// tx is one transaction, or one member's part of a shared one.
type tx struct {
	ses      *session
	readOnly bool
	ended    bool
	failed   error // the first statement that failed: the transaction is lost
	seq      *uint64
	wrote    *bool
	seen     map[catalog.Label]catalog.Volume // rows as they are, to write no more than changes
}

// affect runs a statement that writes and gives the number of rows it affected.
func (t *tx) affect(query string, args ...any) (int64, error) {
	switch {
	case t.ended:
		return 0, errEnded
	case t.failed != nil:
		return 0, t.failed
	case t.readOnly:
		t.failed = errReadOnly
		return 0, errReadOnly
	}
	*t.wrote = true
	n, err := t.ses.affect(query, args...)
	return n, t.lost(err)
}

// lost notes a failure that leaves the transaction in an unknown state.
func (t *tx) lost(err error) error {
	if err != nil && t.failed == nil {
		t.failed = fmt.Errorf("catalogue: %w", err)
	}
	if err != nil {
		return t.failed
	}
	return nil
}

// add runs an insert that affects no row if one is there.
func (t *tx) add(query string, args ...any) error {
	n, err := t.affect(query, args...)
	if err == nil && n == 0 {
		return catalog.ErrExists
	}
	return err
}

// put runs an update that affects no row if none is there.
func (t *tx) put(query string, args ...any) error {
	n, err := t.affect(query, args...)
	if err == nil && n == 0 {
		return catalog.ErrNotFound
	}
	return err
}

// one reads one record.
func one[R any](t *tx, scan func(schema.Scanner) (R, error), query string, args ...any) (R, error) {
	var none R
	switch {
	case t.ended:
		return none, errEnded
	case t.failed != nil:
		return none, t.failed
	}
	r, err := scan(t.ses.row(query, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return none, catalog.ErrNotFound
	}
	return r, t.lost(err)
}

// list reads many.
func list[R any](t *tx, scan func(schema.Scanner) (R, error), query string, args ...any) ([]R, error) {
	switch {
	case t.ended:
		return nil, errEnded
	case t.failed != nil:
		return nil, t.failed
	}
	var records []R
	err := t.ses.rows(query, func(row schema.Scanner) error {
		r, err := scan(row)
		records = append(records, r)
		return err
	}, args...)
	return records, t.lost(err)
}

func (t *tx) Volume(l catalog.Label) (catalog.Volume, error) {
	return t.see(one(t, schema.ScanVolume, schema.SelectVolume, string(l)))
}

func (t *tx) VolumeOnTape(id string) (catalog.Volume, error) {
	return t.see(one(t, schema.ScanVolume, schema.SelectVolumeOnTape, id))
}

func (t *tx) VolumeOfLease(id catalog.LeaseID) (catalog.Volume, error) {
	return t.see(one(t, schema.ScanVolume, schema.SelectVolumeOfLease, id[:]))
}

// see remembers a row that was read for writing.
func (t *tx) see(v catalog.Volume, err error) (catalog.Volume, error) {
	if err == nil && !t.readOnly {
		if t.seen == nil {
			t.seen = map[catalog.Label]catalog.Volume{}
		}
		t.seen[v.Label] = v.Clone()
	}
	return v, err
}

func (t *tx) AddVolume(v catalog.Volume) error {
	v = v.Normal()
	return t.add(schema.InsertVolume, schema.VolumeArgs(&v)...)
}

func (t *tx) PutVolume(v catalog.Volume) error {
	v = v.Normal()
	old, seen := t.seen[v.Label]
	var err error
	if seen && schema.Moved(old, v) {
		err = t.put(schema.MoveVolume, schema.MoveArgs(&v)...)
	} else {
		err = t.put(schema.UpdateVolume, schema.VolumeArgs(&v)...)
	}
	if err == nil && seen {
		t.seen[v.Label] = v
	}
	return err
}

func (t *tx) Volumes(f catalog.Filter, after catalog.Label, limit int) ([]catalog.Volume, error) {
	query := schema.SelectVolumes
	switch {
	case f.Writing:
		query = schema.SelectWriting
	case f.Intents:
		query = schema.SelectIntents
	}
	var family catalog.Family
	if f.Family != nil {
		family = *f.Family
	}
	return list(t, schema.ScanVolume, query, string(after), limit, string(f.Library), string(family.Group), string(family.Family), family.Wrapper)
}

func (t *tx) Candidates(l catalog.LibraryName, f catalog.Family, room int64, limit int) ([]catalog.Volume, error) {
	return list(t, schema.ScanVolume, schema.SelectCandidates, string(l), string(f.Group), string(f.Family), f.Wrapper, room, limit)
}

func (t *tx) LargestCapacity(l catalog.LibraryName) (int64, error) {
	return one(t, scanValue[int64], schema.SelectLargest, string(l))
}

func scanValue[V any](row schema.Scanner) (v V, err error) {
	err = row.Scan(&v)
	return v, err
}

func (t *tx) File(id catalog.BFID) (catalog.File, error) {
	return one(t, schema.ScanFile, schema.SelectFile, string(id))
}

func (t *tx) FileByRequest(id catalog.RequestID) (catalog.File, error) {
	return one(t, schema.ScanFile, schema.SelectFileByRequest, id[:])
}

func (t *tx) FilesOfVolume(l catalog.Label, after int64, afterID catalog.BFID, limit int) ([]catalog.File, error) {
	return list(t, schema.ScanFile, schema.SelectFilesOfVolume, string(l), after, string(afterID), limit)
}

func (t *tx) CopiesOf(original catalog.BFID) ([]catalog.File, error) {
	return list(t, schema.ScanFile, schema.SelectCopies, string(original))
}

func (t *tx) AddFile(f catalog.File) error {
	f = f.Normal()
	return t.add(schema.InsertFile, schema.FileArgs(&f)...)
}

func (t *tx) PutFile(f catalog.File) error {
	f = f.Normal()
	return t.put(schema.UpdateFile, schema.UpdateFileArgs(&f)...)
}

func (t *tx) AddFlush(r catalog.FlushRecord) error {
	args, err := schema.FlushArgs(&r)
	if err != nil {
		return err
	}
	return t.add(schema.InsertFlush, args...)
}

func (t *tx) Flush(lease catalog.LeaseID, seq uint64) (catalog.FlushRecord, error) {
	return one(t, func(row schema.Scanner) (catalog.FlushRecord, error) { return schema.ScanFlush(row, lease, seq) },
		schema.SelectFlush, lease[:], int64(seq))
}

func (t *tx) Entry(id catalog.EntryID) (catalog.Entry, error) {
	return one(t, schema.ScanEntry, schema.SelectEntry, int64(id))
}

func (t *tx) Child(parent catalog.EntryID, name string) (catalog.Entry, error) {
	return one(t, schema.ScanEntry, schema.SelectChild, int64(parent), []byte(name))
}

func (t *tx) Children(parent catalog.EntryID, after string, limit int) ([]catalog.Entry, error) {
	return list(t, schema.ScanEntry, schema.SelectChildren, int64(parent), []byte(after), limit)
}

func (t *tx) AddEntry(e catalog.Entry) error {
	e = e.Normal()
	err := t.add(schema.InsertEntry, schema.EntryArgs(&e)...)
	if errors.Is(err, catalog.ErrExists) && e.Parent != 0 {
		if dir, lookErr := t.Entry(e.Parent); errors.Is(lookErr, catalog.ErrNotFound) || lookErr == nil && !dir.Dir {
			return catalog.ErrNotFound
		} else if lookErr != nil {
			return lookErr
		}
	}
	return err
}

func (t *tx) PutEntry(e catalog.Entry) error {
	e = e.Normal()
	switch other, err := t.Child(e.Parent, e.Name); {
	case err == nil && other.ID != e.ID:
		if _, err := t.Entry(e.ID); err != nil { // what is not there is told first
			return err
		}
		return catalog.ErrExists
	case err != nil && !errors.Is(err, catalog.ErrNotFound):
		return err
	}
	return t.put(schema.UpdateEntry, schema.EntryArgs(&e)...)
}

func (t *tx) DeleteEntry(id catalog.EntryID) error {
	if err := t.put(schema.DeleteEntry, int64(id)); err != nil {
		return err
	}
	_, err := t.affect(schema.DeleteTags, int64(id))
	return err
}

func (t *tx) Tags(id catalog.EntryID) (map[string]string, error) {
	pairs, err := list(t, func(row schema.Scanner) (pair [2]string, err error) {
		err = row.Scan(&pair[0], &pair[1])
		return pair, err
	}, schema.SelectTags, int64(id))
	tags := make(map[string]string, len(pairs))
	for _, p := range pairs {
		tags[p[0]] = p[1]
	}
	return tags, err
}

func (t *tx) PutTag(id catalog.EntryID, name, value string) error {
	if value == "" {
		_, err := t.affect(schema.DeleteTag, int64(id), name)
		return err
	}
	_, err := t.affect(schema.UpsertTag, int64(id), name, value)
	return err
}

func (t *tx) AppendEvent(e catalog.Event) error {
	if t.seq == nil {
		_, err := t.affect(schema.InsertEvent) // refuses to write in a View
		return err
	}
	e.Seq = *t.seq + 1
	if _, err := t.affect(schema.InsertEvent, schema.EventArgs(&e)...); err != nil {
		return err
	}
	*t.seq = e.Seq
	return nil
}

func (t *tx) Events(since uint64, limit int) ([]catalog.Event, error) {
	return list(t, schema.ScanEvent, schema.SelectEvents, int64(min(since, 1<<62)), limit)
}

func (t *tx) Meta(name string) ([]byte, error) {
	return one(t, scanValue[[]byte], schema.SelectMeta, name)
}

func (t *tx) SetMeta(name string, value []byte) error {
	_, err := t.affect(schema.UpsertMeta, name, append([]byte{}, value...))
	return err
}
