package drivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

// Scratch is the kind of cartridge that a rule needs. It is always blank, unless Rig.Used says otherwise.
type Scratch struct {
	None         bool  // the drive is empty
	Capacity     int64 // if not 0: a small cartridge, about so many bytes
	WriteProtect bool
	WORM         bool
}

func (s Scratch) String() string {
	switch {
	case s.None:
		return "an empty drive"
	case s.WriteProtect:
		return "a write-protected cartridge"
	case s.WORM:
		return "a write-once cartridge"
	case s.Capacity > 0:
		return "a small cartridge"
	}
	return "a blank cartridge"
}

// Rig is one drive to be tried with one cartridge in it.
type Rig struct {
	// Open opens the drive. The kit calls it once, again after it closed the drive, which
	// must then have the same cartridge with what was written on it, and again while it
	// is open, which must fail as Capabilities.Exclusive says. The kit calls Load itself.
	Open func() (driver.Drive, error)

	// Damage makes the object with this number, counted from the load point, unwritable and
	// unreadable: an error of the medium. Nil skips the rules of such errors.
	Damage func(object int64) error
	// Reset does what ends a load: a reset, a power cycle, a cartridge taken out and put
	// back. Nil skips its rule.
	Reset func() error

	// Used tells that the cartridge was not blank when the kit came. Then the rule of a blank tape is not tried. One
	// cartridge may serve all rules in turn: that rule comes before any that writes, and those write from the load point.
	Used bool

	// MaxBlock is the longest block that the kit writes in most rules; default the smaller of
	// Capabilities.MaxBlock and 1 MiB.
	MaxBlock int
}

// Harness makes a fresh Rig; nil if it has no such cartridge. What it opens it has
// t.Cleanup close, but the kit closes the drives that Open returned.
type Harness func(t testing.TB, s Scratch) *Rig

// rule is one sentence of the contract.
type rule struct {
	name        string
	explanation string // why engines rely on it
	scratch     Scratch
	needs       func(k *kit) string // "" or what is missing
	run         func(k *kit)
}

// patience bounds one rule. Real drives take minutes for a motion; those have their
// own limits in Capabilities.
const patience = 15 * time.Minute

// TestDrive runs every rule of driver.Drive as a subtest, and tells what became of each.
func TestDrive(t *testing.T, h Harness) (results []Result) {
	t.Helper()
	for _, r := range driveRules() {
		results = append(results, subtest(t, r.name, r.explanation, func(t testing.TB) string { return r.try(t, h) }))
	}
	return results
}

// try runs one rule and returns why it could not be tried.
func (r rule) try(t testing.TB, h Harness) (skipped string) {
	rig := h(t, r.scratch)
	if rig == nil {
		return "the harness has not " + r.scratch.String()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	k := &kit{TB: t, ctx: ctx, rig: rig, rule: r}
	k.open()
	defer func() { k.d.Close() }()
	if r.needs != nil {
		if why := r.needs(k); why != "" {
			return why
		}
	}
	if !r.scratch.None {
		k.load()
	}
	r.run(k)
	return ""
}

// What rules need.
func needsBlank(k *kit) string {
	if k.rig.Used {
		return "the cartridge is not blank"
	}
	return ""
}

func needsLocate(k *kit) string {
	if !k.caps.LocatesByBlock {
		return "the drive cannot locate by block"
	}
	return ""
}

func needsWORM(k *kit) string {
	if !k.caps.WORM {
		return "the drive takes no write-once cartridges"
	}
	return ""
}

func needsDamage(k *kit) string {
	if k.rig.Damage == nil {
		return "the rig cannot damage a cartridge"
	}
	return ""
}

func needsReset(k *kit) string {
	if k.rig.Reset == nil {
		return "the rig cannot reset the drive"
	}
	return ""
}

func needsExclusion(k *kit) string {
	if k.caps.Exclusive == driver.ExclusiveNone || k.caps.Exclusive == "" {
		return "the drive has no exclusion"
	}
	return ""
}

// kit is one rule at work. Its methods fail the test, with the rule's explanation,
// if the drive does not answer as it must.
type kit struct {
	testing.TB
	ctx  context.Context
	rig  *Rig
	rule rule
	d    driver.Drive
	id   driver.Identity
	caps driver.Capabilities
	buf  []byte
}

// buffer is the kit's own, long enough for every block.
func (k *kit) buffer() []byte {
	if len(k.buf) < k.caps.MaxBlock {
		k.buf = make([]byte, k.caps.MaxBlock)
	}
	return k.buf
}

// fail ends the rule.
func (k *kit) fail(format string, args ...any) {
	k.Helper()
	k.Fatalf("%s%s", fmt.Sprintf(format, args...), reason(k.rule.name, k.rule.explanation))
}

// reason is what a test says behind the failure of a rule; a Result has it apart.
func reason(rule, explanation string) string { return fmt.Sprintf("\nrule %q: %s", rule, explanation) }

func (k *kit) open() {
	k.Helper()
	d, err := k.rig.Open()
	k.good("open", err)
	k.d = d
	k.id, k.caps, err = d.Identify(k.ctx)
	k.good("identify", err)
}

func (k *kit) load() {
	k.Helper()
	k.good("load", k.d.Load(k.ctx))
}

// reopen closes the drive and opens it again.
func (k *kit) reopen() {
	k.Helper()
	k.good("close", k.d.Close())
	k.open()
}

// good fails unless err is nil.
func (k *kit) good(op string, err error) {
	k.Helper()
	if err != nil {
		k.fail("%s: %v", op, err)
	}
}

// bad fails unless err is a *driver.Error with one of the outcomes, and returns it.
func (k *kit) bad(op string, err error, want ...driver.Outcome) *driver.Error {
	k.Helper()
	if err == nil {
		k.fail("%s succeeded, want %v", op, want)
	}
	var e *driver.Error
	if !errors.As(err, &e) {
		k.fail("%s: %v is a %T, every error must be a *driver.Error", op, err, err)
	}
	if !slices.Contains(want, e.Outcome) {
		k.fail("%s: outcome %q, want %v (%v)", op, e.Outcome, want, err)
	}
	if e.Op == "" || e.Op != strings.ToLower(e.Op) {
		k.fail("%s: the error's Op is %q, want the method in lower case", op, e.Op)
	}
	return e
}

// maxBlock is the longest block that rules use.
func (k *kit) maxBlock() int {
	if k.rig.MaxBlock > 0 {
		return min(k.rig.MaxBlock, k.caps.MaxBlock)
	}
	return min(k.caps.MaxBlock, 1<<20)
}

// size brings a length into the drive's limits.
func (k *kit) size(n int) int { return max(k.caps.MinBlock, min(n, k.maxBlock())) }

// block is the content of block number i: n bytes that differ from block to block and
// from place to place.
func block(i, n int) []byte {
	b := make([]byte, n)
	x := uint64(i)*0x9e3779b97f4a7c15 + 1
	for j := range b {
		if j%8 == 0 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		b[j] = byte(x >> (j % 8 * 8))
	}
	return b
}

// write writes a block that must be taken.
func (k *kit) write(b []byte) {
	k.Helper()
	c, err := k.d.WriteBlock(k.ctx, b)
	k.good("write block", err)
	if c != driver.NoCondition {
		k.fail("write block: %v on a cartridge with room", c)
	}
}

// marks writes n filemarks that need not be on tape yet.
func (k *kit) marks(n int) {
	k.Helper()
	_, err := k.d.WriteFilemarks(k.ctx, n, true)
	k.good("write filemarks", err)
}

func (k *kit) flush() {
	k.Helper()
	_, err := k.d.WriteFilemarks(k.ctx, 0, false)
	k.good("flush", err)
}

// wants reads a block that must be this one.
func (k *kit) wants(b []byte) {
	k.Helper()
	buf := k.buffer()
	n, c, err := k.d.ReadBlock(k.ctx, buf)
	k.good("read block", err)
	if c == driver.Filemark || c == driver.EndOfData {
		k.fail("read block: %v, want a block of %d bytes", c, len(b))
	}
	if n != len(b) || !bytes.Equal(buf[:n], b) {
		k.fail("read block: %d bytes that are not the %d that were written there", n, len(b))
	}
}

// meets reads a filemark or end of data.
func (k *kit) meets(want driver.Condition) {
	k.Helper()
	n, c, err := k.d.ReadBlock(k.ctx, k.buffer())
	k.good("read block", err)
	if n != 0 || c != want {
		k.fail("read block: %d bytes and %v, want %v", n, c, want)
	}
}

// at checks the reported position, as far as the drive reports one.
func (k *kit) at(block, file int64) {
	k.Helper()
	p, err := k.d.Position(k.ctx)
	k.good("position", err)
	check := func(name string, reports bool, got, want int64) {
		k.Helper()
		switch {
		case reports && got != want:
			k.fail("position: %s %d, want %d", name, got, want)
		case !reports && got != want && got != driver.Unknown:
			k.fail("position: %s %d, want %d or driver.Unknown", name, got, want)
		}
	}
	check("block", k.caps.ReportsPosition, p.Block, block)
	check("file", k.caps.ReportsFile, p.File, file)
	if p.Buffered < 0 && (k.caps.ReportsBuffer || p.Buffered != driver.Unknown) {
		k.fail("position: %d objects in the buffer", p.Buffered)
	}
}

func (k *kit) rewind() {
	k.Helper()
	k.good("rewind", k.d.Rewind(k.ctx))
}

// space must pass so many objects and be stopped by cond.
func (k *kit) space(kind driver.Space, n, passed int64, cond driver.Condition) {
	k.Helper()
	got, c, err := k.d.Space(k.ctx, kind, n)
	k.good("space", err)
	if kind != driver.SpaceEndOfData && (got != passed || c != cond) {
		k.fail("space over %d %v: passed %d and met %v, want %d and %v", n, kind, got, c, passed, cond)
	}
}

// tape is what should be on a tape: nil is a filemark.
type tape [][]byte

// story writes a tape: for each number a block of so many bytes, for 0 a filemark.
func (k *kit) story(sizes ...int) tape {
	k.Helper()
	var t tape
	for i, n := range sizes {
		if n == 0 {
			k.marks(1)
			t = append(t, nil)
			continue
		}
		b := block(i, k.size(n))
		k.write(b)
		t = append(t, b)
	}
	return t
}

// file is the number of filemarks before object n.
func (t tape) file(n int) (f int64) {
	for _, b := range t[:n] {
		if b == nil {
			f++
		}
	}
	return f
}

// check reads the whole tape from its load point.
func (k *kit) check(t tape) {
	k.Helper()
	k.rewind()
	k.rest(t)
}

// rest reads what is ahead, to end of data.
func (k *kit) rest(t tape) {
	k.Helper()
	for _, b := range t {
		if b == nil {
			k.meets(driver.Filemark)
		} else {
			k.wants(b)
		}
	}
	k.meets(driver.EndOfData)
}

// goTo goes to object n, with whatever the drive can.
func (k *kit) goTo(t tape, n int) {
	k.Helper()
	if k.caps.LocatesByBlock {
		k.good("locate", k.d.Locate(k.ctx, int64(n)))
		return
	}
	k.rewind()
	if f := t.file(n); f > 0 {
		k.space(driver.SpaceFilemarks, f, f, driver.NoCondition)
	}
	first := n
	for first > 0 && t[first-1] != nil {
		first--
	}
	if blocks := int64(n - first); blocks > 0 {
		k.space(driver.SpaceBlocks, blocks, blocks, driver.NoCondition)
	}
}
