package tape_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/faulty"
	"github.com/enstore-go/sdk/tape/memtape"
)

// model is a tape as a list of records, "|" for a filemark, and a place in it.
type model struct {
	objects []string
	at      int
	safe    int // objects known to be on tape
	blocks  int // ever written, so that each differs
	load    *tape.Load
	drive   *tape.Drive
	device  *faulty.TapeDrive
	lib     *memtape.Library
	faults  bool // rules are at work: a block may be unreadable
}

var ctx = context.Background()

func newModel(t *rapid.T) *model {
	o := memtape.Options{
		Window:      rapid.IntRange(0, 5).Draw(t, "window"),
		NoPositions: rapid.Bool().Draw(t, "no positions"),
		NoFiles:     rapid.Bool().Draw(t, "no files"),
		NoLocate:    rapid.Bool().Draw(t, "no locate"),
	}
	m := &model{lib: memtape.New(o)}
	m.must(t, second(m.lib.AddVolume("VO0001", memtape.VolumeOptions{})))
	m.must(t, m.lib.Insert("VO0001", 0))
	m.device = faulty.Drive(m.lib.Drive(0))
	var err error
	m.drive, err = tape.NewDrive(ctx, m.device, nil)
	m.must(t, err)
	m.reload(t)
	return m
}

func (m *model) must(t *rapid.T, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

func (m *model) reload(t *rapid.T) {
	var err error
	m.load, err = m.drive.Load(ctx)
	m.must(t, err)
	m.at = 0
}

// file is the number of filemarks before object n.
func (m *model) file(n int) (f int64) {
	for _, o := range m.objects[:n] {
		if o == "|" {
			f++
		}
	}
	return f
}

// starts are the places where files begin.
func (m *model) starts() []int {
	s := []int{0}
	for i, o := range m.objects {
		if o == "|" {
			s = append(s, i+1)
		}
	}
	return s
}

func (m *model) put(s string) {
	m.objects = append(m.objects[:m.at:m.at], s)
	m.at++
	m.safe = min(m.safe, m.at-1)
}

func (m *model) write(t *rapid.T) error {
	m.blocks++
	b := fmt.Sprint("block ", m.blocks)
	_, err := m.load.WriteBlock(ctx, []byte(b))
	if err == nil {
		m.put(b)
	}
	return err
}

func (m *model) mark(t *rapid.T) error {
	n := rapid.IntRange(0, 3).Draw(t, "marks")
	_, err := m.load.WriteFilemarks(ctx, n)
	for range n {
		if err == nil {
			m.put("|")
		}
	}
	return err
}

func (m *model) sync(t *rapid.T) error {
	p, err := m.load.Sync(ctx)
	if err != nil {
		return err
	}
	if p.Block != driver.Unknown && p.Block != int64(m.at) || p.File != driver.Unknown && p.File != m.file(m.at) {
		t.Fatalf("synced at %v, the model is at object %d", p, m.at)
	}
	m.safe = len(m.objects)
	return nil
}

func (m *model) read(t *rapid.T) error {
	buf := make([]byte, 100)
	n, c, err := m.load.ReadBlock(ctx, buf)
	if err != nil {
		return err
	}
	got := string(buf[:n])
	switch c {
	case driver.Filemark:
		got = "|"
	case driver.EndOfData:
		if m.at != len(m.objects) {
			t.Fatalf("end of data at object %d of %d", m.at, len(m.objects))
		}
		return nil
	}
	if m.at == len(m.objects) || m.objects[m.at] != got {
		t.Fatalf("read %q at object %d of %q", got, m.at, m.objects)
	}
	m.at++
	return nil
}

func (m *model) locateFile(t *rapid.T) error {
	s := m.starts()
	n := rapid.IntRange(0, len(s)).Draw(t, "file")
	err := m.load.LocateFile(ctx, int64(n))
	switch {
	case n < len(s) && err == nil:
		m.at = s[n]
	case n == len(s) && err == nil:
		t.Fatalf("file %d of %d was found", n, len(s))
	case n == len(s) && errors.Is(err, tape.ErrEndOfData):
		m.at = len(m.objects)
		return nil
	}
	return err
}

func (m *model) locateBlock(t *rapid.T) error {
	n := rapid.IntRange(0, len(m.objects)).Draw(t, "object")
	p := tape.Position{Block: int64(n), File: m.file(n)}
	err := m.load.LocateBlock(ctx, p)
	caps := m.drive.Capabilities()
	if errors.Is(err, tape.ErrPosition) && !caps.ReportsPosition && !caps.LocatesByBlock && m.load.Err() == nil {
		// Such a drive can count only within files whose place it has seen.
		m.at = m.starts()[p.File]
		return nil
	}
	if err == nil {
		m.at = n
	}
	return err
}

func (m *model) end(t *rapid.T) error {
	_, err := m.load.LocateEnd(ctx)
	if err == nil {
		m.at = len(m.objects)
	}
	return err
}

func (m *model) rewind(t *rapid.T) error {
	err := m.load.Rewind(ctx)
	if err == nil {
		m.at = 0
	}
	return err
}

func (m *model) space(t *rapid.T) error {
	n := rapid.Int64Range(-4, 4).Draw(t, "filemarks")
	passed, _, err := m.load.SpaceFilemarks(ctx, n)
	if err != nil {
		return err
	}
	step, want := 1, int64(0)
	if n < 0 {
		step = -1
	}
	for want < max(n, -n) && (step > 0 && m.at < len(m.objects) || step < 0 && m.at > 0) {
		if m.objects[m.at+(step-1)/2] == "|" {
			want++
		}
		m.at += step
	}
	if passed != want {
		t.Fatalf("passed %d filemarks, want %d", passed, want)
	}
	return nil
}

func (m *model) checkEnd(t *rapid.T) error {
	s := m.starts()
	n := rapid.IntRange(0, len(s)-1).Draw(t, "file")
	got, err := m.load.CheckEnd(ctx, int64(n))
	if err != nil {
		return err
	}
	m.at = s[n]
	want := tape.DataBeyond
	switch ahead := m.objects[m.at:]; {
	case len(ahead) == 0:
		want = tape.AtEnd
	case len(ahead) == 1 && ahead[0] == "|":
		want = tape.DoubleMark
	}
	if got != want && !(m.faults && got == tape.DataBeyond) {
		t.Fatalf("%v before %q", got, m.objects[m.at:])
	}
	return nil
}

// check compares the whole tape, and the load's idea of where it is, with the model.
func (m *model) check(t *rapid.T) {
	p := m.load.Position()
	if m.load.Err() == nil && (p.Block != driver.Unknown && p.Block != int64(m.at) || p.File != driver.Unknown && p.File != m.file(m.at)) {
		t.Fatalf("the load is at %v, the model at object %d of %q", p, m.at, m.objects)
	}
	all, err := m.lib.Objects("VO0001")
	m.must(t, err)
	if len(all) > len(m.objects) || len(all) < m.safe {
		t.Fatalf("%d objects on tape, written %d, synced %d", len(all), len(m.objects), m.safe)
	}
	for i, o := range all {
		if o == nil && m.objects[i] != "|" || o != nil && string(o) != m.objects[i] {
			t.Fatalf("object %d is %q, want %q", i, o, m.objects[i])
		}
	}
}

func (m *model) actions() map[string]func(*rapid.T) error {
	return map[string]func(*rapid.T) error{
		"write": m.write, "mark": m.mark, "sync": m.sync, "read": m.read, "rewind": m.rewind, "space": m.space,
		"locate file": m.locateFile, "locate block": m.locateBlock, "end": m.end, "check end": m.checkEnd,
	}
}

// Whatever is done on whatever kind of drive, tape and model agree.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		defer m.drive.Close()
		run := map[string]func(*rapid.T){"": m.check, "reload": func(t *rapid.T) {
			m.reload(t)
			m.safe = len(m.objects)
		}}
		for name, f := range m.actions() {
			run[name] = func(t *rapid.T) { m.must(t, f(t)) }
		}
		t.Repeat(run)
	})
}

// With faults in any call: what was synced stays, nothing else than was written
// appears, in order and whole, and a load that goes on knows where it is.
func TestModelWithFaults(t *testing.T) {
	outcomes := []driver.Outcome{
		driver.OutcomeUnknown, driver.OutcomeAborted, driver.OutcomeMedium, driver.OutcomeHardware,
		driver.OutcomeUnitAttention, driver.OutcomeTimeout, driver.OutcomeGone, driver.OutcomeNotReady,
	}
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		defer m.drive.Close()
		recover := func(t *rapid.T) {
			m.device.Clear()
			m.faults = false
			m.reload(t)
			// What was in the buffer has gone to tape now, or was lost: from here on the
			// tape is what it is, if it is what was written.
			m.check(t)
			all, err := m.lib.Objects("VO0001")
			m.must(t, err)
			m.objects = m.objects[:len(all)]
			m.safe = len(m.objects)
		}
		run := map[string]func(*rapid.T){
			"": m.check,
			"reset": func(t *rapid.T) {
				m.must(t, m.lib.Reset(0))
				recover(t)
			},
			"fault": func(t *rapid.T) {
				r := faulty.Rule{Outcome: rapid.SampledFrom(outcomes).Draw(t, "outcome"), From: rapid.IntRange(1, 4).Draw(t, "from")}
				r.Sense.Deferred = r.Outcome == driver.OutcomeMedium && rapid.Bool().Draw(t, "deferred")
				m.device.Add(r)
				m.faults = true
			},
		}
		for name, f := range m.actions() {
			run[name] = func(t *rapid.T) {
				if f(t) != nil {
					recover(t)
				}
			}
		}
		t.Repeat(run)
	})
}
