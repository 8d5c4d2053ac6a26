package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/schema"
)

const (
	maxBatch   = 256  // updates in one SQL transaction
	readers    = 8    // connections for Views, made when they are needed
	checkpoint = 4096 // pages of the log, 4 KiB each, after which it is moved into the file
)

// Store is a catalog.Store in an SQLite file.
type Store struct {
	db *sql.DB

	queue     chan *member   // to the committer, which takes them while it runs
	closing   chan struct{}  // closed by Close
	committed sync.WaitGroup // the committer
	closeOnce sync.Once
	closeErr  error

	idle   chan *session // readers that nobody uses
	unmade chan struct{} // one for each reader that does not exist yet

	mu    sync.Mutex
	grown chan struct{} // closed and replaced when events became durable
	last  uint64        // the number of the last durable event

	syncs, commits atomic.Int64
}

// Open opens the file, making it if it is not there, and brings its tables to this
// version. The error wraps schema.ErrVersion or schema.ErrChanged if they are of another.
func Open(ctx context.Context, name string) (*Store, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("catalogue %s: %w", name, diskFull(err))
	}
	s, err := open(ctx, abs)
	if err != nil {
		return nil, fmt.Errorf("catalogue %s: %w", name, diskFull(err))
	}
	return s, nil
}

func open(ctx context.Context, name string) (*Store, error) {
	query := url.Values{"_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"wal_autocheckpoint(0)", "cache_size(-16384)",
	}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: name, RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, queue: make(chan *member), closing: make(chan struct{}),
		idle: make(chan *session, readers), unmade: make(chan struct{}, readers), grown: make(chan struct{})}
	for range readers {
		s.unmade <- struct{}{}
	}
	writer, err := newSession(ctx, db)
	if err == nil {
		err = s.prepare(ctx, writer, filepath.Dir(name))
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.committed.Go(func() { (&committer{store: s, ses: writer}).run() })
	return s, nil
}

// prepare makes the tables and reads where the events stand.
func (s *Store) prepare(ctx context.Context, writer *session, dir string) error {
	if err := schema.Migrate(ctx, writer, time.Now()); err != nil {
		return err
	}
	if err := syncDir(dir); err != nil { // so that a new file is there after a power cut
		return err
	}
	last, err := writer.eventCounter()
	s.last = last
	return err
}

// syncDir makes the names in a directory durable. Windows has no such call, and some file
// systems refuse it with EINVAL: they journal names by themselves.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// View implements catalog.Store.
func (s *Store) View(ctx context.Context, fn func(catalog.Tx) error) error {
	ses, err := s.reader(ctx)
	if err != nil {
		return err
	}
	defer func() { s.idle <- ses }()
	if err := ses.exec("begin deferred"); err != nil {
		return fmt.Errorf("catalogue: %w", err)
	}
	t := &tx{ses: ses, readOnly: true}
	defer func() { // also when fn panics
		t.ended = true
		ses.exec("rollback") // nothing to lose
	}()
	if err := fn(t); err != nil {
		return err
	}
	return t.failed
}

// reader gives a connection of its own to a View.
func (s *Store) reader(ctx context.Context) (*session, error) {
	select {
	case <-s.closing:
		return nil, catalog.ErrClosed
	default:
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select { // an idle one rather than a new one
	case ses := <-s.idle:
		return ses, nil
	default:
	}
	select {
	case ses := <-s.idle:
		return ses, nil
	case <-s.unmade:
	case <-s.closing:
		return nil, catalog.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ses, err := newSession(ctx, s.db)
	if err == nil {
		err = ses.exec("pragma query_only(1)")
	}
	if err != nil {
		s.unmade <- struct{}{}
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	return ses, nil
}

// WaitEvents implements catalog.Store.
func (s *Store) WaitEvents(ctx context.Context, since uint64) error {
	for {
		s.mu.Lock()
		last, grown := s.last, s.grown
		s.mu.Unlock()
		select {
		case <-s.closing:
			return catalog.ErrClosed
		default:
		}
		if last > since {
			return nil
		}
		select {
		case <-grown:
		case <-s.closing:
			return catalog.ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// announce wakes those who wait for events.
func (s *Store) announce(last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last > s.last {
		s.last = last
		close(s.grown)
		s.grown = make(chan struct{})
	}
}

// Commits counts the Updates that became durable.
func (s *Store) Commits() int64 { return s.commits.Load() }

// Syncs counts how often the disk was synchronised: once for every SQL transaction that
// wrote, and twice whenever the log was moved into the file.
func (s *Store) Syncs() int64 { return s.syncs.Load() }

// Close implements catalog.Store. Closing twice is harmless.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		s.committed.Wait()
		for range readers { // Views that run give theirs back
			select {
			case ses := <-s.idle:
				s.closeErr = errors.Join(s.closeErr, ses.close())
			case <-s.unmade:
			}
		}
		s.closeErr = errors.Join(s.closeErr, s.db.Close())
	})
	return s.closeErr
}
