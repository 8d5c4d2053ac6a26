//go:build unix

package plugins

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"github.com/enstore-go/sdk/plugins/pluginpb"
)

// setName is the name of the one thing in go-plugin's set: all services together.
const setName = "enstore"

// connection is go-plugin's notion of a plugin: on one side it registers the services, on the
// other it gives the connection itself, of which each kind of device makes its client.
type connection struct {
	goplugin.NetRPCUnsupportedPlugin
	d *device // on the plugin's side
}

var _ goplugin.GRPCPlugin = connection{}

func (c connection) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	// go-plugin has looked at it. What the driver starts must not take itself for a plugin.
	_ = os.Unsetenv(envCookie)
	pluginpb.RegisterDriveServer(s, driveServer{d: c.d})
	pluginpb.RegisterChangerServer(s, changerServer{d: c.d})
	return nil
}

func (connection) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return c, nil
}

// serve is the life of a plugin process.
func serve(p Plugin) {
	level := hclog.LevelFromString(os.Getenv(envLogLevel))
	log := hclog.New(&hclog.LoggerOptions{Level: level, Output: os.Stderr, JSONFormat: true})
	hclog.SetDefault(log)
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slogLevel(level)})))
	// A service manager tells every process of a service to end at once. The host still
	// has a flush to do then; this process ends when it does.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)

	data, lifeline, err := inherited()
	if err != nil {
		log.Error("plugin: was not started by a host", "error", err)
		os.Exit(1)
	}
	d := newDevice(p)
	w := newWorker(d, data)
	go func() {
		w.watch(lifeline)
		leave()
	}()
	go func() {
		if err := w.run(); err != nil {
			log.Error("plugin: the data socket failed", "error", err)
		}
		leave()
	}()
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{MagicCookieKey: envCookie, MagicCookieValue: cookie},
		VersionedPlugins: map[int]goplugin.PluginSet{Version: {setName: connection{d: d}}},
		GRPCServer: func(o []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(o, grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage))...)
		},
		Logger: log.Named("go-plugin"),
	})
}

// leave ends the process at once: the ring is dropped, nothing more is written, and the cartridge
// stays as it is.
func leave() {
	if dir := os.Getenv(goplugin.EnvUnixSocketDir); strings.HasPrefix(filepath.Base(dir), socketsPrefix) {
		_ = os.RemoveAll(dir)
	}
	os.Exit(0)
}

// inherited takes the descriptors that the process was born with, so that nothing which it starts
// is born with them too.
func inherited() (*net.UnixConn, *os.File, error) {
	unix.CloseOnExec(fdData)
	unix.CloseOnExec(fdLifeline)
	f := os.NewFile(fdData, "enstore-data")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, nil, err
	}
	data, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, nil, errors.New("the data socket is no Unix socket")
	}
	if err := unix.SetNonblock(fdLifeline, true); err != nil {
		return nil, nil, err
	}
	return data, os.NewFile(fdLifeline, "enstore-lifeline"), nil
}

func slogLevel(l hclog.Level) slog.Level {
	switch l {
	case hclog.Trace, hclog.Debug:
		return slog.LevelDebug
	case hclog.Warn:
		return slog.LevelWarn
	case hclog.Error, hclog.Off:
		return slog.LevelError
	}
	return slog.LevelInfo
}
