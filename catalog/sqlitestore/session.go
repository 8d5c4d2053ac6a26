package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"syscall"

	"modernc.org/sqlite"

	"github.com/enstore-go/sdk/catalog/schema"
)

// session is one connection with its prepared statements, used by one goroutine at a time.
// Statements run without the caller's context: they are short, and to interrupt one in a
// shared transaction would be at the cost of others.
type session struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// newSession opens a connection and makes sure that it is as durable as was asked for.
func newSession(ctx context.Context, db *sql.DB) (*session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, stmts: map[string]*sql.Stmt{}}
	if err := s.checkPragmas(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// checkPragmas reads back what a durable commit rests on; SQLite ignores what it does not
// understand, and falls back silently where the file system cannot do it.
func (s *session) checkPragmas() error {
	for _, want := range []struct{ pragma, value string }{{"journal_mode", "wal"}, {"synchronous", "2"}, {"foreign_keys", "1"}} {
		var got string
		if err := s.conn.QueryRowContext(context.Background(), "pragma "+want.pragma).Scan(&got); err != nil {
			return fmt.Errorf("pragma %s: %w", want.pragma, err)
		}
		if got != want.value {
			return fmt.Errorf("pragma %s is %q, not %q", want.pragma, got, want.value)
		}
	}
	return nil
}

func (s *session) prepared(query string) (*sql.Stmt, error) {
	if stmt := s.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	s.stmts[query] = stmt
	return stmt, nil
}

func (s *session) exec(query string, args ...any) error {
	_, err := s.affect(query, args...)
	return err
}

// affect runs a statement and gives the number of rows it affected.
func (s *session) affect(query string, args ...any) (int64, error) {
	stmt, err := s.prepared(query)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, diskFull(err)
	}
	return result.RowsAffected()
}

// SQLite's codes for a disk without room: to a file, and to the shared memory beside the log
// (https://www.sqlite.org/rescode.html).
const (
	sqliteFull         = 13
	sqliteIOErrShmSize = 4874
)

// diskFull makes an error of SQLite that means a full disk also an ENOSPC.
func diskFull(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && (e.Code()&0xff == sqliteFull || e.Code() == sqliteIOErrShmSize) {
		return fmt.Errorf("%w: %w", syscall.ENOSPC, err)
	}
	return err
}

func (s *session) row(query string, args ...any) schema.Scanner {
	stmt, err := s.prepared(query)
	if err != nil {
		return failedRow{err}
	}
	return stmt.QueryRowContext(context.Background(), args...)
}

// failedRow is a row that could not be asked for.
type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

// rows calls each for every row.
func (s *session) rows(query string, each func(schema.Scanner) error, args ...any) (err error) {
	stmt, err := s.prepared(query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(context.Background(), args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *session) eventCounter() (uint64, error) {
	var last int64
	err := s.row(schema.SelectEventCounter).Scan(&last)
	return uint64(last), err
}

func (s *session) close() error {
	var errs []error
	for _, stmt := range s.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, s.conn.Close())...)
}

// Exec, Query, Begin, Commit and Rollback make the session a schema.Conn.

func (s *session) Exec(ctx context.Context, query string, args ...any) error {
	_, err := s.conn.ExecContext(ctx, query, args...)
	return err
}

func (s *session) Query(_ context.Context, query string, each func(schema.Scanner) error) error {
	return s.rows(query, each)
}

func (s *session) Begin(context.Context) error    { return s.exec("begin immediate") }
func (s *session) Commit(context.Context) error   { return s.exec("commit") }
func (s *session) Rollback(context.Context) error { return s.exec("rollback") }
