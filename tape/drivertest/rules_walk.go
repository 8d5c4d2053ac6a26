package drivertest

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

// walk is a tape as it should be, and where on it the drive should stand.
type walk struct {
	*kit
	r    *rand.Rand
	t    tape
	pos  int
	made int // blocks so far: each has its own content
	last string
}

// The length of a walk, and of its tape: on a real drive a step takes seconds.
const (
	walkSteps   = 150
	walkObjects = 60
)

// put is what writing objects does to the tape: they are its last.
func (w *walk) put(objects ...[]byte) {
	w.t = append(w.t[:w.pos:w.pos], objects...)
	w.pos = len(w.t)
}

func (w *walk) write() {
	w.last = "write"
	for range 1 + w.r.IntN(3) {
		b := block(1000+w.made, w.size(w.r.IntN(70_000)))
		w.made++
		w.kit.write(b)
		w.put(b)
	}
}

func (w *walk) marks() {
	w.last = "write filemarks"
	n := 1 + w.r.IntN(2)
	w.kit.marks(n)
	w.put(make([][]byte, n)...)
}

func (w *walk) read() {
	w.last = "read"
	switch {
	case w.pos == len(w.t):
		w.meets(driver.EndOfData)
		return
	case w.t[w.pos] == nil:
		w.meets(driver.Filemark)
	default:
		w.wants(w.t[w.pos])
	}
	w.pos++
}

func (w *walk) rewind() {
	w.last = "rewind"
	w.kit.rewind()
	w.pos = 0
}

func (w *walk) reload() {
	w.last = "unload and load"
	w.good("unload", w.d.Unload(w.ctx))
	w.load()
	w.pos = 0
}

func (w *walk) locate() {
	w.last = "locate"
	n := w.r.IntN(len(w.t) + 2)
	err := w.d.Locate(w.ctx, int64(n))
	if n > len(w.t) {
		w.bad("locate beyond end of data", err, driver.OutcomeEndOfData)
		w.pos = len(w.t)
		return
	}
	w.good("locate", err)
	w.pos = n
}

func (w *walk) spaceBlocks() {
	w.last = "space over blocks"
	n := w.r.IntN(15) - 7
	way, left := 1, n
	if n < 0 {
		way, left = -1, -n
	}
	passed, cond := int64(0), driver.NoCondition
	for ; left > 0 && cond == driver.NoCondition; left-- {
		at := w.pos // the object that is passed next
		if way < 0 {
			at--
		}
		switch {
		case at < 0:
			cond = driver.LoadPoint
		case at == len(w.t):
			cond = driver.EndOfData
		default:
			w.pos += way
			if w.t[at] == nil {
				cond = driver.Filemark
			} else {
				passed++
			}
		}
	}
	w.space(driver.SpaceBlocks, int64(n), passed, cond)
}

func (w *walk) spaceFilemarks() {
	w.last = "space over filemarks"
	n := w.r.IntN(9) - 4
	passed, cond := int64(0), driver.NoCondition
	for left := n; left > 0 && cond == driver.NoCondition; {
		if w.pos == len(w.t) {
			cond = driver.EndOfData
			break
		}
		w.pos++
		if w.t[w.pos-1] == nil {
			passed++
			left--
		}
	}
	for left := -n; left > 0 && cond == driver.NoCondition; {
		if w.pos == 0 {
			cond = driver.LoadPoint
			break
		}
		w.pos--
		if w.t[w.pos] == nil {
			passed++
			left--
		}
	}
	w.space(driver.SpaceFilemarks, int64(n), passed, cond)
}

func (w *walk) spaceEnd() {
	w.last = "space to end of data"
	w.space(driver.SpaceEndOfData, 0, 0, driver.NoCondition)
	w.pos = len(w.t)
}

// go walks by these ways of motion; each step is followed by a look at the position, and in the end the whole tape is read.
func (k *kit) walk(seed uint64, motions ...func(*walk)) {
	k.Helper()
	w := &walk{kit: k, r: rand.New(rand.NewPCG(seed, 3))}
	steps := append(motions, (*walk).write, (*walk).write, (*walk).marks, (*walk).read, (*walk).read, (*walk).rewind)
	for i := range walkSteps {
		switch {
		case i%50 == 49:
			w.reload()
		case len(w.t) > walkObjects:
			w.rewind()
			w.write()
		default:
			steps[w.r.IntN(len(steps))](w)
		}
		k.at(int64(w.pos), w.t.file(w.pos))
	}
	k.check(w.t) // not flushed before: in the middle of a tape that has a rule of its own
}

var walkRules = []rule{
	{
		name:        "a label",
		explanation: "A volume is known by 80 bytes and a filemark at its load point. They are read after every load, stand when files are appended behind them, and a label that is written anew leaves nothing of what was there.",
		run: func(k *kit) {
			label := func(s string) []byte { return append([]byte(s), block(1, k.size(80)-len(s))...) }
			if k.size(80) < 10 {
				k.fail("a block of 80 bytes is made to one of %d", k.size(80))
			}
			old := tape{label("VOL1TST001"), nil}
			k.write(old[0])
			k.marks(1)
			k.flush()
			k.load()
			k.wants(old[0])
			k.meets(driver.Filemark)
			b := block(2, k.size(4000))
			k.write(b)
			k.marks(1)
			old = append(old, b, nil)
			k.good("unload", k.d.Unload(k.ctx))
			k.load()
			k.rest(old)
			k.rewind()
			fresh := tape{label("VOL1TST002"), nil}
			k.write(fresh[0])
			k.marks(1)
			k.flush()
			k.load()
			k.rest(fresh)
		},
	},
	{
		name:        "locate everywhere",
		explanation: "Recalls jump over the whole tape, in an order that the tape's geometry makes: each object is found from everywhere, forwards, backwards and across.",
		needs:       needsLocate,
		run: func(k *kit) {
			var sizes []int
			for i := range 40 {
				sizes = append(sizes, 600+i*37)
				if i%7 == 6 || i%11 == 10 {
					sizes = append(sizes, 0)
				}
			}
			t := k.story(sizes...)
			k.flush()
			var order []int
			for n := range t {
				order = append(order, n)
			}
			for n := range t {
				order = append(order, len(t)-1-n)
			}
			order = append(order, rand.New(rand.NewPCG(7, 7)).Perm(len(t))...)
			for _, n := range order {
				k.good("locate", k.d.Locate(k.ctx, int64(n)))
				if t[n] == nil {
					k.meets(driver.Filemark)
				} else {
					k.wants(t[n])
				}
				k.at(int64(n+1), t.file(n+1))
			}
		},
	},
	{
		name:        "positions are the volume's",
		explanation: "A position is stored in the catalogue and used in another mount, years later: it counts from the load point, not from where a load or an append began.",
		needs:       needsLocate,
		run: func(k *kit) {
			t := k.story(700, 0, 800)
			k.flush()
			k.good("unload", k.d.Unload(k.ctx))
			k.load()
			k.at(0, 0)
			k.space(driver.SpaceEndOfData, 0, 0, driver.NoCondition)
			k.at(3, 1)
			b := block(50, k.size(900))
			k.write(b)
			t = append(t, b)
			k.at(4, 1)
			k.flush()
			k.reopen()
			k.load()
			k.good("locate", k.d.Locate(k.ctx, 3))
			k.wants(t[3])
			k.at(4, 1)
			k.good("locate", k.d.Locate(k.ctx, 0))
			k.rest(t)
		},
	},
	{
		name:        "a walk at random",
		explanation: "Commands come in any order. Whatever came before, each does what it does alone: what is read, how many are left, and where the tape stands agree with a list of objects.",
		needs:       needsLocate,
		run:         func(k *kit) { k.walk(1, (*walk).locate, (*walk).locate, (*walk).locate) },
	},
	{
		name:        "a walk at random by spacing",
		explanation: "Drives that cannot locate, and volumes whose positions nobody wrote down, are moved by counting. It is exact in every mixture of blocks, filemarks, ends and writes between.",
		run: func(k *kit) {
			k.walk(2, (*walk).spaceBlocks, (*walk).spaceBlocks, (*walk).spaceFilemarks, (*walk).spaceFilemarks, (*walk).spaceEnd)
		},
	},
	{
		name:        "close in the middle of a call",
		explanation: "A mover that is told to stop closes the drive while a call is at work. Close returns, the call ends with success or a *driver.Error, and what was flushed before is on tape.",
		run: func(k *kit) {
			t := k.story(3000, 0)
			k.flush()
			begun, ended := make(chan struct{}), make(chan error, 1)
			d, n := k.d, k.size(65536)
			go func() {
				for i := 0; ; i++ {
					if i == 3 {
						close(begun)
					}
					if _, err := d.WriteBlock(k.ctx, block(100+i%8, n)); err != nil {
						if i < 3 {
							close(begun)
						}
						ended <- err
						return
					}
				}
			}()
			<-begun
			closed := make(chan error, 1)
			go func() { closed <- d.Close() }()
			limit := time.NewTimer(closeLimit)
			defer limit.Stop()
			for range 2 {
				select {
				case err := <-closed:
					k.good("close", err)
					closed = nil
				case err := <-ended:
					if _, ok := errors.AsType[*driver.Error](err); !ok {
						k.fail("write block: %v is a %T, every error must be a *driver.Error", err, err)
					}
					ended = nil
				case <-limit.C:
					k.fail("Close, or the call that it interrupts, takes longer than %v", closeLimit)
				}
			}
			k.open()
			k.load()
			k.wants(t[0])
			k.meets(driver.Filemark)
		},
	},
}

// closeLimit bounds Close with a call at work: a block may be retried by the drive.
const closeLimit = 5 * time.Minute
