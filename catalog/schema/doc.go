// Package schema is what the SQL stores of a catalogue share: the tables, as numbered
// files that are applied in order, the text of every statement, and how a record becomes
// a row and back. One text serves SQLite and PostgreSQL: parameters are $1, $2, …; times
// are bigint microseconds, booleans smallint, names and paths bytea.
//
// A store runs [Migrate] when it is opened, and then the statements of this package:
//
//	err := schema.Migrate(ctx, conn, time.Now())
//	row := db.QueryRow(schema.SelectVolume, string(label))
//	v, err := schema.ScanVolume(row)
//	_, err = db.Exec(schema.InsertVolume, schema.VolumeArgs(&v)...)
//
// A [Conn] is the one connection on which migrations run.
//
// The package opens no database and knows no driver.
package schema
