package drivertest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/memtape"
)

// broken runs f and returns how it failed.
func broken(t testing.TB, f func(testing.TB)) (failure string) {
	err := check(t.Context(), t.Name(), "", func(r Result) {
		if r.Verdict == Broken {
			failure = r.Text
		}
	}, func(tb testing.TB) string { f(tb); return "" })
	if err != nil {
		t.Fatal(err)
	}
	return failure
}

// mem is a memtape drive that a mutant changes.
func mem(o memtape.Options, mutate func(d driver.Drive, lib *memtape.Library) driver.Drive, change func(*Rig)) Harness {
	return func(t testing.TB, s Scratch) *Rig {
		lib := memtape.New(o)
		if !s.None {
			lib.AddVolume("TST001", memtape.VolumeOptions{Capacity: s.Capacity, WriteProtect: s.WriteProtect, WORM: s.WORM})
			lib.Insert("TST001", 0)
		}
		r := &Rig{
			Open: func() (driver.Drive, error) {
				d, err := lib.OpenDrive(0)
				if err != nil {
					return nil, err
				}
				return mutate(d, lib), nil
			},
			Damage: func(n int64) error { return lib.Damage("TST001", int(n), driver.Sense{}) },
			Reset:  func() error { return lib.Reset(0) },
		}
		if change != nil {
			change(r)
		}
		return r
	}
}

// mutant is a drive with some methods of its own.
type mutant struct {
	driver.Drive
	status func(driver.Status) driver.Status
	load   func(ctx context.Context) error
	unload func(ctx context.Context) error
	locate func(ctx context.Context, block int64) error
	space  func(ctx context.Context, k driver.Space, n int64) (int64, driver.Condition, error)
	pos    func(driver.Position) driver.Position
	read   func(ctx context.Context, p []byte) (int, driver.Condition, error)
	write  func(ctx context.Context, p []byte) (driver.Condition, error)
	marks  func(ctx context.Context, n int, immediate bool) (driver.Condition, error)
	id     func(driver.Identity, driver.Capabilities) (driver.Identity, driver.Capabilities)
	health func(driver.Health) driver.Health
}

func (m mutant) Health(ctx context.Context) (driver.Health, error) {
	h, err := m.Drive.(driver.HealthReporter).Health(ctx)
	if m.health != nil {
		h = m.health(h)
	}
	return h, err
}

func (m mutant) Identify(ctx context.Context) (driver.Identity, driver.Capabilities, error) {
	i, c, err := m.Drive.Identify(ctx)
	if m.id != nil {
		i, c = m.id(i, c)
	}
	return i, c, err
}

func (m mutant) Status(ctx context.Context) (driver.Status, error) {
	s, err := m.Drive.Status(ctx)
	if m.status != nil {
		s = m.status(s)
	}
	return s, err
}

func (m mutant) Load(ctx context.Context) error {
	if m.load != nil {
		return m.load(ctx)
	}
	return m.Drive.Load(ctx)
}

func (m mutant) Unload(ctx context.Context) error {
	if m.unload != nil {
		return m.unload(ctx)
	}
	return m.Drive.Unload(ctx)
}

func (m mutant) Locate(ctx context.Context, block int64) error {
	if m.locate != nil {
		return m.locate(ctx, block)
	}
	return m.Drive.Locate(ctx, block)
}

func (m mutant) Space(ctx context.Context, k driver.Space, n int64) (int64, driver.Condition, error) {
	if m.space != nil {
		return m.space(ctx, k, n)
	}
	return m.Drive.Space(ctx, k, n)
}

func (m mutant) Position(ctx context.Context) (driver.Position, error) {
	p, err := m.Drive.Position(ctx)
	if m.pos != nil {
		p = m.pos(p)
	}
	return p, err
}

func (m mutant) ReadBlock(ctx context.Context, p []byte) (int, driver.Condition, error) {
	if m.read != nil {
		return m.read(ctx, p)
	}
	return m.Drive.ReadBlock(ctx, p)
}

func (m mutant) WriteBlock(ctx context.Context, p []byte) (driver.Condition, error) {
	if m.write != nil {
		return m.write(ctx, p)
	}
	return m.Drive.WriteBlock(ctx, p)
}

func (m mutant) WriteFilemarks(ctx context.Context, n int, immediate bool) (driver.Condition, error) {
	if m.marks != nil {
		return m.marks(ctx, n, immediate)
	}
	return m.Drive.WriteFilemarks(ctx, n, immediate)
}

// instead makes an error another one.
func instead(err error, from, to driver.Outcome) error {
	var e *driver.Error
	if errors.As(err, &e) && e.Outcome == from {
		c := *e
		c.Outcome = to
		return &c
	}
	return err
}

// Each way of being wrong is found by the rule that forbids it.
func TestMutants(t *testing.T) {
	for _, c := range []struct {
		rule   string
		o      memtape.Options
		mutate func(d driver.Drive, lib *memtape.Library) driver.Drive
		change func(*Rig)
	}{
		{rule: "identity", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, id: func(i driver.Identity, c driver.Capabilities) (driver.Identity, driver.Capabilities) {
				i.Vendor = "a long name"
				return i, c
			}}
		}},
		{rule: "status", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, status: func(s driver.Status) driver.Status { d.Rewind(context.Background()); return s }}
		}},
		{rule: "health", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return struct{ driver.Drive }{d} // says that it can, and cannot
		}},
		{rule: "health", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, health: func(h driver.Health) driver.Health { h.Cartridge.Remaining = h.Cartridge.Capacity + 1; return h }}
		}},
		{rule: "health", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, health: func(h driver.Health) driver.Health { h.Written.Bytes = 8000 - h.Written.Bytes; return h }}
		}},
		{rule: "health", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, health: func(h driver.Health) driver.Health { d.Rewind(context.Background()); return h }}
		}},
		{rule: "health", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, health: func(h driver.Health) driver.Health { h.Cartridge.Capacity, h.Cartridge.Remaining = 0, 0; return h }}
		}},
		{rule: "health", mutate: func(d driver.Drive, lib *memtape.Library) driver.Drive {
			lib.Soil(0, driver.CleaningDue)
			return mutant{Drive: d, status: func(s driver.Status) driver.Status { s.NeedsClean = false; return s }}
		}},
		{rule: "health of a write-once cartridge", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, health: func(h driver.Health) driver.Health { h.Cartridge.Kind = driver.CartridgeData; return h }}
		}},
		{rule: "health of an empty drive", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, health: func(h driver.Health) driver.Health { h.Cartridge.Serial = "the last one"; return h }}
		}},
		{rule: "blank tape", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, read: func(ctx context.Context, p []byte) (int, driver.Condition, error) {
				n, c, err := d.ReadBlock(ctx, p)
				if c == driver.EndOfData {
					err = &driver.Error{Op: "read block", Outcome: driver.OutcomeBlankCheck}
				}
				return n, c, err
			}}
		}},
		{rule: "odd lengths", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, write: func(ctx context.Context, p []byte) (driver.Condition, error) {
				return d.WriteBlock(ctx, append(p, make([]byte, -len(p)&7)...))
			}}
		}},
		{rule: "filemarks", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, marks: func(ctx context.Context, n int, i bool) (driver.Condition, error) {
				return d.WriteFilemarks(ctx, min(n, 1), i)
			}}
		}},
		{rule: "longest block", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, id: func(i driver.Identity, c driver.Capabilities) (driver.Identity, driver.Capabilities) {
				c.MaxBlock++
				return i, c
			}}
		}},
		{rule: "block too long", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, read: func(ctx context.Context, p []byte) (int, driver.Condition, error) {
				n, c, err := d.ReadBlock(ctx, p)
				if err != nil {
					d.Space(ctx, driver.SpaceBlocks, -1)
				}
				return n, c, err
			}}
		}},
		{rule: "block too long", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, read: func(ctx context.Context, p []byte) (int, driver.Condition, error) {
				n, c, err := d.ReadBlock(ctx, p)
				if err != nil {
					err = errors.New("block too long")
				}
				return n, c, err
			}}
		}},
		{rule: "buffers are the caller's", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			var kept []byte
			late := func(ctx context.Context) {
				if kept != nil {
					d.WriteBlock(ctx, kept)
				}
				kept = nil
			}
			return mutant{Drive: d,
				write: func(ctx context.Context, p []byte) (driver.Condition, error) {
					late(ctx)
					kept = p
					return 0, nil
				},
				marks: func(ctx context.Context, n int, i bool) (driver.Condition, error) {
					late(ctx)
					return d.WriteFilemarks(ctx, n, i)
				}}
		}},
		{rule: "positions", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, pos: func(p driver.Position) driver.Position { p.Block -= p.File; return p }}
		}},
		{rule: "positions", o: memtape.Options{NoPositions: true}, mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, pos: func(p driver.Position) driver.Position { p.Block = 0; return p }}
		}},
		{rule: "one user at a time", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive { return d }, change: func(r *Rig) {
			open := r.Open
			var first driver.Drive
			r.Open = func() (driver.Drive, error) {
				if first != nil {
					return first, nil
				}
				d, err := open()
				first = d
				return d, err
			}
		}},
		{rule: "locate", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, locate: func(ctx context.Context, b int64) error { return d.Locate(ctx, max(0, b-1)) }}
		}},
		{rule: "locate beyond end of data", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, locate: func(ctx context.Context, b int64) error {
				if err := d.Locate(ctx, b); instead(err, driver.OutcomeEndOfData, 0) == err {
					return err
				}
				return nil
			}}
		}},
		{rule: "space over blocks", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, space: func(ctx context.Context, k driver.Space, n int64) (int64, driver.Condition, error) {
				n, c, err := d.Space(ctx, k, n)
				if c == driver.Filemark {
					n++
				}
				return n, c, err
			}}
		}},
		{rule: "space over filemarks", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, space: func(ctx context.Context, k driver.Space, n int64) (int64, driver.Condition, error) {
				got, c, err := d.Space(ctx, k, n)
				if n < 0 && k == driver.SpaceFilemarks && c == 0 {
					d.Space(ctx, k, 1)
				}
				return got, c, err
			}}
		}},
		{rule: "overwriting truncates", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, write: func(ctx context.Context, p []byte) (driver.Condition, error) {
				d.Space(ctx, driver.SpaceEndOfData, 0)
				return d.WriteBlock(ctx, p)
			}}
		}},
		{rule: "a flush truncates nothing", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, marks: func(ctx context.Context, n int, i bool) (driver.Condition, error) {
				return d.WriteFilemarks(ctx, max(n, 1), i)
			}}
		}},
		{rule: "flush", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, pos: func(p driver.Position) driver.Position { p.Buffered = 1; return p }}
		}},
		{rule: "flushed data outlives Close", o: memtape.Options{Window: 100}, mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, marks: func(ctx context.Context, n int, _ bool) (driver.Condition, error) {
				return d.WriteFilemarks(ctx, n, true)
			}}
		}},
		{rule: "an error comes at the latest with the flush", o: memtape.Options{Window: 5}, mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, write: func(ctx context.Context, p []byte) (driver.Condition, error) {
				c, err := d.WriteBlock(ctx, p)
				var e *driver.Error
				if errors.As(err, &e) {
					e.Sense.Deferred = false
				}
				return c, err
			}}
		}},
		{rule: "an error comes at the latest with the flush", o: memtape.Options{Window: 5}, mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d,
				write: func(ctx context.Context, p []byte) (driver.Condition, error) {
					c, _ := d.WriteBlock(ctx, p)
					return c, nil
				},
				marks: func(ctx context.Context, n int, i bool) (driver.Condition, error) {
					c, _ := d.WriteFilemarks(ctx, n, i)
					return c, nil
				}}
		}},
		{rule: "a block that cannot be read", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, read: func(ctx context.Context, p []byte) (int, driver.Condition, error) {
				n, c, err := d.ReadBlock(ctx, p)
				if err != nil {
					return len(p), c, nil
				}
				return n, c, err
			}}
		}},
		{rule: "unload writes the buffer", o: memtape.Options{Window: 100}, mutate: func(d driver.Drive, lib *memtape.Library) driver.Drive {
			return mutant{Drive: d, unload: func(ctx context.Context) error { return lib.Reset(0) }}
		}},
		{rule: "early warning, then end of medium", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, write: func(ctx context.Context, p []byte) (driver.Condition, error) {
				_, err := d.WriteBlock(ctx, p)
				return 0, err
			}}
		}},
		{rule: "early warning, then end of medium", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, write: func(ctx context.Context, p []byte) (driver.Condition, error) {
				c, err := d.WriteBlock(ctx, p)
				return c, instead(err, driver.OutcomeEndOfMedium, driver.OutcomeMedium)
			}}
		}},
		{rule: "early warning, then end of medium", o: memtape.Options{Window: 2}, mutate: func(d driver.Drive, lib *memtape.Library) driver.Drive {
			return mutant{Drive: d, write: func(ctx context.Context, p []byte) (driver.Condition, error) {
				c, err := d.WriteBlock(ctx, p)
				var e *driver.Error
				if errors.As(err, &e) {
					e.Sense.Deferred = true
					d.Space(ctx, driver.SpaceFilemarks, -1)
					d.WriteBlock(ctx, p[:1]) // more is gone than it could have held
				}
				return c, err
			}}
		}},
		{rule: "write protection", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, status: func(s driver.Status) driver.Status { s.WriteProtect = false; return s }}
		}},
		{rule: "write once", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, write: func(ctx context.Context, p []byte) (driver.Condition, error) {
				c, err := d.WriteBlock(ctx, p)
				if err != nil {
					return c, nil
				}
				return c, err
			}}
		}},
		{rule: "load and unload", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, load: func(ctx context.Context) error {
				if s, _ := d.Status(ctx); s.Loaded {
					_, _, err := d.Space(ctx, driver.SpaceEndOfData, 0)
					return err
				}
				return d.Load(ctx)
			}}
		}},
		{rule: "empty drive", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, load: func(ctx context.Context) error {
				return instead(d.Load(ctx), driver.OutcomeNoMedium, driver.OutcomeNotReady)
			}}
		}},
		{rule: "a reset ends the load", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, write: func(ctx context.Context, p []byte) (driver.Condition, error) {
				c, err := d.WriteBlock(ctx, p)
				if err != nil {
					d.Load(ctx)
					return d.WriteBlock(ctx, p)
				}
				return c, err
			}}
		}},
		{rule: "a label", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, write: func(ctx context.Context, p []byte) (driver.Condition, error) {
				c, err := d.WriteBlock(ctx, p)
				if pos, _ := d.Position(ctx); pos.Block == 1 {
					d.WriteFilemarks(ctx, 1, false) // a drive that ends every label by itself
					d.Space(ctx, driver.SpaceFilemarks, -1)
				}
				return c, err
			}, load: func(ctx context.Context) error {
				err := d.Load(ctx)
				d.Space(ctx, driver.SpaceFilemarks, 1) // and believes that nobody wants to see it
				return err
			}}
		}},
		{rule: "locate everywhere", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, locate: func(ctx context.Context, b int64) error {
				if p, _ := d.Position(ctx); p.Block-b > 20 {
					b++ // far backwards it comes too short
				}
				return d.Locate(ctx, b)
			}}
		}},
		{rule: "positions are the volume's", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			base := int64(0)
			return mutant{Drive: d,
				load: func(ctx context.Context) error { base = -1; return d.Load(ctx) },
				write: func(ctx context.Context, p []byte) (driver.Condition, error) {
					if base < 0 {
						pos, _ := d.Position(ctx)
						base = pos.Block
					}
					return d.WriteBlock(ctx, p)
				},
				pos: func(p driver.Position) driver.Position { p.Block -= max(base, 0); return p }}
		}},
		{rule: "a walk at random", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			located := false
			return mutant{Drive: d,
				locate: func(ctx context.Context, b int64) error { located = true; return d.Locate(ctx, b) },
				read: func(ctx context.Context, p []byte) (int, driver.Condition, error) {
					located = false
					return d.ReadBlock(ctx, p)
				},
				marks: func(ctx context.Context, n int, i bool) (driver.Condition, error) {
					if located {
						n = min(n, 1) // only straight after a locate
					}
					return d.WriteFilemarks(ctx, n, i)
				}}
		}},
		{rule: "a walk at random by spacing", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, space: func(ctx context.Context, k driver.Space, n int64) (int64, driver.Condition, error) {
				got, c, err := d.Space(ctx, k, n)
				if k == driver.SpaceFilemarks && n == -2 && c == 0 {
					d.Space(ctx, driver.SpaceBlocks, -1)
				}
				return got, c, err
			}}
		}},
		{rule: "close in the middle of a call", mutate: func(d driver.Drive, _ *memtape.Library) driver.Drive {
			return mutant{Drive: d, write: func(ctx context.Context, p []byte) (driver.Condition, error) {
				c, err := d.WriteBlock(ctx, p)
				if err != nil {
					err = errors.New("use of closed drive")
				}
				return c, err
			}}
		}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			is := is.New(t)
			at := slices.IndexFunc(driveRules(), func(r rule) bool { return r.name == c.rule })
			is.True(at >= 0) // there is such a rule
			r := driveRules()[at]
			failure := broken(t, func(tb testing.TB) { r.try(tb, mem(c.o, c.mutate, c.change)) })
			t.Log(failure)
			is.True(failure != "") // the mutant is found
		})
	}
}

// badRobot is a robot with some methods of its own.
type badRobot struct {
	driver.Changer
	inventory func([]driver.Element) []driver.Element
	move      func(ctx context.Context, from, to int) error
}

func (r badRobot) Inventory(ctx context.Context) ([]driver.Element, error) {
	all, err := r.Changer.Inventory(ctx)
	if r.inventory != nil {
		all = r.inventory(all)
	}
	return all, err
}

func (r badRobot) Move(ctx context.Context, from, to int) error {
	if r.move != nil {
		return r.move(ctx, from, to)
	}
	return r.Changer.Move(ctx, from, to)
}

func TestRobotMutants(t *testing.T) {
	for _, c := range []struct {
		rule   string
		mutate func(r driver.Changer, lib *memtape.Library) driver.Changer
	}{
		{"inventory", func(r driver.Changer, _ *memtape.Library) driver.Changer {
			return badRobot{Changer: r, inventory: func(all []driver.Element) []driver.Element { slices.Reverse(all); return all }}
		}},
		{"inventory", func(r driver.Changer, _ *memtape.Library) driver.Changer {
			return badRobot{Changer: r, inventory: func(all []driver.Element) []driver.Element {
				for i := range all {
					if all[i].Full {
						all[i].Label = "SAME"
					}
				}
				return all
			}}
		}},
		{"mount and dismount", func(r driver.Changer, _ *memtape.Library) driver.Changer {
			return badRobot{Changer: r, move: func(ctx context.Context, from, to int) error { return nil }}
		}},
		{"empty source", func(r driver.Changer, _ *memtape.Library) driver.Changer {
			return badRobot{Changer: r, move: func(ctx context.Context, from, to int) error {
				return instead(r.Move(ctx, from, to), driver.OutcomeNoMedium, driver.OutcomeHardware)
			}}
		}},
		{"full destination", func(r driver.Changer, _ *memtape.Library) driver.Changer {
			return badRobot{Changer: r, move: func(ctx context.Context, from, to int) error {
				err := r.Move(ctx, from, to)
				if err != nil {
					r.Move(ctx, from, memtape.Hand) // it finds out too late
				}
				return err
			}}
		}},
		{"unknown address", func(r driver.Changer, _ *memtape.Library) driver.Changer {
			return badRobot{Changer: r, move: func(ctx context.Context, from, to int) error {
				return instead(r.Move(ctx, from, to), driver.OutcomeIllegalRequest, driver.OutcomeNoMedium)
			}}
		}},
		{"a held cartridge stays", func(r driver.Changer, lib *memtape.Library) driver.Changer {
			return badRobot{Changer: r, move: func(ctx context.Context, from, to int) error {
				err := r.Move(ctx, from, to)
				if instead(err, driver.OutcomeHeld, 0) != err {
					lib.Reset(0)
					return r.Move(ctx, from, to)
				}
				return err
			}}
		}},
		{"everything stays over Close", func(r driver.Changer, lib *memtape.Library) driver.Changer {
			all, _ := r.Inventory(context.Background())
			for _, e := range all {
				if e.Kind == driver.DriveBay && e.Full {
					r.Move(context.Background(), e.Address, memtape.FirstSlot+3)
				}
			}
			return r
		}},
		{"one user at a time", nil},
		{"two users race", func(r driver.Changer, _ *memtape.Library) driver.Changer {
			return badRobot{Changer: r, move: func(ctx context.Context, from, to int) error {
				r.Move(ctx, from, to)
				return nil // whatever became of it
			}}
		}},
		{"close in the middle of a move", func(r driver.Changer, _ *memtape.Library) driver.Changer {
			return badRobot{Changer: r, move: func(ctx context.Context, from, to int) error { return errors.New("interrupted") }}
		}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			is := is.New(t)
			at := slices.IndexFunc(changerRules, func(r changerRule) bool { return r.name == c.rule })
			is.True(at >= 0) // there is such a rule
			failure := broken(t, func(tb testing.TB) {
				changerRules[at].try(tb, func(testing.TB) *Robot {
					lib := memtape.New(memtape.Options{Drives: 1, Slots: 4})
					lib.AddVolume("TST001", memtape.VolumeOptions{})
					lib.AddVolume("TST002", memtape.VolumeOptions{})
					d := lib.Drive(0)
					var first driver.Changer
					return &Robot{
						Open: func() (driver.Changer, error) {
							if first != nil && c.rule == "two users race" {
								return c.mutate(first, lib), nil
							}
							r, err := lib.OpenChanger()
							first = r
							if c.mutate == nil {
								return memtape.New(memtape.Options{}).OpenChanger() // another each time
							}
							return c.mutate(r, lib), err
						},
						Hold:      func(int) error { return d.Load(context.Background()) },
						Release:   func(int) error { return d.Unload(context.Background()) },
						Exclusive: c.rule != "two users race",
					}
				})
			})
			t.Log(failure)
			is.True(failure != "") // the mutant is found
		})
	}
}

// What a harness does not offer is skipped with its reason.
func TestSkips(t *testing.T) {
	is := is.New(t)
	whole := func(d driver.Drive, _ *memtape.Library) driver.Drive { return d }
	tried := func(name string, h Harness) string {
		at := slices.IndexFunc(driveRules(), func(r rule) bool { return r.name == name })
		return driveRules()[at].try(t, h)
	}
	bare := mem(memtape.Options{NoLocate: true}, whole, func(r *Rig) { r.Damage, r.Reset = nil, nil })
	is.Equal(tried("locate", bare), "the drive cannot locate by block")
	is.Equal(tried("a block that cannot be read", bare), "the rig cannot damage a cartridge")
	is.Equal(tried("a reset ends the load", bare), "the rig cannot reset the drive")
	is.Equal(tried("health", mem(memtape.Options{}, func(d driver.Drive, _ *memtape.Library) driver.Drive {
		return mutant{Drive: d, id: func(i driver.Identity, c driver.Capabilities) (driver.Identity, driver.Capabilities) {
			c.ReportsHealth = false
			return i, c
		}}
	}, nil)), "the drive does not tell how it is")
	is.Equal(tried("write once", func(t testing.TB, s Scratch) *Rig {
		if s.WORM {
			return nil
		}
		return bare(t, s)
	}), "the harness has not a write-once cartridge")
}
