//go:build unix

package plugins

import (
	"context"
	"fmt"
	"os"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/enstore-go/sdk/plugins/pluginpb"
	"github.com/enstore-go/sdk/tape/driver"
)

// envFake says how the plugin "fake" breaks the protocol.
const envFake = "ENSTORE_TEST_FAKE"

// fake is the life of a process that is a plugin by its cookie only.
func fake() {
	mode := os.Getenv(envFake)
	switch mode {
	case "newer":
		fmt.Printf("1|%d|unix|/nowhere|grpc|\n", Version+6)
		time.Sleep(time.Minute)
	case "chatter":
		fmt.Println("Acme drive \x1b[31mlibrary 7.1 initialised")
		time.Sleep(time.Minute)
	case "tcp":
		fmt.Printf("1|%d|tcp|127.0.0.1:1|grpc|\n", Version)
		time.Sleep(time.Minute)
	case "silent":
		time.Sleep(time.Minute)
	case "dies":
		fmt.Fprintln(os.Stderr, "libacme.so.7: cannot open shared object file")
		os.Exit(3)
	}
	data, lifeline, err := inherited()
	if err != nil {
		panic(err)
	}
	d := newDevice(Plugin{Name: "fake", Drive: openRAM})
	w := newWorker(d, data)
	end := func() {
		if mode == "immortal" { // it has a thread in a system call that never returns
			select {}
		}
		os.Exit(0)
	}
	go func() { w.watch(lifeline); end() }()
	go func() {
		if err := w.setup(); err == nil {
			misbehave(w, mode)
			end()
		}
	}()
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{MagicCookieKey: envCookie, MagicCookieValue: cookie},
		VersionedPlugins: map[int]goplugin.PluginSet{Version: {setName: fakeSet{d: d, mode: mode}}},
		GRPCServer:       func(o []grpc.ServerOption) *grpc.Server { return grpc.NewServer(o...) },
	})
	os.Exit(0)
}

type fakeSet struct {
	goplugin.NetRPCUnsupportedPlugin
	d    *device
	mode string
}

func (s fakeSet) GRPCServer(_ *goplugin.GRPCBroker, g *grpc.Server) error {
	pluginpb.RegisterDriveServer(g, fakeDrive{driveServer{d: s.d}, s.mode})
	return nil
}

func (fakeSet) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, nil
}

// fakeDrive answers commands with what cannot be.
type fakeDrive struct {
	driveServer
	mode string
}

func (f fakeDrive) Open(ctx context.Context, r *pluginpb.OpenRequest) (*pluginpb.OpenDriveReply, error) {
	reply, err := f.driveServer.Open(ctx, r)
	if err != nil || reply.Error != nil {
		return reply, err
	}
	switch f.mode {
	case "no capabilities":
		reply.Capabilities = nil
	case "no blocks":
		reply.Capabilities.MinBlock, reply.Capabilities.MaxBlock = 0, 0
	case "huge blocks":
		reply.Capabilities.MaxBlock = 1 << 50
	case "negative window":
		reply.Capabilities.Window = -1
	case "long names":
		reply.Identity.Serial = make([]byte, 1<<20)
		reply.Capabilities.TimeoutLocate = -5
		reply.Capabilities.TimeoutLoad = 1 << 62
	}
	return reply, nil
}

func (f fakeDrive) Health(context.Context, *pluginpb.Empty) (*pluginpb.HealthReply, error) {
	minus := int64(-2)
	switch f.mode {
	case "odd health":
		return &pluginpb.HealthReply{Stops: &minus}, nil
	case "odd cleaning":
		return &pluginpb.HealthReply{Cleaning: 256}, nil
	case "odd kind":
		return &pluginpb.HealthReply{Cartridge: &pluginpb.Cartridge{Kind: 1 << 31}}, nil
	case "long health":
		ends := make([]int64, 100_000)
		for i := range ends {
			ends[i] = int64(i) + 1
		}
		return &pluginpb.HealthReply{Cartridge: &pluginpb.Cartridge{Maker: make([]byte, 100_000), Serial: make([]byte, 65), WrapEnds: ends}}, nil
	}
	return &pluginpb.HealthReply{}, nil
}

func (f fakeDrive) Space(context.Context, *pluginpb.SpaceRequest) (*pluginpb.SpaceReply, error) {
	if f.mode == "space condition" {
		return &pluginpb.SpaceReply{Condition: 99}, nil
	}
	return &pluginpb.SpaceReply{Count: -4}, nil
}

func (f fakeDrive) Rewind(context.Context, *pluginpb.Empty) (*pluginpb.Reply, error) {
	return &pluginpb.Reply{Error: &pluginpb.Error{Op: make([]byte, 1<<20), Text: make([]byte, 1<<20), SenseRaw: make([]byte, 1<<20), SenseHasRaw: true, Outcome: 7000}}, nil
}

func (f fakeDrive) Flush(context.Context, *pluginpb.FilemarksRequest) (*pluginpb.FilemarksReply, error) {
	return &pluginpb.FilemarksReply{Condition: 5}, nil
}

// Locate answers with more than a host takes.
func (f fakeDrive) Locate(context.Context, *pluginpb.LocateRequest) (*pluginpb.Reply, error) {
	return &pluginpb.Reply{Error: &pluginpb.Error{Text: make([]byte, maxMessage+1)}}, nil
}

// misbehave answers operations on the data socket.
func misbehave(w *worker, mode string) {
	for {
		f, err := w.next()
		if err != nil {
			return
		}
		w.seq++
		if _, err := w.block(f); err != nil {
			return
		}
		good := frame{kind: frameDone, seq: f.seq}
		switch mode {
		case "garbage":
			w.out = append(w.out, "this is no message of the data socket"...)
		case "unknown kind":
			w.out = frame{kind: 77, seq: f.seq}.append(w.out)
		case "own kind":
			w.out = frame{kind: frameWrite, seq: f.seq}.append(w.out)
		case "unknown condition":
			w.out = frame{kind: frameDone, seq: f.seq, cond: 200}.append(w.out)
		case "wrong number":
			w.out = frame{kind: frameDone, seq: f.seq + 1}.append(w.out)
		case "twice":
			w.out = good.append(good.append(w.out))
		case "long block":
			w.out = frame{kind: frameDone, seq: f.seq, length: f.length + 1}.append(w.out)
		case "huge block":
			w.out = frame{kind: frameDone, seq: f.seq, length: 1<<32 - 1}.append(w.out)
		case "skips":
			w.out = frame{kind: frameSkipped, seq: f.seq}.append(w.out)
		case "huge error":
			w.out = frame{kind: frameFailed, seq: f.seq, length: 1 << 31}.append(w.out)
		case "unreadable error":
			w.out = append(frame{kind: frameFailed, seq: f.seq, length: 4}.append(w.out), 0xff, 0xff, 0xff, 0xff)
		case "hangs up":
			w.conn.Close()
			select {}
		default:
			w.out = good.append(w.out)
		}
		if w.flush() != nil {
			return
		}
	}
}

var _ driver.Drive = (*ram)(nil)
