package ssc_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/scsi"
	"github.com/enstore-go/sdk/tape/scsi/ssc"
)

// unit is a transport whose answers a test writes: those of a sound drive, unless a command has its own.
type unit struct {
	answers map[byte][]answer // by operation code; each is used once
	seen    []string
	closed  bool
}

type answer struct {
	sense []byte
	in    []byte
	moved int // bytes, if the answer has sense data
	err   error
}

// sense is sense data in fixed format. flags are those of byte 2.
func sense(key, flags, asc, ascq byte, info int32) []byte {
	b := []byte{0xf0, 0, key | flags, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(b[3:], uint32(info))
	return b
}

const (
	mark = 0x80
	eom  = 0x40
	ili  = 0x20
)

func (u *unit) Exec(_ context.Context, cdb, out, in []byte) (scsi.Result, error) {
	u.seen = append(u.seen, fmt.Sprintf("%02x", cdb[0]))
	if as := u.answers[cdb[0]]; len(as) > 0 {
		u.answers[cdb[0]] = as[1:]
		a := as[0]
		if a.err != nil {
			return scsi.Result{}, a.err
		}
		r := scsi.Result{Sense: a.sense, Transferred: copy(in, a.in)}
		if a.sense != nil {
			r.Status, r.Transferred = scsi.CheckCondition, a.moved
		}
		return r, nil
	}
	switch cdb[0] {
	case 0x12: // inquiry
		b := make([]byte, 36)
		b[0] = scsi.TypeTape
		copy(b[8:], "ACME    STREAMER        0001")
		if cdb[1] == 1 {
			b = append([]byte{1, 0x80, 0, 4}, "S123"...)
		}
		return scsi.Result{Transferred: copy(in, b)}, nil
	case 0x05: // block limits
		return scsi.Result{Transferred: copy(in, []byte{0, 0x80, 0, 0, 0, 1})}, nil
	case 0x5a: // mode sense
		return scsi.Result{Transferred: copy(in, []byte{0, 14, 0, 0x80, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0})}, nil
	case 0xa3: // every command is supported
		return scsi.Result{Transferred: copy(in, []byte{0, 3, 0, 10})}, nil
	}
	return scsi.Result{Transferred: len(in) + len(out)}, nil // positions are those of the load point
}

func (u *unit) Close() error { u.closed = true; return nil }

// loaded is an open drive with a cartridge loaded; then answers are the test's.
func loaded(t testing.TB) (driver.Drive, *unit) {
	t.Helper()
	u := &unit{answers: map[byte][]answer{}}
	d, err := ssc.Open(t.Context(), u, ssc.Options{})
	is.New(t).NoErr(err)
	is.New(t).NoErr(d.Load(t.Context()))
	u.seen = nil
	return d, u
}

func (u *unit) give(op byte, a ...answer) { u.answers[op] = append(u.answers[op], a...) }

func outcomeOf(t testing.TB, err error) driver.Outcome {
	t.Helper()
	if err == nil {
		return driver.OutcomeNone
	}
	var e *driver.Error
	if !errors.As(err, &e) {
		t.Fatalf("%T: %v", err, err)
	}
	return e.Outcome
}

// What a drive can do does not depend on whether a cartridge was in it when it was opened: one that says nothing of
// positions without a cartridge knows them if it can locate.
func TestAbilitiesOfAnEmptyDrive(t *testing.T) {
	empty := answer{sense: sense(2, 0, 0x3a, 0, 0)}
	for locates, answer2b := range map[bool]answer{true: empty, false: {sense: sense(5, 0, 0x20, 0, 0)}} {
		is := is.New(t)
		u := &unit{answers: map[byte][]answer{}}
		u.give(0x00, empty)
		u.give(0x34, empty, empty)
		u.give(0x2b, answer2b)
		d, err := ssc.Open(t.Context(), u, ssc.Options{})
		is.NoErr(err)
		_, caps, err := d.Identify(t.Context())
		is.NoErr(err)
		is.Equal(caps.ReportsPosition, locates)
		is.Equal(caps.ReportsFile, locates)
		is.Equal(caps.LocatesByBlock, locates)
	}
}

func TestIdentify(t *testing.T) {
	is := is.New(t)
	u := &unit{answers: map[byte][]answer{}}
	u.give(0x00, answer{sense: sense(6, 0, 0x29, 0, 0)}, answer{sense: sense(6, 0, 0x28, 0, 0)}, answer{sense: sense(2, 0, 0x3a, 0, 0)})
	d, err := ssc.Open(t.Context(), u, ssc.Options{MaxBlock: 512 << 10})
	is.NoErr(err)
	is.Equal(u.seen[:4], []string{"00", "00", "00", "12"}) // the attentions that stood were taken
	id, caps, err := d.Identify(t.Context())
	is.NoErr(err)
	is.Equal(id, driver.Identity{Vendor: "ACME", Product: "STREAMER", Revision: "0001", Serial: "S123"})
	is.Equal(caps.MinBlock, 1)
	is.Equal(caps.MaxBlock, 512<<10)
	is.True(caps.ReportsPosition && caps.ReportsFile && caps.LocatesByBlock && !caps.ReportsBuffer)
	is.NoErr(d.Close())
	is.NoErr(d.Close())
	is.True(u.closed)
	is.Equal(outcomeOf(t, d.Load(t.Context())), driver.OutcomeGone)

	u = &unit{answers: map[byte][]answer{}}
	for range 20 {
		u.give(0x00, answer{sense: sense(6, 0, 0x29, 0, 0)})
	}
	_, err = ssc.Open(t.Context(), u, ssc.Options{})
	is.Equal(outcomeOf(t, err), driver.OutcomeUnitAttention) // not for ever
	u = &unit{answers: map[byte][]answer{}}
	u.give(0x12, answer{in: append([]byte{scsi.TypeChanger}, make([]byte, 35)...)})
	_, err = ssc.Open(t.Context(), u, ssc.Options{})
	is.Equal(outcomeOf(t, err), driver.OutcomeConfig) // a robot
}

func TestReads(t *testing.T) {
	for _, c := range []struct {
		name    string
		a       []answer
		n       int
		cond    driver.Condition
		outcome driver.Outcome
	}{
		{"filemark, with stale bytes", []answer{{sense: sense(0, mark, 0, 1, 1000), moved: 1000}}, 0, driver.Filemark, 0},
		{"end of data", []answer{{sense: sense(8, 0, 0, 5, 1000), moved: 1000}}, 0, driver.EndOfData, 0},
		{"end of data without its code", []answer{{sense: sense(8, eom, 0, 0, 1000), moved: 1000}}, 0, driver.EndOfData, 0},
		{"shorter, with stale bytes", []answer{{sense: sense(0, ili, 0, 0, 900), moved: 1000}}, 100, 0, 0},
		{"longer", []answer{{sense: sense(0, ili, 0, 0, -24), moved: 1000}}, 0, 0, driver.OutcomeBlockTooLong},
		{"longer, without data", []answer{{sense: sense(0, ili, 0, 0, -24)}}, 0, 0, driver.OutcomeBlockTooLong},
		{"a length without residue", []answer{{sense: []byte{0x70, 0, ili, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, moved: 100}}, 0, 0, driver.OutcomeHardware},
		{"an absurd residue", []answer{{sense: sense(0, ili, 0, 0, 5000), moved: 100}}, 0, 0, driver.OutcomeHardware},
		{"recovered", []answer{{sense: sense(1, 0, 0x17, 1, 0), moved: 1000}}, 1000, 0, 0},
		{"recovered, and cut", []answer{{sense: sense(1, 0, 0x17, 1, 0), moved: 999}}, 0, 0, driver.OutcomeHardware},
		{"unrecovered", []answer{{sense: sense(3, 0, 0x11, 0, 0), moved: 1000}}, 0, 0, driver.OutcomeMedium},
		{"a deferred error", []answer{{sense: append([]byte{0xf1}, sense(3, mark, 0x0c, 0, 0)[1:]...)}}, 0, 0, driver.OutcomeMedium},
		{"sense that is none", []answer{{sense: []byte{0x7f, 0, 0}}}, 0, 0, driver.OutcomeUnknown},
		{"fewer bytes than the block has, read again", []answer{{sense: sense(0, ili, 0, 0, 100), moved: 100}}, 900, 0, 0},
		{"and again", []answer{{sense: sense(0, ili, 0, 0, 100), moved: 100}, {sense: sense(0, ili, 0, 0, 1)}}, 0, 0, driver.OutcomeUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			d, u := loaded(t)
			u.give(0x08, c.a...)
			n, cond, err := d.ReadBlock(t.Context(), make([]byte, 1000))
			is.Equal(outcomeOf(t, err), c.outcome)
			is.Equal(n, c.n)
			is.Equal(cond, c.cond)
		})
	}
}

func TestWrites(t *testing.T) {
	for _, c := range []struct {
		name     string
		a        answer
		cond     driver.Condition
		outcome  driver.Outcome
		deferred bool
	}{
		{"early warning", answer{sense: sense(0, eom, 0, 2, 0)}, driver.EarlyWarning, 0, false},
		{"early warning, with the length as residue", answer{sense: sense(0, eom, 0, 2, 1000)}, driver.EarlyWarning, 0, false},
		{"overflow", answer{sense: sense(0xd, eom, 0, 2, 1000)}, 0, driver.OutcomeEndOfMedium, false},
		{"protected", answer{sense: sense(7, 0, 0x27, 0, 0)}, 0, driver.OutcomeWriteProtected, false},
		{"recovered", answer{sense: sense(1, 0, 0x0c, 0, 0)}, 0, 0, false},
		{"a bad spot", answer{sense: sense(3, 0, 0x0c, 0, 0)}, 0, driver.OutcomeMedium, false},
		{"a bad spot before", answer{sense: append([]byte{0xf1}, sense(3, 0, 0x0c, 0, 0)[1:]...)}, 0, driver.OutcomeMedium, true},
		{"a deferred early warning", answer{sense: append([]byte{0xf1}, sense(0, eom, 0, 2, 0)[1:]...)}, 0, driver.OutcomeUnknown, true},
	} {
		for name, write := range map[string]func(driver.Drive) (driver.Condition, error){
			"block":    func(d driver.Drive) (driver.Condition, error) { return d.WriteBlock(t.Context(), make([]byte, 1000)) },
			"filemark": func(d driver.Drive) (driver.Condition, error) { return d.WriteFilemarks(t.Context(), 1, false) },
		} {
			t.Run(c.name+", "+name, func(t *testing.T) {
				is := is.New(t)
				d, u := loaded(t)
				u.give(0x0a, c.a)
				u.give(0x10, c.a)
				cond, err := write(d)
				is.Equal(outcomeOf(t, err), c.outcome)
				is.Equal(cond, c.cond)
				var e *driver.Error
				is.Equal(errors.As(err, &e) && e.Sense.Deferred, c.deferred)
			})
		}
	}
}

// An attention, and a way to the drive that is lost, end the load: nothing but a new one is carried out.
func TestEndOfALoad(t *testing.T) {
	lost := fmt.Errorf("%w: gone", scsi.ErrSessionLost)
	for _, c := range []struct {
		name    string
		a       answer
		outcome driver.Outcome
	}{
		{"attention", answer{sense: sense(6, 0, 0x29, 0, 0)}, driver.OutcomeUnitAttention},
		{"lost in the middle", answer{err: lost}, driver.OutcomeUnknown},
		{"lost before", answer{err: errors.Join(scsi.ErrNotSent, lost)}, driver.OutcomeGone},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			d, u := loaded(t)
			u.give(0x0a, c.a)
			_, err := d.WriteBlock(t.Context(), make([]byte, 1000))
			is.Equal(outcomeOf(t, err), c.outcome)
			u.seen = nil
			_, err = d.WriteBlock(t.Context(), make([]byte, 1000))
			is.Equal(outcomeOf(t, err), driver.OutcomeNotReady)
			_, err = d.Position(t.Context())
			is.Equal(outcomeOf(t, err), driver.OutcomeNotReady)
			is.Equal(len(u.seen), 0) // the drive was not asked
			is.NoErr(d.Load(t.Context()))
			_, err = d.WriteBlock(t.Context(), make([]byte, 1000))
			is.NoErr(err)
		})
	}
	// A caller that gave up before the command was sent has lost nothing.
	is := is.New(t)
	d, u := loaded(t)
	u.give(0x0a, answer{err: errors.Join(scsi.ErrNotSent, context.Canceled)})
	_, err := d.WriteBlock(t.Context(), make([]byte, 10))
	is.Equal(outcomeOf(t, err), driver.OutcomeAborted)
	_, err = d.WriteBlock(t.Context(), make([]byte, 10))
	is.NoErr(err)
}

// A drive that is becoming ready is waited for as long as the caller does.
func TestLoadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		u := &unit{answers: map[byte][]answer{}}
		d, err := ssc.Open(t.Context(), u, ssc.Options{})
		is.NoErr(err)
		for range 30 {
			u.give(0x1b, answer{sense: sense(2, 0, 4, 1, 0)})
		}
		u.give(0x1b, answer{sense: sense(6, 0, 0x28, 0, 0)}) // and then the new cartridge is told
		began := time.Now()
		is.NoErr(d.Load(t.Context()))
		is.True(time.Since(began) > 10*time.Second)

		for range 3000 {
			u.give(0x1b, answer{sense: sense(2, 0, 4, 1, 0)})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		is.Equal(outcomeOf(t, d.Load(ctx)), driver.OutcomeUnknown)

		u.answers[0x1b] = nil
		u.give(0x00, answer{}, answer{sense: sense(2, 0, 0x3a, 0, 0)})
		u.seen = nil
		is.Equal(outcomeOf(t, d.Load(t.Context())), driver.OutcomeNoMedium)
		is.Equal(u.seen, []string{"00", "00"}) // an empty drive is not told to load
		u.give(0x1b, answer{sense: sense(3, 0, 0x30, 0, 0)})
		is.Equal(outcomeOf(t, d.Load(t.Context())), driver.OutcomeMedium)
	})
}

func TestStatus(t *testing.T) {
	is := is.New(t)
	d, u := loaded(t)
	s, err := d.Status(t.Context())
	is.NoErr(err)
	is.True(s.Loaded && s.Present && s.WriteProtect) // the mode says so
	u.give(0x00, answer{sense: sense(2, 0, 4, 2, 0)})
	s, err = d.Status(t.Context())
	is.NoErr(err)
	is.True(s.Present && !s.Loaded)
	u.give(0x00, answer{sense: sense(2, 0, 0x3a, 0, 0)})
	s, err = d.Status(t.Context())
	is.NoErr(err)
	is.True(!s.Present && !s.Loaded)
	_, err = d.Position(t.Context())
	is.Equal(outcomeOf(t, err), driver.OutcomeNotReady) // somebody took the cartridge
}

func TestMotion(t *testing.T) {
	is := is.New(t)
	d, u := loaded(t)
	u.give(0x11, answer{sense: sense(0, mark, 0, 1, 7)})
	n, cond, err := d.Space(t.Context(), driver.SpaceBlocks, 10)
	is.NoErr(err)
	is.Equal(n, int64(3))
	is.Equal(cond, driver.Filemark)
	u.give(0x11, answer{sense: sense(8, 0, 0, 5, 4)})
	n, cond, err = d.Space(t.Context(), driver.SpaceFilemarks, 10)
	is.NoErr(err)
	is.Equal(n, int64(6))
	is.Equal(cond, driver.EndOfData)
	u.give(0x11, answer{sense: sense(0, eom, 0, 4, 4)})
	n, cond, err = d.Space(t.Context(), driver.SpaceFilemarks, -10)
	is.NoErr(err)
	is.Equal(n, int64(6))
	is.Equal(cond, driver.LoadPoint)
	u.give(0x11, answer{sense: sense(8, 0, 0, 5, 11)})
	_, _, err = d.Space(t.Context(), driver.SpaceFilemarks, 10)
	is.Equal(outcomeOf(t, err), driver.OutcomeHardware) // more is left than was asked for

	u.seen = nil // what is too much for one command goes in several
	n, _, err = d.Space(t.Context(), driver.SpaceBlocks, 2*scsi.MaxSpace+5)
	is.NoErr(err)
	is.Equal(n, int64(2*scsi.MaxSpace+5))
	is.Equal(u.seen, []string{"11", "11", "11"})

	u.give(0x92, answer{sense: sense(8, 0, 0, 5, 0)})
	is.Equal(outcomeOf(t, d.Locate(t.Context(), 1<<40)), driver.OutcomeEndOfData)
	u.give(0x92, answer{sense: sense(3, 0, 0x14, 0, 0)})
	is.Equal(outcomeOf(t, d.Locate(t.Context(), 5)), driver.OutcomeMedium)
	is.Equal(outcomeOf(t, d.Locate(t.Context(), -1)), driver.OutcomeIllegalRequest)
	b := make([]byte, 32)
	binary.BigEndian.PutUint64(b[8:], 77)
	binary.BigEndian.PutUint64(b[16:], 3)
	u.give(0x34, answer{in: b})
	p, err := d.Position(t.Context())
	is.NoErr(err)
	is.Equal(p, driver.Position{Block: 77, File: 3, Buffered: driver.Unknown})
}

// While a cartridge is loaded a robot may not take it; the buffer is written before it may.
func TestRemoval(t *testing.T) {
	is := is.New(t)
	u := &unit{answers: map[byte][]answer{}}
	d, err := ssc.Open(t.Context(), u, ssc.Options{})
	is.NoErr(err)
	u.seen = nil
	is.NoErr(d.Load(t.Context()))
	is.Equal(u.seen[len(u.seen)-1], "1e")
	u.seen = nil
	is.NoErr(d.Unload(t.Context()))
	is.Equal(u.seen, []string{"00", "1e", "1b"}) // nothing was written: there are drives whose tape would end with a flush
	is.NoErr(d.Load(t.Context()))
	_, err = d.WriteBlock(t.Context(), make([]byte, 512))
	is.NoErr(err)
	u.give(0x10, answer{sense: sense(3, 0, 0x0c, 0, 0)})
	u.seen = nil
	is.Equal(outcomeOf(t, d.Unload(t.Context())), driver.OutcomeMedium) // it is not let go with an error untold
	is.Equal(u.seen, []string{"00", "10"})
	is.NoErr(d.Unload(t.Context())) // it has been told
	is.Equal(u.seen[2:], []string{"00", "1e", "1b"})
}

// narrow is a transport over a device of this machine, whose host adapter has a limit.
type narrow struct {
	*unit
	longest int
}

func (n narrow) MaxTransfer() int { return n.longest }

// What a host adapter cannot move is no block of the drive's; and such a device is open once.
func TestHostAdapter(t *testing.T) {
	is := is.New(t)
	d, err := ssc.Open(t.Context(), narrow{&unit{answers: map[byte][]answer{}}, 100_000}, ssc.Options{})
	is.NoErr(err)
	_, c, err := d.Identify(t.Context())
	is.NoErr(err)
	is.Equal(c.MaxBlock, 100_000)
	is.Equal(c.Exclusive, driver.ExclusiveOpen)
	d, err = ssc.Open(t.Context(), &unit{answers: map[byte][]answer{}}, ssc.Options{})
	is.NoErr(err)
	_, c, err = d.Identify(t.Context())
	is.NoErr(err)
	is.Equal(c.MaxBlock, 1<<20)
	is.Equal(c.Exclusive, driver.ExclusiveNone)
}
