package mover_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/memstore"
	"github.com/enstore-go/sdk/enstore/changer"
	"github.com/enstore-go/sdk/enstore/mover"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/memtape"
	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/cern"
	"github.com/enstore-go/sdk/wrapper/cpio"
	"github.com/matryer/is"
)

// rig is a mover on a tape library in memory, with a library manager that hands out the leases that
// the test scripts.
type rig struct {
	t    *testing.T
	is   *is.I
	ctx  context.Context
	lib  *memtape.Library
	cat  *catalog.Catalog
	m    *mover.Mover
	halt func() // ends the mover and waits for it; may be called again

	mu       sync.Mutex
	leases   chan wire.Lease
	more     map[catalog.LeaseID][]wire.Assignment
	offers   map[catalog.RequestID]chan wire.Turn
	settled  map[catalog.RequestID]wire.Settlement
	released chan wire.Release
	left     chan catalog.Label
	denied   map[catalog.RequestID]error // that are not to be begun
	opens    func() error                // before the drive is opened
	wrap     func(driver.Drive) driver.Drive
	hand     func(driver.Changer) driver.Changer
	amend    func(*catalog.Grant) // what the leases say
	life     time.Duration        // of a lease
	renew    func() error
	records  func(*catalog.Catalog) mover.Catalog // what the mover takes for the catalogue
	cleaning []string                             // cartridges in the robot
	told     uint64                               // the last event that was seen
}

var family = catalog.Family{Group: "sg", Family: "raw", Wrapper: "cpio_odc"}

// newRig makes a rig whose volumes are in the catalogue and in the robot.
func newRig(t *testing.T, tapes memtape.Options, vol memtape.VolumeOptions, policy mover.FlushPolicy, labels ...string) *rig {
	t.Helper()
	r := &rig{
		t: t, is: is.New(t), lib: memtape.New(tapes),
		leases: make(chan wire.Lease), more: map[catalog.LeaseID][]wire.Assignment{},
		offers: map[catalog.RequestID]chan wire.Turn{}, settled: map[catalog.RequestID]wire.Settlement{}, denied: map[catalog.RequestID]error{}, released: make(chan wire.Release, 16),
		left: make(chan catalog.Label, 1), opens: func() error { return nil },
		life: time.Minute, renew: func() error { return nil }, records: func(c *catalog.Catalog) mover.Catalog { return c },
		amend: func(*catalog.Grant) {}, wrap: func(d driver.Drive) driver.Drive { return d }, hand: func(c driver.Changer) driver.Changer { return c },
	}
	var cancel context.CancelFunc
	r.ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cat, err := catalog.Open(r.ctx, memstore.New(), nil)
	r.is.NoErr(err)
	r.cat = cat
	const capacity = memtape.DefaultCapacity // as the catalogue believes
	for _, l := range labels {
		_, err := r.lib.AddVolume(l, vol)
		r.is.NoErr(err)
		r.is.NoErr(cat.AddVolume(r.ctx, catalog.Volume{Label: catalog.Label(l), Library: "lib", MediaType: "mem", BlockSize: 64 << 10, Capacity: capacity, Remaining: capacity}))
	}
	r.start(policy)
	return r
}

func (r *rig) start(policy mover.FlushPolicy) {
	r.t.Helper()
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	r.is.NoErr(err)
	l := wire.NewListener(nl, nil)
	robot := changer.New(func(ctx context.Context) (*tape.Changer, error) {
		return tape.NewChanger(ctx, r.hand(r.lib.Changer()), nil)
	}, nil)
	m, err := mover.New(mover.Options{
		Drive: "d0", Number: 0, Libraries: []catalog.LibraryName{"lib"},
		Open: func(context.Context) (driver.Drive, error) {
			if err := r.opens(); err != nil {
				return nil, err
			}
			d, err := r.lib.OpenDrive(0)
			if err != nil {
				return nil, err
			}
			return r.wrap(d), nil
		},
		Robot: robot, Dispatcher: r, Catalog: r.records(r.cat), Formats: []wrapper.Format{cpio.Odc, cern.Ansi, wrapper.Null}, Listener: l,
		Memory: 48 << 20, Flush: policy, Client: 5 * time.Second, Cleaning: r.cleaning,
	})
	r.is.NoErr(err)
	r.m = m
	ctx, stop := context.WithCancel(r.ctx)
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	r.halt = sync.OnceFunc(func() {
		stop()
		if err := errors.Join(<-done, robot.Close(), l.Close()); err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(r.halt)
}

// The rig is the mover's library manager.

func (r *rig) Next(ctx context.Context, rep wire.DriveReport) (wire.Lease, error) {
	select {
	case l := <-r.leases:
		return l, nil
	case <-ctx.Done():
		return wire.Lease{}, ctx.Err()
	}
}

func (r *rig) More(ctx context.Context, id catalog.LeaseID, wait time.Duration) ([]wire.Assignment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	as := r.more[id]
	delete(r.more, id)
	return as, nil
}

func (r *rig) Offer(ctx context.Context, id catalog.LeaseID, req catalog.RequestID, t wire.Turn) error {
	r.turns(req) <- t
	return nil
}

func (r *rig) Begin(ctx context.Context, id catalog.LeaseID, req catalog.RequestID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.denied[req]
}

func (r *rig) Settle(ctx context.Context, id catalog.LeaseID, ss []wire.Settlement) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range ss {
		if _, twice := r.settled[s.Request]; twice {
			r.t.Errorf("request %s is settled twice", s.Request)
		}
		r.settled[s.Request] = s
	}
	return nil
}

func (r *rig) Renew(ctx context.Context, id catalog.LeaseID) (time.Time, error) {
	return time.Now().Add(r.life), r.renew()
}

func (r *rig) VolumeLeft(ctx context.Context, l catalog.Label) error {
	r.left <- l
	return nil
}

func (r *rig) Release(ctx context.Context, id catalog.LeaseID, rel wire.Release) error {
	r.released <- rel
	return nil
}

func (r *rig) turns(id catalog.RequestID) chan wire.Turn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.offers[id] == nil {
		r.offers[id] = make(chan wire.Turn, 4)
	}
	return r.offers[id]
}

// outcome is one client's end.
type outcome struct {
	rec wire.Record
	err error
}

// write leases a volume and has one client per content stream a file; fiddle may change what they announce.
func (r *rig) write(fam catalog.Family, contents [][]byte, fiddle func(i int, p *wire.Put)) ([]outcome, wire.Release) {
	r.t.Helper()
	g, err := r.cat.ChooseForWrite(r.ctx, catalog.Choice{Lease: catalog.NewLeaseID(), Library: "lib", Family: fam, Width: 1, Drive: "d0"})
	r.is.NoErr(err)
	r.amend(&g)
	lease := wire.Lease{ID: g.Lease, Kind: wire.WriteLease, Drive: "d0", Grant: g, Family: fam, Expires: time.Now().Add(r.life)}
	out := make([]outcome, len(contents))
	var wg sync.WaitGroup
	for i, b := range contents {
		p := &wire.Put{ID: catalog.NewRequestID(), Size: int64(len(b)), Mode: 0o644, MTime: time.Unix(1700000000, 0)}
		p.Key = "/" + p.ID.String()
		if fiddle != nil {
			fiddle(i, p)
		}
		lease.Assignments = append(lease.Assignments, wire.Assignment{Request: p.ID, Queued: time.Now(), Put: p, Parent: catalog.RootEntry, Name: p.Key[1:]})
		wg.Go(func() { out[i].rec, out[i].err = r.client(p.ID, b) })
	}
	r.leases <- lease
	wg.Wait()
	return out, <-r.released
}

// client streams b when its turn comes, as enstore.Client does.
func (r *rig) client(id catalog.RequestID, b []byte) (wire.Record, error) {
	c, err := wire.Dial(r.ctx, <-r.turns(id), wire.WriteData, nil)
	if err != nil {
		return wire.Record{}, err
	}
	defer c.Close()
	if err := c.AwaitReady(r.ctx); err != nil {
		return wire.Record{}, err
	}
	if _, err := io.Copy(c, bytes.NewReader(b)); err != nil {
		_, err = c.AwaitResult(r.ctx)
		return wire.Record{}, err
	}
	if err := c.Finish(int64(len(b)), adler32.Checksum(b)); err != nil {
		return wire.Record{}, err
	}
	return c.AwaitResult(r.ctx)
}

// read leases a volume for reading and fetches the files.
func (r *rig) read(files ...catalog.File) ([][]byte, []error) {
	r.t.Helper()
	g, err := r.cat.LeaseForRead(r.ctx, files[0].Volume, catalog.NewLeaseID(), "d0")
	r.is.NoErr(err)
	r.amend(&g)
	lease := wire.Lease{ID: g.Lease, Kind: wire.ReadLease, Drive: "d0", Grant: g, Expires: time.Now().Add(time.Minute)}
	out, errs := make([][]byte, len(files)), make([]error, len(files))
	var wg sync.WaitGroup
	for i, f := range files {
		id := catalog.NewRequestID()
		lease.Assignments = append(lease.Assignments, wire.Assignment{Request: id, Queued: time.Now(), Get: &wire.Get{ID: id}, File: &f})
		wg.Go(func() {
			c, err := wire.Dial(r.ctx, <-r.turns(id), wire.ReadData, nil)
			if err != nil {
				errs[i] = err
				return
			}
			defer c.Close()
			out[i], errs[i] = io.ReadAll(c)
		})
	}
	r.leases <- lease
	wg.Wait()
	<-r.released
	return out, errs
}

func (r *rig) file(rec wire.Record) catalog.File {
	r.t.Helper()
	f, err := r.cat.File(r.ctx, rec.BFID)
	r.is.NoErr(err)
	return f
}

// pattern is a file of n bytes unlike any other.
func pattern(i, n int) []byte {
	b := make([]byte, n)
	for j := range b {
		b[j] = byte(j*31 + j>>8*7 + i*101)
	}
	return b
}

func patterns(sizes ...int) [][]byte {
	var out [][]byte
	for i, n := range sizes {
		out = append(out, pattern(i, n))
	}
	return out
}

func (o outcome) String() string { return fmt.Sprintf("%+v %v", o.rec, o.err) }
