package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
)

// settings are the plugin's own table in the site file.
type settings struct {
	Dir      string   `json:"dir"`      // the cartridge: file 00000000 is the block at the load point, an empty file a filemark
	Capacity int64    `json:"capacity"` // bytes; 0: without limit
	Faults   []string `json:"faults"`   // rules to break: see the constants
}

// Faults that can be asked for.
const (
	keepsTheTail  = "keeps the tail"  // overwriting leaves what was behind
	losesCount    = "loses count"     // filemarks are missing from the position
	mixesOutcomes = "mixes outcomes"  // end of data is told as an error of the medium
	sharesItself  = "shares itself"   // two may open it at once
	truncatesData = "truncates reads" // a block that is longer than the buffer is cut
	comesShort    = "comes short"     // a long way back ends one object too early
	hidesLabels   = "hides labels"    // a load ends behind the first filemark
)

var faults = []string{keepsTheTail, losesCount, mixesOutcomes, sharesItself, truncatesData, comesShort, hidesLabels}

// drive is a driver.Drive. Its caller sees to it that calls come one after another; only Close may come in the middle of another.
type drive struct {
	settings
	mu     sync.Mutex // held by each call
	lock   io.Closer
	loaded bool
	sizes  []int64 // of the objects on the cartridge, 0 for a filemark
	used   int64   // their sum
	at     int     // the object that comes next
	synced int     // objects before it are on disk for good
}

const maxBlock = 1 << 20

// open is the driver.OpenDrive of the plugin.
func open(_ context.Context, c driver.Config) (driver.Drive, error) {
	d := &drive{}
	if err := c.Decode(&d.settings); err != nil {
		return nil, err
	}
	if d.Dir == "" || d.Capacity < 0 {
		return nil, fail("configure", driver.OutcomeConfig, "dir is missing, or capacity is negative")
	}
	for _, f := range d.Faults {
		if !slices.Contains(faults, f) {
			return nil, fail("configure", driver.OutcomeConfig, "faults: %q is none of %q", f, faults)
		}
	}
	if d.has(sharesItself) {
		return d, nil
	}
	lock, err := disk.TryLock(disk.OS(), filepath.Clean(d.Dir)+".lock")
	if errors.Is(err, disk.ErrLocked) {
		return nil, fail("open", driver.OutcomeHeld, "%v", err)
	}
	if err != nil {
		return nil, fail("open", driver.OutcomeHardware, "%v", err)
	}
	d.lock = lock
	return d, nil
}

func (d *drive) has(fault string) bool { return slices.Contains(d.Faults, fault) }

// fail is an error as the contract wants it, with the sense data of the drives that have some.
func fail(op string, o driver.Outcome, format string, args ...any) error {
	return &driver.Error{Op: op, Outcome: o, Sense: driver.Sense{Info: driver.Unknown}, Text: fmt.Sprintf(format, args...)}
}

// ready is nil while the drive may act: a cartridge is loaded and the caller still waits.
func (d *drive) ready(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !d.loaded {
		return fail(op, driver.OutcomeNotReady, "no cartridge is loaded")
	}
	return nil
}

func (d *drive) object(i int) string { return filepath.Join(d.Dir, fmt.Sprintf("%08d", i)) }

func (d *drive) Identify(context.Context) (driver.Identity, driver.Capabilities, error) {
	return driver.Identity{Vendor: "EXAMPLE", Product: "FILE A BLOCK", Revision: "1", Serial: filepath.Base(d.Dir)},
		driver.Capabilities{MinBlock: 1, MaxBlock: maxBlock, ReportsPosition: true, ReportsFile: true, ReportsBuffer: true, LocatesByBlock: true, Exclusive: driver.ExclusiveLock}, nil
}

func (d *drive) Status(context.Context) (driver.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := os.Stat(d.Dir)
	s := driver.Status{Present: err == nil, Loaded: d.loaded, Capacity: driver.Unknown, Remaining: driver.Unknown}
	if d.Capacity > 0 {
		s.Capacity, s.Remaining = d.Capacity, max(0, d.warning()-d.used)
	}
	return s, nil
}

// warning is how many bytes may be written before early warning. What is left then is more than the blocks that a
// plugin's host may have on their way.
func (d *drive) warning() int64 { return d.Capacity - d.Capacity/8 }

func (d *drive) Load(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := os.Stat(d.Dir); errors.Is(err, fs.ErrNotExist) {
		return fail("load", driver.OutcomeNoMedium, "there is no directory %s", d.Dir)
	}
	d.sizes, d.used = nil, 0
	for {
		st, err := os.Stat(d.object(len(d.sizes)))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return fail("load", driver.OutcomeHardware, "%v", err)
		}
		d.sizes = append(d.sizes, st.Size())
		d.used += st.Size()
	}
	d.loaded, d.at, d.synced = true, 0, 0
	if d.has(hidesLabels) {
		d.at = slices.Index(d.sizes, 0) + 1
	}
	return nil
}

func (d *drive) Unload(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.loaded {
		return nil
	}
	err := d.sync("unload")
	d.loaded = false
	return err
}

func (d *drive) Rewind(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ready(ctx, "rewind"); err != nil {
		return err
	}
	d.at = 0
	return nil
}

func (d *drive) Locate(ctx context.Context, block int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ready(ctx, "locate"); err != nil {
		return err
	}
	if block < 0 {
		return fail("locate", driver.OutcomeIllegalRequest, "block %d", block)
	}
	if block > int64(len(d.sizes)) {
		d.at = len(d.sizes)
		return fail("locate", driver.OutcomeEndOfData, "the tape ends at block %d", d.at)
	}
	if d.has(comesShort) && int64(d.at)-block > 20 {
		block++
	}
	d.at = int(block)
	return nil
}

func (d *drive) Space(ctx context.Context, kind driver.Space, n int64) (passed int64, c driver.Condition, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ready(ctx, "space"); err != nil {
		return 0, 0, err
	}
	if kind == driver.SpaceEndOfData {
		d.at = len(d.sizes)
		return 0, driver.NoCondition, nil
	}
	for back := n < 0; passed < max(n, -n); {
		switch {
		case back && d.at == 0:
			return passed, driver.LoadPoint, nil
		case !back && d.at == len(d.sizes):
			return passed, driver.EndOfData, nil
		}
		next := d.at
		if back {
			next--
			d.at--
		} else {
			d.at++
		}
		mark := d.sizes[next] == 0
		switch {
		case mark && kind == driver.SpaceBlocks:
			return passed, driver.Filemark, nil
		case mark == (kind == driver.SpaceFilemarks):
			passed++
		}
	}
	return passed, driver.NoCondition, nil
}

func (d *drive) Position(ctx context.Context) (driver.Position, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ready(ctx, "position"); err != nil {
		return driver.Position{}, err
	}
	p := driver.Position{Block: int64(d.at)}
	for _, n := range d.sizes[:d.at] {
		if n == 0 {
			p.File++
		}
	}
	if d.has(losesCount) {
		p.Block -= p.File
	}
	return p, nil
}

func (d *drive) ReadBlock(ctx context.Context, p []byte) (int, driver.Condition, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ready(ctx, "read block"); err != nil {
		return 0, 0, err
	}
	if d.at == len(d.sizes) {
		if d.has(mixesOutcomes) {
			return 0, 0, fail("read block", driver.OutcomeMedium, "nothing is here")
		}
		return 0, driver.EndOfData, nil
	}
	b, err := os.ReadFile(d.object(d.at))
	if err != nil {
		return 0, 0, fail("read block", driver.OutcomeMedium, "%v", err)
	}
	d.at++
	switch {
	case len(b) == 0:
		return 0, driver.Filemark, nil
	case len(b) > len(p) && !d.has(truncatesData):
		return 0, 0, fail("read block", driver.OutcomeBlockTooLong, "the block has %d bytes", len(b))
	}
	return copy(p, b), driver.NoCondition, nil
}

func (d *drive) WriteBlock(ctx context.Context, p []byte) (driver.Condition, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ready(ctx, "write block"); err != nil {
		return 0, err
	}
	return d.append("write block", p)
}

func (d *drive) WriteFilemarks(ctx context.Context, n int, immediate bool) (driver.Condition, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	const op = "write filemarks"
	if err := d.ready(ctx, op); err != nil {
		return 0, err
	}
	var c driver.Condition
	for range n {
		var err error
		if c, err = d.append(op, nil); err != nil {
			return 0, err
		}
	}
	if immediate {
		return c, nil
	}
	return c, d.sync(op)
}

// append writes an object, which becomes the last of the tape.
func (d *drive) append(op string, p []byte) (driver.Condition, error) {
	before := int64(0)
	for _, n := range d.sizes[:d.at] {
		before += n
	}
	if d.Capacity > 0 && before+int64(len(p)) > d.Capacity {
		return 0, fail(op, driver.OutcomeEndOfMedium, "%d of %d bytes are used", before, d.Capacity)
	}
	keep := d.at
	if d.has(keepsTheTail) {
		keep = max(keep, len(d.sizes)-1)
	}
	for len(d.sizes) > keep { // from the end, so that the tape has no hole whenever this is cut short
		if err := os.Remove(d.object(len(d.sizes) - 1)); err != nil {
			return 0, fail(op, driver.OutcomeHardware, "%v", err)
		}
		d.sizes = d.sizes[:len(d.sizes)-1]
	}
	if err := os.WriteFile(d.object(d.at), p, 0o666); err != nil {
		return 0, fail(op, driver.OutcomeHardware, "%v", err)
	}
	if d.at == len(d.sizes) {
		d.sizes = append(d.sizes, 0)
	}
	d.sizes[d.at] = int64(len(p))
	d.used = before + int64(len(p))
	d.synced = min(d.synced, d.at)
	d.at++
	if d.Capacity > 0 && d.used > d.warning() {
		return driver.EarlyWarning, nil
	}
	return driver.NoCondition, nil
}

// sync makes everything durable: each object, and then the directory that names them.
func (d *drive) sync(op string) error {
	for ; d.synced < len(d.sizes); d.synced++ {
		if err := syncFile(d.object(d.synced)); err != nil {
			return fail(op, driver.OutcomeHardware, "%v", err)
		}
	}
	if err := disk.OS().SyncDir(d.Dir); err != nil {
		return fail(op, driver.OutcomeHardware, "%v", err)
	}
	return nil
}

func syncFile(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d *drive) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.loaded = false
	if d.lock == nil {
		return nil
	}
	return d.lock.Close()
}
