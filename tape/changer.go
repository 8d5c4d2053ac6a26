package tape

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

// ChangerOptions are the options of NewChanger.
type ChangerOptions struct {
	Name  string        // what errors call the robot; default the serial number, else the product
	Grace time.Duration // as in DriveOptions
}

// Changer is a robot. Its methods may be called from several goroutines, and run one
// after the other.
type Changer struct {
	dev  driver.Changer
	port *port
	name string
	id   driver.Identity
	caps driver.ChangerCapabilities

	turn chan struct{}  // held through one Mount or Dismount
	home map[string]int // slots that volumes were taken from; under turn
}

// NewChanger asks dev what it is and returns a Changer over it, which owns dev from
// then on. On an error dev is left open.
func NewChanger(ctx context.Context, dev driver.Changer, o *ChangerOptions) (*Changer, error) {
	if o == nil {
		o = &ChangerOptions{}
	}
	c := &Changer{dev: dev, port: newPort(o.Grace), name: o.Name, turn: make(chan struct{}, 1), home: map[string]int{}}
	type identified struct {
		id   driver.Identity
		caps driver.ChangerCapabilities
	}
	a, _, err := call(ctx, c.port, "identify", driver.Timeouts{}.WithDefaults().Command, func(ctx context.Context) (identified, error) {
		id, caps, err := dev.Identify(ctx)
		return identified{id, caps}, err
	})
	if err != nil {
		return nil, c.wrap("identify", "", err)
	}
	c.id, c.caps = a.id, a.caps
	if c.caps.Timeout <= 0 {
		c.caps.Timeout = 10 * time.Minute
	}
	for _, name := range []string{c.id.Serial, c.id.Product} {
		if c.name == "" {
			c.name = name
		}
	}
	return c, nil
}

// Identity is what the robot said of itself.
func (c *Changer) Identity() driver.Identity { return c.id }

// Capabilities are the robot's abilities, with the default time-out filled in.
func (c *Changer) Capabilities() driver.ChangerCapabilities { return c.caps }

// Close gives the robot back. It may be called while another call runs, and twice.
func (c *Changer) Close() error {
	if err := c.port.close("close", c.dev.Close); err != nil {
		return c.wrap("close", "", err)
	}
	return nil
}

// Inventory lists every element in the order of their addresses. Two elements with one
// address are an error.
func (c *Changer) Inventory(ctx context.Context) ([]driver.Element, error) {
	all, _, err := call(ctx, c.port, "inventory", c.caps.Timeout, c.dev.Inventory)
	if err != nil {
		return nil, c.wrap("inventory", "", err)
	}
	for i := range all {
		if i > 0 && all[i].Address <= all[i-1].Address {
			return nil, c.wrap("inventory", "", failed("inventory", driver.OutcomeHardware,
				fmt.Sprintf("address %d is listed after %d", all[i].Address, all[i-1].Address)))
		}
	}
	return all, nil
}

// Mount brings a volume into a drive; if it is there already, that is success. What was not
// possible is told as ErrNotFound (no such volume in the robot), ErrNoDrive, ErrDriveFull,
// ErrInOtherDrive, ErrHeld, ErrInHand, ErrDuplicate. After a move of unknown outcome
// the inventory is read again, even if ctx has ended, and decides: nil means that the
// volume is in the drive whatever became of the command.
func (c *Changer) Mount(ctx context.Context, volume string, drive int) error {
	const op = "mount"
	leave, err := c.enter(ctx)
	if err != nil {
		return c.wrap(op, volume, err)
	}
	defer leave()
	s, err := c.survey(ctx, volume, drive)
	if err != nil {
		return c.wrap(op, volume, err)
	}
	switch {
	case s.volume == nil:
		return c.wrap(op, volume, ErrNotFound)
	case s.volume == s.bay:
		return nil
	case s.volume.Kind == driver.DriveBay:
		return c.wrap(op, volume, fmt.Errorf("%w: drive %d", ErrInOtherDrive, s.volume.Drive))
	case s.hand != nil:
		return c.wrap(op, volume, inHand(s.hand))
	case s.bay.Full:
		return c.wrap(op, volume, fmt.Errorf("%w: %q in drive %d", ErrDriveFull, s.bay.Label, drive))
	}
	from := *s.volume
	if err := c.move(ctx, from.Address, s.bay.Address, volume, func(s survey) bool { return s.volume != nil && s.volume == s.bay }, drive); err != nil {
		return c.wrap(op, volume, err)
	}
	if from.Kind == driver.Slot {
		c.home[volume] = from.Address
	}
	return nil
}

// Dismount brings a volume from a drive to the slot it came from, or if that is
// unknown or taken to the first free one; if the volume is in a slot already, that is success.
// ErrDriveFull if another volume is in the drive, ErrHeld while the drive has it
// loaded, ErrNoSlot, and the errors of Mount.
func (c *Changer) Dismount(ctx context.Context, volume string, drive int) error {
	const op = "dismount"
	leave, err := c.enter(ctx)
	if err != nil {
		return c.wrap(op, volume, err)
	}
	defer leave()
	s, err := c.survey(ctx, volume, drive)
	if err != nil {
		return c.wrap(op, volume, err)
	}
	if s.volume == nil && s.bay.Full && s.bay.Label == "" { // a robot that cannot read it in the drive
		return c.takeOut(ctx, op, volume, s)
	}
	switch {
	case s.volume == nil && s.bay.Full:
		return c.wrap(op, volume, fmt.Errorf("%w: %q in drive %d", ErrDriveFull, s.bay.Label, drive))
	case s.volume == nil:
		return c.wrap(op, volume, ErrNotFound)
	case s.hand != nil:
		return c.wrap(op, volume, inHand(s.hand))
	case s.volume.Kind == driver.DriveBay && s.volume != s.bay:
		return c.wrap(op, volume, fmt.Errorf("%w: drive %d", ErrInOtherDrive, s.volume.Drive))
	case s.volume != s.bay:
		return nil
	case s.bay.Held:
		return c.wrap(op, volume, failed(op, driver.OutcomeHeld, "the drive has it loaded"))
	}
	return c.takeOut(ctx, op, volume, s)
}

// takeOut brings what is in a drive's bay to a slot: the volume, or if its label is "" a cartridge whose label the robot does not know.
func (c *Changer) takeOut(ctx context.Context, op, volume string, s survey) error {
	switch {
	case s.hand != nil:
		return c.wrap(op, volume, inHand(s.hand))
	case s.bay.Held:
		return c.wrap(op, volume, failed(op, driver.OutcomeHeld, "the drive has it loaded"))
	}
	to := s.freeSlot(c.home[volume], volume, c.home)
	if to < 0 {
		return c.wrap(op, volume, ErrNoSlot)
	}
	gone := func(s survey) bool { return s.volume != nil && s.volume.Kind != driver.DriveBay && s.hand == nil }
	if s.bay.Label == "" {
		gone = func(s survey) bool { return !s.bay.Full && s.hand == nil }
	}
	if err := c.move(ctx, s.bay.Address, to, volume, gone, s.bay.Drive); err != nil {
		return c.wrap(op, volume, err)
	}
	delete(c.home, volume)
	return nil
}

// Empty takes out of a drive whatever cartridge is there, also one whose label the robot does not know, and brings it to a slot. An empty drive is
// success. Its errors are those of Dismount.
func (c *Changer) Empty(ctx context.Context, drive int) error {
	const op = "dismount"
	leave, err := c.enter(ctx)
	if err != nil {
		return c.wrap(op, "", err)
	}
	defer leave()
	s, err := c.survey(ctx, "", drive)
	if err != nil {
		return c.wrap(op, "", err)
	}
	if !s.bay.Full {
		return nil
	}
	label := s.bay.Label
	if label != "" {
		if s, err = c.survey(ctx, label, drive); err != nil {
			return c.wrap(op, label, err)
		}
		if !s.bay.Full || s.bay.Label != label {
			return c.wrap(op, label, fmt.Errorf("%w: it is not in drive %d any more", ErrNotFound, drive))
		}
	}
	return c.takeOut(ctx, op, label, s)
}

func inHand(e *driver.Element) error {
	return fmt.Errorf("%w: %q at address %d", ErrInHand, e.Label, e.Address)
}

func (c *Changer) enter(ctx context.Context) (leave func(), err error) {
	select {
	case c.turn <- struct{}{}:
		return func() { <-c.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// survey is what an inventory says about one volume and one drive.
type survey struct {
	all    []driver.Element
	volume *driver.Element // where the volume is; nil: nowhere
	bay    *driver.Element // the drive's
	hand   *driver.Element // a hand that holds something
}

// survey looks; of no volume if its label is "".
func (c *Changer) survey(ctx context.Context, volume string, drive int) (s survey, err error) {
	s.all, err = c.Inventory(ctx)
	if err != nil {
		return s, err
	}
	for i := range s.all {
		e := &s.all[i]
		if e.Kind == driver.DriveBay && e.Drive == drive {
			s.bay = e
		}
		if e.Kind == driver.Transport && e.Full {
			s.hand = e
		}
		if e.Full && e.Label == volume && volume != "" {
			if s.volume != nil {
				return s, fmt.Errorf("%w: addresses %d and %d", ErrDuplicate, s.volume.Address, e.Address)
			}
			s.volume = e
		}
	}
	if s.bay == nil {
		return s, fmt.Errorf("%w: drive %d", ErrNoDrive, drive)
	}
	return s, nil
}

// freeSlot chooses a slot: the volume's own, else one that no other mounted volume
// came from, else any.
func (s survey) freeSlot(own int, volume string, home map[string]int) int {
	reserved := map[int]bool{}
	for v, a := range home {
		reserved[a] = v != volume
	}
	_, known := home[volume]
	first, any := -1, -1
	for _, e := range s.all {
		if e.Kind != driver.Slot || e.Full {
			continue
		}
		if known && e.Address == own {
			return own
		}
		if any < 0 {
			any = e.Address
		}
		if first < 0 && !reserved[e.Address] {
			first = e.Address
		}
	}
	if first >= 0 {
		return first
	}
	return any
}

// move moves a volume, and after anything but a clear refusal looks where it is: there
// tells whether it arrived.
func (c *Changer) move(ctx context.Context, from, to int, volume string, there func(survey) bool, drive int) (failure error) {
	_, began, err := call(ctx, c.port, "move", c.caps.Timeout, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.dev.Move(ctx, from, to)
	})
	if err == nil || !began {
		return err
	}
	switch OutcomeOf(err) {
	case driver.OutcomeHeld, driver.OutcomeFull, driver.OutcomeNoMedium, driver.OutcomeIllegalRequest, driver.OutcomeConfig:
		return err
	}
	s, again := c.survey(context.WithoutCancel(ctx), volume, drive)
	if again == nil {
		defer func() {
			if failure != nil {
				failure = &looked{failure}
			}
		}()
	}
	switch {
	case again != nil:
		return fmt.Errorf("%w; and where the volume is now cannot be told: %w", err, again)
	case there(s):
		return nil
	case s.hand != nil:
		return fmt.Errorf("%w; %w", err, inHand(s.hand))
	case s.volume == nil:
		return fmt.Errorf("%w; %w", err, ErrNotFound)
	}
	return fmt.Errorf("%w; the volume is at address %d", err, s.volume.Address)
}

// looked is the error of a move after which an inventory told where things are.
type looked struct{ error }

func (e *looked) Unwrap() error { return e.error }

// wrap makes an *Error. The outermost of two is enough.
func (c *Changer) wrap(op, volume string, err error) error {
	if e, ok := err.(*Error); ok {
		w := *e
		w.Op, w.Volume = op, volume
		return &w
	}
	e := &Error{Op: op, Drive: c.name, Robot: true, Volume: volume, Position: unknown, Verdict: VerdictOf(err), Err: err}
	for _, known := range []error{ErrNotFound, ErrDriveFull, ErrInOtherDrive, ErrNoSlot, ErrDuplicate} {
		if errors.Is(err, known) && e.Verdict == (Verdict{}) {
			e.Verdict = Verdict{Fault: FaultRequest, Do: MendRequest}
		}
	}
	if errors.Is(err, ErrNoDrive) {
		e.Verdict = Verdict{Fault: FaultDrive, Do: StopDrive}
	}
	_, e.Looked = errors.AsType[*looked](err)
	return e
}
