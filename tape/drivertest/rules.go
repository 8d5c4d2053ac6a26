package drivertest

import (
	"context"
	"fmt"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

// driveRules is the contract of driver.Drive.
func driveRules() []rule {
	var all []rule
	for _, part := range [][]rule{basicRules, motionRules, writingRules, endRules, loadRules, walkRules, healthRules} {
		all = append(all, part...)
	}
	return all
}

var basicRules = []rule{
	{
		name:        "identity",
		explanation: "Engines record who wrote a file, cut to the widths of SCSI INQUIRY, and trust block limits and abilities for as long as the drive is open.",
		run: func(k *kit) {
			for what, f := range map[string]struct {
				s string
				n int
			}{"vendor": {k.id.Vendor, 8}, "product": {k.id.Product, 16}, "revision": {k.id.Revision, 4}} {
				if len(f.s) > f.n {
					k.fail("%s %q is longer than %d characters", what, f.s, f.n)
				}
			}
			if k.caps.MinBlock < 1 || k.caps.MaxBlock < k.caps.MinBlock || k.caps.Window < 0 {
				k.fail("limits %d to %d, window %d", k.caps.MinBlock, k.caps.MaxBlock, k.caps.Window)
			}
			id, caps, err := k.d.Identify(k.ctx)
			k.good("identify", err)
			if id != k.id || caps != k.caps {
				k.fail("identify: %+v, %+v; before %+v, %+v", id, caps, k.id, k.caps)
			}
		},
	},
	{
		name:        "blank tape",
		explanation: "Whether a cartridge is blank decides if it may be labelled. Reading it is end of data at the load point, no error, and it has neither blocks nor filemarks to space over.",
		needs:       needsBlank,
		run: func(k *kit) {
			k.at(0, 0)
			k.meets(driver.EndOfData)
			k.meets(driver.EndOfData)
			k.space(driver.SpaceFilemarks, 1, 0, driver.EndOfData)
			k.space(driver.SpaceBlocks, 1, 0, driver.EndOfData)
			k.space(driver.SpaceBlocks, -1, 0, driver.LoadPoint)
			k.space(driver.SpaceFilemarks, -1, 0, driver.LoadPoint)
			k.space(driver.SpaceEndOfData, 0, 0, driver.NoCondition)
			k.at(0, 0)
		},
	},
	{
		name:        "status",
		explanation: "Status is asked at any time, in the middle of a transfer too: it tells what is there and moves nothing.",
		run: func(k *kit) {
			t := k.story(1000, 2000, 0)
			s, err := k.d.Status(k.ctx)
			k.good("status", err)
			if !s.Loaded || !s.Present || s.WriteProtect {
				k.fail("status of a loaded scratch cartridge: %+v", s)
			}
			if s.Capacity == 0 || s.Capacity < driver.Unknown || s.Remaining < driver.Unknown ||
				s.Capacity > 0 && s.Remaining > s.Capacity {
				k.fail("capacity %d, remaining %d: bytes, or driver.Unknown", s.Capacity, s.Remaining)
			}
			k.at(3, 1)
			k.check(t)
		},
	},
	{
		name:        "write and read",
		explanation: "What was written is read back block by block: same bytes, same lengths, same order. End of data is told each time it is met and does not move.",
		run: func(k *kit) {
			t := k.story(65536, 65536, 1000, 65536)
			k.flush()
			k.check(t)
			k.meets(driver.EndOfData)
			k.at(4, 0)
		},
	},
	{
		name:        "filemarks",
		explanation: "Files are found by counting filemarks. Each is read as a length of 0 and Filemark once, several in a row too, and none joins or hides.",
		run: func(k *kit) {
			t := k.story(500, 0, 500, 0, 0, 500)
			k.marks(3)
			k.flush()
			k.at(9, 6)
			k.check(append(t, nil, nil, nil))
			k.at(9, 6)
		},
	},
	{
		name:        "odd lengths",
		explanation: "Labels are 80 bytes long, trailers and last blocks anything: every length within the limits is kept exactly.",
		run: func(k *kit) {
			seen := map[int]bool{}
			var t tape
			for _, n := range []int{
				1, 2, 3, 79, 80, 81, 240, 511, 512, 513, 4095, 4096, 4097, 65535, 65536, 65537, 131072, 262143, 262144,
				k.maxBlock() - 1, k.maxBlock(), k.caps.MinBlock, k.caps.MinBlock + 1,
			} {
				if n = k.size(n); !seen[n] {
					seen[n] = true
					b := block(n, n)
					k.write(b)
					t = append(t, b)
				}
			}
			k.flush()
			k.check(t)
		},
	},
	{
		name:        "longest block",
		explanation: "MaxBlock is a promise: a site may choose it as the block size of its volumes.",
		run: func(k *kit) {
			b := block(1, k.caps.MaxBlock)
			k.write(b)
			k.flush()
			k.check(tape{b})
		},
	},
	{
		name:        "block too long",
		explanation: "A reader that guessed the block size too small learns it without losing count: the block is passed, and what follows is what follows it.",
		run: func(k *kit) {
			t := k.story(1000, 2000, 300)
			k.rewind()
			k.wants(t[0])
			_, _, err := k.d.ReadBlock(k.ctx, make([]byte, len(t[1])-1))
			k.bad("read block", err, driver.OutcomeBlockTooLong)
			k.at(2, 0)
			k.wants(t[2])
		},
		needs: func(k *kit) string {
			if k.size(1000) == k.size(2000) {
				return "all blocks of this drive have one length"
			}
			return ""
		},
	},
	{
		name:        "buffers are the caller's",
		explanation: "Engines use few buffers again and again. A drive that keeps one after the call returned writes tomorrow's bytes, or changes what the reader holds.",
		run: func(k *kit) {
			n := k.size(65536)
			buf := make([]byte, n)
			var t tape
			for i := range 8 {
				copy(buf, block(i, n))
				k.write(buf)
				clear(buf)
				t = append(t, block(i, n))
			}
			k.flush()
			k.rewind()
			first := make([]byte, k.caps.MaxBlock)
			got, _, err := k.d.ReadBlock(k.ctx, first)
			k.good("read block", err)
			for _, b := range t[1:] {
				k.wants(b)
			}
			if got != n || string(first[:n]) != string(t[0]) {
				k.fail("the first buffer changed while later blocks were read")
			}
		},
	},
	{
		name:        "positions",
		explanation: "Engines compare the reported position with their own count before and after writing; that is the only defence against a tape that moved. Blocks and filemarks count one each, from 0 at the load point, the buffered ones included.",
		run: func(k *kit) {
			sizes := []int{100, 200, 0, 300, 0, 0, 400}
			k.at(0, 0)
			var t tape
			for i, n := range sizes {
				if n == 0 {
					k.marks(1)
					t = append(t, nil)
				} else {
					b := block(i, k.size(n))
					k.write(b)
					t = append(t, b)
				}
				k.at(int64(i+1), t.file(i+1))
			}
			k.rewind()
			for i, b := range t {
				k.at(int64(i), t.file(i))
				if b == nil {
					k.meets(driver.Filemark)
				} else {
					k.wants(b)
				}
			}
			k.at(int64(len(t)), 3)
		},
	},
	{
		name:        "many blocks",
		explanation: "Order and number hold beyond any buffer of the drive or of the way to it.",
		run: func(k *kit) {
			var t tape
			for i := range 400 {
				b := block(i, k.size(512+i*13))
				k.write(b)
				t = append(t, b)
				if i%50 == 49 {
					k.marks(1)
					t = append(t, nil)
				}
			}
			k.flush()
			k.at(int64(len(t)), 8)
			k.check(t)
		},
	},
	{
		name:        "an ended context",
		explanation: "Engines give up calls that take too long. A call whose context has ended returns soon, with a *driver.Error or the context's error, and a Load makes the drive usable again.",
		run: func(k *kit) {
			t := k.story(1000, 0)
			k.flush()
			over, cancel := context.WithCancel(k.ctx)
			cancel()
			began := time.Now()
			_, _, err := k.d.ReadBlock(over, k.buffer())
			if err != nil && over.Err() != err {
				k.bad("read block", err, driver.OutcomeUnknown, driver.OutcomeAborted, driver.OutcomeTimeout)
			}
			if took := time.Since(began); took > 30*time.Second {
				k.fail("the call took %v after its context had ended", took)
			}
			k.load()
			k.rest(t)
		},
	},
	{
		name:        "one user at a time",
		explanation: "Two processes that write one tape destroy it. While a drive is open, opening it again fails with OutcomeHeld; after Close it does not.",
		needs:       needsExclusion,
		run: func(k *kit) {
			t := k.story(100)
			second, err := k.rig.Open()
			if err == nil {
				// Some devices can refuse only when they are first used.
				_, _, err = second.Identify(k.ctx)
				second.Close()
			}
			k.bad("open of an open drive", err, driver.OutcomeHeld)
			k.check(t)
			k.reopen()
		},
	},
}

var motionRules = []rule{
	{
		name:        "rewind",
		explanation: "The load point is the one place that is known without a count.",
		run: func(k *kit) {
			t := k.story(100, 0, 100)
			k.rewind()
			k.at(0, 0)
			k.rewind()
			k.at(0, 0)
			k.rest(t)
		},
	},
	{
		name:        "locate",
		explanation: "A catalogue's block numbers are used years later on other drives: Locate goes to the object with that number, whether block or filemark, from anywhere.",
		needs:       needsLocate,
		run: func(k *kit) {
			t := k.story(100, 200, 0, 300, 400, 500, 0, 0, 600)
			for _, n := range []int{8, 0, 3, 2, 7, 6, 1, 5, 4, 9, 0} {
				k.good(fmt.Sprintf("locate %d", n), k.d.Locate(k.ctx, int64(n)))
				k.at(int64(n), t.file(n))
				k.rest(t[n:])
			}
		},
	},
	{
		name:        "locate beyond end of data",
		explanation: "It shows that tape and catalogue disagree. The drive says so and stands at end of data, where the tape really ends.",
		needs:       needsLocate,
		run: func(k *kit) {
			t := k.story(100, 0, 100)
			k.bad("locate 4", k.d.Locate(k.ctx, 4), driver.OutcomeEndOfData)
			k.at(3, 1)
			k.meets(driver.EndOfData)
			k.rewind()
			k.bad("locate a million", k.d.Locate(k.ctx, 1e6), driver.OutcomeEndOfData)
			k.at(3, 1)
			k.check(t)
		},
	},
	{
		name:        "space over blocks",
		explanation: "The number of blocks passed is exact, and a filemark stops the motion just beyond itself, in the direction of motion, without being counted.",
		run: func(k *kit) {
			t := k.story(100, 200, 300, 0, 400, 500)
			k.rewind()
			k.space(driver.SpaceBlocks, 2, 2, driver.NoCondition)
			k.at(2, 0)
			k.wants(t[2])
			k.rewind()
			k.space(driver.SpaceBlocks, 3, 3, driver.NoCondition)
			k.at(3, 0)
			k.rewind()
			k.space(driver.SpaceBlocks, 10, 3, driver.Filemark)
			k.at(4, 1)
			k.wants(t[4])
			k.space(driver.SpaceBlocks, 10, 1, driver.EndOfData)
			k.at(6, 1)
			k.space(driver.SpaceBlocks, -1, 1, driver.NoCondition)
			k.wants(t[5])
			k.space(driver.SpaceBlocks, -10, 2, driver.Filemark)
			k.at(3, 0)
			k.meets(driver.Filemark)
			k.space(driver.SpaceBlocks, -1, 0, driver.Filemark)
			k.space(driver.SpaceBlocks, -10, 3, driver.LoadPoint)
			k.at(0, 0)
			k.space(driver.SpaceBlocks, 0, 0, driver.NoCondition)
			k.rest(t)
		},
	},
	{
		name:        "space over filemarks",
		explanation: "Old cartridges have nothing but filemarks to go by. Forwards ends behind the n-th mark; backwards ends before it, on the side of the load point, so that the same mark is read next.",
		run: func(k *kit) {
			t := k.story(100, 0, 200, 210, 0, 300, 0, 400)
			k.rewind()
			k.space(driver.SpaceFilemarks, 1, 1, driver.NoCondition)
			k.at(2, 1)
			k.wants(t[2])
			k.space(driver.SpaceFilemarks, 2, 2, driver.NoCondition)
			k.at(7, 3)
			k.wants(t[7])
			k.space(driver.SpaceFilemarks, -2, 2, driver.NoCondition)
			k.at(4, 1)
			k.meets(driver.Filemark)
			k.wants(t[5])
			k.space(driver.SpaceFilemarks, -1, 1, driver.NoCondition)
			k.at(4, 1)
			k.space(driver.SpaceFilemarks, 9, 2, driver.EndOfData)
			k.at(8, 3)
			k.meets(driver.EndOfData)
			k.space(driver.SpaceFilemarks, -9, 3, driver.LoadPoint)
			k.at(0, 0)
			k.space(driver.SpaceFilemarks, 0, 0, driver.NoCondition)
			k.space(driver.SpaceFilemarks, 3, 3, driver.NoCondition)
			k.space(driver.SpaceFilemarks, -3, 3, driver.NoCondition)
			k.at(1, 0)
			k.rest(t[1:])
		},
	},
	{
		name:        "space to end of data",
		explanation: "Before a mount's first write the true end of the tape is looked up; everything written counts, and nothing more.",
		run: func(k *kit) {
			t := k.story(100, 0, 200, 300)
			k.rewind()
			k.space(driver.SpaceEndOfData, 0, 0, driver.NoCondition)
			k.at(4, 1)
			k.meets(driver.EndOfData)
			b := block(9, k.size(77))
			k.write(b)
			k.space(driver.SpaceEndOfData, 0, 0, driver.NoCondition)
			k.at(5, 1)
			k.check(append(t, b))
		},
	},
	{
		name:        "motion keeps what was written",
		explanation: "A drive may hold blocks in its buffer. A rewind, locate or space writes them out before it moves: they are neither lost nor written at the new place.",
		run: func(k *kit) {
			t := k.story(5000, 0, 6000, 7000)
			k.rewind()
			k.rest(t)
			b := block(7, k.size(512))
			k.write(b)
			t = append(t, b)
			k.space(driver.SpaceBlocks, -1, 1, driver.NoCondition)
			k.rest(t[4:])
			if k.caps.LocatesByBlock {
				k.marks(1)
				t = append(t, nil)
				k.good("locate", k.d.Locate(k.ctx, 2))
				k.rest(t[2:])
			}
			k.check(t)
		},
	},
}
