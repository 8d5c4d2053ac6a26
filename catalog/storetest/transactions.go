package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
)

var transactionCases = []testCase{
	{"an error undoes everything", "of a function that returned an error nothing is left, and Update returns that very error", errorUndoes},
	{"a panic undoes everything", "a panic goes on to the caller of Update, nothing is left, and the store works on", panicUndoes},
	{"the end of the goroutine undoes everything", "a goroutine that ends inside Update leaves nothing, and the store works on", goexitUndoes},
	{"a view writes nothing", "to write in a View is an error", viewWritesNothing},
	{"a transaction ends", "a Tx that has ended refuses everything", transactionEnds},
	{"updates are serial", "Updates at once act as if one came after the other", updatesAreSerial},
	{"one bad update fails alone", "of Updates at once, those that fail do not touch the others", oneFailsAlone},
	{"events have no gaps", "events are numbered from 1 without gaps, whatever was undone", eventsHaveNoGaps},
	{"waiting for events", "WaitEvents returns when the event is there, or the context ends", waiting},
	{"contexts", "a context that has ended begins nothing", contexts},
	{"closing", "after Close everything is ErrClosed, waiters included", closing},
}

// writeAll writes one row of every kind.
func writeAll(b *bench, tx catalog.Tx) error {
	v, f := fullVolume(b), fullFile(b)
	return errors.Join(tx.AddVolume(v), tx.AddFile(f), tx.AddFlush(catalog.FlushRecord{Lease: v.Holder, Seq: 1}),
		tx.AddEntry(catalog.Entry{ID: 5, Parent: catalog.RootEntry, Name: "a", Dir: true}), tx.PutTag(5, "t", "v"),
		tx.SetMeta("m", []byte("v")), tx.AppendEvent(catalog.Event{Kind: "test", Data: json.RawMessage("{}")}),
		tx.PutTag(catalog.RootEntry, "t", "new"), tx.PutTag(catalog.RootEntry, "u", ""),
		tx.PutEntry(catalog.Entry{ID: 6, Parent: 5, Name: "moved", Dir: true}), tx.DeleteEntry(7),
		tx.PutVolume(catalog.Volume{Label: "VO0001", Comment: "changed"}), tx.PutFile(catalog.File{BFID: "CDMS170000000000001", Size: 2}),
		tx.SetMeta("old", []byte("new")))
}

// prepare makes what writeAll changes.
func prepare(b *bench) {
	b.t.Helper()
	b.update(func(tx catalog.Tx) error {
		return errors.Join(tx.AddEntry(catalog.Entry{ID: 6, Parent: catalog.RootEntry, Name: "dir", Dir: true}),
			tx.AddEntry(catalog.Entry{ID: 7, Parent: 6, Name: "file"}), tx.PutTag(7, "t", "kept"),
			tx.PutTag(catalog.RootEntry, "t", "old"), tx.PutTag(catalog.RootEntry, "u", "old"),
			tx.AddVolume(catalog.Volume{Label: "VO0001"}), tx.AddFile(catalog.File{BFID: "CDMS170000000000001", Volume: "VO0001"}),
			tx.SetMeta("old", []byte("old")))
	})
}

func errorUndoes(is *is.I, b *bench) {
	prepare(b)
	before := Dump(b.t, b.s)
	mine := errors.New("mine")
	err := b.s.Update(b.ctx, func(tx catalog.Tx) error {
		is.NoErr(writeAll(b, tx))
		return mine
	})
	is.True(err == mine)
	is.Equal(Dump(b.t, b.s), before)
	b.update(func(tx catalog.Tx) error { return writeAll(b, tx) }) // and it can still be done
}

func panicUndoes(is *is.I, b *bench) {
	prepare(b)
	before := Dump(b.t, b.s)
	for _, run := range []func(context.Context, func(catalog.Tx) error) error{b.s.Update, b.s.View} {
		func() {
			defer func() { is.Equal(recover(), "mine") }()
			_ = run(b.ctx, func(tx catalog.Tx) error {
				_ = writeAll(b, tx)
				panic("mine")
			})
		}()
	}
	is.Equal(Dump(b.t, b.s), before)
}

func goexitUndoes(is *is.I, b *bench) {
	prepare(b)
	before := Dump(b.t, b.s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = b.s.Update(b.ctx, func(tx catalog.Tx) error {
			_ = writeAll(b, tx)
			runtime.Goexit()
			return nil
		})
	}()
	<-done
	is.Equal(Dump(b.t, b.s), before)
}

func viewWritesNothing(is *is.I, b *bench) {
	prepare(b)
	before := Dump(b.t, b.s)
	for _, write := range []func(tx catalog.Tx) error{
		func(tx catalog.Tx) error { return tx.SetMeta("m", nil) },
		func(tx catalog.Tx) error {
			return tx.AppendEvent(catalog.Event{Kind: "test", Data: json.RawMessage("{}")})
		},
		func(tx catalog.Tx) error { return tx.AddFile(fullFile(b)) },
		func(tx catalog.Tx) error { return tx.DeleteEntry(7) },
	} {
		is.True(b.s.View(b.ctx, write) != nil)
		is.True(b.s.View(b.ctx, func(tx catalog.Tx) error { _ = write(tx); return nil }) != nil) // even if the function does not say so
	}
	is.Equal(Dump(b.t, b.s), before)
}

func transactionEnds(is *is.I, b *bench) {
	var kept []catalog.Tx
	keep := func(tx catalog.Tx) error { kept = append(kept, tx); return nil }
	b.update(keep)
	b.view(keep)
	for _, tx := range kept {
		_, err := tx.Entry(catalog.RootEntry)
		is.True(err != nil)
		_, err = tx.Children(catalog.RootEntry, "", 1)
		is.True(err != nil)
		is.True(tx.SetMeta("m", nil) != nil)
	}
	b.view(func(tx catalog.Tx) error {
		_, err := tx.Meta("m")
		is.True(errors.Is(err, catalog.ErrNotFound))
		return nil
	})
}

func updatesAreSerial(is *is.I, b *bench) {
	const workers, rounds = 8, 25
	var wg sync.WaitGroup
	errs := make(chan error, workers*rounds)
	for range workers {
		wg.Go(func() {
			for range rounds {
				errs <- b.s.Update(b.ctx, func(tx catalog.Tx) error {
					value, err := tx.Meta("count")
					if err != nil && !errors.Is(err, catalog.ErrNotFound) {
						return err
					}
					n := 0
					_, _ = fmt.Sscan(string(value), &n)
					return tx.SetMeta("count", fmt.Append(nil, n+1))
				})
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		is.NoErr(err)
	}
	b.view(func(tx catalog.Tx) error {
		value, err := tx.Meta("count")
		is.NoErr(err)
		is.Equal(string(value), fmt.Sprint(workers*rounds))
		return nil
	})
}

func oneFailsAlone(is *is.I, b *bench) {
	const n = 60
	mine := errors.New("mine")
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			defer func() { _ = recover() }()
			errs[i] = b.s.Update(b.ctx, func(tx catalog.Tx) error {
				if err := tx.SetMeta(fmt.Sprint("k", i), []byte{1}); err != nil {
					return err
				}
				if err := catalog.Append(tx, b.at, "test", fmt.Sprint(i), i); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					return mine
				case 2:
					panic("mine")
				}
				return nil
			})
		})
	}
	wg.Wait()
	b.view(func(tx catalog.Tx) error {
		for i := range n {
			_, err := tx.Meta(fmt.Sprint("k", i))
			if good := i%4 == 0 || i%4 == 3; good {
				is.NoErr(errs[i])
				is.NoErr(err)
			} else {
				is.True(errors.Is(err, catalog.ErrNotFound))
			}
			if i%4 == 1 {
				is.True(errs[i] == mine)
			}
		}
		is.Equal(length(tx.Events(0, n)), n/2)
		return nil
	})
}

func eventsHaveNoGaps(is *is.I, b *bench) {
	for i := range 6 {
		err := b.s.Update(b.ctx, func(tx catalog.Tx) error {
			for range i {
				if err := catalog.Append(tx, b.at, "test", "s\xff", map[string]int{"i": i}); err != nil {
					return err
				}
			}
			if i%2 == 0 {
				return errors.New("undone")
			}
			return nil
		})
		is.Equal(err != nil, i%2 == 0)
	}
	b.view(func(tx catalog.Tx) error {
		events, err := tx.Events(0, 100)
		is.NoErr(err)
		is.Equal(len(events), 9)
		for i, e := range events {
			is.Equal(e.Seq, uint64(i+1))
		}
		is.Equal(events[0], catalog.Event{Seq: 1, Time: b.c.Now(), Kind: "test", Subject: "s\xff", Data: json.RawMessage(`{"i":1}`)})
		some, err := tx.Events(3, 2)
		is.NoErr(err)
		is.Equal(some, events[3:5])
		return nil
	})
}

func waiting(is *is.I, b *bench) {
	is.NoErr(catalogAppend(b))
	is.NoErr(b.s.WaitEvents(b.ctx, 0)) // at once
	ctx, cancel := context.WithCancel(b.ctx)
	ended := make(chan error, 1)
	go func() { ended <- b.s.WaitEvents(ctx, 5) }()
	woken := make(chan error, 1)
	go func() { woken <- b.s.WaitEvents(b.ctx, 1) }()
	is.NoErr(catalogAppend(b))
	is.NoErr(<-woken)
	cancel()
	is.True(errors.Is(<-ended, context.Canceled))
}

func catalogAppend(b *bench) error {
	return b.s.Update(b.ctx, func(tx catalog.Tx) error { return catalog.Append(tx, b.at, "test", "s", 1) })
}

func contexts(is *is.I, b *bench) {
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	never := func(catalog.Tx) error { b.t.Error("begun"); return nil }
	is.True(errors.Is(b.s.Update(ctx, never), context.Canceled))
	is.True(errors.Is(b.s.View(ctx, never), context.Canceled))
	is.True(errors.Is(b.s.WaitEvents(ctx, 1), context.Canceled))
}

func closing(is *is.I, b *bench) {
	waited := make(chan error, 1)
	go func() { waited <- b.s.WaitEvents(b.ctx, 1) }()
	is.NoErr(b.s.Close())
	is.True(errors.Is(<-waited, catalog.ErrClosed))
	nothing := func(catalog.Tx) error { return nil }
	is.True(errors.Is(b.s.Update(b.ctx, nothing), catalog.ErrClosed))
	is.True(errors.Is(b.s.View(b.ctx, nothing), catalog.ErrClosed))
	is.True(errors.Is(b.s.WaitEvents(b.ctx, 0), catalog.ErrClosed))
	is.NoErr(b.s.Close()) // twice is harmless
}
