//go:build unix

package plugins

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/enstore-go/sdk/tape/driver"
)

// Host starts plugin processes, one for each device, and ends them. It may be used by many
// goroutines.
type Host struct {
	o         HostOptions
	log       hclog.Logger
	socketDir string // where go-plugin makes its sockets
	self      lifetime

	ctx     context.Context // ends when Close begins
	shut    context.CancelCauseFunc
	mu      sync.Mutex
	closed  bool
	opening sync.WaitGroup
	open    map[*process]io.Closer
	deaths  map[string]*deaths // by device
}

// NewHost makes a host. It takes over nothing that another one left, but removes what
// is left of processes that are dead.
func NewHost(o HostOptions) (*Host, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := privateDir(o.Dir); err != nil {
		return nil, err
	}
	self, err := lifetimeOf(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("plugins: host: own process: %w", err)
	}
	h := &Host{o: o, log: o.Logger, socketDir: o.Dir, self: self, open: map[*process]io.Closer{}, deaths: map[string]*deaths{}}
	h.ctx, h.shut = context.WithCancelCause(context.Background())
	if h.log == nil {
		h.log = hclog.NewNullLogger()
	}
	// A socket's path is bounded (104 bytes on some systems), and go-plugin adds about 40.
	if len(o.Dir) > 60 {
		h.socketDir = ""
	}
	h.sweep()
	return h, nil
}

// privateDir makes the run directory, and refuses one that others can reach: who can
// connect to a plugin's socket can move its tape.
func privateDir(dir string) error {
	if !filepath.IsAbs(dir) {
		return fmt.Errorf("plugins: host: run directory %q is not an absolute path", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("plugins: host: run directory: %w", err)
	}
	st, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("plugins: host: run directory: %w", err)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("plugins: host: run directory %s: has mode %04o, which lets others in: make it 0700", dir, st.Mode().Perm())
	}
	return nil
}

// OpenDrive starts a plugin process and lets it open the drive of the configuration. The
// drive's calls behave as the driver's own, with these differences:
//
//   - WriteBlock returns when the block is copied for the plugin. Failures come up to
//     HostOptions.Window blocks later, with Sense.Deferred, and Capabilities.Window says so. The first
//     write after any other command is awaited, and so is every one once early warning was told.
//   - A process that dies is OutcomeGone, for the call in progress and all later ones.
//   - A process that does not answer within Capabilities.Timeouts is OutcomeTimeout, is killed,
//     and is gone.
//
// A wrong configuration is OutcomeConfig, in the plugin's words. A drive that somebody else holds is
// waited for, see HostOptions.HeldWait, and then OutcomeHeld, with the process that holds it
// if it is in the run directory's records. When the device's process has died before, OpenDrive first
// waits out a back-off.
//
// The drive must be closed even when it is gone.
func (h *Host) OpenDrive(ctx context.Context, src Source, c driver.Config) (driver.Drive, error) {
	return openDevice(h, ctx, "drive", src, c, (*process).openDrive)
}

// OpenChanger does for a robot what OpenDrive does for a drive.
func (h *Host) OpenChanger(ctx context.Context, src Source, c driver.Config) (driver.Changer, error) {
	return openDevice(h, ctx, "changer", src, c, (*process).openChanger)
}

func openDevice[D io.Closer](h *Host, ctx context.Context, kind string, src Source, c driver.Config,
	open func(*process, context.Context, driver.Config) (D, error)) (none D, err error) {
	const op = "open"
	if len(c) > maxConfig {
		return none, failure(op, driver.OutcomeConfig, "plugin %s: a configuration of %d bytes, at most %d are carried", src.base(), len(c), maxConfig)
	}
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return none, failure(op, driver.OutcomeIllegalRequest, "the plugin host is closed")
	}
	h.opening.Add(1)
	h.mu.Unlock()
	defer h.opening.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.ctx, func() { cancel(context.Cause(h.ctx)) })()

	device := deviceKey(kind, src, c)
	if err := h.backOff(ctx, device); err != nil {
		return none, err
	}
	p, err := h.start(ctx, src, device)
	if err != nil {
		return none, err
	}
	if err := h.record(p); err != nil {
		p.bury()
		return none, err
	}
	d, err := openHeld(h, ctx, p, c, open)
	if err != nil {
		p.leave()
		return none, err
	}
	h.mu.Lock()
	h.open[p] = d
	h.mu.Unlock()
	return d, nil
}

// openHeld opens the device of a process, and waits for one that is held.
func openHeld[D any](h *Host, ctx context.Context, p *process, c driver.Config, open func(*process, context.Context, driver.Config) (D, error)) (D, error) {
	begin := time.Now()
	pause := 20 * time.Millisecond
	for {
		d, err := open(p, ctx, c)
		if e, ok := errors.AsType[*driver.Error](err); !ok || e.Outcome != driver.OutcomeHeld {
			return d, err
		}
		waited := time.Since(begin)
		if waited >= h.o.HeldWait {
			return d, h.held(p, err)
		}
		if waited >= h.o.OrphanGrace {
			h.endOrphans(p)
		}
		select {
		case <-ctx.Done():
			return d, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Second, max(h.o.HeldWait-time.Since(begin), time.Millisecond))
	}
}

// Close closes every device that is open, as their own Close does, and ends their processes.
// What is being opened is given up.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.shut(errors.New("plugins: the host is closed"))
	h.opening.Wait()
	h.mu.Lock()
	all := make([]io.Closer, 0, len(h.open))
	for _, d := range h.open {
		all = append(all, d)
	}
	h.mu.Unlock()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, d := range all {
		wg.Go(func() { errs[i] = d.Close() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// abandon takes a process from those that Close closes.
func (h *Host) abandon(p *process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, p)
}

// deviceKey names a device by what it was opened with. The table is hashed, because it may hold a
// secret and the key is in a file's text.
func deviceKey(kind string, src Source, c driver.Config) string {
	table := []byte(c)
	var v any
	if json.Unmarshal(table, &v) == nil {
		if b, err := json.Marshal(v); err == nil { // keys in order, no spaces
			table = b
		}
	}
	sum := sha256.Sum256(bytes.Join([][]byte{[]byte(kind), []byte(src), table}, []byte{0}))
	return hex.EncodeToString(sum[:])
}

// base is the source's name in messages, and of the process.
func (s Source) base() string { return filepath.Base(string(s)) }

// resolve finds the executable and what it is called.
func (s Source) resolve() (path, arg0 string, err error) {
	const op = "open"
	if filepath.IsAbs(string(s)) {
		st, err := os.Stat(string(s))
		switch {
		case err != nil:
			return "", "", failure(op, driver.OutcomeConfig, "plugin %s: %v", s, errors.Unwrap(err))
		case !st.Mode().IsRegular() || st.Mode().Perm()&0o111 == 0:
			return "", "", failure(op, driver.OutcomeConfig, "plugin %s: not an executable file", s)
		}
		return string(s), string(s), nil
	}
	if s == "" || strings.ContainsRune(string(s), filepath.Separator) {
		return "", "", failure(op, driver.OutcomeConfig, "plugin %q: neither the name of a built-in plugin nor an absolute path", string(s))
	}
	names := builtins.Load()
	if names == nil {
		return "", "", failure(op, driver.OutcomeConfig,
			"plugin %q: is built in, but this program does not serve it: put plugins.Main(plugins.Builtin...) into the first line of its func main", string(s))
	}
	if !(*names)[string(s)] {
		return "", "", failure(op, driver.OutcomeConfig, "plugin %q: no built-in plugin has this name, and it is not an absolute path", string(s))
	}
	self, err := os.Executable()
	if err != nil {
		return "", "", failure(op, driver.OutcomeConfig, "plugin %q: %v", string(s), err)
	}
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", self, nil // the very same program, even if its file was replaced since
	}
	return self, self, nil
}
