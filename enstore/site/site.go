package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/namespace"
	"github.com/enstore-go/sdk/catalog/sqlitestore"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/changer"
	"github.com/enstore-go/sdk/enstore/desk"
	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/enstore/mover"
	"github.com/enstore-go/sdk/enstore/spool"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/plugins"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/cern"
	"github.com/enstore-go/sdk/wrapper/cpio"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"
)

// Options adjust Open. The zero value is silence and the site file as it is.
type Options struct {
	Logger hclog.Logger // nil: silence

	// Step, if set, is called before and after each durable act on the way of a file, for
	// tests that kill the process there.
	Step func(name string)
}

// Site is a running Enstore in this process. It is safe for concurrent use.
type Site struct {
	cfg         *Config
	log         hclog.Logger
	step        func(string)
	fs          disk.FS
	store       *sqlitestore.Store
	cat         *catalog.Catalog
	tree        *namespace.Tree
	host        *plugins.Host
	openTimeout time.Duration // of a device; 0: the host's default
	spool       *spool.Spool
	lib         *library.Library
	robots      map[string]*changer.Robot
	movers      []*mover.Mover
	client      *enstore.Client

	ends  []func() error // what Close undoes, last first
	close func() error
}

// ErrInUse is returned by Open when another process has the site open.
var ErrInUse = errors.New("the site is in use")

// Formats are the wrappers that a site writes and reads, in the order in which an unknown file
// is tried.
func Formats() []wrapper.Format {
	return []wrapper.Format{cpio.Odc, cern.Ansi, wrapper.Null}
}

// Open starts the site whose file, or the directory of whose file, is named. A directory without
// a site file becomes a site of defaults. The program must have called plugins.Main first if the
// site uses built-in plugins.
//
// A plugin that cannot be started, or refuses its configuration, is an error that names the key. A drive or robot that is merely
// out of order does not keep the site from being opened.
//
// Open goes on where a killed process left off: what was acknowledged is there, spooled files go
// on to tape, and all else is forgotten. ErrInUse if another process has the site open.
func Open(ctx context.Context, name string, o *Options) (*Site, error) {
	s, err := start(ctx, name, o, (*Site).takeLock, (*Site).openCatalog, (*Site).openHost, (*Site).openLibrary, (*Site).openRobots, (*Site).startMovers, (*Site).openDesk)
	if err != nil {
		return nil, err
	}
	s.client = enstore.New(&control{Library: s.lib, cat: s.cat, tree: s.tree}, nil)
	s.atEnd(s.client.Close)
	return s, nil
}

// OpenQueue opens a site without its drives and robots: what waits can be looked at and changed, and nothing is started. Its Client can do
// nothing that needs a drive.
func OpenQueue(ctx context.Context, name string, o *Options) (*Site, error) {
	return start(ctx, name, o, (*Site).takeLock, (*Site).openCatalog, (*Site).openHost, (*Site).openLibrary)
}

// DeskSocket is the socket at which the library manager of a site that is at work is spoken with: see package desk.
func (c *Config) DeskSocket() string { return filepath.Join(c.path(c.Run), "desk.sock") }

// openDesk offers the desk to other processes. A site can do without: nothing of what it promises depends on it.
func (s *Site) openDesk(context.Context) error {
	name := s.cfg.DeskSocket()
	_ = os.Remove(name) // of a process that was killed: the lock is ours
	l, err := net.Listen("unix", name)
	if err == nil {
		err = os.Chmod(name, 0o600)
	}
	if err != nil {
		s.log.Warn("nobody can ask what waits from another process", "socket", name, "error", err)
		return nil
	}
	s.atEnd(desk.Serve(l, s.Desk()).Close)
	return nil
}

// start does the steps one after another; if one fails, what was started is ended.
func start(ctx context.Context, name string, o *Options, steps ...func(*Site, context.Context) error) (_ *Site, err error) {
	if o == nil {
		o = &Options{}
	}
	cfg, err := configOf(ctx, name)
	if err != nil {
		return nil, err
	}
	s := &Site{cfg: cfg, log: o.Logger, step: o.Step, fs: disk.OS(), robots: map[string]*changer.Robot{}}
	if s.log == nil {
		s.log = hclog.NewNullLogger()
	}
	if s.step == nil {
		s.step = func(string) {}
	}
	s.close = sync.OnceValue(s.shut)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	for _, step := range steps {
		if err := step(s, ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// configOf finds the site file: name itself, or site.toml in it.
func configOf(ctx context.Context, name string) (*Config, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("site %s: %w", name, err)
	}
	if !st.IsDir() {
		return ReadConfig(name)
	}
	file := filepath.Join(name, FileName)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		if err := Init(ctx, name, InitOptions{}); err != nil {
			return nil, err
		}
	}
	return ReadConfig(file)
}

// atEnd notes what Close has to undo.
func (s *Site) atEnd(f func() error) { s.ends = append(s.ends, f) }

func (s *Site) takeLock(ctx context.Context) error {
	run := s.cfg.path(s.cfg.Run)
	if err := s.fs.MkdirAll(run, 0o700); err != nil {
		return err
	}
	l, err := s.tryLock(ctx, filepath.Join(run, "lock"))
	if errors.Is(err, disk.ErrLocked) {
		return fmt.Errorf("site %s: %w: %w", s.cfg.dir, ErrInUse, err)
	}
	if err != nil {
		return err
	}
	s.atEnd(l.Close)
	return nil
}

// tryLock takes the lock. One whose holder is dead is waited for a moment: a child that the dead process
// was just starting may hold it until it has become its own program.
func (s *Site) tryLock(ctx context.Context, name string) (io.Closer, error) {
	for try := 0; ; try++ {
		l, err := disk.TryLock(s.fs, name)
		if !errors.Is(err, disk.ErrLocked) || try == 100 {
			return l, err
		}
		if h, e := disk.ReadHolder(s.fs, name); e != nil {
			return nil, err
		} else if alive, e := h.Running(); e != nil || alive {
			return nil, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Site) openCatalog(ctx context.Context) error {
	if err := s.missCatalog(); err != nil {
		return err
	}
	store, err := sqlitestore.Open(ctx, s.cfg.path(s.cfg.Catalog))
	if err != nil {
		return err
	}
	s.store = store
	s.atEnd(store.Close)
	if s.cat, err = catalog.Open(ctx, store, &catalog.Options{Brand: s.cfg.Brand}); err != nil {
		return err
	}
	s.tree = namespace.New(s.cat)
	return s.tagRoot(ctx)
}

// ErrNoCatalog is returned by Open when a site that has been used has lost its catalogue: an empty one in its
// place would hide everything that is on the tapes.
var ErrNoCatalog = errors.New("the catalogue is missing or empty, and the site has been used")

// missCatalog refuses to make a new catalogue where there was one: the journal's directory is made after the first.
func (s *Site) missCatalog() error {
	name := s.cfg.path(s.cfg.Catalog)
	if st, err := os.Stat(name); err == nil && st.Size() > 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil // it is there, or opening it tells what is wrong
	}
	journal := s.cfg.path(s.cfg.Journal)
	if _, err := os.Stat(journal); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("%s: %w: put it back from a copy, or remove %s to begin with an empty one", name, ErrNoCatalog, journal)
}

// tagRoot gives the root directory the tags of the site file that it does not have yet.
func (s *Site) tagRoot(ctx context.Context) error {
	have, err := s.tree.OwnTags(ctx, "/")
	if err != nil {
		return err
	}
	t := s.cfg.Tags
	for _, w := range []struct {
		tag   namespace.Tag
		value string
	}{
		{namespace.Library, t.Library},
		{namespace.StorageGroup, t.Group},
		{namespace.FileFamily, t.Family},
		{namespace.Width, fmt.Sprint(t.Width)},
		{namespace.Wrapper, t.Wrapper},
	} {
		if _, set := have[w.tag]; set {
			continue
		}
		if err := s.tree.SetTag(ctx, "/", w.tag, w.value); err != nil {
			return err
		}
	}
	return nil
}

func (s *Site) openHost(context.Context) error {
	h, err := plugins.NewHost(plugins.HostOptions{Logger: s.log.Named("plugin"), Dir: s.cfg.path(s.cfg.Run), WorkDir: s.cfg.dir, OpenTimeout: s.openTimeout, CloseTimeout: min(time.Duration(s.cfg.Transfer.Close), 30*time.Second)})
	if err != nil {
		return err
	}
	s.host = h
	s.atEnd(h.Close)
	return nil
}

func (s *Site) listen() (*wire.Listener, error) {
	l, err := net.Listen("tcp", s.cfg.Transfer.Listen)
	if err != nil {
		return nil, err
	}
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		_ = l.Close()
		return nil, fmt.Errorf("%w: transfer.listen is %s: data ports without TLS listen on loopback only, like 127.0.0.1:0", ErrConfig, s.cfg.Transfer.Listen)
	}
	return wire.NewListener(l, &wire.ListenerOptions{Stall: time.Duration(s.cfg.Transfer.Stall)}), nil
}

func (s *Site) openLibrary(ctx context.Context) error {
	l, err := s.listen()
	if err != nil {
		return err
	}
	s.atEnd(l.Close)
	s.spool, err = spool.Open(ctx, spool.Options{Dir: s.cfg.path(s.cfg.Spool.Dir), FS: s.fs, Capacity: int64(s.cfg.Spool.Size), Listener: l})
	if err != nil {
		return err
	}
	s.atEnd(s.spool.Close)
	robots := map[string]string{}
	for name, d := range s.cfg.Drives {
		robots[name] = d.Robot
	}
	s.lib, err = library.Open(ctx, library.Options{
		Dir: s.cfg.path(s.cfg.Journal), FS: s.fs, Catalog: s.cat, Tree: s.tree, Spool: s.spool,
		MaxRequests: s.cfg.Queue.MaxRequests, MaxPerUser: s.cfg.Queue.MaxPerUser, Queue: s.cfg.Settings(), Robots: robots,
		Fits: fits, MinRate: int64(s.cfg.Spool.MinRate), Logger: s.log.Named("library"), Step: s.step,
	})
	if err != nil {
		return err
	}
	s.atEnd(s.lib.Close)
	return nil
}

// fits chooses the wrapper for a file: the directory's, or cern for a file above what that can
// hold, as Enstore does.
func fits(name string, p wire.Put) (string, error) {
	f, err := format(name)
	if err != nil {
		return "", err
	}
	file := wrapper.File{Path: p.Key, Size: p.Size, Mode: p.Mode | 0o100000, UID: p.UID, GID: p.GID, MTime: p.MTime, User: p.User}
	err = f.Check(file)
	if errors.Is(err, wrapper.ErrTooLarge) && cern.Ansi.Check(file) == nil {
		return cern.Ansi.Name(), nil
	}
	return name, err
}

func format(name string) (wrapper.Format, error) {
	for _, f := range Formats() {
		if f.Name() == name {
			return f, nil
		}
	}
	return nil, wire.Errorf(wire.Invalid, "wrapper "+name, "there is no such wrapper: want null, cpio_odc or cern")
}

func (s *Site) openRobots(ctx context.Context) error {
	var first errgroup.Group
	for name, rc := range s.cfg.Robots {
		t, err := table("robot."+name, rc.Config)
		if err != nil {
			return err
		}
		open := func(ctx context.Context) (*tape.Changer, error) {
			raw, err := s.host.OpenChanger(ctx, plugins.Source(rc.Plugin), t)
			if err != nil {
				return nil, fmt.Errorf("robot.%s: %w", name, err)
			}
			c, err := tape.NewChanger(ctx, raw, &tape.ChangerOptions{Name: name})
			if err != nil {
				return nil, errors.Join(err, raw.Close())
			}
			if err := s.cfg.checkBays(ctx, name, c); err != nil {
				return nil, errors.Join(err, c.Close())
			}
			return c, nil
		}
		r := changer.New(open, &changer.Options{Step: s.step})
		s.robots[name] = r
		s.atEnd(r.Close)
		first.Go(func() error { return s.started("robot "+name, r.Open(ctx)) })
	}
	return first.Wait()
}

// checkBays finds the drives of the site file that a robot does not have. A robot that cannot be asked now is asked when it moves.
func (c *Config) checkBays(ctx context.Context, robot string, r *tape.Changer) error {
	es, err := r.Inventory(ctx)
	if err != nil {
		return nil
	}
	var has []int
	for _, e := range es {
		if e.Kind == driver.DriveBay {
			has = append(has, e.Drive)
		}
	}
	for _, name := range c.driveNames() {
		if d := c.Drives[name]; d.Robot == robot && !slices.Contains(has, d.Number) {
			text := fmt.Sprintf("drive.%s.number is %d: robot %s has the drives %v", name, d.Number, robot, has)
			return &driver.Error{Op: "open", Outcome: driver.OutcomeConfig, Sense: driver.Sense{Info: driver.Unknown}, Text: text}
		}
	}
	return nil
}

// started sorts the errors of a device's first start: one that only another configuration cures is
// returned, all else is tried again when the device is needed.
func (s *Site) started(device string, err error) error {
	if err == nil {
		return nil
	}
	if tape.OutcomeOf(err) == driver.OutcomeConfig {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	s.log.Warn("device is not ready", "device", device, "error", err)
	return nil
}

// startMovers starts one mover per drive. They are the first to end.
func (s *Site) startMovers(open context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	var g errgroup.Group
	s.atEnd(func() error {
		drained, stop := context.WithTimeout(context.Background(), time.Duration(s.cfg.Transfer.Close))
		defer stop()
		err := s.lib.Drain(drained) // what is on its way goes to tape
		cancel()
		return errors.Join(err, g.Wait())
	})
	for _, name := range s.cfg.driveNames() {
		m, err := s.newMover(name)
		if err != nil {
			return err
		}
		s.movers = append(s.movers, m)
	}
	var prepare errgroup.Group
	for _, m := range s.movers {
		prepare.Go(func() error { return s.started("drive "+m.Name(), m.Prepare(open)) })
	}
	if err := prepare.Wait(); err != nil {
		for _, m := range s.movers {
			m.Close()
		}
		return err
	}
	for _, m := range s.movers {
		g.Go(func() error { return m.Run(ctx) })
	}
	return nil
}

func (s *Site) newMover(name string) (*mover.Mover, error) {
	dc := s.cfg.Drives[name]
	l, err := s.listen()
	if err != nil {
		return nil, err
	}
	s.atEnd(l.Close)
	var libs []catalog.LibraryName
	for _, n := range dc.Libraries {
		libs = append(libs, catalog.LibraryName(n))
	}
	f := s.cfg.Flush
	return mover.New(mover.Options{
		Drive: name, Number: dc.Number, Libraries: libs,
		Open:  func(ctx context.Context) (driver.Drive, error) { return s.openDrive(ctx, name) },
		Robot: s.robots[dc.Robot], Dispatcher: s.lib, Catalog: s.cat, Spool: s.spool, Formats: Formats(), Listener: l,
		Cleaning: s.cfg.Robots[dc.Robot].Cleaning,
		Memory:   int64(s.cfg.Transfer.Memory), Client: time.Duration(s.cfg.Transfer.Client), Closing: time.Duration(s.cfg.Transfer.Close),
		Flush: mover.FlushPolicy{Bytes: int64(f.Bytes), Files: f.Files, Age: time.Duration(f.Age), Linger: time.Duration(f.Linger)},
		Site:  s.cfg.Name, Host: hostName(), Logger: s.log.Named("mover"), Step: s.step,
	})
}

// openDrive starts the plugin of a drive.
func (s *Site) openDrive(ctx context.Context, name string) (driver.Drive, error) {
	dc := s.cfg.Drives[name]
	t, err := table("drive."+name, dc.Config)
	if err != nil {
		return nil, err
	}
	d, err := s.host.OpenDrive(ctx, plugins.Source(dc.Plugin), t)
	if err != nil {
		return nil, fmt.Errorf("drive.%s: %w", name, err)
	}
	return d, nil
}

func hostName() string {
	h, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return h
}

// Client is the site's client. It ends with the site.
func (s *Site) Client() *enstore.Client { return s.client }

// Catalog is the site's catalogue.
func (s *Site) Catalog() *catalog.Catalog { return s.cat }

// Config is the site's configuration, which must not be changed.
func (s *Site) Config() *Config { return s.cfg }

// Close ends the site. Calls of its Client that still run are cut off first, so a program ends them
// before; what is in the spool goes on to tape as long as the site file gives it time, and is kept for the
// next Open otherwise. Then volumes are dismounted and plugins ended. It may be called again.
func (s *Site) Close() error { return s.close() }

func (s *Site) shut() error {
	var errs []error
	for i := len(s.ends) - 1; i >= 0; i-- {
		errs = append(errs, s.ends[i]())
	}
	return errors.Join(errs...)
}
