package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"

	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/wire"
	"golang.org/x/sync/errgroup"
)

// atOnce is how many files are on their way at a time: those that wait for safety together are flushed
// together, and a library orders what it reads by position.
const atOnce = 256

// transfer is one file and where it goes, or comes from.
type transfer struct {
	key  string // in the name space, or a BFID
	file string // on this machine
	size int64
}

// many does work on all of them. A failure is told at once and does not stop the others, unless it
// is the site's own. With a single one its error is returned as it is; else how many failed.
func many(p *program, all []transfer, work func(context.Context, transfer) error) error {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	var (
		g      errgroup.Group
		mu     sync.Mutex
		first  error
		failed int
	)
	g.SetLimit(atOnce)
	for _, t := range all {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			err := work(ctx, t)
			mu.Lock()
			defer mu.Unlock()
			if err == nil || first != nil && ctx.Err() != nil {
				return nil // or ended by us, after the one that was told
			}
			failed++
			if first == nil {
				first = err
			}
			if sitewide(err) {
				cancel()
			}
			if len(all) > 1 && p.ctx.Err() == nil {
				p.tell(err)
			}
			return nil
		})
	}
	_ = g.Wait() // failures are counted, not returned
	switch {
	case p.ctx.Err() != nil:
		return p.ctx.Err()
	case failed == 0 || len(all) == 1:
		return first
	case sitewide(first):
		return &summary{fmt.Sprintf("stopped: the site cannot go on; not all of %s are done", count(len(all), "file")), first}
	}
	return &summary{fmt.Sprintf("%d of %s failed", failed, count(len(all), "file")), first}
}

// summary is an error whose parts have been told; it has the exit code of the first.
type summary struct {
	text  string
	first error
}

func (s *summary) Error() string        { return s.text }
func (s *summary) Is(target error) bool { return errors.Is(s.first, target) }

// As gives the kind of the first failure, but not its advice, which has been told.
func (s *summary) As(target any) bool {
	k, ok := target.(*wire.Kind)
	if ok {
		*k = wire.KindOf(s.first)
	}
	return ok
}

// sitewide tells whether the next file would fail alike.
func sitewide(err error) bool {
	switch wire.KindOf(err) {
	case wire.NoSpace, wire.Quota, wire.Locked, wire.Unavailable, wire.Internal:
		return true
	}
	return false
}

// what is at a name of the name space.
type what uint8

const (
	nothing what = iota
	aFile
	aDir
)

// look finds out what is at a key.
func (p *program) look(c *enstore.Client, key string) (what, error) {
	if err := enstore.CheckKey(key); err != nil {
		return nothing, err
	}
	var err error
	for _, err = range c.List(p.ctx, key) {
		break
	}
	switch {
	case err == nil:
		return aDir, nil
	case errors.Is(err, wire.ErrNotFound):
		return nothing, nil
	case !errors.Is(err, wire.ErrInvalid):
		return nothing, err
	}
	if _, err := c.Stat(p.ctx, key); err != nil {
		return nothing, err
	}
	return aFile, nil
}

// walk calls f for everything below a directory of the name space, a directory before what is in it.
func (p *program) walk(c *enstore.Client, dir string, f func(key string, e enstore.Entry) error) error {
	for e, err := range c.List(p.ctx, dir) {
		if err != nil {
			return err
		}
		key := path.Join(dir, e.Name)
		if err := f(key, e); err != nil {
			return err
		}
		if !e.Dir {
			continue
		}
		if err := p.walk(c, key, f); err != nil {
			return err
		}
	}
	return nil
}

// trimmed is a key without slashes at its end, and whether it had any.
func trimmed(key string) (string, bool) {
	t := strings.TrimRight(key, "/")
	if t == "" && key != "" {
		return "/", true
	}
	return t, t != key
}
