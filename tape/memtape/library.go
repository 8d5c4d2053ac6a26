package memtape

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

// The addresses of a library's elements, as real robots have them.
const (
	FirstDrive = 1    // of the drive bays
	Hand       = 900  // of the one transport
	FirstSlot  = 1000 // of the slots
)

// Defaults.
const (
	DefaultCapacity = 1 << 30 // bytes
	DefaultMaxBlock = 4 << 20 // bytes
)

// Options describe a library and its drives.
type Options struct {
	Drives int // default 1
	Slots  int // default 8

	// MinBlock and MaxBlock are the drives' block limits in bytes; defaults 1 and
	// DefaultMaxBlock.
	MinBlock, MaxBlock int
	// Window is how many objects a drive holds before they are on tape. 0 means that each write
	// is on tape when it returns.
	Window int
	// NoPositions makes drives that report nothing of where they stand.
	NoPositions bool
	// NoFiles makes drives that report block numbers only, as most do.
	NoFiles bool
	// NoLocate makes drives without Locate.
	NoLocate bool
	// NoBarcodes makes a robot that knows no labels.
	NoBarcodes bool

	Timeouts driver.Timeouts
	Timing   Timing
}

// Timing is how long things take, in the time of package time. The zero value is at once; [As] is that of a real drive.
type Timing struct {
	Command time.Duration // Identify, Status, Health, Position
	Load    time.Duration
	Unload  time.Duration
	Move    time.Duration // of the robot
	Clean   time.Duration // of a cleaning cartridge's work

	// Streaming is the time of what moves tape. Without it the following hold, which know neither wraps nor stops.
	Streaming *Streaming

	Start   time.Duration // of any motion of the tape: Rewind, Locate, Space
	PerByte float64       // seconds for each byte read, written or passed over; 1/300e6 for 300 MB/s
	Flush   time.Duration // of a synchronous flush
	// WindPerByte is, like PerByte, for bytes that a motion passes over; 0 means free.
	WindPerByte float64
}

// VolumeOptions describe a cartridge.
type VolumeOptions struct {
	Capacity     int64 // bytes; default DefaultCapacity. A filemark takes one
	EarlyWarning int64 // bytes before the end; default a sixteenth of the capacity
	WriteProtect bool
	WORM         bool // what is written cannot be overwritten
	Cleanings    int  // above 0: this is a cleaning cartridge, for so many uses
}

// Library is a robot, drives and cartridges. Its methods may be called from several
// goroutines.
type Library struct {
	o Options

	mu      sync.Mutex
	drives  []*bay
	slots   []*cartridge
	hand    *cartridge
	changer *robot // the open one
	volumes map[string]*cartridge
}

// bay is a drive's place in the library: what stays when nobody has it open.
type bay struct {
	in     *cartridge
	loaded bool
	open   *drive
	// attention is what happened since the last command, to be told once.
	attention string
	at        int           // number of the object ahead, the buffer not counted
	off       int64         // bytes before that object
	pending   []object      // the buffer
	late      *driver.Error // waits to be told

	reel   *reel // nil: time as Timing says
	health health
}

// object is a block, or a filemark if data is nil.
type object struct{ data []byte }

func (o object) size() int64 { return int64(max(1, len(o.data))) }

// cartridge is one volume.
type cartridge struct {
	label   string
	o       VolumeOptions
	objects []object
	used    int64
	marks   []int // object numbers of the filemarks, ascending
	bad     map[int]driver.Sense
	loads   int64
	left    int // uses of a cleaning cartridge
}

// New makes a library without cartridges.
func New(o Options) *Library {
	def := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	def(&o.Drives, 1)
	def(&o.Slots, 8)
	def(&o.MinBlock, 1)
	def(&o.MaxBlock, DefaultMaxBlock)
	l := &Library{o: o, slots: make([]*cartridge, o.Slots), volumes: map[string]*cartridge{}}
	for range o.Drives {
		l.drives = append(l.drives, &bay{reel: newReel(o.Timing.Streaming), health: health{cleaning: driver.CleaningNone}})
	}
	return l
}

// AddVolume puts a blank cartridge into the first free slot and returns its address.
func (l *Library) AddVolume(label string, o VolumeOptions) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if label == "" || l.volumes[label] != nil {
		return 0, fmt.Errorf("memtape: volume %q: no label, or there already", label)
	}
	if o.Capacity <= 0 {
		o.Capacity = DefaultCapacity
	}
	if o.EarlyWarning <= 0 {
		o.EarlyWarning = o.Capacity / 16
	}
	for i, c := range l.slots {
		if c == nil {
			l.slots[i] = &cartridge{label: label, o: o, bad: map[int]driver.Sense{}, left: o.Cleanings}
			l.volumes[label] = l.slots[i]
			return FirstSlot + i, nil
		}
	}
	return 0, fmt.Errorf("memtape: volume %q: no free slot", label)
}

// Insert puts a volume into drive n by hand; the cartridge that was there goes to where the
// volume came from. It is for tests that need no robot.
func (l *Library) Insert(label string, n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.volumes[label]
	if c == nil || n < 0 || n >= len(l.drives) {
		return fmt.Errorf("memtape: no volume %q or no drive %d", label, n)
	}
	for i, b := range l.drives {
		if b.in == c && i != n {
			return fmt.Errorf("memtape: volume %q is in drive %d", label, i)
		}
	}
	b := l.drives[n]
	if b.in == c {
		return nil
	}
	if b.cleans() {
		return fmt.Errorf("memtape: drive %d is being cleaned", n)
	}
	from := &l.hand
	for i, s := range l.slots {
		if s == c {
			from = &l.slots[i]
		}
	}
	*from = b.in
	b.take(c, l.o.Timing.Clean)
	return nil
}

// take puts a cartridge, or none, into the drive. A cleaning cartridge begins its work, which takes so long.
func (b *bay) take(c *cartridge, work time.Duration) {
	b.in, b.loaded, b.at, b.off, b.pending, b.late = c, false, 0, 0, nil, nil
	if b.reel != nil {
		b.reel.out()
	}
	if c != nil && c.o.Cleanings > 0 {
		b.clean(c, work)
		return
	}
	b.attention = "not ready to ready change, medium may have changed"
}

// Protect sets or clears the write protection tab of a volume.
func (l *Library) Protect(label string, on bool) error {
	return l.change(label, func(c *cartridge) { c.o.WriteProtect = on })
}

// Damage makes the object with this number bad: reading or writing it there is a
// medium error with this sense; a zero one stands for the usual 3/11/00, and 3/0c/00
// for a write.
func (l *Library) Damage(label string, object int, s driver.Sense) error {
	if s.Key == 0 {
		s.Key, s.ASC, s.Info = 3, 0x11, driver.Unknown
	}
	return l.change(label, func(c *cartridge) { c.bad[object] = s })
}

// Flip changes one bit of the block with this number, as no drive should.
func (l *Library) Flip(label string, object int) error {
	return l.change(label, func(c *cartridge) {
		if object < len(c.objects) && len(c.objects[object].data) > 0 {
			d := bytes.Clone(c.objects[object].data)
			d[len(d)/2] ^= 0x10
			c.objects[object].data = d
		}
	})
}

func (l *Library) change(label string, f func(*cartridge)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.volumes[label]
	if c == nil {
		return fmt.Errorf("memtape: no volume %q", label)
	}
	f(c)
	return nil
}

// Objects returns what is on a volume for good: a copy of each block, nil for a filemark.
func (l *Library) Objects(label string) ([][]byte, error) {
	var all [][]byte
	err := l.change(label, func(c *cartridge) {
		for _, o := range c.objects {
			all = append(all, bytes.Clone(o.data))
		}
	})
	return all, err
}

// Reset is what a bus reset or power cycle does to drive n: its buffer is lost, its next
// command fails with unit attention, and the tape has to be loaded again.
func (l *Library) Reset(n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 0 || n >= len(l.drives) {
		return fmt.Errorf("memtape: no drive %d", n)
	}
	b := l.drives[n]
	b.loaded, b.pending, b.late, b.at, b.off = false, nil, nil, 0, 0
	if b.reel != nil {
		b.reel.out()
	}
	b.attention = "power on, reset, or bus device reset occurred"
	return nil
}

// pause waits, or returns how the context ended.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fail makes the error of a command.
func fail(op string, o driver.Outcome, key, asc, ascq uint8, text string) *driver.Error {
	return &driver.Error{Op: op, Outcome: o, Sense: driver.Sense{Key: key, ASC: asc, ASCQ: ascq, Info: driver.Unknown}, Text: text}
}
