package changer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/enstore-go/sdk/enstore/changer"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/faulty"
	"github.com/enstore-go/sdk/tape/memtape"
	"github.com/matryer/is"
)

func library(t *testing.T, drives int, labels ...string) *memtape.Library {
	t.Helper()
	lib := memtape.New(memtape.Options{Drives: drives})
	for _, l := range labels {
		if _, err := lib.AddVolume(l, memtape.VolumeOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return lib
}

// opens returns an open function over the library's robot that counts its calls, and wraps the n-th
// robot with the n-th list of rules.
func opens(lib *memtape.Library, rules ...[]faulty.Rule) (func(context.Context) (*tape.Changer, error), *int) {
	n := 0
	return func(ctx context.Context) (*tape.Changer, error) {
		dev, err := lib.OpenChanger()
		if err != nil {
			return nil, err
		}
		if n < len(rules) {
			dev = faulty.Changer(dev, rules[n]...)
		}
		n++
		return tape.NewChanger(ctx, dev, nil)
	}, &n
}

func inDrive(t *testing.T, r *changer.Robot, drive int) string {
	t.Helper()
	es, err := r.Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		if e.Kind == driver.DriveBay && e.Drive == drive {
			return e.Label
		}
	}
	return ""
}

func TestMountAndDismount(t *testing.T) {
	is := is.New(t)
	open, n := opens(library(t, 2, "VO0001", "VO0002"))
	r := changer.New(open, nil)
	is.Equal(*n, 0) // nothing is opened before it is needed
	ctx := t.Context()
	is.NoErr(r.Mount(ctx, "VO0001", 1))
	is.NoErr(r.Mount(ctx, "VO0001", 1)) // it is there already
	is.Equal(inDrive(t, r, 1), "VO0001")
	is.True(errors.Is(r.Mount(ctx, "VO0001", 0), tape.ErrInOtherDrive))
	is.True(errors.Is(r.Mount(ctx, "VO0002", 1), tape.ErrDriveFull))
	is.NoErr(r.Dismount(ctx, "VO0001", 1))
	is.NoErr(r.Dismount(ctx, "VO0001", 1)) // it has left already
	is.Equal(inDrive(t, r, 1), "")
	is.NoErr(r.Close())
	is.NoErr(r.Close())
	is.True(errors.Is(r.Mount(ctx, "VO0001", 1), changer.ErrClosed))
}

func TestManyOrdersAtOnce(t *testing.T) {
	is := is.New(t)
	const drives = 4
	var labels []string
	for i := range drives {
		labels = append(labels, fmt.Sprintf("VO%04d", i))
	}
	open, _ := opens(library(t, drives, labels...))
	r := changer.New(open, nil)
	defer r.Close()
	var wg sync.WaitGroup
	for i, l := range labels {
		wg.Go(func() {
			for range 20 {
				if err := errors.Join(r.Mount(t.Context(), l, i), r.Dismount(t.Context(), l, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	is.Equal(inDrive(t, r, 0), "")
}

// An order during which the way to the robot was lost is carried out over a new one, once.
func TestAChangerThatWasLostIsOpenedAgain(t *testing.T) {
	for name, rules := range map[string][]faulty.Rule{
		"before a move":   {{Op: faulty.Move, Outcome: driver.OutcomeGone}, {Op: faulty.Inventory, From: 2, Outcome: driver.OutcomeGone}},
		"behind a move":   {{Op: faulty.Move, Outcome: driver.OutcomeUnknown, Done: true}, {Op: faulty.Inventory, From: 2, Outcome: driver.OutcomeUnknown}},
		"in an inventory": {{Op: faulty.Inventory, Outcome: driver.OutcomeUnknown}},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			lib := library(t, 1, "VO0001")
			open, n := opens(lib, rules)
			r := changer.New(open, nil)
			defer r.Close()
			is.NoErr(r.Mount(t.Context(), "VO0001", 0))
			is.Equal(*n, 2)
			is.Equal(inDrive(t, r, 0), "VO0001")
		})
	}
	is := is.New(t)
	gone := []faulty.Rule{{Op: faulty.Inventory, Outcome: driver.OutcomeGone}}
	open, n := opens(library(t, 1, "VO0001"), gone, gone)
	r := changer.New(open, nil)
	defer r.Close()
	is.True(errors.Is(r.Mount(t.Context(), "VO0001", 0), tape.ErrGone)) // twice is not chance
	is.Equal(*n, 2)
	is.NoErr(r.Mount(t.Context(), "VO0001", 0))
	is.Equal(*n, 3)
}

// slow does its first inventory only when that is given up.
type slow struct {
	driver.Changer
	begun chan struct{}
	once  sync.Once
}

func (s *slow) Inventory(ctx context.Context) (es []driver.Element, err error) {
	s.once.Do(func() {
		close(s.begun)
		<-ctx.Done()
		err = ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	return s.Changer.Inventory(ctx)
}

// A caller that loses patience is no sign that the robot is lost.
func TestAnOrderThatIsCutOffKeepsTheChanger(t *testing.T) {
	is := is.New(t)
	s := &slow{Changer: library(t, 1, "VO0001").Changer(), begun: make(chan struct{})}
	opened := 0
	r := changer.New(func(ctx context.Context) (*tape.Changer, error) {
		opened++
		return tape.NewChanger(ctx, s, nil)
	}, nil)
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-s.begun; cancel() }()
	is.True(errors.Is(r.Mount(ctx, "VO0001", 0), context.Canceled))
	is.NoErr(r.Mount(t.Context(), "VO0001", 0))
	is.Equal(opened, 1)
}

func TestARobotThatCannotBeOpened(t *testing.T) {
	is := is.New(t)
	broken := errors.New("no such robot")
	r := changer.New(func(context.Context) (*tape.Changer, error) { return nil, broken }, nil)
	is.True(errors.Is(r.Mount(t.Context(), "VO0001", 0), broken))
	is.NoErr(r.Close())
}

func TestAnOrderWhoseCallerIsGoneDoesNotWait(t *testing.T) {
	is := is.New(t)
	open, _ := opens(library(t, 1, "VO0001"))
	r := changer.New(open, nil)
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	is.True(errors.Is(r.Mount(ctx, "VO0001", 0), context.Canceled))
	is.NoErr(r.Mount(t.Context(), "VO0001", 0))
}

func ExampleRobot() {
	lib := memtape.New(memtape.Options{Drives: 1})
	lib.AddVolume("VO0001", memtape.VolumeOptions{})
	robot := changer.New(func(ctx context.Context) (*tape.Changer, error) {
		return tape.NewChanger(ctx, lib.Changer(), nil)
	}, nil)
	defer robot.Close()
	ctx := context.Background()
	fmt.Println(robot.Mount(ctx, "VO0001", 0))
	fmt.Println(robot.Dismount(ctx, "VO0001", 0))
	// Output:
	// <nil>
	// <nil>
}

// A robot that tells afterwards where the cartridge is has not been lost: its order is not given again.
func TestARobotThatToldWhatBecameOfIt(t *testing.T) {
	is := is.New(t)
	open, n := opens(library(t, 1, "VO0001"), []faulty.Rule{{Op: faulty.Move, Outcome: driver.OutcomeUnknown}})
	r := changer.New(open, nil)
	defer r.Close()
	err := r.Mount(t.Context(), "VO0001", 0)
	is.True(err != nil)
	is.Equal(tape.OutcomeOf(err), driver.OutcomeUnknown)
	is.Equal(*n, 1)
	is.Equal(inDrive(t, r, 0), "")
	is.Equal(*n, 1)
}
