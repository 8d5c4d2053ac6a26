package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/internal/program"
)

var _ driver.OpenChanger = OpenChanger

// settings are a plugin's table.
type settings struct {
	Dir     string   `json:"dir"`
	Drives  []string `json:"drives"`
	Slots   int      `json:"slots"`
	Volumes []string `json:"volumes"`
	Timeout string   `json:"timeout"`
	Notify  []string `json:"notify"`
}

// Bounds of the settings.
const (
	defaultTimeout = time.Hour
	maxTimeout     = 7 * 24 * time.Hour
)

// OpenChanger opens the robot of a shelf, and makes the shelf if it is not there. Its settings:
//
//	dir      the shelf's directory
//	drives   names of the drives, in the order of their numbers
//	slots    how many places the shelf has; more may be added later
//	volumes  labels of the cartridges that stand in the first slots when the shelf is made; later ones come by Add
//	timeout  how long a person may take, like "30m"; default "1h"
//	notify   a command that is run with each request, for mail or a pager; it may hold {id}, {volume}, {from}, {to} and {text}, which says it all, and gets the
//	         request as JSON on standard input. It is given a minute, and if it fails the line on standard error says so; the request stands
//
// Each request is a line on standard error, too, at level WARN for the log of a plugin's host. It fails with OutcomeConfig and the setting's name, or with OutcomeHeld while the robot is open elsewhere.
func OpenChanger(ctx context.Context, c driver.Config) (driver.Changer, error) {
	return open(ctx, disk.OS(), c, os.Stderr)
}

func open(ctx context.Context, fsys disk.FS, c driver.Config, log io.Writer) (driver.Changer, error) {
	const op = "open"
	var t settings
	if err := c.Decode(&t); err != nil {
		return nil, err
	}
	r := &robot{shelf: shelf{fsys, t.Dir}, timeout: defaultTimeout, log: log, closing: make(chan struct{})}
	if err := r.configure(&t); err != nil {
		return nil, fail("configure", driver.OutcomeConfig, "%v", err)
	}
	if err := disk.MkdirSync(fsys, r.lock(""), 0o777); err != nil {
		return nil, fail(op, driver.OutcomeConfig, "dir: %v", err)
	}
	lock, err := disk.TryLock(fsys, r.lock("robot"))
	if errors.Is(err, disk.ErrLocked) {
		return nil, fail(op, driver.OutcomeHeld, "%v", err)
	}
	if err != nil {
		return nil, fail(op, driver.OutcomeConfig, "dir: %v", err)
	}
	s, err := r.prepare(ctx, t.Drives, t.Slots, t.Volumes)
	if err != nil {
		lock.Close()
		o := driver.OutcomeConfig
		if _, ok := errors.AsType[*changeError](err); ok || errors.Is(err, disk.ErrLocked) {
			o = driver.OutcomeNotReady
		}
		return nil, fail(op, o, "%v", err)
	}
	r.id, r.locked = s.ID, lock
	return r, nil
}

// configure takes the settings over that are not the shelf's.
func (r *robot) configure(t *settings) (err error) {
	if t.Dir == "" {
		return errors.New("dir: missing: the directory of the shelf")
	}
	if t.Timeout != "" {
		if r.timeout, err = time.ParseDuration(t.Timeout); err != nil || r.timeout <= 0 || r.timeout > maxTimeout {
			return fmt.Errorf("timeout: %.40q: want a time like \"30m\", at most %v", t.Timeout, maxTimeout)
		}
	}
	if t.Notify != nil {
		r.notify = &program.Program{Key: "notify", Args: t.Notify}
		if err := r.notify.Check("id", "volume", "from", "to", "text"); err != nil {
			return err
		}
	}
	s := &state{Drives: t.Drives, Slots: t.Slots}
	if err := s.check(); err != nil {
		return err
	}
	for i, v := range t.Volumes {
		s.Cartridges = append(s.Cartridges, cartridge{v, SlotAddress(i)})
	}
	if err := s.check(); err != nil {
		return fmt.Errorf("volumes: %w", err)
	}
	return nil
}

// robot is a driver.Changer.
type robot struct {
	shelf
	id      string
	locked  io.Closer
	timeout time.Duration
	notify  *program.Program // nil: there is none
	log     io.Writer
	saying  sync.Mutex

	once    sync.Once
	closing chan struct{}
	mu      sync.Mutex // held through a call
	closed  bool
}

func fail(op string, o driver.Outcome, format string, args ...any) *driver.Error {
	return &driver.Error{Op: op, Outcome: o, Sense: driver.Sense{Info: driver.Unknown}, Text: fmt.Sprintf(format, args...)}
}

func (r *robot) enter(ctx context.Context, op string) (leave func(), err error) {
	if ctx.Err() != nil {
		return nil, fail(op, driver.OutcomeAborted, "%v", context.Cause(ctx))
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, fail(op, driver.OutcomeGone, "the robot is closed")
	}
	return r.mu.Unlock, nil
}

// grace is what a move may take beside the person's time.
const grace = 2 * time.Minute

// Identify implements driver.Changer.
func (r *robot) Identify(ctx context.Context) (driver.Identity, driver.ChangerCapabilities, error) {
	leave, err := r.enter(ctx, "identify")
	if err != nil {
		return driver.Identity{}, driver.ChangerCapabilities{}, err
	}
	defer leave()
	return driver.Identity{Vendor: "ENSTORE", Product: "OPERATOR", Revision: "1", Serial: r.id}, driver.ChangerCapabilities{Barcodes: true, Timeout: r.timeout + grace}, nil
}

// Inventory implements driver.Changer.
func (r *robot) Inventory(ctx context.Context) ([]driver.Element, error) {
	const op = "inventory"
	leave, err := r.enter(ctx, op)
	if err != nil {
		return nil, err
	}
	defer leave()
	s, err := r.read()
	if err != nil {
		return nil, fail(op, driver.OutcomeHardware, "%v", err)
	}
	at := make(map[int]string, len(s.Cartridges))
	for _, c := range s.Cartridges {
		at[c.Address] = c.Label
	}
	all := make([]driver.Element, 0, len(s.Drives)+s.Slots)
	add := func(kind driver.ElementKind, address, drive int) {
		label, full := at[address]
		all = append(all, driver.Element{Kind: kind, Address: address, Drive: drive, Full: full, Label: label})
	}
	for i := range s.Drives {
		add(driver.DriveBay, DriveAddress(i), i)
	}
	for i := range s.Slots {
		add(driver.Slot, SlotAddress(i), -1)
	}
	return all, nil
}

// Move implements driver.Changer.
func (r *robot) Move(ctx context.Context, from, to int) error {
	const op = "move"
	leave, err := r.enter(ctx, op)
	if err != nil {
		return err
	}
	defer leave()
	var q Request
	err = r.change(ctx, func(s *state) (err error) {
		q, err = s.ask(op, from, to)
		return err
	})
	var half *changeError
	e, refused := errors.AsType[*driver.Error](err)
	switch {
	case refused:
		return e
	case errors.As(err, &half):
		return fail(op, driver.OutcomeUnknown, "the request may be there, or not: %v", err)
	case errors.Is(err, disk.ErrLocked):
		return fail(op, driver.OutcomeAborted, "%v", err)
	case err != nil:
		return fail(op, driver.OutcomeHardware, "%v", err)
	case q.ID == 0: // from a place to itself
		return nil
	}
	return r.await(ctx, op, q)
}

// ask makes a request, or finds the one of a process that died.
func (s *state) ask(op string, from, to int) (Request, error) {
	for _, a := range []int{from, to} {
		if !s.known(a) {
			return Request{}, fail(op, driver.OutcomeIllegalRequest, "no such address: %d", a)
		}
	}
	c := s.at(from)
	if c == nil {
		return Request{}, fail(op, driver.OutcomeNoMedium, "%s is empty", s.place(from))
	}
	if from == to {
		return Request{}, errSame
	}
	if other := s.at(to); other != nil {
		return Request{}, fail(op, driver.OutcomeFull, "%s: volume %s is there", s.place(to), other.Label)
	}
	id := s.Last + 1
	for i := range s.Requests {
		o := &s.Requests[i]
		switch {
		case o.State == Open && o.same(c.Label, from, to):
			return *o, errSame
		case o.State == Open && (o.Volume == c.Label || o.From == to || o.To == from || o.To == to):
			o.end(Withdrawn, fmt.Sprintf("request %d came instead", id))
		case o.State == Withdrawn && o.same(c.Label, from, to):
			o.end(Void, fmt.Sprintf("the same is asked again as request %d: answer that", id))
		}
	}
	s.Last = id
	s.Requests = append(s.Requests, Request{ID: id, Volume: c.Label, From: from, To: to, Source: s.place(from), Target: s.place(to), Asked: now(), State: Open})
	return s.Requests[len(s.Requests)-1], nil
}

// How often the answer is looked for: at first for programs that answer, then for people.
const (
	firstLook = 10 * time.Millisecond
	lastLook  = 500 * time.Millisecond
)

// await tells of a request and waits for its answer.
func (r *robot) await(ctx context.Context, op string, q Request) error {
	r.say("request %d: %v; answer with: enstore robot done %d", q.ID, q, q.ID)
	told, stop := context.WithCancel(ctx)
	var telling sync.WaitGroup
	telling.Go(func() { r.tell(told, q) })
	defer telling.Wait()
	defer stop()
	over := time.NewTimer(r.timeout)
	defer over.Stop()
	for look := firstLook; ; look = min(2*look, lastLook) {
		// A file that cannot be read now may be readable later: the person's time decides.
		if s, err := r.read(); err == nil {
			if done, err := answered(op, s, q.ID); done {
				return r.settled(op, q, err)
			}
		}
		select {
		case <-time.After(look):
		case <-over.C:
			return r.withdraw(op, q, fmt.Sprintf("no answer within %v", r.timeout))
		case <-ctx.Done():
			return r.withdraw(op, q, fmt.Sprintf("whoever asked has given up: %v", context.Cause(ctx)))
		case <-r.closing:
			return r.withdraw(op, q, "the robot was closed")
		}
	}
}

// answered tells whether a request has an answer, and what it means for the move.
func answered(op string, s *state, id int) (bool, error) {
	r := s.request(id)
	switch {
	case r == nil:
		return true, fail(op, driver.OutcomeUnknown, "request %d is gone from the shelf's file", id)
	case r.State == Open:
		return false, nil
	case r.State == Carried:
		return true, nil
	case r.State == Refused:
		return true, fail(op, driver.OutcomeAborted, "request %d (%v) was refused: %s", id, *r, r.Why)
	}
	return true, fail(op, driver.OutcomeUnknown, "request %d (%v) is %s: %s", id, *r, r.State, r.Why)
}

// settled makes an answer durable: who wrote it may have been killed before it was.
func (r *robot) settled(op string, q Request, answer error) error {
	if err := r.fs.SyncDir(r.dir); err != nil {
		return fail(op, driver.OutcomeUnknown, "request %d (%v) is answered, and the answer may be lost again: %v", q.ID, q, err)
	}
	return answer
}

// withdraw ends a request that has no answer. One that came at the last moment counts.
func (r *robot) withdraw(op string, q Request, why string) error {
	var answer error
	had := false
	err := r.change(context.Background(), func(s *state) error {
		if had, answer = answered(op, s, q.ID); had {
			return errSame
		}
		s.request(q.ID).end(Withdrawn, why)
		return nil
	})
	switch {
	case err != nil:
		return fail(op, driver.OutcomeUnknown, "request %d (%v): %s; and it could not be withdrawn: %v", q.ID, q, why, err)
	case had:
		return r.settled(op, q, answer)
	}
	r.say("request %d is withdrawn: %s", q.ID, why)
	return fail(op, driver.OutcomeUnknown, "request %d (%v) is withdrawn: %s; the cartridge may be on its way", q.ID, q, why)
}

func (r *robot) say(format string, args ...any) {
	r.saying.Lock()
	defer r.saying.Unlock()
	fmt.Fprintf(r.log, "[WARN] operator: "+format+"\n", args...)
}

// tell has the command notify tell people of a request.
func (r *robot) tell(ctx context.Context, q Request) {
	if r.notify == nil {
		return
	}
	in, err := json.Marshal(q)
	if err != nil {
		r.say("request %d: %v", q.ID, err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	e := r.notify.Run(ctx, program.Input{In: append(in, '\n'), Out: 1 << 20, Values: map[string]string{
		"id": strconv.Itoa(q.ID), "volume": q.Volume, "from": q.Source, "to": q.Target, "text": q.String(),
	}})
	switch {
	case e.Why != nil && ctx.Err() == nil:
		r.say("request %d: notify: %v: %s", q.ID, e.Why, e.Said)
	case e.Code != 0 && ctx.Err() == nil:
		r.say("request %d: notify: exit code %d: %s", q.ID, e.Code, e.Said)
	}
}

// Close implements driver.Changer. A request that a Move waits for is withdrawn.
func (r *robot) Close() error {
	r.once.Do(func() { close(r.closing) })
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	if err := r.locked.Close(); err != nil {
		return fail("close", driver.OutcomeHardware, "%v", err)
	}
	return nil
}
