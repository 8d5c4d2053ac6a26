package spool

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape/disk"
	"github.com/matryer/is"
)

// life is what a spool's users were told before the power went.
type life struct {
	ids      []catalog.RequestID
	data     [][]byte
	said     []bool // the spool has said that it is complete
	removing []bool // Remove was called
	removed  []bool // and has said that it is done
}

// live stores three files and removes one, and notes what the spool says.
func (p *place) live(l *life) {
	put := func(i int) {
		p.t.Helper()
		put := wire.Put{ID: l.ids[i], Key: "/f", Size: wire.UnknownSize}
		turn, err := p.Receive(put, func(_ Info, err error) error {
			l.said[i] = err == nil
			return nil
		})
		if err != nil {
			return
		}
		c, err := wire.Dial(p.t.Context(), turn, wire.WriteData, nil)
		if err != nil {
			return
		}
		defer c.Close()
		if _, err := (&client{conn: c}).send(p.t.Context(), l.data[i]); err != nil && l.said[i] {
			p.t.Errorf("complete, but the client hears %v", err)
		}
	}
	put(0)
	put(1)
	l.removing[0] = true
	l.removed[0] = p.Remove(l.ids[0]) == nil
	put(2)
}

// judge compares what a crash left with what was said.
func (l *life) judge(t *testing.T, p *place, name string, at ...any) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf(name+" %v: "+format, append([]any{at}, args...)...)
	}
	for i, id := range l.ids {
		r, size, adler, err := p.Open(id)
		if err != nil {
			if !errors.Is(err, wire.ErrNotFound) {
				fail("file %d: %v", i, err)
			}
			if l.said[i] && !l.removing[i] {
				fail("file %d was complete and is lost", i)
			}
			continue
		}
		if l.removed[i] {
			fail("file %d was removed and is back", i)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if err != nil || !bytes.Equal(got, l.data[i]) || size != int64(len(got)) || adler != crc.Adler(crc.Seed1, got) {
			fail("file %d: %d bytes, not the %d that were sent (%v)", i, len(got), len(l.data[i]), err)
		}
	}
	if n := len(p.names()); n != 2*len(p.List()) {
		fail("%d names for %d files", n, len(p.List()))
	}
}

func newLife() *life {
	l := &life{said: make([]bool, 3), removing: make([]bool, 3), removed: make([]bool, 3)}
	for _, n := range []int{1 << 10, bufferSize + 3000, 5} {
		l.ids = append(l.ids, catalog.NewRequestID())
		l.data = append(l.data, content(n))
	}
	return l
}

// TestPowerCuts stops the disk after every number of changes, and lets chance decide what of the rest is left.
func TestPowerCuts(t *testing.T) {
	rounds := 4
	if testing.Short() {
		rounds = 1
	}
	l := port(t)
	for k := int64(0); ; k++ {
		stopped := false
		for seed := range rounds {
			p := &place{t: t, fs: disk.NewForgetful(), port: l}
			old := p.fs
			p.open(16 << 20)
			old.StopAfter(k)
			life := newLife()
			p.live(life)
			_, err := old.Stat(dir)
			stopped = err != nil
			p.Close()
			var r *rand.Rand
			if seed > 0 {
				r = rand.New(rand.NewPCG(uint64(seed), uint64(k)))
			}
			p = &place{t: t, fs: old.Crash(r), port: l}
			p.is = is.New(t)
			p.open(16 << 20)
			life.judge(t, p, "power cut after change, seed", k, seed)
			p.Close()
		}
		if !stopped { // k was more than there are
			if k < 15 {
				t.Fatalf("only %d changes", k)
			}
			return
		}
	}
}

// TestFailingDisk makes every change fail once; what was said still holds, now and after a crash.
func TestFailingDisk(t *testing.T) {
	l := port(t)
	broken := errors.New("input/output error")
	for k := int64(1); k < 40; k++ {
		p := &place{t: t, fs: disk.NewForgetful(), port: l}
		old := p.fs
		p.is = is.New(t)
		p.open(16 << 20)
		old.FailChange(k, broken)
		life := newLife()
		p.live(life)
		old.Inject(nil)
		for i, id := range life.ids {
			if _, ok := p.Info(id); ok != (life.said[i] && !life.removed[i]) {
				t.Errorf("change %d failed: file %d: said %v, removed %v, there %v", k, i, life.said[i], life.removed[i], ok)
			}
		}
		p.Close()
		p = &place{t: t, fs: old.Crash(nil), port: l}
		p.is = is.New(t)
		p.open(16 << 20)
		life.judge(t, p, "failed change", k)
		p.Close()
	}
}
