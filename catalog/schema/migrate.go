package schema

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed migrations/*.sql
var files embed.FS

// The errors of Migrate.
var (
	// ErrVersion: the database was made by a later version of this program.
	ErrVersion = errors.New("schema of a later version")
	// ErrChanged: what was applied to the database is not what this program would apply.
	ErrChanged = errors.New("schema differs from this program's")
)

// Migration is one numbered file. Files never change once a commit on main had them:
// what is to be different comes in a new one.
type Migration struct {
	Version int64
	Name    string // as "0001_catalogue.sql"
	SQL     string
}

// Sum is the SHA-256 of the text, in hexadecimal.
func (m Migration) Sum() string {
	sum := sha256.Sum256([]byte(m.SQL))
	return hex.EncodeToString(sum[:])
}

// Migrations lists the files of this program, by version, which count from 1.
func Migrations() ([]Migration, error) { return load(files, "migrations") }

func load(fsys fs.FS, dir string) ([]Migration, error) {
	entries, err := fs.ReadDir(fsys, dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	var list []Migration
	for i, e := range entries {
		number, _, _ := strings.Cut(e.Name(), "_")
		version, err := strconv.ParseInt(number, 10, 32)
		if err != nil || version != int64(i)+1 || len(number) != 4 {
			return nil, fmt.Errorf("schema: file %q: its number is not %04d", e.Name(), i+1)
		}
		text, err := fs.ReadFile(fsys, path.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("schema: %w", err)
		}
		list = append(list, Migration{Version: version, Name: e.Name(), SQL: string(text)})
	}
	return list, nil
}

// Conn is one connection to a database, with nothing of database/sql in it, so that any
// driver serves.
type Conn interface {
	// Exec runs one statement, or, without arguments, several.
	Exec(ctx context.Context, query string, args ...any) error
	// Query calls each for every row.
	Query(ctx context.Context, query string, each func(Scanner) error) error
	// Begin starts a transaction that excludes other writers from its beginning; Commit
	// and Rollback end it.
	Begin(ctx context.Context) error
	Commit(ctx context.Context) error
	Rollback(ctx context.Context) error
}

// Scanner is a row: *sql.Row, *sql.Rows and their like.
type Scanner interface{ Scan(dest ...any) error }

const createVersions = `create table if not exists schema_version (
	version    bigint not null primary key,
	name       text   not null,
	sha256     text   not null,
	applied_at bigint not null
)`

// Migrate brings a database to this program's version, each migration in a transaction of
// its own; an up-to-date one is only checked. It refuses a database of a later version
// (ErrVersion) and one to which something else was applied (ErrChanged), and changes
// nothing then. Two programs may call it at once.
func Migrate(ctx context.Context, c Conn, now time.Time) error {
	list, err := Migrations()
	if err != nil {
		return err
	}
	return migrate(ctx, c, list, now)
}

func migrate(ctx context.Context, c Conn, list []Migration, now time.Time) error {
	if err := inTransaction(ctx, c, func() error { return c.Exec(ctx, createVersions) }); err != nil {
		return err
	}
	for done := false; !done; {
		err := inTransaction(ctx, c, func() error {
			n, err := check(ctx, c, list)
			if err != nil || n == len(list) {
				done = true
				return err
			}
			m := list[n]
			if err := c.Exec(ctx, m.SQL); err != nil {
				return fmt.Errorf("schema: %s: %w", m.Name, err)
			}
			return c.Exec(ctx, `insert into schema_version (version, name, sha256, applied_at) values ($1, $2, $3, $4)`,
				m.Version, m.Name, m.Sum(), now.UnixMicro())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// check gives how many migrations the database has.
func check(ctx context.Context, c Conn, list []Migration) (int, error) {
	n := 0
	err := c.Query(ctx, `select version, name, sha256 from schema_version order by version`, func(row Scanner) error {
		var version int64
		var name, sum string
		if err := row.Scan(&version, &name, &sum); err != nil {
			return err
		}
		if n >= len(list) {
			return fmt.Errorf("schema: version %d (%.80q): this program knows up to %d: %w", version, name, len(list), ErrVersion)
		}
		if version != list[n].Version || sum != list[n].Sum() {
			return fmt.Errorf("schema: version %d (%.80q): %w", version, name, ErrChanged)
		}
		n++
		return nil
	})
	return n, err
}

func inTransaction(ctx context.Context, c Conn, fn func() error) error {
	if err := c.Begin(ctx); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	if err := fn(); err != nil {
		return errors.Join(err, c.Rollback(ctx))
	}
	if err := c.Commit(ctx); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	return nil
}
