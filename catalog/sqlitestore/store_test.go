package sqlitestore

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/matryer/is"
	"go.uber.org/goleak"

	"github.com/enstore-go/sdk/catalog"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// A history is many synchronisations: fewer of them than rapid's 100, unless asked for.
	if f := flag.Lookup("rapid.checks"); f != nil && f.Value.String() == f.DefValue {
		if err := f.Value.Set("30"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

func newStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "catalogue.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestEveryConnectionIsDurable(t *testing.T) {
	is := is.New(t)
	s := newStore(t)
	check := func(tx catalog.Tx) error { return txSession(tx).checkPragmas() }
	is.NoErr(s.Update(t.Context(), check))
	// as many Views at once as there can be, each on a connection of its own
	var inside, wg sync.WaitGroup
	inside.Add(readers)
	seen := make(chan *session, readers)
	for range readers {
		wg.Go(func() {
			is.NoErr(s.View(t.Context(), func(tx catalog.Tx) error {
				inside.Done()
				inside.Wait()
				seen <- txSession(tx)
				return check(tx)
			}))
		})
	}
	wg.Wait()
	close(seen)
	different := map[*session]bool{}
	for ses := range seen {
		different[ses] = true
	}
	is.Equal(len(different), readers)
}

func txSession(t catalog.Tx) *session { return t.(*tx).ses }

// TestPragmasAreReadBack: a connection that is less durable than asked for is refused.
func TestPragmasAreReadBack(t *testing.T) {
	is := is.New(t)
	s := newStore(t)
	conn, err := s.db.Conn(t.Context())
	is.NoErr(err)
	ses := &session{conn: conn}
	defer ses.close()
	is.NoErr(ses.checkPragmas())
	is.NoErr(ses.Exec(t.Context(), "pragma synchronous(normal)"))
	is.True(strings.Contains(fmt.Sprint(ses.checkPragmas()), `pragma synchronous is "1", not "2"`))
}

// TestParametersAreNumbered: one query text serves two databases only if $2 is the second
// argument wherever it stands.
func TestParametersAreNumbered(t *testing.T) {
	is := is.New(t)
	s := newStore(t)
	is.NoErr(s.View(t.Context(), func(tx catalog.Tx) error {
		var a, b string
		is.NoErr(txSession(tx).row("select $2, $1", "one", "two").Scan(&a, &b))
		is.Equal(a+" "+b, "two one")
		return nil
	}))
}

// together has updates wait for one commit: the first one holds it open until all the
// others are on their way. It gives what each ended with.
func together(s *Store, fns ...func(catalog.Tx) error) []error {
	errs := make([]error, len(fns))
	var wg sync.WaitGroup
	begun, hold := make(chan struct{}), make(chan struct{})
	var once sync.Once
	wg.Go(func() {
		errs[0] = s.Update(context.Background(), func(tx catalog.Tx) error {
			once.Do(func() { close(begun); <-hold })
			return fns[0](tx)
		})
	})
	<-begun
	for i, fn := range fns[1:] {
		wg.Go(func() { errs[i+1] = s.Update(context.Background(), fn) })
	}
	close(hold)
	wg.Wait()
	return errs
}

func set(name string) func(catalog.Tx) error {
	return func(tx catalog.Tx) error { return tx.SetMeta(name, []byte(name)) }
}

// kept tells which of the names have a value.
func kept(t *testing.T, s *Store, names ...string) (found []string) {
	t.Helper()
	err := s.View(t.Context(), func(tx catalog.Tx) error {
		for _, name := range names {
			if _, err := tx.Meta(name); err == nil {
				found = append(found, name)
			} else if !errors.Is(err, catalog.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestBrokenTransactionFailsAlone(t *testing.T) {
	is := is.New(t)
	s := newStore(t)
	breaks := func(tx catalog.Tx) error {
		return errors.Join(tx.SetMeta("bad", nil), txSession(tx).exec("rollback")) // as SQLite does on some errors
	}
	errs := together(s, set("a"), set("b"), breaks, set("c"), set("d"))
	for i, err := range errs {
		is.Equal(err != nil, i == 2)
	}
	is.Equal(kept(t, s, "a", "b", "bad", "c", "d"), []string{"a", "b", "c", "d"})
	is.NoErr(s.Update(t.Context(), set("e")))
}

func TestFullDiskFailsWhoFillsIt(t *testing.T) {
	is := is.New(t)
	s := newStore(t)
	is.NoErr(s.Update(t.Context(), func(tx catalog.Tx) error {
		var pages int64
		is.NoErr(txSession(tx).row("pragma page_count").Scan(&pages))
		var limit int64
		return txSession(tx).row(fmt.Sprintf("pragma max_page_count(%d)", pages+20)).Scan(&limit)
	}))
	big := func(tx catalog.Tx) error { return tx.SetMeta("big", make([]byte, 1<<20)) }
	swallows := func(tx catalog.Tx) error { _ = tx.SetMeta("big", make([]byte, 1<<20)); return nil }
	errs := together(s, set("a"), big, set("b"), swallows, set("c"))
	for i, err := range errs {
		is.Equal(err != nil, i == 1 || i == 3)
	}
	is.Equal(kept(t, s, "a", "b", "big", "c"), []string{"a", "b", "c"})
}

func TestWhoGivesUpIsNotRun(t *testing.T) {
	is := is.New(t)
	s := newStore(t)
	begun, hold := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- s.Update(context.Background(), func(tx catalog.Tx) error { close(begun); <-hold; return nil })
	}()
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() {
		second <- s.Update(ctx, func(catalog.Tx) error { t.Error("begun"); return nil })
	}()
	cancel()
	is.True(errors.Is(<-second, context.Canceled)) // while the first still runs
	close(hold)
	is.NoErr(<-first)
}

func TestWhatNeedsNoSyncCostsNone(t *testing.T) {
	is := is.New(t)
	s := newStore(t)
	is.NoErr(s.Update(t.Context(), set("a")))
	syncs, commits := s.Syncs(), s.Commits()
	is.NoErr(s.Update(t.Context(), func(tx catalog.Tx) error { _, err := tx.Meta("a"); return err }))
	is.True(s.Update(t.Context(), func(tx catalog.Tx) error { return errors.Join(set("b")(tx), errors.New("undone")) }) != nil)
	is.Equal(s.Syncs(), syncs)
	is.Equal(s.Commits(), commits+1)
}

func TestCheckpointKeepsTheLogShort(t *testing.T) {
	is := is.New(t)
	s := newStore(t)
	syncs := s.Syncs()
	for i := range 6 { // 6 × 4 MiB: more than the log is to hold, 16 MiB
		is.NoErr(s.Update(t.Context(), func(tx catalog.Tx) error { return tx.SetMeta(fmt.Sprint("big", i), make([]byte, 4<<20)) }))
	}
	is.Equal(s.Syncs()-syncs, int64(6+2))
	ses, err := newSession(t.Context(), s.db)
	is.NoErr(err)
	defer ses.close()
	var busy, pages, moved int64
	is.NoErr(ses.row("pragma wal_checkpoint(noop)").Scan(&busy, &pages, &moved))
	is.True(pages-moved < checkpoint)
}

func TestViewsSeeOneMoment(t *testing.T) {
	is := is.New(t)
	s := newStore(t)
	is.NoErr(s.Update(t.Context(), set("a")))
	is.NoErr(s.View(t.Context(), func(tx catalog.Tx) error {
		_, err := tx.Meta("a")
		is.NoErr(err)
		is.NoErr(s.Update(t.Context(), set("b"))) // does not wait for the View
		_, err = tx.Meta("b")
		is.True(errors.Is(err, catalog.ErrNotFound))
		return nil
	}))
	is.Equal(kept(t, s, "a", "b"), []string{"a", "b"})
}

func TestWhatIsNoCatalogueIsRefused(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	_, err := Open(t.Context(), filepath.Join(dir, "none", "catalogue.db"))
	is.True(err != nil)
	is.True(strings.HasPrefix(err.Error(), "catalogue "+dir))
	_, err = Open(t.Context(), dir)
	is.True(err != nil)
}

// TestAFailureIsToldAfterWhatCausedIt: who hears that a name is taken finds the entry that took it, although
// both came in the same batch.
func TestAFailureIsToldAfterWhatCausedIt(t *testing.T) {
	is := is.New(t)
	ctx := t.Context()
	s, err := Open(ctx, filepath.Join(t.TempDir(), "c.db"))
	is.NoErr(err)
	defer s.Close()
	_, err = catalog.Open(ctx, s, nil) // makes the root
	is.NoErr(err)
	for round := range 50 {
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				id := catalog.EntryID(1000 + round)
				err := s.Update(ctx, func(tx catalog.Tx) error {
					return tx.AddEntry(catalog.Entry{ID: id, Parent: catalog.RootEntry, Name: fmt.Sprint("n", round), Dir: true})
				})
				if err != nil && !errors.Is(err, catalog.ErrExists) {
					t.Errorf("round %d: %v", round, err)
				}
				if err := s.View(ctx, func(tx catalog.Tx) error { _, err := tx.Entry(id); return err }); err != nil {
					t.Errorf("round %d: told that it exists, and it does not: %v", round, err)
				}
			})
		}
		wg.Wait()
	}
}
