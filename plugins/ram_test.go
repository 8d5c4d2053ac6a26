//go:build unix

package plugins

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/enstore-go/sdk/tape/driver"
)

// ram is a drive with a tape of RAM, small enough to be read at one go, and with a switch
// for each thing that a test wants to see cross the border.
type ram struct {
	conf ramConfig
	lock *os.File

	closed chan struct{}
	tape   []object
	at     int64
	loaded bool
	writes int
	log    *os.File
}

type object struct {
	mark bool
	data []byte
}

type ramConfig struct {
	Lock       string `json:"lock,omitempty"`        // file that is locked while the drive is open
	Ignore     bool   `json:"ignore,omitempty"`      // goes on when told to end (it cannot, but its lock is inherited)
	MinBlock   int    `json:"min_block,omitempty"`   // default 1
	MaxBlock   int    `json:"max_block,omitempty"`   // default 1 MiB
	Capacity   int    `json:"capacity,omitempty"`    // objects, default unlimited
	Early      int    `json:"early,omitempty"`       // objects from which early warning is told
	FailWrite  int    `json:"fail_write,omitempty"`  // n-th write is a medium error
	Protect    bool   `json:"protect,omitempty"`     // write-protected
	Stuck      string `json:"stuck,omitempty"`       // op that waits for its context's end ("ignore:" before it: for ever)
	StuckAfter int    `json:"stuck_after,omitempty"` // writes that still go well
	TimeoutMS  int    `json:"timeout_ms,omitempty"`  // all time-outs
	Slow       int    `json:"slow,omitempty"`        // microseconds per write
	Log        string `json:"log,omitempty"`         // file that gets a byte for each block written
	Panic      string `json:"panic,omitempty"`       // op that panics
	Print      bool   `json:"print,omitempty"`       // prints and logs when opened
	Health     bool   `json:"health,omitempty"`      // tells how it is
}

func openRAM(_ context.Context, c driver.Config) (driver.Drive, error) {
	r := &ram{conf: ramConfig{MinBlock: 1, MaxBlock: 1 << 20}, loaded: true, closed: make(chan struct{})}
	if err := c.Decode(&r.conf); err != nil {
		return nil, err
	}
	if r.conf.Lock != "" {
		f, err := os.OpenFile(r.conf.Lock, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, &driver.Error{Op: "open", Outcome: driver.OutcomeConfig, Text: "lock: " + err.Error()}
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			f.Close()
			return nil, &driver.Error{Op: "open", Outcome: driver.OutcomeHeld, Text: "locked"}
		}
		r.lock = f
	}
	if r.conf.Log != "" {
		f, err := os.OpenFile(r.conf.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return nil, err
		}
		r.log = f
	}
	if r.conf.Print {
		fmt.Println("printed on standard output")
		fmt.Fprintln(os.Stderr, "printed on standard error")
		slog.Warn("logged with slog", "drive", 7)
	}
	return r, r.stuck(context.Background(), "open")
}

// stuck does what the switches say about an operation.
func (r *ram) stuck(ctx context.Context, op string) error {
	if r.conf.Panic == op {
		panic("the drive has a bug in " + op)
	}
	name, ignore := strings.CutPrefix(r.conf.Stuck, "ignore:")
	if name != op || r.writes < r.conf.StuckAfter {
		return nil
	}
	if ignore {
		select {}
	}
	select {
	case <-ctx.Done():
		return &driver.Error{Op: op, Outcome: driver.OutcomeUnknown, Text: "interrupted"}
	case <-r.closed:
		return &driver.Error{Op: op, Outcome: driver.OutcomeAborted, Text: "closed"}
	}
}

func (r *ram) Identify(context.Context) (driver.Identity, driver.Capabilities, error) {
	t := time.Duration(r.conf.TimeoutMS) * time.Millisecond
	return driver.Identity{Vendor: "RAM", Product: "small \xff", Revision: "1", Serial: "0007"}, driver.Capabilities{
		MinBlock: r.conf.MinBlock, MaxBlock: r.conf.MaxBlock, Window: 3, ReportsPosition: true, ReportsFile: true, LocatesByBlock: true,
		WORM: true, ReportsHealth: r.conf.Health, Exclusive: driver.ExclusiveLock,
		Timeouts: driver.Timeouts{Command: t, Load: t, Locate: t, Transfer: t, Flush: t},
	}, nil
}

func (r *ram) Status(ctx context.Context) (driver.Status, error) {
	return driver.Status{Loaded: r.loaded, Present: true, WriteProtect: r.conf.Protect, Barcode: "VO0001L9", Capacity: 1 << 40, Remaining: driver.Unknown, NeedsClean: true, Cleaning: r.conf.Health}, r.stuck(ctx, "status")
}

// wellness is what ram tells of itself.
var wellness = driver.Health{
	Alerts: driver.AlertsOf(1, 20, 64), Cleaning: driver.CleaningNow, Loads: 1, Cleanings: 2, PowerHours: 0, MotionHours: driver.Unknown,
	Written: driver.Traffic{Bytes: 1 << 60, Corrected: 3, Uncorrected: 0}, Read: driver.Traffic{Bytes: driver.Unknown, Corrected: driver.Unknown, Uncorrected: 4}, Stops: 5,
	Cartridge: driver.Cartridge{Maker: "ACME \xff", Serial: "17", Barcode: "VO0001L9", Kind: driver.CartridgeWORM, Density: 0x60, Loads: 6,
		Capacity: 18e12, Remaining: driver.Unknown, WrapEnds: []int64{7, 9}},
}

func (r *ram) Health(ctx context.Context) (driver.Health, error) {
	return wellness, r.stuck(ctx, "health")
}

func (r *ram) Load(ctx context.Context) error { r.loaded, r.at = true, 0; return r.stuck(ctx, "load") }
func (r *ram) Unload(context.Context) error   { r.loaded, r.at = false, 0; return nil }
func (r *ram) Rewind(context.Context) error   { r.at = 0; return nil }

func (r *ram) Locate(ctx context.Context, block int64) error {
	if err := r.stuck(ctx, "locate"); err != nil {
		return err
	}
	if block > int64(len(r.tape)) {
		r.at = int64(len(r.tape))
		return &driver.Error{
			Op: "locate", Outcome: driver.OutcomeEndOfData, Text: "beyond \xff the end",
			Sense: driver.Sense{Key: 8, ASC: 0, ASCQ: 5, EOM: true, Info: -3, Raw: []byte{0x70, 0, 8, 0xff}},
		}
	}
	r.at = block
	return nil
}

func (r *ram) Space(_ context.Context, kind driver.Space, n int64) (int64, driver.Condition, error) {
	if kind == driver.SpaceEndOfData {
		passed := int64(len(r.tape)) - r.at
		r.at = int64(len(r.tape))
		return passed, driver.EndOfData, nil
	}
	var passed int64
	for passed < n {
		if r.at == int64(len(r.tape)) {
			return passed, driver.EndOfData, nil
		}
		mark := r.tape[r.at].mark
		r.at++
		if mark == (kind == driver.SpaceFilemarks) {
			passed++
		} else if mark {
			return passed, driver.Filemark, nil
		}
	}
	return passed, driver.NoCondition, nil
}

func (r *ram) Position(context.Context) (driver.Position, error) {
	p := driver.Position{Block: r.at, Buffered: driver.Unknown}
	for _, o := range r.tape[:r.at] {
		if o.mark {
			p.File++
		}
	}
	return p, nil
}

func (r *ram) ReadBlock(ctx context.Context, p []byte) (int, driver.Condition, error) {
	if err := r.stuck(ctx, "read block"); err != nil {
		return 0, 0, err
	}
	if r.at == int64(len(r.tape)) {
		return 0, driver.EndOfData, nil
	}
	o := r.tape[r.at]
	r.at++
	if o.mark {
		return 0, driver.Filemark, nil
	}
	if len(o.data) > len(p) {
		return 0, 0, &driver.Error{Op: "read block", Outcome: driver.OutcomeBlockTooLong, Sense: driver.Sense{Info: int64(len(p) - len(o.data))}}
	}
	return copy(p, o.data), driver.NoCondition, nil
}

func (r *ram) put(ctx context.Context, op string, o object) (driver.Condition, error) {
	if err := r.stuck(ctx, op); err != nil {
		return 0, err
	}
	time.Sleep(time.Duration(r.conf.Slow) * time.Microsecond) // the drive's own pace
	r.writes++
	switch {
	case r.conf.Protect:
		return 0, &driver.Error{Op: op, Outcome: driver.OutcomeWriteProtected, Sense: driver.Sense{Key: 7, ASC: 0x27, Info: driver.Unknown}}
	case r.writes == r.conf.FailWrite:
		return 0, &driver.Error{Op: op, Outcome: driver.OutcomeMedium, Sense: driver.Sense{Key: 3, ASC: 0x0c, Info: driver.Unknown, Raw: []byte{}}, Text: "write error"}
	case r.conf.Capacity > 0 && r.at >= int64(r.conf.Capacity):
		return 0, &driver.Error{Op: op, Outcome: driver.OutcomeEndOfMedium, Sense: driver.Sense{Key: 0xd, EOM: true}}
	}
	if r.log != nil {
		if _, err := r.log.Write([]byte{'.'}); err != nil {
			return 0, err
		}
	}
	r.tape = append(r.tape[:r.at], o)
	r.at++
	if r.conf.Early > 0 && r.at >= int64(r.conf.Early) {
		return driver.EarlyWarning, nil
	}
	return driver.NoCondition, nil
}

func (r *ram) WriteBlock(ctx context.Context, p []byte) (driver.Condition, error) {
	return r.put(ctx, "write block", object{data: append([]byte{}, p...)})
}

func (r *ram) WriteFilemarks(ctx context.Context, n int, _ bool) (c driver.Condition, err error) {
	if err := r.stuck(ctx, "write filemarks"); err != nil {
		return 0, err
	}
	for ; n > 0 && err == nil; n-- {
		c, err = r.put(ctx, "write filemark", object{mark: true})
	}
	return c, err
}

func (r *ram) Close() error {
	close(r.closed)
	if r.lock != nil {
		return r.lock.Close()
	}
	return nil
}

// hand is a robot of RAM.
type hand struct{ slots []driver.Element }

func openHand(_ context.Context, c driver.Config) (driver.Changer, error) {
	conf := struct {
		Slots int `json:"slots"`
	}{2}
	if err := c.Decode(&conf); err != nil {
		return nil, err
	}
	h := &hand{}
	for i := range conf.Slots {
		h.slots = append(h.slots, driver.Element{Kind: driver.Slot, Address: 100 + i, Drive: -1})
	}
	h.slots[0].Full, h.slots[0].Label, h.slots[0].Held = true, "VO0001L9", true
	return h, nil
}

func (h *hand) Identify(context.Context) (driver.Identity, driver.ChangerCapabilities, error) {
	patience := 5 * time.Second
	if len(h.slots) > 1000 {
		patience = time.Minute // whatever else the machine does
	}
	return driver.Identity{Vendor: "RAM", Product: "hand"}, driver.ChangerCapabilities{Barcodes: true, Timeout: patience}, nil
}

func (h *hand) Inventory(context.Context) ([]driver.Element, error) { return h.slots, nil }

func (h *hand) Move(ctx context.Context, from, to int) error {
	f, t := from-100, to-100
	if f < 0 || f >= len(h.slots) || t < 0 || t >= len(h.slots) {
		return &driver.Error{Op: "move", Outcome: driver.OutcomeIllegalRequest, Text: fmt.Sprintf("%d to %d", from, to)}
	}
	if !h.slots[f].Full {
		return &driver.Error{Op: "move", Outcome: driver.OutcomeNoMedium}
	}
	if h.slots[t].Full {
		return errors.New("not an error of the contract")
	}
	h.slots[t].Full, h.slots[t].Label = true, h.slots[f].Label
	h.slots[f].Full, h.slots[f].Label = false, ""
	return nil
}

func (h *hand) Close() error { return nil }
