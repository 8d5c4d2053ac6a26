package ssc_test

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
	"github.com/enstore-go/sdk/tape/scsi"
	"github.com/enstore-go/sdk/tape/scsi/ssc"
)

// lto is a drive that tells all that such drives tell. What it has counted changes as the test says.
type lto struct {
	*unit
	product  string
	logs     map[uint8]map[uint16]uint64 // each of 8 bytes
	memory   []byte
	medium   uint8 // medium type of the mode
	wormMode byte
	noPage   bool // of the medium
	noWORM   bool // the drive takes no such cartridges
	wraps    []uint32
	alerts   []int
}

func newLTO() *lto {
	return &lto{unit: &unit{answers: map[byte][]answer{}}, product: "ULT3580-TD9     ", logs: map[uint8]map[uint16]uint64{
		0x02: {3: 10, 6: 1}, 0x03: {3: 20, 6: 2}, 0x0c: {0: 7, 1: 1000, 2: 2000, 0x100: 0},
		0x14: {0: 300, 1: 4, 2: 5000, 3: 600}, 0x17: {1: 70, 0x16: 18_000_000}, 0x31: {1: 1 << 20, 3: 1 << 24},
	}}
}

func attribute(id uint16, format byte, value ...byte) []byte {
	b := []byte{byte(id >> 8), byte(id), 0x80 | format, 0, byte(len(value))}
	return append(b, value...)
}

func (u *lto) remember(attributes ...[]byte) {
	u.memory = make([]byte, 4)
	for _, a := range attributes {
		u.memory = append(u.memory, a...)
	}
	binary.BigEndian.PutUint32(u.memory, uint32(len(u.memory)-4))
}

func (u *lto) page(code byte) []byte {
	b := []byte{code, 0, 0, 0}
	add := func(n uint16, v []byte) {
		b = append(append(b, byte(n>>8), byte(n), 0, byte(len(v))), v...)
	}
	for n, v := range u.logs[code] {
		add(n, binary.BigEndian.AppendUint64(nil, v))
	}
	if code == 0x2e {
		for _, n := range u.alerts {
			add(uint16(n), []byte{1})
		}
		u.alerts = nil // reading clears them
	}
	if code == 0 {
		b = append(b, 0x00, 0x02, 0x03, 0x0c, 0x14, 0x17, 0x2e, 0x31)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-4))
	return b
}

var refused = sense(5, 0, 0x20, 0, 0)

func (u *lto) Exec(ctx context.Context, cdb, out, in []byte) (scsi.Result, error) {
	if len(u.answers[cdb[0]]) > 0 {
		return u.unit.Exec(ctx, cdb, out, in)
	}
	give := func(b []byte) (scsi.Result, error) {
		u.seen = append(u.seen, string([]byte{"0123456789abcdef"[cdb[0]>>4], "0123456789abcdef"[cdb[0]&15]}))
		if b == nil {
			return scsi.Result{Status: scsi.CheckCondition, Sense: refused}, nil
		}
		return scsi.Result{Transferred: copy(in, b)}, nil
	}
	switch {
	case cdb[0] == 0x12 && cdb[1] == 0:
		return give([]byte("\x01\x80\x06\x02\x1f\x00\x00\x00IBM     " + u.product + "0001"))
	case cdb[0] == 0x12 && cdb[2] == 0xb0:
		if u.noWORM {
			return give(append([]byte{1, 0xb0, 0, 0x3c, 1}, make([]byte, 0x3b)...)) // a disk's
		}
		return give([]byte{1, 0xb0, 0, 2, 1, 0})
	case cdb[0] == 0x4d:
		return give(u.page(cdb[2] & 0x3f))
	case cdb[0] == 0x8c:
		return give(u.memory)
	case cdb[0] == 0x5a:
		b := []byte{0, 14, u.medium, 0, 0, 0, 0, 8, 0x60, 0, 0, 0, 0, 0, 0, 0}
		if cdb[2]&0x3f == 0x1d {
			if u.noPage {
				return give(nil)
			}
			b = append(b, 0x1d, 2, u.wormMode, 0)
			b[1] += 4
		}
		return give(b)
	case cdb[0] == 0xa3 && cdb[1] == 0x1f:
		if u.wraps == nil {
			return give(nil)
		}
		b := []byte{0, byte(2 + 12*len(u.wraps)), 0, 0}
		for i, e := range u.wraps {
			b = append(b, 0, byte(i), 0, 0, 0, 0, 0, 0)
			b = binary.BigEndian.AppendUint32(b, e)
		}
		return give(b)
	}
	return u.unit.Exec(ctx, cdb, out, in)
}

func ready(t *testing.T, u *lto) driver.Drive {
	t.Helper()
	d, err := ssc.Open(t.Context(), u, ssc.Options{})
	is.New(t).NoErr(err)
	is.New(t).NoErr(d.Load(t.Context()))
	return d
}

func health(t *testing.T, d driver.Drive) driver.Health {
	t.Helper()
	h, err := d.(driver.HealthReporter).Health(t.Context())
	is.New(t).NoErr(err)
	is.New(t).NoErr(h.Check())
	return h
}

func TestHealth(t *testing.T) {
	is := is.New(t)
	u := newLTO()
	u.remember(attribute(0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0), attribute(1, 0, 0, 0, 0, 0, 1, 0, 0, 0), attribute(3, 0, 0, 0, 0, 0, 0, 0, 0, 9),
		attribute(0x400, 1, []byte("ACME    ")...), attribute(0x401, 1, []byte("F01     ")...), attribute(0x405, 0, 0x5e), attribute(0x408, 0, 0x80),
		attribute(0x806, 1, []byte(strings.Repeat("V", 100))...))
	u.wraps = []uint32{207_516, 300_000}
	u.alerts = []int{1, 21}
	d := ready(t, u)
	_, caps, err := d.Identify(t.Context())
	is.NoErr(err)
	is.True(caps.ReportsHealth && caps.WORM)
	u.logs[0x02][3], u.logs[0x0c][1] = 15, 1500
	u.logs[0x03][6] = 1 // the drive began to count anew
	h := health(t, d)
	is.Equal(h, driver.Health{
		Alerts: driver.AlertsOf(1, 21), Cleaning: driver.CleaningDue, Loads: 300, Cleanings: 4, PowerHours: 5000, MotionHours: 600,
		Written: driver.Traffic{Bytes: 500, Corrected: 5, Uncorrected: 0}, Read: driver.Traffic{Bytes: 0, Corrected: 0, Uncorrected: 1}, Stops: driver.Unknown,
		Cartridge: driver.Cartridge{Maker: "ACME", Serial: "F01", Barcode: strings.Repeat("V", 64), Kind: driver.CartridgeWORM, Density: 0x60, Loads: 9,
			Capacity: 1 << 44, Remaining: 1 << 40, WrapEnds: []int64{207_517, 300_000}},
	})
	is.Equal(health(t, d).Alerts, driver.Alerts(0))
	is.Equal(health(t, d).Cleaning, driver.CleaningNone) // by its log; who read the flags keeps them

	s, err := d.Status(t.Context())
	is.NoErr(err)
	is.True(s.Loaded && s.WORM && !s.NeedsClean && !s.Cleaning)
	is.Equal(s.Capacity, int64(1<<44))
	is.Equal(s.Remaining, int64(1<<40))
	u.logs[0x0c][0x100] = 1
	s, err = d.Status(t.Context())
	is.NoErr(err)
	is.True(s.NeedsClean)
	u.alerts = []int{20}
	for range 2 {
		s, err = d.Status(t.Context())
		is.NoErr(err)
	}
	is.Equal(u.alerts, []int{20}) // no status reads them
	is.Equal(health(t, d).Cleaning, driver.CleaningNow)

	is.NoErr(d.Unload(t.Context()))
	u.give(0x00, answer{sense: sense(2, 0, 0x3a, 0, 0)})
	s, err = d.Status(t.Context())
	is.NoErr(err)
	is.True(s.NeedsClean && !s.Present) // an empty drive is what can be cleaned
	h = health(t, d)
	is.Equal(h.Cartridge, driver.UnknownCartridge())
	is.Equal(h.Written.Bytes, driver.Unknown)
	is.Equal(h.Loads, int64(300))
}

// Without a memory the logs tell what they can of a cartridge.
func TestHealthByLogs(t *testing.T) {
	is := is.New(t)
	u := newLTO()
	u.logs[0x17][0x81] = 1
	h := health(t, ready(t, u))
	is.Equal(h.Cartridge, driver.Cartridge{Kind: driver.CartridgeWORM, Density: 0x60, Loads: 70, Capacity: 1 << 44, Remaining: 1 << 40})
	u = newLTO()
	delete(u.logs, 0x31)
	u.logs[0x0c][0] = 1 << 63
	u.logs[0x14][0] = 1 << 63 // more than there can be is not known
	h = health(t, ready(t, u))
	is.Equal(h.Cartridge.Capacity, int64(18e12))
	is.Equal(h.Cartridge.Remaining, driver.Unknown)
	is.Equal(h.Loads, driver.Unknown)
	u = newLTO()
	u.logs[0x31] = map[uint16]uint64{1: 5, 3: 4}
	h = health(t, ready(t, u))
	is.Equal(h.Cartridge.Remaining, driver.Unknown) // more than there is
}

// A write-once cartridge is known by its memory, by the mode, or by the medium type of IBM's drives.
func TestWORM(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*lto)
		want bool
	}{
		"memory":                           {func(u *lto) { u.remember(attribute(0x408, 0, 0x80)) }, true},
		"data":                             {func(u *lto) { u.remember(attribute(0x408, 0, 0x00)); u.medium = 0x98 }, false},
		"mode":                             {func(u *lto) { u.wormMode = 1 }, true},
		"mode, of a drive that takes none": {func(u *lto) { u.wormMode, u.noWORM = 1, true }, false},
		"medium type":                      {func(u *lto) { u.noPage, u.medium = true, 0x9c }, true},
		"data type":                        {func(u *lto) { u.noPage, u.medium = true, 0x98 }, false},
		"nothing":                          {func(*lto) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			u := newLTO()
			c.set(u)
			s, err := ready(t, u).Status(t.Context())
			is.NoErr(err)
			is.Equal(s.WORM, c.want)
		})
	}
}

// A drive that refuses every question of health is a drive all the same.
func TestHealthThatIsNotThere(t *testing.T) {
	is := is.New(t)
	u := &unit{answers: map[byte][]answer{}}
	u.give(0x4d, answer{sense: refused})
	u.give(0x8c, answer{sense: refused})
	d, err := ssc.Open(t.Context(), u, ssc.Options{})
	is.NoErr(err)
	_, caps, err := d.Identify(t.Context())
	is.NoErr(err)
	is.True(!caps.ReportsHealth && !caps.WORM)
	_, err = d.(driver.HealthReporter).Health(t.Context())
	is.Equal(outcomeOf(t, err), driver.OutcomeIllegalRequest)
	is.NoErr(d.Load(t.Context()))
	u.seen = nil
	_, err = d.Status(t.Context())
	is.NoErr(err)
	is.Equal(u.seen, []string{"00", "5a"}) // and it is not bothered
}

// What happens while the health is asked is told as at any other time, and no flag is lost over it.
func TestHealthAndFailures(t *testing.T) {
	is := is.New(t)
	u := newLTO()
	d := ready(t, u)
	u.alerts = []int{4}
	late := append([]byte{0xf1}, sense(3, 0, 0x0c, 0, 0)[1:]...)
	u.give(0x4d, answer{sense: late})
	_, err := d.(driver.HealthReporter).Health(t.Context())
	is.Equal(outcomeOf(t, err), driver.OutcomeMedium)
	is.True(err.(*driver.Error).Sense.Deferred)
	_, err = d.Position(t.Context())
	is.NoErr(err)
	u.give(0x8c, answer{sense: sense(6, 0, 0x29, 0, 0)})
	u.remember()
	_, err = d.(driver.HealthReporter).Health(t.Context())
	is.NoErr(err) // the memory had been refused when it was loaded, and is not asked for
	u.answers[0x8c] = nil
	is.Equal(u.alerts, []int(nil))
	u.alerts = []int{4}
	u.give(0x4d, answer{sense: sense(6, 0, 0x29, 0, 0)})
	_, err = d.(driver.HealthReporter).Health(t.Context())
	is.Equal(outcomeOf(t, err), driver.OutcomeUnitAttention)
	is.Equal(u.alerts, []int{4})
	_, err = d.Position(t.Context())
	is.Equal(outcomeOf(t, err), driver.OutcomeNotReady) // the load has ended
	u.give(0x4d, answer{sense: sense(6, 0, 0x29, 0, 0)})
	is.Equal(health(t, d).Alerts.Flags(), []int{4}) // without a load there is nothing to end
}

func TestCleaningCartridge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		u := newLTO()
		d, err := ssc.Open(t.Context(), u, ssc.Options{})
		is.NoErr(err)
		is30 := answer{sense: sense(2, 0, 0x30, 3, 0)}
		u.give(0x00, is30)
		s, err := d.Status(t.Context())
		is.NoErr(err)
		is.True(s.Present && s.Cleaning && !s.Loaded)
		u.give(0x1b, answer{sense: sense(2, 0, 4, 1, 0)}, is30)
		err = d.Load(t.Context())
		is.Equal(outcomeOf(t, err), driver.OutcomeNotReady)
		is.Equal(err.(*driver.Error).Sense.ASC, uint8(0x30))
		for range 100 {
			u.give(0x1b, is30) // it is at work
		}
		u.give(0x1b, answer{sense: sense(2, 0, 0x3a, 0, 0)}) // and has been ejected
		began := time.Now()
		is.NoErr(d.Unload(t.Context()))
		is.True(time.Since(began) > time.Minute)
	})
}

// The first load of an LTO-9 cartridge takes as long as it takes, within the limit that the drive's capabilities tell.
func TestInitialisation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		u := newLTO()
		d, err := ssc.Open(t.Context(), u, ssc.Options{})
		is.NoErr(err)
		_, caps, err := d.Identify(t.Context())
		is.NoErr(err)
		is.Equal(caps.Timeouts.Load, 2*time.Hour+16*time.Minute)
		busy := sense(2, 0, 4, 7, 0)
		busy[15], busy[16] = 0x80, 0x40 // a quarter is done
		for i := range 7000 {
			u.give(0x00, answer{sense: busy})
			if i < 10 {
				u.give(0x1b, answer{sense: sense(2, 0, 4, 8, 0)})
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), caps.Timeouts.Load)
		defer cancel()
		began := time.Now()
		is.NoErr(d.Load(ctx))
		is.True(time.Since(began) > 110*time.Minute)

		for range 1000 {
			u.give(0x1b, answer{sense: busy})
		}
		short, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		err = d.Load(short)
		is.Equal(outcomeOf(t, err), driver.OutcomeUnknown)
		is.True(strings.Contains(err.Error(), "25 % done"))
	})
}

func TestTimeouts(t *testing.T) {
	for product, load := range map[string]time.Duration{
		"ULT3580-TD9     ": 136 * time.Minute, "ULTRIUM-HH9     ": 136 * time.Minute, "HH LTO Gen 9    ": 136 * time.Minute, "Ultrium 9-SCSI  ": 136 * time.Minute,
		"ULT3580-HHA     ": 16 * time.Minute, "ULT3580-TD8     ": 16 * time.Minute, "ULTRIUM-TD5     ": 16 * time.Minute,
		"03592E08        ": 15 * time.Minute, "STREAMER        ": 15 * time.Minute,
	} {
		t.Run(product, func(t *testing.T) {
			is := is.New(t)
			u := newLTO()
			u.product = product
			d, err := ssc.Open(t.Context(), u, ssc.Options{Timeouts: driver.Timeouts{Flush: time.Hour}})
			is.NoErr(err)
			_, caps, err := d.Identify(t.Context())
			is.NoErr(err)
			is.Equal(caps.Timeouts.Load, load)
			is.Equal(caps.Timeouts.Flush, time.Hour) // as was asked for
			is.Equal(caps.Timeouts.Command, 30*time.Second)
		})
	}
	is := is.New(t)
	u := newLTO() // of an unknown name, which knows the format of LTO-9
	u.product = "STREAMER        "
	b := make([]byte, 4+104)
	b[1], b[4], b[56] = 106, scsi.DensityLTO9, scsi.DensityLTO8
	u.give(0x44, answer{in: b})
	d, err := ssc.Open(t.Context(), u, ssc.Options{})
	is.NoErr(err)
	_, caps, err := d.Identify(t.Context())
	is.NoErr(err)
	is.Equal(caps.Timeouts.Load, 136*time.Minute)
}

// The kit's rules of health, on a drive that answers as LTO drives do and keeps nothing.
func TestHealthRules(t *testing.T) {
	is := is.New(t)
	tried := 0
	err := drivertest.CheckDrive(t.Context(), func(tb testing.TB, s drivertest.Scratch) *drivertest.Rig {
		if !s.None && !s.WORM {
			return nil
		}
		return &drivertest.Rig{Open: func() (driver.Drive, error) {
			u := newLTO()
			u.remember(attribute(0x408, 0, 0x80))
			if s.None {
				u.give(0x00, answer{sense: sense(2, 0, 0x3a, 0, 0)})
			}
			return ssc.Open(t.Context(), u, ssc.Options{})
		}}
	}, func(r drivertest.Result) {
		if !strings.HasPrefix(r.Rule, "health of") {
			return
		}
		tried++
		if r.Verdict != drivertest.Kept {
			t.Errorf("%s: %s %s", r.Rule, r.Verdict, r.Text)
		}
	})
	is.NoErr(err)
	is.Equal(tried, 2)
}
