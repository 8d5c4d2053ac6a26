//go:build unix

package plugins

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
)

// block is a block that tells which one it is.
func block(i, size int) []byte {
	b := bytes.Repeat([]byte{byte(i), byte(i >> 8), 0xa5}, size/3+1)
	return b[:size]
}

func TestIdentityAndCapabilitiesCrossTheBorder(t *testing.T) {
	is := is.New(t)
	o := quickOptions(t)
	o.Window = 9
	d := open(t, o, ramConfig{TimeoutMS: 2000})
	bare, err := openRAM(t.Context(), config(t, ramConfig{TimeoutMS: 2000}))
	is.NoErr(err)
	wantID, want, err := bare.Identify(t.Context())
	is.NoErr(err)

	id, caps, err := d.Identify(t.Context())
	is.NoErr(err)
	is.Equal(id, wantID)
	want.Window += 9 // what the wire adds
	is.Equal(caps, want)
}

func TestTimeoutsThatAreNotToldAreTheDefaults(t *testing.T) {
	is := is.New(t)
	d := open(t, quickOptions(t), ramConfig{})
	_, caps, err := d.Identify(t.Context())
	is.NoErr(err)
	is.Equal(caps.Timeouts, driver.Timeouts{}.WithDefaults())
}

func TestBlocksAndMarksComeBack(t *testing.T) {
	bothWays(t, func(t *testing.T, o HostOptions) {
		is := is.New(t)
		d := open(t, o, ramConfig{})
		is.Equal(d.link.ring != nil, !o.NoSharedMemory && runtime.GOOS == "linux")
		sizes := []int{1, 2, 511, 512, 4096, 65535, 65536, 262144, 1 << 20}
		for i := range 60 {
			c, err := d.WriteBlock(t.Context(), block(i, sizes[i%len(sizes)]))
			is.NoErr(err)
			is.Equal(c, driver.NoCondition)
			if i%10 == 9 {
				_, err = d.WriteFilemarks(t.Context(), 1, true)
				is.NoErr(err)
			}
		}
		_, err := d.WriteFilemarks(t.Context(), 2, false)
		is.NoErr(err)
		p, err := d.Position(t.Context())
		is.NoErr(err)
		is.Equal(p, driver.Position{Block: 68, File: 8, Buffered: driver.Unknown})

		is.NoErr(d.Rewind(t.Context()))
		buf := make([]byte, 2<<20) // longer than any block may be: the rest stays as it is
		for i := range 60 {
			n, c, err := d.ReadBlock(t.Context(), buf)
			is.NoErr(err)
			is.Equal(c, driver.NoCondition)
			is.True(bytes.Equal(buf[:n], block(i, sizes[i%len(sizes)])))
			if i%10 == 9 {
				n, c, err = d.ReadBlock(t.Context(), buf)
				is.NoErr(err)
				is.Equal(n, 0)
				is.Equal(c, driver.Filemark)
			}
		}
		n, c, err := d.Space(t.Context(), driver.SpaceEndOfData, 0)
		is.NoErr(err)
		is.Equal(n, int64(2))
		is.Equal(c, driver.EndOfData)
		n, c, err = d.Space(t.Context(), driver.SpaceFilemarks, 1)
		is.NoErr(err)
		is.Equal(n, int64(0))
		is.Equal(c, driver.EndOfData)
		_, c, err = d.ReadBlock(t.Context(), buf)
		is.NoErr(err)
		is.Equal(c, driver.EndOfData)
	})
}

func TestEveryCommandReachesTheDrive(t *testing.T) {
	is := is.New(t)
	d := open(t, quickOptions(t), ramConfig{})
	st, err := d.Status(t.Context())
	is.NoErr(err)
	is.Equal(st, driver.Status{Loaded: true, Present: true, Barcode: "VO0001L9", Capacity: 1 << 40, Remaining: driver.Unknown, NeedsClean: true})
	is.NoErr(d.Unload(t.Context()))
	st, err = d.Status(t.Context())
	is.NoErr(err)
	is.True(!st.Loaded)
	is.NoErr(d.Load(t.Context()))
	_, err = d.WriteBlock(t.Context(), []byte("one"))
	is.NoErr(err)
	is.NoErr(d.Locate(t.Context(), 1))
	is.NoErr(d.Locate(t.Context(), 0))
	n, c, err := d.Space(t.Context(), driver.SpaceBlocks, 1)
	is.NoErr(err)
	is.Equal(n, int64(1))
	is.Equal(c, driver.NoCondition)
}

func TestAnErrorSurvivesExactly(t *testing.T) {
	is := is.New(t)
	d := open(t, quickOptions(t), ramConfig{})
	err := d.Locate(t.Context(), 5)
	e, ok := errors.AsType[*driver.Error](err)
	is.True(ok)
	is.Equal(*e, driver.Error{
		Op: "locate", Outcome: driver.OutcomeEndOfData, Text: "beyond \xff the end",
		Sense: driver.Sense{Key: 8, ASC: 0, ASCQ: 5, EOM: true, Info: -3, Raw: []byte{0x70, 0, 8, 0xff}},
	})
}

func TestReadErrorsAreOfTheirOwnCall(t *testing.T) {
	bothWays(t, func(t *testing.T, o HostOptions) {
		is := is.New(t)
		d := open(t, o, ramConfig{})
		for i := range 2 {
			_, err := d.WriteBlock(t.Context(), block(i, 1000))
			is.NoErr(err)
		}
		is.NoErr(d.Rewind(t.Context()))
		_, _, err := d.ReadBlock(t.Context(), make([]byte, 999))
		e, ok := errors.AsType[*driver.Error](err)
		is.True(ok)
		is.Equal(e.Outcome, driver.OutcomeBlockTooLong)
		is.True(!e.Sense.Deferred)
		is.Equal(e.Sense.Info, int64(-1))
		buf := make([]byte, 1000)
		n, _, err := d.ReadBlock(t.Context(), buf) // the tape stands after the long one
		is.NoErr(err)
		is.True(bytes.Equal(buf[:n], block(1, 1000)))
	})
}

func TestTheFirstWriteIsAwaited(t *testing.T) {
	bothWays(t, func(t *testing.T, o HostOptions) {
		is := is.New(t)
		d := open(t, o, ramConfig{Protect: true})
		for range 2 {
			_, err := d.WriteBlock(t.Context(), []byte("data"))
			e, ok := errors.AsType[*driver.Error](err)
			is.True(ok)
			is.Equal(e.Outcome, driver.OutcomeWriteProtected)
			is.True(!e.Sense.Deferred) // it is about this block
		}
		_, err := d.WriteFilemarks(t.Context(), 1, true)
		is.Equal(outcome(err), driver.OutcomeWriteProtected)
	})
}

func TestALaterWriteErrorIsDeferredAndStopsWhatFollows(t *testing.T) {
	bothWays(t, func(t *testing.T, o HostOptions) {
		is := is.New(t)
		const bad = 5
		d := open(t, o, ramConfig{FailWrite: bad, Slow: 500})
		var err error
		written := 0
		for i := range 40 {
			if _, err = d.WriteBlock(t.Context(), block(i, 5000)); err != nil {
				break
			}
			written++
		}
		e, ok := errors.AsType[*driver.Error](err)
		is.True(ok)
		is.Equal(e.Outcome, driver.OutcomeMedium)
		is.Equal(e.Op, "write block")
		is.Equal(e.Text, "write error")
		is.True(e.Sense.Deferred)
		is.Equal(e.Sense.Raw, []byte{})
		is.True(written >= bad)                 // the bad one itself had been accepted
		is.True(written <= bad-1+d.caps.Window) // and no more than the window after it

		p, err := d.Position(t.Context()) // the failure was told once
		is.NoErr(err)
		is.Equal(p.Block, int64(bad-1)) // nothing after it was written
		_, err = d.WriteBlock(t.Context(), []byte("again"))
		is.NoErr(err)
		is.NoErr(d.Rewind(t.Context()))
		buf := make([]byte, 5000)
		for i := range bad - 1 {
			n, _, err := d.ReadBlock(t.Context(), buf)
			is.NoErr(err)
			is.True(bytes.Equal(buf[:n], block(i, 5000)))
		}
		n, _, err := d.ReadBlock(t.Context(), buf)
		is.NoErr(err)
		is.Equal(string(buf[:n]), "again")
	})
}

func TestADeferredErrorComesWithAnyCommand(t *testing.T) {
	for name, call := range map[string]func(*remoteDrive, context.Context) error{
		"flush":    func(d *remoteDrive, ctx context.Context) error { _, err := d.WriteFilemarks(ctx, 0, false); return err },
		"marks":    func(d *remoteDrive, ctx context.Context) error { _, err := d.WriteFilemarks(ctx, 1, false); return err },
		"locate":   func(d *remoteDrive, ctx context.Context) error { return d.Locate(ctx, 0) },
		"position": func(d *remoteDrive, ctx context.Context) error { _, err := d.Position(ctx); return err },
		"status":   func(d *remoteDrive, ctx context.Context) error { _, err := d.Status(ctx); return err },
		"read": func(d *remoteDrive, ctx context.Context) error {
			_, _, err := d.ReadBlock(ctx, make([]byte, 10))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			d := open(t, quickOptions(t), ramConfig{FailWrite: 3})
			for range 5 {
				_, err := d.WriteBlock(t.Context(), []byte("data"))
				is.NoErr(err)
			}
			err := call(d, t.Context())
			e, ok := errors.AsType[*driver.Error](err)
			is.True(ok)
			is.Equal(e.Outcome, driver.OutcomeMedium)
			is.True(e.Sense.Deferred)
			p, err := d.Position(t.Context())
			is.NoErr(err)
			is.Equal(p.Block, int64(2))
		})
	}
}

func TestEarlyWarningComesWithinTheWindow(t *testing.T) {
	bothWays(t, func(t *testing.T, o HostOptions) {
		is := is.New(t)
		d := open(t, o, ramConfig{Early: 10, Capacity: 30})
		told := 0
		var err error
		n := 0
		for ; n < 100; n++ {
			var c driver.Condition
			if c, err = d.WriteBlock(t.Context(), []byte("data")); err != nil {
				break
			}
			if c == driver.EarlyWarning && told == 0 {
				told = n + 1
			}
		}
		is.True(told >= 10 && told <= 10+o.Window+6)
		is.Equal(outcome(err), driver.OutcomeEndOfMedium)
		p, err := d.Position(t.Context())
		is.NoErr(err)
		is.Equal(p.Block, int64(30))
	})
}

func TestAWarningIsToldByTheFlushAtTheLatest(t *testing.T) {
	is := is.New(t)
	d := open(t, quickOptions(t), ramConfig{Early: 3})
	for range 3 {
		_, err := d.WriteBlock(t.Context(), []byte("data"))
		is.NoErr(err)
	}
	c, err := d.WriteFilemarks(t.Context(), 0, false)
	is.NoErr(err)
	is.Equal(c, driver.EarlyWarning)
}

func TestBadArgumentsAreRefusedBeforeThePluginSeesThem(t *testing.T) {
	is := is.New(t)
	d := open(t, quickOptions(t), ramConfig{MinBlock: 16, MaxBlock: 64})
	for _, n := range []int{0, 15, 65} {
		_, err := d.WriteBlock(t.Context(), make([]byte, n))
		is.Equal(outcome(err), driver.OutcomeIllegalRequest)
	}
	for _, n := range []int{-1, maxMarks + 1} {
		for _, immediate := range []bool{true, false} {
			_, err := d.WriteFilemarks(t.Context(), n, immediate)
			is.Equal(outcome(err), driver.OutcomeIllegalRequest)
		}
	}
	_, err := d.WriteBlock(t.Context(), make([]byte, 64))
	is.NoErr(err)
}

func TestABlockIsTheCallersAgainAfterTheCall(t *testing.T) {
	bothWays(t, func(t *testing.T, o HostOptions) {
		is := is.New(t)
		d := open(t, o, ramConfig{Slow: 300})
		buf := make([]byte, 3000)
		for i := range 30 {
			copy(buf, block(i, 3000))
			_, err := d.WriteBlock(t.Context(), buf)
			is.NoErr(err)
			clear(buf)
		}
		is.NoErr(d.Rewind(t.Context()))
		for i := range 30 {
			n, _, err := d.ReadBlock(t.Context(), buf)
			is.NoErr(err)
			is.True(bytes.Equal(buf[:n], block(i, 3000)))
		}
	})
}

func TestACallIsInterruptedAndTheNextOneWorks(t *testing.T) {
	for _, op := range []string{"locate", "read block", "write block", "write filemarks"} {
		t.Run(op, func(t *testing.T) {
			bothWays(t, func(t *testing.T, o HostOptions) {
				is := is.New(t)
				d := open(t, o, ramConfig{Stuck: op})
				ctx, cancel := context.WithCancelCause(t.Context())
				timer := time.AfterFunc(50*time.Millisecond, func() { cancel(errors.New("somebody changed their mind")) })
				defer timer.Stop()
				begin := time.Now()
				var err error
				switch op {
				case "locate":
					err = d.Locate(ctx, 0)
				case "read block":
					_, _, err = d.ReadBlock(ctx, make([]byte, 100))
				case "write block":
					_, err = d.WriteBlock(ctx, []byte("data"))
				case "write filemarks":
					_, err = d.WriteFilemarks(ctx, 1, true)
				}
				is.Equal(outcome(err), driver.OutcomeUnknown)
				is.True(time.Since(begin) < 5*time.Second)
				p, err := d.Position(t.Context()) // the plugin heard of it too, and is of use again
				is.NoErr(err)
				is.Equal(p.Block, int64(0))
			})
		})
	}
}

func TestACallWithAnEndedContextDoesNothing(t *testing.T) {
	is := is.New(t)
	d := open(t, quickOptions(t), ramConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.WriteBlock(ctx, []byte("data"))
	is.True(errors.Is(err, context.Canceled))
	is.True(errors.Is(d.Rewind(ctx), context.Canceled))
	p, err := d.Position(t.Context())
	is.NoErr(err)
	is.Equal(p.Block, int64(0))
}

func TestAFullWindowIsLeftWhenTheContextEnds(t *testing.T) {
	bothWays(t, func(t *testing.T, o HostOptions) {
		is := is.New(t)
		d := open(t, o, ramConfig{Stuck: "write block", StuckAfter: 1})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		n := 0
		var err error
		for ; err == nil; n++ {
			_, err = d.WriteBlock(ctx, []byte("data"))
		}
		is.True(errors.Is(err, context.DeadlineExceeded)) // nothing of this block was sent
		is.True(n <= 1+o.Window+6+1)
	})
}

func TestCloseInterruptsACall(t *testing.T) {
	bothWays(t, func(t *testing.T, o HostOptions) {
		is := is.New(t)
		d := open(t, o, ramConfig{Stuck: "read block"})
		result := make(chan error)
		go func() {
			_, _, err := d.ReadBlock(context.Background(), make([]byte, 100))
			result <- err
		}()
		for d.busy.TryLock() { // until the call is in progress
			d.busy.Unlock()
			runtime.Gosched()
		}
		is.NoErr(d.Close())
		err := <-result
		is.True(outcome(err) == driver.OutcomeAborted || outcome(err) == driver.OutcomeGone)
		_, err = d.Position(t.Context())
		is.Equal(outcome(err), driver.OutcomeIllegalRequest)
		is.NoErr(d.Close()) // a second one is harmless
	})
}

func TestTheChangerCrossesTheBorder(t *testing.T) {
	is := is.New(t)
	h := newHost(t, quickOptions(t))
	c, err := h.OpenChanger(t.Context(), "robot", config(t, map[string]int{"slots": 3}))
	is.NoErr(err)
	id, caps, err := c.Identify(t.Context())
	is.NoErr(err)
	is.Equal(id, driver.Identity{Vendor: "RAM", Product: "hand"})
	is.Equal(caps, driver.ChangerCapabilities{Barcodes: true, Timeout: 5 * time.Second})
	is.NoErr(c.Move(t.Context(), 100, 102))
	all, err := c.Inventory(t.Context())
	is.NoErr(err)
	is.Equal(all, []driver.Element{
		{Kind: driver.Slot, Address: 100, Drive: -1, Held: true},
		{Kind: driver.Slot, Address: 101, Drive: -1},
		{Kind: driver.Slot, Address: 102, Drive: -1, Full: true, Label: "VO0001L9"},
	})
	is.Equal(outcome(c.Move(t.Context(), 100, 101)), driver.OutcomeNoMedium)
	is.Equal(outcome(c.Move(t.Context(), 7, 101)), driver.OutcomeIllegalRequest)
	err = c.Move(t.Context(), 102, 102)
	is.Equal(outcome(err), driver.OutcomeUnknown) // a driver that breaks the contract
	is.Equal(err.Error(), "move: outcome unknown: not an error of the contract")
	is.NoErr(c.Close())
	is.Equal(outcome(c.Move(t.Context(), 100, 101)), driver.OutcomeGone)
}

func TestAPluginServesOnlyWhatItHas(t *testing.T) {
	is := is.New(t)
	h := newHost(t, quickOptions(t))
	_, err := h.OpenDrive(t.Context(), "robot", nil)
	is.Equal(outcome(err), driver.OutcomeConfig)
	is.Equal(err.Error(), "open: bad configuration: plugin robot: serves no drive")
}

func TestARefusedConfigurationNamesTheKey(t *testing.T) {
	is := is.New(t)
	h := newHost(t, quickOptions(t))
	_, err := h.OpenDrive(t.Context(), "ram", config(t, map[string]any{"colour": "red"}))
	is.Equal(outcome(err), driver.OutcomeConfig)
	is.Equal(err.Error(), `configure: bad configuration: json: unknown field "colour"`)
	_, err = h.OpenDrive(t.Context(), "ram", make(driver.Config, maxConfig+1))
	is.Equal(outcome(err), driver.OutcomeConfig)
}

func TestTheInventoryOfALargeRobotPasses(t *testing.T) {
	is := is.New(t)
	h := newHost(t, quickOptions(t))
	const slots = 300_000 // more than gRPC takes by default
	c, err := h.OpenChanger(t.Context(), "robot", config(t, map[string]int{"slots": slots}))
	is.NoErr(err)
	all, err := c.Inventory(t.Context())
	is.NoErr(err)
	is.Equal(len(all), slots)
}
