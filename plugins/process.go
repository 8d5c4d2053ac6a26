//go:build unix

package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/enstore-go/sdk/tape/driver"
)

// The descriptors that a plugin process is born with.
const (
	fdData     = 3 // its end of the data socket
	fdLifeline = 4 // nothing but cancellations; its end means that the host is gone
)

// deathGrace is how long the host waits for a process to end by itself once its sockets
// have closed, before it ends it.
const deathGrace = 300 * time.Millisecond

// killGrace is how long it waits for a process that it has killed. One that waits for a device
// inside the kernel ends when the device answers, which may be never; it keeps its device, and
// its record, until then.
const killGrace = 2 * time.Second

// A process is one plugin process, from before its start until nothing is left of it.
// It is go-plugin's runner too, because go-plugin's own waits for the standard streams to close
// before it looks whether the process lives, and parses what it prints without care.
type process struct {
	host   *Host
	device string // key of records and back-off
	name   string
	path   string
	arg0   string
	log    hclog.Logger

	cmd      *exec.Cmd
	client   *goplugin.Client
	conn     *grpc.ClientConn
	data     *net.UnixConn
	lifeline *os.File
	stdout   *handshake
	stderr   *os.File
	children []*os.File // ends of pipes and sockets that the process has

	logged  chan struct{} // closed when everything on standard error is logged
	exited  chan struct{} // closed when the process is dead
	ctx     context.Context
	dead    context.CancelFunc
	started time.Time

	sockets string // go-plugin's directory of its sockets

	mu     sync.Mutex
	proc   *os.Process // once started
	doomed bool        // killed, perhaps before it was started
	status string      // how it ended, once exited
	why    string      // why the host ended it
	wanted bool        // the host closed it in peace
	last   string      // last line of standard error that was no log record
}

// start runs the program and connects to it. On failure nothing is left behind.
func (h *Host) start(ctx context.Context, src Source, device string) (*process, error) {
	path, arg0, err := src.resolve()
	if err != nil {
		return nil, err
	}
	p := &process{
		host: h, device: device, name: src.base(), path: path, arg0: arg0,
		logged: make(chan struct{}), exited: make(chan struct{}), started: time.Now(),
	}
	p.log = h.log.Named(p.name)
	p.ctx, p.dead = context.WithCancel(context.Background())
	p.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{MagicCookieKey: envCookie, MagicCookieValue: cookie},
		VersionedPlugins: map[int]goplugin.PluginSet{Version: {setName: connection{}}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		RunnerFunc:       p.prepare,
		StartTimeout:     h.o.StartTimeout,
		Logger:           goPluginLog(h.log),
		SyncStdout:       printed{p},
		SyncStderr:       printed{p},
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: h.socketDir},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		},
	})
	stop := context.AfterFunc(ctx, p.end)
	defer stop()
	limit := time.AfterFunc(h.o.StartTimeout, func() { p.kill("its start took too long") })
	defer limit.Stop()
	if err := p.connect(); err != nil {
		err = p.startError(ctx, err)
		p.bury()
		return nil, err
	}
	return p, nil
}

func (p *process) connect() error {
	protocol, err := p.client.Client()
	if err != nil {
		return err
	}
	c, err := protocol.Dispense(setName)
	if err != nil {
		return err
	}
	p.conn = c.(*grpc.ClientConn)
	return nil
}

// startError says what a person can do about a process that did not come up.
func (p *process) startError(ctx context.Context, err error) error {
	const op = "open"
	switch {
	case p.pid() == 0:
		return failure(op, driver.OutcomeConfig, "plugin %s: cannot be started: %v", p.path, err)
	case ctx.Err() != nil:
		return ctx.Err()
	case p.stdout.version() > Version:
		return failure(op, driver.OutcomeConfig, "plugin %s: speaks version %d of the plugin protocol, this program only up to %d: use a plugin of the same release",
			p.name, p.stdout.version(), Version)
	}
	if !p.ended(deathGrace) {
		p.kill("it did not come up")
		p.ended(killGrace)
	}
	p.lastWords()
	p.mu.Lock()
	why, last := p.status, p.last
	if p.why != "" {
		why = p.why
	}
	p.mu.Unlock()
	if line := p.stdout.line(); line != "" && p.stdout.version() == 0 {
		return failure(op, driver.OutcomeConfig, "plugin %s: printed %q on standard output, where a plugin's handshake belongs", p.name, clip(line, 80))
	}
	if last != "" {
		why += ": " + last
	}
	return failure(op, driver.OutcomeGone, "plugin %s: did not come up: %s", p.name, why)
}

// prepare makes the command with the sockets that the process is born with.
func (p *process) prepare(_ hclog.Logger, like *exec.Cmd, sockets string) (runner.Runner, error) {
	p.sockets = sockets
	host, child, err := socketPair()
	if err != nil {
		return nil, err
	}
	p.children = append(p.children, child)
	c, err := net.FileConn(host)
	host.Close()
	if err != nil {
		return p, err
	}
	p.data = c.(*net.UnixConn)
	life, lifeline, err := os.Pipe()
	if err != nil {
		return p, err
	}
	p.lifeline, p.children = lifeline, append(p.children, life)
	out, outw, err := os.Pipe()
	if err != nil {
		return p, err
	}
	p.stdout, p.children = &handshake{File: out}, append(p.children, outw)
	errr, errw, err := os.Pipe()
	if err != nil {
		return p, err
	}
	p.stderr, p.children = errr, append(p.children, errw)
	p.cmd = &exec.Cmd{
		Path: p.path, Args: []string{p.arg0, p.name}, Dir: p.host.o.WorkDir,
		Env:    append(like.Env, envName+"="+p.name, envLogLevel+"="+p.log.GetLevel().String()),
		Stdout: outw, Stderr: errw, ExtraFiles: []*os.File{child, life},
		// Its own process group: an interrupt typed at the terminal is for the host, which ends
		// its plugins when it has done what it must.
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	return p, nil
}

// socketPair makes the data socket. Other processes that this one starts do not inherit it.
func socketPair() (host, child *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("plugins: data socket: %w", err)
	}
	for _, fd := range fds { // the stream form moves whole blocks; a refusal only makes it slower
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20)
	}
	return os.NewFile(uintptr(fds[0]), "enstore-data"), os.NewFile(uintptr(fds[1]), "enstore-data"), nil
}

// Start implements runner.Runner.
func (p *process) Start(context.Context) error {
	err := p.cmd.Start()
	for _, f := range p.children {
		f.Close()
	}
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.proc = p.cmd.Process
	if p.doomed {
		_ = p.proc.Kill()
	}
	p.mu.Unlock()
	go p.logErrors()
	go p.watch()
	return nil
}

// watch notices the end of the process, however it comes.
func (p *process) watch() {
	err := p.cmd.Wait()
	p.mu.Lock()
	p.status = "exit status 0"
	if err != nil {
		p.status = err.Error()
	}
	wanted := p.wanted
	p.mu.Unlock()
	p.dead()
	p.host.unrecord(p)
	if !wanted {
		p.host.died(p.device, time.Since(p.started))
		p.log.Warn("plugin has ended", "pid", p.pid(), "how", p.status)
	}
	close(p.exited)
	// Its last words may still be in the pipe; but what the process started may hold the pipe open
	// for ever.
	_ = p.stderr.SetReadDeadline(time.Now().Add(deathGrace))
	_ = p.stdout.SetReadDeadline(time.Now().Add(deathGrace))
}

// Wait implements runner.Runner.
func (p *process) Wait(context.Context) error {
	<-p.exited
	return nil
}

// Kill implements runner.Runner.
func (p *process) Kill(context.Context) error {
	p.kill("")
	return nil
}

// kill ends the process at once. The first reason given is the one that is told.
func (p *process) kill(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == "" && p.status == "" {
		p.why = why
	}
	p.doomed = true
	if p.proc != nil {
		_ = p.proc.Kill()
	}
}

// end kills the process because nobody needs it any more.
func (p *process) end() {
	p.mu.Lock()
	p.wanted = p.wanted || p.why == ""
	p.mu.Unlock()
	p.kill("")
}

// close ends the process in peace: the driver closes its device, then the process sees the end of
// the lifeline. Whatever happens, nothing is left of it afterwards.
func (p *process) close(call func(context.Context) (replier, error)) error {
	p.mu.Lock()
	p.wanted = p.wanted || p.why == ""
	p.mu.Unlock()
	defer p.bury()
	var reply replier
	err := p.invoke(context.Background(), "close", p.host.o.CloseTimeout, func(ctx context.Context) (err error) {
		reply, err = call(ctx)
		return err
	})
	if err != nil {
		return err
	}
	_ = p.lifeline.Close()
	p.ended(exitGrace)
	return asError(reply.GetError())
}

// exitGrace is how long a process that has closed its device may take to end.
const exitGrace = 2 * time.Second

// leave ends a process that has no device.
func (p *process) leave() {
	p.end()
	p.bury()
}

// Stdout implements runner.Runner.
func (p *process) Stdout() io.ReadCloser { return p.stdout }

// Stderr implements runner.Runner: process logs the lines itself.
func (p *process) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name implements runner.Runner.
func (p *process) Name() string { return p.name }

// ID implements runner.Runner.
func (p *process) ID() string {
	if pid := p.pid(); pid != 0 {
		return strconv.Itoa(pid)
	}
	return ""
}

// Diagnose implements runner.Runner.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost implements runner.AddrTranslator. Nothing is connected to over a network.
func (p *process) PluginToHost(network, addr string) (string, string, error) {
	if network == "unix" && filepath.IsAbs(addr) {
		return network, addr, nil
	}
	why := fmt.Sprintf("it offers its commands on %q, not on a Unix socket", network)
	p.kill(why)
	return "", "", errors.New(why)
}

// HostToPlugin implements runner.AddrTranslator.
func (p *process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}

// pid is 0 until the process is started.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proc == nil {
		return 0
	}
	return p.proc.Pid
}

// gone is the error of everything that is asked of a process that is dead, or that has
// closed its sockets and is ended now.
func (p *process) gone(op string) *driver.Error {
	if !p.ended(deathGrace) {
		p.kill("it closed its sockets")
		p.ended(killGrace)
	}
	p.lastWords()
	p.mu.Lock()
	defer p.mu.Unlock()
	text := fmt.Sprintf("plugin %s (process %d) has ended: %s", p.name, p.proc.Pid, p.status)
	switch {
	case p.why != "":
		text = fmt.Sprintf("plugin %s (process %d) was ended: %s", p.name, p.proc.Pid, p.why)
	case p.last != "":
		text += ": " + p.last
	}
	if p.status == "" {
		text += "; it is killed, but has not ended yet: the kernel waits for its device"
	}
	return failure(op, driver.OutcomeGone, "%s", text)
}

// ended waits for the end of the process.
func (p *process) ended(limit time.Duration) bool { return closed(p.exited, limit) }

// closed waits for a channel to be closed.
func closed(c <-chan struct{}, limit time.Duration) bool {
	select {
	case <-c:
		return true
	default:
	}
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-c:
		return true
	case <-t.C:
		return false
	}
}

// lastWords waits, after the end of the process, for what it still said.
func (p *process) lastWords() { closed(p.logged, 2*deathGrace) }

func (p *process) isDead() bool { return p.ctx.Err() != nil }

// invoke makes one call over gRPC with the limits of the drive, and turns the ways in
// which a call fails into outcomes. What the device itself says is inside the reply.
func (p *process) invoke(ctx context.Context, op string, limit time.Duration, call func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.isDead() {
		return p.gone(op)
	}
	cctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.ctx, func() { cancel(errDied) })()
	timer := time.AfterFunc(limit, func() { cancel(errTimeout) })
	defer timer.Stop()
	err := call(cctx)
	if err == nil {
		return nil
	}
	switch {
	case ctx.Err() != nil:
		return interrupted(ctx, op)
	case errors.Is(context.Cause(cctx), errTimeout):
		return p.stuck(op, limit)
	}
	switch status.Code(err) {
	case codes.Unimplemented:
		return failure(op, driver.OutcomeIllegalRequest, "plugin %s: does not know this command", p.name)
	case codes.Unavailable, codes.Canceled, codes.Aborted:
		return p.gone(op)
	}
	return failure(op, driver.OutcomeUnknown, "plugin %s: %v", p.name, err)
}

var errDied = errors.New("the plugin has ended")

// stuck ends a process that did not answer within the drive's own limits.
func (p *process) stuck(op string, limit time.Duration) *driver.Error {
	p.kill(fmt.Sprintf("%s: no answer within %v", op, limit))
	return failure(op, driver.OutcomeTimeout, "plugin %s (process %d) gave no answer within %v and is ended", p.name, p.pid(), limit)
}

// absurd ends a process that gave an answer which cannot be.
func (p *process) absurd(op string, err error) *driver.Error {
	p.kill(fmt.Sprintf("%s: it %v", op, err))
	return p.gone(op)
}

// bury takes away what is left of a process: it is killed if it lives, and waited for. Of one that
// the kernel does not let end, that is done when it does. bury is called once.
func (p *process) bury() {
	p.kill("")
	if p.pid() == 0 || p.ended(killGrace) {
		p.remove()
		return
	}
	p.log.Error("plugin is killed, but has not ended", "pid", p.pid())
	closeSet(p.data) // else a call in progress waits for it
	p.host.abandon(p)
	go p.remove()
}

// remove waits for the end of a killed process and frees everything that was its.
func (p *process) remove() {
	if p.pid() != 0 {
		<-p.exited
		<-p.logged
	}
	p.client.Kill()
	for _, c := range []io.Closer{p.data, p.lifeline, p.stdout, p.stderr} {
		closeSet(c)
	}
	if p.sockets != "" {
		_ = os.RemoveAll(p.sockets)
	}
	p.host.abandon(p)
	p.host.unrecord(p)
}

// closeSet closes what was opened: a process may have failed half-way through its preparation.
func closeSet(c io.Closer) {
	switch c := c.(type) {
	case *net.UnixConn:
		if c == nil {
			return
		}
	case *os.File:
		if c == nil {
			return
		}
	case *handshake:
		if c == nil {
			return
		}
	}
	_ = c.Close()
}

// handshake is standard output of a plugin: one line for go-plugin, of which a piece is
// kept for error messages.
type handshake struct {
	*os.File
	mu   sync.Mutex
	head []byte
}

func (h *handshake) Read(b []byte) (int, error) {
	n, err := h.File.Read(b)
	h.mu.Lock()
	h.head = append(h.head, b[:min(n, 256-len(h.head))]...)
	h.mu.Unlock()
	return n, err
}

func (h *handshake) line() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	line, _, _ := strings.Cut(string(h.head), "\n")
	return line
}

// version is that of the plugin protocol, or 0 if the line is no handshake.
func (h *handshake) version() int {
	if h == nil {
		return 0
	}
	f := strings.Split(h.line(), "|")
	if len(f) < 4 {
		return 0
	}
	v, err := strconv.Atoi(f[1])
	if err != nil || v < 0 {
		return 0
	}
	return v
}
