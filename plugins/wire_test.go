//go:build unix

package plugins

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/matryer/is"
	"google.golang.org/protobuf/proto"

	"github.com/enstore-go/sdk/plugins/pluginpb"
	"github.com/enstore-go/sdk/tape/driver"
)

// ends are the two ends of a data socket in this process.
func ends(t testing.TB) (host, plugin *net.UnixConn) {
	t.Helper()
	h, p, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	conn := func(f *os.File) *net.UnixConn {
		defer f.Close()
		c, err := net.FileConn(f)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c.(*net.UnixConn)
	}
	return conn(h), conn(p)
}

// ramDevice is a device with an open RAM drive.
func ramDevice(t testing.TB, c ramConfig) *device {
	t.Helper()
	drive, err := openRAM(context.Background(), config(t, c))
	if err != nil {
		t.Fatal(err)
	}
	d := newDevice(Plugin{Name: "ram"})
	d.drive = drive
	return d
}

func TestFramesKeepTheirFormat(t *testing.T) {
	is := is.New(t)
	f := frame{kind: frameRead, cond: driver.EndOfData, length: 0x01020304, seq: 0x1112131415161718}
	b := f.append(nil)
	is.Equal(b, []byte{5, 2, 0x53, 0x45, 4, 3, 2, 1, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11})
	g, err := parseFrame(b)
	is.NoErr(err)
	is.Equal(g, f)
	is.Equal([]frameKind{frameSetupRing, frameSetupStream, frameWrite, frameMarks, frameRead, frameResume, frameDone, frameFailed, frameSkipped},
		[]frameKind{1, 2, 3, 4, 5, 6, 7, 8, 9})
}

func TestAnErrorKeepsItselfWithinItsBounds(t *testing.T) {
	is := is.New(t)
	long := &driver.Error{
		Op: string(make([]byte, 1000)), Outcome: driver.OutcomeMedium, Text: string(bytes.Repeat([]byte{0xff}, 1<<20)),
		Sense: driver.Sense{Raw: make([]byte, 1000), Info: -1 << 63},
	}
	b, err := proto.Marshal(errorToWire("op", long))
	is.NoErr(err)
	is.True(len(b) <= maxErrorBytes)
	is.Equal(errorToWire("op", nil), nil)
	is.Equal(errorFromWire(errorToWire("op", &driver.Error{})).Outcome, driver.OutcomeUnknown) // no outcome is no success
	is.Equal(errorFromWire(errorToWire("op", io.ErrUnexpectedEOF)).Text, "unexpected EOF")
	is.Equal(errorFromWire(errorToWire("op", io.ErrUnexpectedEOF)).Op, "op")
}

func TestAPluginLeavesAHostThatTalksNonsense(t *testing.T) {
	setup := frame{kind: frameSetupStream, length: 6, seq: slotAlign}
	for name, frames := range map[string][]frame{
		"no set-up":            {{kind: frameWrite, length: 1}},
		"no slots":             {{kind: frameSetupStream, length: 0, seq: slotAlign}},
		"too many slots":       {{kind: frameSetupStream, length: maxSlots + 1, seq: slotAlign}},
		"slots of odd size":    {{kind: frameSetupStream, length: 6, seq: slotAlign + 1}},
		"huge slots":           {{kind: frameSetupStream, length: 6, seq: 1 << 40}},
		"a second set-up":      {setup, setup},
		"an answer":            {setup, {kind: frameDone}},
		"a block too long":     {setup, {kind: frameWrite, length: slotAlign + 1}},
		"a read too long":      {setup, {kind: frameRead, length: slotAlign + 1}},
		"too many marks":       {setup, {kind: frameMarks, length: maxMarks + 1}},
		"a number left out":    {setup, {kind: frameMarks, seq: 1}},
		"a number given twice": {setup, {kind: frameMarks}, {kind: frameMarks}},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			host, plugin := ends(t)
			var b []byte
			for _, f := range frames {
				b = f.append(b)
			}
			if len(frames) == 2 { // the set-up is read by itself
				_, err := host.Write(b[:frameSize])
				is.NoErr(err)
				b = b[frameSize:]
			}
			go func() {
				_, _ = io.Copy(io.Discard, host)
			}()
			_, err := host.Write(b)
			is.NoErr(err)
			is.NoErr(host.CloseWrite())
			is.True(newWorker(ramDevice(t, ramConfig{}), plugin).run() != nil)
		})
	}
}

func TestOperationsOnAClosedDeviceFailOneByOne(t *testing.T) {
	is := is.New(t)
	host, plugin := ends(t)
	w := newWorker(newDevice(Plugin{}), plugin)
	done := make(chan error)
	go func() { done <- w.run() }()
	l := &link{conn: host, in: bufio.NewReader(host)}
	is.NoErr(l.setup(t.Context(), 2, slotAlign, true, time.Second))
	is.NoErr(l.send(frameWrite, 3, []byte("abc"), nil, time.Second))
	is.NoErr(l.settle(t.Context(), 0, time.Second))
	e := l.takeFailure()
	is.Equal(e.Outcome, driver.OutcomeIllegalRequest)
	is.Equal(e.Op, "write block")
	is.NoErr(host.Close())
	is.NoErr(<-done)
	freeRing(l.ring)
	freeRing(w.ring)
}

// FuzzWorker feeds a plugin whatever a host might send.
func FuzzWorker(f *testing.F) {
	setup := frame{kind: frameSetupStream, length: 6, seq: slotAlign}.append(nil)
	write := frame{kind: frameWrite, length: 4}.append(nil)
	f.Add(setup)
	f.Add(append(append(setup[:frameSize:frameSize], write...), "data"...))
	f.Add(frame{kind: frameMarks, length: 2}.append(setup[:frameSize:frameSize]))
	f.Add(frame{kind: frameRead, length: 100}.append(setup[:frameSize:frameSize]))
	f.Add(frame{kind: frameSetupRing, length: 6, seq: slotAlign}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		host, plugin := ends(t)
		read := make(chan struct{})
		go func() { defer close(read); _, _ = io.Copy(io.Discard, host) }()
		go func() {
			_, _ = host.Write(b[:min(len(b), frameSize)])
			_, _ = host.Write(b[min(len(b), frameSize):])
			_ = host.CloseWrite()
		}()
		w := newWorker(ramDevice(t, ramConfig{}), plugin)
		_ = w.run()
		plugin.Close()
		<-read
		if uint64(len(b)) < w.seq*frameSize {
			t.Fatalf("%d operations of %d bytes", w.seq, len(b))
		}
	})
}

// FuzzLink feeds a host whatever a plugin might answer. However it ends, a read tells no more bytes than
// were asked for, and an error is a driver's, nonsense or the end of the socket.
func FuzzLink(f *testing.F) {
	setup := frame{kind: frameDone}.append(nil)
	f.Add(setup)
	f.Add(append(frame{kind: frameDone, length: 3}.append(setup[:frameSize:frameSize]), "abc"...))
	f.Add(frame{kind: frameFailed}.append(setup[:frameSize:frameSize]))
	f.Add(frame{kind: frameSkipped, seq: 1}.append(frame{kind: frameFailed}.append(setup[:frameSize:frameSize])))
	e, err := proto.Marshal(&pluginpb.Error{Op: []byte("read block"), Outcome: 14})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(frame{kind: frameFailed, length: uint32(len(e))}.append(setup[:frameSize:frameSize]), e...))
	f.Fuzz(func(t *testing.T, b []byte) {
		host, plugin := ends(t)
		sent := make(chan struct{})
		go func() { defer close(sent); _, _ = io.Copy(io.Discard, plugin) }()
		go func() { _, _ = plugin.Write(b); _ = plugin.CloseWrite() }()
		l := &link{conn: host, in: bufio.NewReader(host)}
		err := l.setup(context.Background(), 4, slotAlign, false, time.Second)
		buf := make([]byte, 100)
		for i := 0; err == nil && i < 10; i++ {
			if err = l.settle(context.Background(), 3, time.Second); err != nil {
				break
			}
			if i%3 > 0 {
				err = l.send(frameWrite, 5, []byte("block"), nil, time.Second)
				continue
			}
			if err = l.settle(context.Background(), 0, time.Second); err != nil {
				break
			}
			if err = l.send(frameRead, len(buf), nil, buf, time.Second); err == nil {
				var a answer
				if a, _, err = l.next(context.Background(), time.Second); err == nil && a.n > len(buf) {
					t.Fatalf("read %d bytes where %d were asked for", a.n, len(buf))
				}
			}
		}
		host.Close()
		<-sent
		if errors.Is(err, errTimeout) {
			t.Fatal("waited for what could not come")
		}
	})
}

// FuzzRecord reads records of the run directory.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"device":"d","name":"n","plugin":{"pid":7,"start":"b:1"},"host":{"pid":6,"start":"b:0"},"sockets":"/run/plugin-dir1"}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecordFile(b)
		if err == nil && (r.Plugin.PID <= 1 || r.Host.PID < 1 || r.Version != recordVersion) {
			t.Fatalf("accepted %+v", r)
		}
	})
}

// FuzzLogLine reads what a plugin writes on standard error.
func FuzzLogLine(f *testing.F) {
	f.Add([]byte(`{"@level":"warn","@message":"hot","a":1}`))
	f.Add([]byte(`{"@message":5}`))
	f.Add([]byte("text \x1b[2J"))
	f.Fuzz(func(t *testing.T, line []byte) {
		_, msg, args, ok := parseRecord(line)
		if ok && len(args)%2 != 0 {
			t.Fatal("a key without a value")
		}
		for _, s := range []string{msg, printable(string(line))} {
			if bytes.ContainsAny([]byte(s), "\x00\x1b\n\r") {
				t.Fatalf("%q can steer a terminal", s)
			}
		}
	})
}

// A caller who gives up at the very moment of the answer does not turn the block behind it into a
// time-out, over which the process would be killed.
func TestGivingUpAtTheMomentOfTheAnswer(t *testing.T) {
	is := is.New(t)
	host, plugin := ends(t)
	l := &link{conn: host, in: bufio.NewReader(host), slots: 1, slot: slotAlign}
	block, into := make([]byte, slotAlign), make([]byte, slotAlign)
	for seq := range uint64(2000) {
		ctx, cancel := context.WithCancel(t.Context())
		is.NoErr(l.send(frameRead, len(into), nil, into, time.Minute))
		go func() {
			var op [frameSize]byte
			_, _ = io.ReadFull(plugin, op[:])
			answer := frame{kind: frameDone, length: uint32(len(block)), seq: seq}.append(nil)
			go cancel()
			_, _ = plugin.Write(answer)
			time.Sleep(50 * time.Microsecond)
			_, _ = plugin.Write(block)
		}()
		a, _, err := l.next(ctx, time.Minute)
		if errors.Is(err, context.Canceled) { // its answer is still to come
			a, _, err = l.next(t.Context(), time.Minute)
		}
		is.NoErr(err)
		is.Equal(a.n, len(into))
		cancel()
	}
}
