package schema

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/matryer/is"
	_ "modernc.org/sqlite"
)

// testConn is a Conn on a database file.
type testConn struct{ *sql.Conn }

func (c testConn) Exec(ctx context.Context, query string, args ...any) error {
	_, err := c.ExecContext(ctx, query, args...)
	return err
}

func (c testConn) Query(ctx context.Context, query string, each func(Scanner) error) error {
	rows, err := c.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (c testConn) Begin(ctx context.Context) error    { return c.Exec(ctx, "begin immediate") }
func (c testConn) Commit(ctx context.Context) error   { return c.Exec(ctx, "commit") }
func (c testConn) Rollback(ctx context.Context) error { return c.Exec(ctx, "rollback") }

func connect(t *testing.T, name string) testConn {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+name+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); db.Close() })
	return testConn{conn}
}

func newConn(t *testing.T) testConn { return connect(t, filepath.Join(t.TempDir(), "x.db")) }

var at = time.Unix(1_700_000_000, 0)

// versions is what the database says was applied.
func versions(t *testing.T, c testConn) (names []string) {
	t.Helper()
	err := c.Query(t.Context(), "select name from schema_version order by version", func(row Scanner) error {
		var name string
		err := row.Scan(&name)
		names = append(names, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func steps(t *testing.T, files map[string]string) []Migration {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys["m/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	list, err := load(fsys, "m")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestMigrateOnceAndAgain(t *testing.T) {
	is := is.New(t)
	c := newConn(t)
	is.NoErr(Migrate(t.Context(), c, at))
	is.NoErr(Migrate(t.Context(), c, at.Add(time.Hour)))
	list, err := Migrations()
	is.NoErr(err)
	is.Equal(len(versions(t, c)), len(list))
	is.NoErr(c.Query(t.Context(), "select min(applied_at), max(applied_at) from schema_version", func(row Scanner) error {
		var first, last int64
		err := row.Scan(&first, &last)
		is.Equal(first, at.UnixMicro())
		is.Equal(last, at.UnixMicro())
		return err
	}))
}

func TestMigrateFromEveryVersion(t *testing.T) {
	is := is.New(t)
	all := steps(t, map[string]string{"0001_a.sql": "create table a (x bigint);", "0002_b.sql": "alter table a add column y bigint; insert into a values (1, 2);", "0003_c.sql": "create table c (x bigint)"})
	for from := range len(all) + 1 {
		c := newConn(t)
		is.NoErr(migrate(t.Context(), c, all[:from], at))
		is.NoErr(migrate(t.Context(), c, all, at))
		is.Equal(versions(t, c), []string{"0001_a.sql", "0002_b.sql", "0003_c.sql"})
	}
}

func TestOthersAreRefused(t *testing.T) {
	is := is.New(t)
	now := steps(t, map[string]string{"0001_a.sql": "create table a (x bigint)"})
	later := steps(t, map[string]string{"0001_a.sql": "create table a (x bigint)", "0002_b.sql": "create table b (x bigint)"})
	other := steps(t, map[string]string{"0001_a.sql": "create table a (y bigint)", "0002_b.sql": "create table b (x bigint)"})
	c := newConn(t)
	is.NoErr(migrate(t.Context(), c, later, at))
	err := migrate(t.Context(), c, now, at)
	is.True(errors.Is(err, ErrVersion))
	is.True(strings.Contains(err.Error(), "0002_b.sql"))
	c = newConn(t)
	is.NoErr(migrate(t.Context(), c, now, at))
	is.True(errors.Is(migrate(t.Context(), c, other, at), ErrChanged))
	is.Equal(versions(t, c), []string{"0001_a.sql"}) // nothing was applied on top
}

func TestFailedMigrationLeavesNothing(t *testing.T) {
	is := is.New(t)
	bad := steps(t, map[string]string{"0001_a.sql": "create table a (x bigint)", "0002_b.sql": "create table b (x bigint); create table a (x bigint)"})
	good := steps(t, map[string]string{"0001_a.sql": "create table a (x bigint)", "0002_b.sql": "create table b (x bigint)"})
	c := newConn(t)
	err := migrate(t.Context(), c, bad, at)
	is.True(err != nil)
	is.True(strings.HasPrefix(err.Error(), "schema: 0002_b.sql: "))
	is.Equal(versions(t, c), []string{"0001_a.sql"})
	is.NoErr(migrate(t.Context(), c, good, at))
}

func TestTwoMigrateAtOnce(t *testing.T) {
	is := is.New(t)
	name := filepath.Join(t.TempDir(), "x.db")
	ends := make(chan error)
	const n = 4
	for range n {
		c := connect(t, name)
		go func() { ends <- Migrate(t.Context(), c, at) }()
	}
	for range n {
		is.NoErr(<-ends)
	}
}

func TestNumbersAreChecked(t *testing.T) {
	for _, name := range []string{"0002_a.sql", "1_a.sql", "a.sql", "00001_a.sql"} {
		if _, err := load(fstest.MapFS{"m/" + name: &fstest.MapFile{}}, "m"); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := load(fstest.MapFS{}, "m"); err == nil {
		t.Error("no directory: no error")
	}
}

// published are the sums of migrations that databases out there have: a file that has been
// published does not change.
var published = map[string]string{
	"0001_catalogue.sql": "c5eb88e5527620a0a7ebdd3a782eaf9d61d00c442d4cc94924792da72b76a387",
}

func TestPublishedMigrationsStay(t *testing.T) {
	list, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if want, ok := published[m.Name]; !ok || m.Sum() != want {
			t.Errorf("%s has the sum %s, published was %q", m.Name, m.Sum(), want)
		}
	}
	if len(list) < len(published) {
		t.Error("a published migration is gone")
	}
}
