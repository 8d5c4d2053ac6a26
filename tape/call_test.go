package tape_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/faulty"
	"github.com/enstore-go/sdk/tape/memtape"
)

// broken makes a loaded drive with rules, inside a bubble.
func broken(t *testing.T, o memtape.Options, rules ...faulty.Rule) (*faulty.TapeDrive, *tape.Drive, *tape.Load) {
	t.Helper()
	is := is.New(t)
	lib := memtape.New(o)
	_, err := lib.AddVolume("VO0001", memtape.VolumeOptions{})
	is.NoErr(err)
	is.NoErr(lib.Insert("VO0001", 0))
	dev := faulty.Drive(lib.Drive(0))
	d, err := tape.NewDrive(t.Context(), dev, &tape.DriveOptions{Grace: 3 * time.Second})
	is.NoErr(err)
	l := load(t, d)
	dev.Add(rules...)
	return dev, d, l
}

// Each kind of operation is given its own time, and no more.
func TestTimeouts(t *testing.T) {
	limits := driver.Timeouts{Command: time.Second, Load: 2 * time.Minute, Locate: 3 * time.Minute, Transfer: 4 * time.Minute, Flush: 5 * time.Minute}
	for op, c := range map[faulty.Op]struct {
		after time.Duration
		call  func(ctx context.Context, d *tape.Drive, l *tape.Load) error
	}{
		faulty.Status: {limits.Command, func(ctx context.Context, d *tape.Drive, l *tape.Load) error { return second(d.Status(ctx)) }},
		faulty.Load:   {limits.Load, func(ctx context.Context, d *tape.Drive, l *tape.Load) error { return second(d.Load(ctx)) }},
		faulty.Unload: {limits.Load, func(ctx context.Context, d *tape.Drive, l *tape.Load) error { return l.Unload(ctx) }},
		faulty.Rewind: {limits.Locate, func(ctx context.Context, d *tape.Drive, l *tape.Load) error { return l.Rewind(ctx) }},
		faulty.WriteBlock: {limits.Transfer, func(ctx context.Context, d *tape.Drive, l *tape.Load) error {
			return second(l.WriteBlock(ctx, []byte("x")))
		}},
		faulty.Flush: {limits.Flush, func(ctx context.Context, d *tape.Drive, l *tape.Load) error { return second(l.Sync(ctx)) }},
	} {
		t.Run(string(op), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				_, d, l := broken(t, memtape.Options{Timeouts: limits}, faulty.Rule{Op: op, Hang: true})
				start := time.Now()
				err := c.call(t.Context(), d, l)
				is.True(errors.Is(err, tape.ErrTimeout))
				is.Equal(time.Since(start), c.after)
				is.Equal(tape.VerdictOf(err).Fault, tape.FaultDrive)
				is.True(l.Err() != nil)
			})
		})
	}
}

// A call that ignores its context is abandoned, and no other reaches the driver meanwhile.
func TestDeafDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		limits := driver.Timeouts{Transfer: time.Minute}
		dev, d, l := broken(t, memtape.Options{Timeouts: limits}, faulty.Rule{Op: faulty.WriteBlock, Nth: 1, Hang: true, Deaf: true})
		start := time.Now()
		_, err := l.WriteBlock(t.Context(), []byte("x"))
		is.True(errors.Is(err, tape.ErrTimeout))
		is.Equal(time.Since(start), time.Minute+3*time.Second)

		asked := dev.Calls(faulty.Status)
		_, err = d.Status(t.Context())
		is.True(errors.Is(err, tape.ErrTimeout))
		_, err = d.Load(t.Context())
		is.True(errors.Is(err, tape.ErrTimeout))
		is.Equal(time.Since(start), time.Minute+3*time.Second) // told at once
		is.Equal(dev.Calls(faulty.Status), asked)

		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		is.True(errors.Is(d.Idle(short), context.DeadlineExceeded))
		dev.Release()
		is.NoErr(d.Idle(t.Context()))
		l = load(t, d)
		is.Equal(get(t, l), "")
	})
}

func TestCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		_, d, l := broken(t, memtape.Options{}, faulty.Rule{Op: faulty.Rewind, Hang: true}, faulty.Rule{Op: faulty.Status, Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := d.Status(ctx)
		is.True(errors.Is(err, context.DeadlineExceeded))
		is.NoErr(l.Err()) // a question that was not answered changes nothing

		is.True(errors.Is(l.Rewind(ctx), context.DeadlineExceeded))
		is.NoErr(l.Err()) // it was never asked

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err = l.Rewind(ctx)
		is.True(errors.Is(err, context.Canceled))
		is.Equal(tape.OutcomeOf(err), driver.OutcomeUnknown)
		is.True(l.Err() != nil) // it may have moved
	})
}

// A command that was given up before the drive heard of it costs nothing: not even on a drive that
// could not tell the position again.
func TestCallerGivesUpBeforeTheDrive(t *testing.T) {
	everyKind(t, func(t *testing.T, _ *memtape.Library, d *tape.Drive) {
		is := is.New(t)
		l := load(t, d)
		put(t, l, "L|a")
		at := l.Position()
		over, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := l.WriteBlock(over, []byte("x"))
		is.True(errors.Is(err, context.Canceled))
		_, err = l.WriteFilemarks(over, 1)
		is.True(errors.Is(err, context.Canceled))
		_, err = l.Sync(over)
		is.True(errors.Is(err, context.Canceled))
		is.True(errors.Is(l.Rewind(over), context.Canceled))
		is.Equal(l.Position(), at)
		is.NoErr(l.WriteErr())
		put(t, l, "b|")
		sync(t, l)
		is.NoErr(l.LocateFile(t.Context(), 1))
		is.Equal(get(t, l), "ab|")
	})
}

// Calls from several goroutines reach the driver one by one.
func TestOneCallAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		_, d, l := broken(t, memtape.Options{Timing: memtape.Timing{Start: 10 * time.Second, Command: time.Second}})
		start := time.Now()
		done := make(chan error)
		go func() { done <- second(l.LocateEnd(t.Context())) }()
		go func() { done <- second(d.Status(t.Context())) }()
		go func() { done <- second(d.Status(t.Context())) }()
		for range 3 {
			is.NoErr(<-done)
		}
		is.Equal(time.Since(start), 13*time.Second) // space, position and two questions
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		dev, d, l := broken(t, memtape.Options{}, faulty.Rule{Op: faulty.Rewind, Hang: true, Deaf: true})
		done := make(chan error)
		go func() { done <- l.Rewind(t.Context()) }()
		synctest.Wait()
		is.NoErr(d.Close()) // while a call is under way
		is.NoErr(d.Close())
		is.True(errors.Is(l.Err(), tape.ErrClosed))
		_, err := d.Status(t.Context())
		is.True(errors.Is(err, tape.ErrClosed))
		_, err = d.Load(t.Context())
		is.True(errors.Is(err, tape.ErrClosed))
		dev.Release()
		is.True(<-done != nil)
	})
}

func TestCloseThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		dev, d, _ := broken(t, memtape.Options{}, faulty.Rule{Op: faulty.Close, Hang: true, Deaf: true})
		start := time.Now()
		is.True(errors.Is(d.Close(), tape.ErrTimeout))
		is.Equal(time.Since(start), 3*time.Second)
		dev.Release()
	})
}

// silly answers what no driver may.
type silly struct {
	driver.Drive
	n int
	c driver.Condition
}

func (s silly) ReadBlock(context.Context, []byte) (int, driver.Condition, error) {
	return s.n, s.c, nil
}
func (s silly) Space(context.Context, driver.Space, int64) (int64, driver.Condition, error) {
	return int64(s.n), s.c, nil
}

func TestAnswersThatMakeNoSense(t *testing.T) {
	for _, c := range []silly{{n: -1}, {n: 0}, {n: 11}, {n: 5, c: driver.Filemark}, {n: 5, c: driver.EndOfData}} {
		is := is.New(t)
		lib, _ := drive(t, memtape.Options{Drives: 2}, memtape.VolumeOptions{})
		_, err := lib.AddVolume("VO0002", memtape.VolumeOptions{})
		is.NoErr(err)
		is.NoErr(lib.Insert("VO0002", 1))
		c.Drive = lib.Drive(1)
		l := load(t, over(t, c))
		_, _, err = l.ReadBlock(t.Context(), make([]byte, 10))
		is.Equal(tape.OutcomeOf(err), driver.OutcomeHardware)
		is.True(l.Err() != nil)
		if c.c == driver.NoCondition {
			l = load(t, over(t, c))
			_, _, err = l.SpaceFilemarks(t.Context(), 3)
			is.Equal(tape.OutcomeOf(err), driver.OutcomeHardware)
		}
	}
}

func TestNewDriveRefusesSillyLimits(t *testing.T) {
	is := is.New(t)
	_, err := tape.NewDrive(t.Context(), limits{memtape.New(memtape.Options{}).Drive(0)}, nil)
	is.True(err != nil)
}

type limits struct{ driver.Drive }

func (l limits) Identify(ctx context.Context) (driver.Identity, driver.Capabilities, error) {
	id, c, err := l.Drive.Identify(ctx)
	c.MaxBlock = 0
	return id, c, err
}
