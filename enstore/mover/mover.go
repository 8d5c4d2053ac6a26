// Package mover is the engine of one drive at work: it takes leases from the library
// manager, has cartridges mounted, and moves files between clients and tape.
//
// Its nouns: a [Mover] is one drive's engine; a lease gives it one volume and an ordered list of
// requests; a group is the run of files written since the last flush, which become
// safe together.
//
//	m, err := mover.New(mover.Options{
//		Drive: "drive0", Number: 0, Libraries: libs,
//		Open: open, Robot: robot, Dispatcher: library, Catalog: cat,
//		Formats: formats, Listener: listener, Spool: spool,
//	})
//	err = m.Run(ctx) // until ctx ends; then the volume is dismounted
//
// # The way of a file to tape
//
// For a write lease the mover mounts the volume, checks (or writes) its label, and proves
// once a mount that tape and catalogue agree on the end of data. Then file after file:
// the client connects with its token, header, data, trailer and filemark go
// to the drive without waiting. When the flush policy says so (bytes, files, age of the first
// unflushed file, or no more work) one synchronous filemark command flushes the drive, the
// position is compared, one catalogue transaction records the whole group, and only then do
// the clients hear OnTape. Any error on the way fails every file since the last flush and
// nothing else.
//
// # Memory
//
// A transfer uses at most Options.Memory bytes (256 MiB by default): the block buffers
// between network side and tape side, plus what Options.DriveMemory says the driver
// uses for itself. It does not depend on the size of a file. A drive without work gives
// its buffers back to the system after a second.
//
// The package does not choose volumes or order requests, and it never writes to a volume
// without a lease.
package mover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/wrapper"
	"github.com/hashicorp/go-hclog"
)

// Options say what a Mover works with. Everything without a stated default is required.
type Options struct {
	Drive     string                // the drive's name in the site: "drive0"
	Number    int                   // its number in the robot
	Libraries []catalog.LibraryName // the libraries that it serves

	// Open starts the drive. It is called again, with back-off, after the drive has gone.
	Open       func(context.Context) (driver.Drive, error)
	Robot      Robot
	Dispatcher wire.Dispatcher
	Catalog    Catalog
	Spool      Spool // nil: no request may come from a spool
	Formats    []wrapper.Format
	Listener   *wire.Listener // where clients connect; not closed by the Mover

	// Cleaning are the labels of the cleaning cartridges in the robot. Without any, nobody cleans the drive but the robot
	// itself or a person.
	Cleaning []string

	Memory      int64         // bytes for one transfer, DriveMemory included; 256 MiB
	DriveMemory int64         // what the driver itself takes: a plugin's ring, its buffers and its heap; 32 MiB
	Flush       FlushPolicy   // when a group is made safe
	Client      time.Duration // how long a client that was told to connect may take; 30 s
	Closing     time.Duration // how long a lease in work, and then the dismount, may take once Run is to end; 1 min
	Site        string        // written into labels of the cern wrapper; "enstore"
	Host        string        // likewise; "localhost"
	Version     string        // likewise, 13 characters; "enstore-go"
	Logger      hclog.Logger  // nil: silence

	// Step, if set, is called before and after each durable act, for tests that kill the
	// process there.
	Step func(name string)
}

// FlushPolicy says when the files written so far are made safe. A group is flushed when any
// of the limits is reached, and when there is no more work for Linger.
type FlushPolicy struct {
	Bytes  int64         // of data since the last flush; 8 GiB
	Files  int           // files since the last flush; 200
	Age    time.Duration // of the first unflushed file; 10 s
	Linger time.Duration // wait for further work of the lease before the drive is stopped; 100 ms
}

func (p FlushPolicy) withDefaults() FlushPolicy {
	if p.Bytes == 0 {
		p.Bytes = 8 << 30
	}
	if p.Files == 0 {
		p.Files = 200
	}
	if p.Age == 0 {
		p.Age = 10 * time.Second
	}
	if p.Linger == 0 {
		p.Linger = 100 * time.Millisecond
	}
	return p
}

// Robot is what a Mover asks for cartridges; *changer.Robot is one.
type Robot interface {
	Mount(ctx context.Context, volume string, drive int) error
	Dismount(ctx context.Context, volume string, drive int) error
	Clear(ctx context.Context, drive int) error // dismounts whatever is there
}

// Catalog is what a Mover writes into the catalogue; *catalog.Catalog is one.
type Catalog interface {
	Labelled(ctx context.Context, lease catalog.LeaseID, l catalog.Label, epoch uint64, blockSize int) (catalog.Grant, error)
	Flush(ctx context.Context, c catalog.Commit) ([]catalog.FileResult, error)
	FlushOutcome(ctx context.Context, lease catalog.LeaseID, seq uint64) ([]catalog.FileResult, error)
	EndIntent(ctx context.Context, lease catalog.LeaseID, l catalog.Label, epoch uint64) error
	AbandonIntent(ctx context.Context, lease catalog.LeaseID, l catalog.Label, why string) error
	SetInhibit(ctx context.Context, l catalog.Label, s catalog.Slot, limit catalog.Limit, who, why string) error
	RecordErrors(ctx context.Context, l catalog.Label, reads, writes int64) error
	RecordMount(ctx context.Context, l catalog.Label, drive string) error
	RecordDrive(ctx context.Context, drive string, kind catalog.EventKind, e catalog.DriveEvent) error
}

// Mover is the engine of one drive. Make it with New and let it Run.
type Mover struct {
	opts  Options
	log   hclog.Logger
	drive *tape.Drive   // nil: to be opened
	clean bool          // nothing but vol is in the drive
	vol   *mounted      // what is in the drive; nil: nothing that we know of
	left  catalog.Label // while not clean: what may be there none the less
	wrote bool          // the present lease has written on its volume, or may have
	tally tally

	condition condition
	cleanNext time.Time       // no cleaning before
	spent     map[string]bool // cleaning cartridges that drives say are of no use; until the next start

	buffers *buffers
}

// mounted is the cartridge in the drive with what has been proved of it since its load.
type mounted struct {
	label  catalog.Label
	load   *tape.Load
	named  bool             // the label on tape was read and is its own
	proven catalog.Location // tape and catalogue agree that data ends here; File 0: not proven
}

// Fatal errors of New.
var errOptions = errors.New("mover: incomplete options")

// New checks the options and returns a Mover that has done nothing yet.
func New(o Options) (*Mover, error) {
	switch {
	case o.Drive == "":
		return nil, fmt.Errorf("%w: no Drive name", errOptions)
	case o.Open == nil || o.Robot == nil || o.Dispatcher == nil || o.Catalog == nil || o.Listener == nil:
		return nil, fmt.Errorf("%w: drive %s: Open, Robot, Dispatcher, Catalog and Listener are required", errOptions, o.Drive)
	case len(o.Formats) == 0:
		return nil, fmt.Errorf("%w: drive %s: no Formats", errOptions, o.Drive)
	}
	if o.Memory == 0 {
		o.Memory = 256 << 20
	}
	if o.DriveMemory == 0 {
		o.DriveMemory = 32 << 20
	}
	if o.Memory-o.DriveMemory < 8<<20 {
		return nil, fmt.Errorf("%w: drive %s: Memory of %d bytes leaves less than 8 MiB for buffers", errOptions, o.Drive, o.Memory)
	}
	if o.Client == 0 {
		o.Client = 30 * time.Second
	}
	if o.Closing == 0 {
		o.Closing = time.Minute
	}
	o.Site = or(o.Site, "enstore")
	o.Host = or(o.Host, "localhost")
	o.Version = or(o.Version, "enstore-go")
	o.Flush = o.Flush.withDefaults()
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	return &Mover{opts: o, log: o.Logger.With("drive", o.Drive), buffers: newBuffers(o.Memory - o.DriveMemory), spent: map[string]bool{}}, nil
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// Run takes leases and works on them until ctx ends. The lease in work when ctx ends is
// given back with what is flushed; the volume is dismounted and the drive closed before Run
// returns. The error is nil after an orderly end.
func (m *Mover) Run(ctx context.Context) error {
	defer m.stop()
	wait := time.Duration(0)
	for {
		if err := pause(ctx, wait); err != nil {
			return nil
		}
		if err := m.ready(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			wait = backoff(wait)
			m.log.Warn("drive cannot be opened", "error", err, "again_in", wait)
			if wait >= rescueAfter {
				m.rescue(ctx)
			}
			continue
		}
		if err := m.tidy(ctx); err != nil {
			wait = backoff(wait)
			m.log.Warn("drive is not ready", "error", err, "again_in", wait)
			continue
		}
		m.now()
		rest := time.AfterFunc(restAfter, m.buffers.release)
		lease, err := m.opts.Dispatcher.Next(ctx, m.report())
		rest.Stop()
		switch {
		case err != nil && ctx.Err() != nil:
			return nil
		case err != nil:
			wait = backoff(wait)
			m.log.Warn("no lease", "error", err, "again_in", wait)
			continue
		}
		files := m.Stats().Files
		if err := m.work(ctx, lease); err != nil {
			m.log.Warn("lease ended with an error", "volume", lease.Grant.Volume.Label, "error", err)
			if m.Stats().Files > files {
				wait = 0 // it was of use, so this is the first failure
			}
			if tape.VerdictOf(err).Fault != tape.FaultVolume { // else the drive is as good as before
				wait = backoff(wait)
				continue
			}
		}
		wait = 0
	}
}

// work does one lease and gives it back. When ctx ends nothing more is begun, what waits for a client is cut, and
// what is on tape is flushed.
func (m *Mover) work(ctx context.Context, lease wire.Lease) error {
	ctx, cut := context.WithCancelCause(ctx)
	hold, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, func() {
		t := time.AfterFunc(m.opts.Closing, func() { cancel(context.Cause(ctx)) })
		context.AfterFunc(hold, func() { t.Stop() })
	})()
	lose := func(err error) { cancel(err); cut(err) }
	defer lose(nil)
	done := make(chan struct{})
	go func() { defer close(done); m.renew(hold, lose, lease) }()
	defer func() { lose(nil); <-done }()

	var err error
	m.wrote = false
	switch lease.Kind {
	case wire.WriteLease:
		err = m.write(ctx, hold, lease)
	case wire.ReadLease:
		err = m.read(ctx, hold, lease)
	case wire.DismountLease:
		err = m.dismount(ctx)
	}
	if lost := context.Cause(hold); err != nil && lost != nil {
		err = fmt.Errorf("%w (%v)", lost, err) // a command that was cut off is no fault of the drive
	}
	if err != nil && m.drive != nil && !errors.Is(err, tape.ErrGone) && !errors.Is(err, tape.ErrTimeout) {
		m.examine(context.WithoutCancel(ctx))
	}
	if m.vol != nil && m.vol.load.Err() != nil {
		m.abandon()
	}
	return errors.Join(err, m.release(context.WithoutCancel(ctx), lease, err))
}

// release gives a lease back, also when the site is closing: its end is what frees the volume.
func (m *Mover) release(ctx context.Context, lease wire.Lease, err error) error {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	rel := wire.Release{Mounted: m.report().Mounted}
	if err != nil {
		m.accuse(ctx, lease, err)
		rel.Err, rel.Fault = told(err, lease.Grant.Volume.Label), faultOf(err)
	}
	return m.opts.Dispatcher.Release(ctx, lease.ID, rel)
}

// renew keeps the lease alive while it is worked on; a lease that cannot be renewed is lost, and
// the work on it is cancelled. The catalogue's epoch refuses what it may still try.
func (m *Mover) renew(ctx context.Context, lose func(error), lease wire.Lease) {
	expires := lease.Expires
	for {
		left := time.Until(expires)
		if pause(ctx, max(left/3, 10*time.Millisecond)) != nil {
			return
		}
		t, err := m.opts.Dispatcher.Renew(ctx, lease.ID)
		switch {
		case err == nil:
			expires = t
		case ctx.Err() != nil:
			return
		case errors.Is(err, wire.ErrFenced) || !time.Now().Before(expires):
			lose(fmt.Errorf("volume %s: lease lost: %w", lease.Grant.Volume.Label, err))
			return
		}
	}
}

// Prepare opens the drive and empties it of what a former process left in it. Run does so too; a
// site prepares all its drives before it runs any, so that no cartridge is looked for in a robot
// while it still sits in another drive. An error is no reason not to Run; one that no later attempt
// will cure says that the drive's configuration is wrong: driver.OutcomeConfig. A Mover that was prepared and does not Run is
// to be closed.
func (m *Mover) Prepare(ctx context.Context) error { return m.ready(ctx) }

// Close closes the drive of a Mover that was prepared and did not Run.
func (m *Mover) Close() { m.shut() }

func (m *Mover) open(ctx context.Context) error {
	if m.drive != nil {
		return nil
	}
	raw, err := m.opts.Open(ctx)
	if err != nil {
		return err
	}
	d, err := tape.NewDrive(ctx, raw, &tape.DriveOptions{Name: m.opts.Drive})
	if err != nil {
		_ = raw.Close()
		return err
	}
	m.drive, m.clean = d, false
	m.tally.opened(d)
	m.examine(ctx)
	return nil
}

// ready sees to it that the drive is open and empty of what was in it before, as after a crash: such a cartridge goes home,
// so that whoever is given it next starts from its label. It is not loaded: that may be what it cannot bear.
func (m *Mover) ready(ctx context.Context) error {
	if err := m.open(ctx); err != nil {
		return err
	}
	if m.clean {
		return nil
	}
	err := m.empty(ctx)
	if errors.Is(err, tape.ErrGone) || errors.Is(err, tape.ErrTimeout) {
		m.abandon()
	}
	if err == nil {
		m.clean, m.left = true, ""
	}
	return err
}

// empty has what is in the drive taken home, whatever it is.
func (m *Mover) empty(ctx context.Context) error {
	st, err := m.drive.Status(ctx)
	if err != nil || !st.Present {
		return err
	}
	if err := m.drive.Unload(ctx); err != nil {
		return err
	}
	return m.opts.Robot.Clear(ctx, m.opts.Number)
}

// rescueAfter is the wait between attempts to open a drive from which on it is not expected back soon.
const rescueAfter = time.Second

// rescue has the robot take home what is in a drive that cannot be opened, so that other drives may serve it. A drive that
// still holds its cartridge keeps it: the robot refuses.
func (m *Mover) rescue(ctx context.Context) {
	if m.drive != nil {
		return
	}
	err := m.opts.Robot.Clear(ctx, m.opts.Number)
	if err == nil && m.left != "" {
		err = m.opts.Dispatcher.VolumeLeft(ctx, m.left)
	}
	if err != nil {
		m.log.Warn("what is in the drive stays there", "volume", m.left, "error", err)
		return
	}
	m.left = ""
}

func (m *Mover) report() wire.DriveReport {
	r := wire.DriveReport{Drive: m.opts.Drive, Libraries: m.opts.Libraries, Mounted: m.left}
	if m.vol != nil {
		r.Mounted = m.vol.label
	}
	return r
}

// abandon forgets the drive and what is known of the cartridge in it after their load ended. The next ready opens the drive
// again and empties it; until then the volume counts as mounted here, so that no other drive is given it.
func (m *Mover) abandon() {
	if m.vol != nil {
		m.left = m.vol.label
	}
	m.vol = nil
	m.shut()
}

// shut closes the drive. Its plugin may be dead; that it ends is all that matters.
func (m *Mover) shut() {
	if m.drive == nil {
		return
	}
	m.tally.closed()
	_ = m.drive.Close()
	m.saveBuffers(m.drive)
	m.drive = nil
	m.now()
}

// stop dismounts and closes the drive at the end of Run.
func (m *Mover) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), m.opts.Closing)
	defer cancel()
	if m.vol != nil {
		if err := m.dismount(ctx); err != nil {
			m.log.Warn("volume stays in the drive", "error", err)
		}
	}
	m.shut()
	m.buffers.release()
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func backoff(last time.Duration) time.Duration {
	return min(max(2*last, 50*time.Millisecond), 30*time.Second)
}
