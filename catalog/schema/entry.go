package schema

import (
	"strings"

	"github.com/enstore-go/sdk/catalog"
)

// entryColumns are those of table entry, in the order of EntryArgs and ScanEntry.
var entryColumns = strings.Fields(`id parent name dir bfid size mode uid gid mtime created`)

var selectEntries = "select " + strings.Join(entryColumns, ", ") + " from entry "

// Statements about entries of the name space.
var (
	SelectEntry = selectEntries + "where id = $1"
	SelectChild = selectEntries + "where parent = $1 and name = $2"
	// SelectChildren: parent, after, limit.
	SelectChildren = selectEntries + "where parent = $1 and name > $2 order by name limit $3"

	// InsertEntry takes EntryArgs. It affects no row if the parent is no directory (0 is
	// not asked for), has a child of that name, or the id is taken.
	InsertEntry = `insert into entry (` + strings.Join(entryColumns, ", ") + `)
		select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
		where cast($2 as bigint) = 0 or exists (select 1 from entry where id = $2 and dir = 1) on conflict do nothing`
	UpdateEntry = update("entry", entryColumns)
)

// Statements about entries, tags, events and the catalogue itself.
const (
	DeleteEntry = `delete from entry where id = $1`
	DeleteTags  = `delete from tag where entry = $1`
	SelectTags  = `select name, value from tag where entry = $1`
	UpsertTag   = `insert into tag (entry, name, value) values ($1, $2, $3) on conflict (entry, name) do update set value = excluded.value`
	DeleteTag   = `delete from tag where entry = $1 and name = $2`

	InsertEvent  = `insert into event (seq, at, kind, subject, data) values ($1, $2, $3, $4, $5)`
	SelectEvents = `select seq, at, kind, subject, data from event where seq > $1 order by seq limit $2`

	// The number of the last event; counted here, so that none is given twice when old
	// events are removed.
	SelectEventCounter = `select value from counter where name = 'event'`
	UpdateEventCounter = `update counter set value = $1 where name = 'event'`

	SelectMeta = `select value from meta where name = $1`
	UpsertMeta = `insert into meta (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value`
)

// EntryArgs are the parameters of InsertEntry and UpdateEntry for an entry in normal form.
func EntryArgs(e *catalog.Entry) []any {
	return []any{
		int64(e.ID), int64(e.Parent), []byte(e.Name), flag(e.Dir), string(e.BFID), e.Size,
		int64(e.Mode), int64(e.UID), int64(e.GID), catalog.Micros(e.MTime), catalog.Micros(e.Created),
	}
}

// ScanEntry reads a row of the statements that select entries.
func ScanEntry(row Scanner) (catalog.Entry, error) {
	var e catalog.Entry
	var name []byte
	var id, parent, dir, mtime, created int64
	err := row.Scan(&id, &parent, &name, &dir, &e.BFID, &e.Size, &e.Mode, &e.UID, &e.GID, &mtime, &created)
	if err != nil {
		return catalog.Entry{}, err
	}
	e.ID, e.Parent, e.Name, e.Dir = catalog.EntryID(id), catalog.EntryID(parent), string(name), dir != 0
	e.MTime, e.Created = catalog.FromMicros(mtime), catalog.FromMicros(created)
	return e, nil
}

// EventArgs are the parameters of InsertEvent.
func EventArgs(e *catalog.Event) []any {
	return []any{int64(e.Seq), catalog.Micros(e.Time), string(e.Kind), []byte(e.Subject), string(e.Data)}
}

// ScanEvent reads a row of SelectEvents.
func ScanEvent(row Scanner) (catalog.Event, error) {
	var e catalog.Event
	var seq, at int64
	var subject []byte
	var data string
	if err := row.Scan(&seq, &at, &e.Kind, &subject, &data); err != nil {
		return catalog.Event{}, err
	}
	e.Seq, e.Time, e.Subject, e.Data = uint64(seq), catalog.FromMicros(at), string(subject), []byte(data)
	return e, nil
}
