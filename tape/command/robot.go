package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/internal/program"
)

// robot is a driver.Changer.
type robot struct {
	mount, dismount, list *program.Program
	other, query, look    *program.Program // nil: there is none
	timeout               time.Duration
	codes                 map[int]driver.Outcome
	names                 []string // of drives; nil: their numbers

	once   sync.Once
	closed chan struct{}
}

// grace is what is added to the time-outs of a move's commands for all else.
const grace = time.Minute

func fail(op string, o driver.Outcome, format string, args ...any) error {
	return &driver.Error{Op: op, Outcome: o, Sense: driver.Sense{Info: driver.Unknown}, Text: fmt.Sprintf(format, args...)}
}

// Identify implements driver.Changer.
func (r *robot) Identify(context.Context) (driver.Identity, driver.ChangerCapabilities, error) {
	// A move is two commands, one after the other.
	return driver.Identity{Vendor: "ENSTORE", Product: "COMMAND-ROBOT", Revision: "1"}, driver.ChangerCapabilities{Barcodes: true, Timeout: 2*r.timeout + grace}, r.open("identify")
}

func (r *robot) open(op string) error {
	select {
	case <-r.closed:
		return fail(op, driver.OutcomeGone, "the robot is closed")
	default:
		return nil
	}
}

// run runs a command. The end of the robot is the end of the command, too.
func (r *robot) run(ctx context.Context, op string, p *program.Program, values map[string]string) ([]byte, error) {
	if err := r.open(op); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	over := time.AfterFunc(r.timeout, func() { cancel(fmt.Errorf("no end within %v, it was killed", r.timeout)) })
	defer over.Stop()
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-r.closed:
			cancel(errors.New("the robot was closed meanwhile, it was killed"))
		case <-done:
		}
	})
	defer watch.Wait()
	defer close(done)
	began := ctx.Err() == nil
	e := p.Run(ctx, program.Input{Values: values, Out: maxOutput})
	said := ""
	if e.Said != "" {
		said = ": " + e.Said
	}
	switch {
	case errors.Is(e.Why, program.ErrNotStarted):
		return nil, fail(op, driver.OutcomeConfig, "%s: %v", p.Key, e.Why)
	case errors.Is(e.Why, program.ErrTooMuch):
		return nil, fail(op, driver.OutcomeUnknown, "%s: %s %v", p.Key, p.Args[0], e.Why)
	case e.Why != nil && !began:
		return nil, fail(op, driver.OutcomeAborted, "%s: %v", p.Key, e.Why)
	case e.Why != nil:
		return nil, fail(op, driver.OutcomeUnknown, "%s: %s: %v%s", p.Key, p.Args[0], e.Why, said)
	case e.Code == 0:
		return e.Out, nil
	}
	o, known := r.codes[e.Code]
	switch {
	case known && o == driver.OutcomeNone:
		return e.Out, nil
	case !known:
		o = driver.OutcomeUnknown
	}
	return nil, fail(op, o, "%s: %s: exit code %d%s", p.Key, p.Args[0], e.Code, said)
}

// audit has the robot look anew.
func (r *robot) audit(ctx context.Context) error {
	_, err := r.run(ctx, "inventory", r.look, nil)
	return err
}

// Inventory implements driver.Changer.
func (r *robot) Inventory(ctx context.Context) ([]driver.Element, error) {
	return r.places(ctx, "inventory", r.list, nil)
}

// places runs a command that lists places. It moves nothing: what is cut off is aborted.
func (r *robot) places(ctx context.Context, op string, p *program.Program, values map[string]string) ([]driver.Element, error) {
	out, err := r.run(ctx, op, p, values)
	if e, ok := errors.AsType[*driver.Error](err); ok && e.Outcome == driver.OutcomeUnknown {
		e.Outcome = driver.OutcomeNotReady
		if ctx.Err() != nil {
			e.Outcome = driver.OutcomeAborted
		}
	}
	if err != nil {
		return nil, err
	}
	es, err := parseList(out, r.names)
	if err != nil {
		return nil, fail(op, driver.OutcomeHardware, "%s: %s: %v", p.Key, p.Args[0], err)
	}
	return es, nil
}

// Move implements driver.Changer.
func (r *robot) Move(ctx context.Context, from, to int) error {
	const op = "move"
	values := map[string]string{"from": r.name(from), "to": r.name(to)}
	list := r.list
	if r.query != nil && from >= 0 && to >= 0 {
		list = r.query
	}
	es, err := r.places(ctx, op, list, values)
	if err != nil {
		return err
	}
	src, dst := find(es, from), find(es, to)
	switch {
	case src == nil || dst == nil:
		return fail(op, driver.OutcomeIllegalRequest, "%s tells of no address %d or %d", list.Key, from, to)
	case !src.Full:
		return fail(op, driver.OutcomeNoMedium, "%s is empty", where(src))
	case from == to:
		return nil
	case dst.Full:
		return fail(op, driver.OutcomeFull, "%s is full", where(dst))
	case src.Held:
		return fail(op, driver.OutcomeHeld, "%s has its cartridge loaded", where(src))
	}
	p := r.other
	store := func(e *driver.Element) bool { return e.Kind == driver.Slot || e.Kind == driver.Port }
	switch {
	case store(src) && dst.Kind == driver.DriveBay:
		p = r.mount
		values["slot"], values["drive"] = values["from"], values["to"]
	case src.Kind == driver.DriveBay && store(dst):
		p = r.dismount
		values["drive"], values["slot"] = values["from"], values["to"]
	case p == nil:
		return fail(op, driver.OutcomeIllegalRequest, "from %s to %s: this robot only mounts and dismounts, unless it is given a move command", where(src), where(dst))
	}
	values["volume"] = src.Label
	if src.Label == "" && p.Uses("volume") {
		return fail(op, driver.OutcomeIllegalRequest, "the cartridge of %s has no label that is known, so the robot cannot be told which to move", where(src))
	}
	_, err = r.run(ctx, op, p, values)
	return err
}

// name is what commands call a place.
func (r *robot) name(address int) string {
	if address >= 0 && address < len(r.names) {
		return r.names[address]
	}
	return strconv.Itoa(address)
}

func where(e *driver.Element) string {
	for word, k := range kinds {
		if k == e.Kind {
			return word + " " + strconv.Itoa(e.Address)
		}
	}
	return strconv.Itoa(e.Address)
}

func find(es []driver.Element, address int) *driver.Element {
	i, ok := slices.BinarySearchFunc(es, address, func(e driver.Element, a int) int { return e.Address - a })
	if !ok {
		return nil
	}
	return &es[i]
}

// Close implements driver.Changer. A command that runs is killed, and its outcome unknown.
func (r *robot) Close() error {
	r.once.Do(func() { close(r.closed) })
	return nil
}
