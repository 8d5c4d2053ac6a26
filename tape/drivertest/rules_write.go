package drivertest

import (
	"bytes"
	"errors"

	"github.com/enstore-go/sdk/tape/driver"
)

var writingRules = []rule{
	{
		name:        "overwriting truncates",
		explanation: "A block written in the middle is the last of the tape. Old blocks behind it would be taken for data that the catalogue does not know.",
		run: func(k *kit) {
			t := k.story(100, 200, 0, 300, 400, 0, 500)
			k.flush()
			k.goTo(t, 3)
			b := block(99, k.size(150))
			k.write(b)
			k.flush()
			k.at(4, 1)
			k.meets(driver.EndOfData)
			want := append(t[:3:3], b)
			k.check(want)
			k.space(driver.SpaceFilemarks, 2, 0, driver.EndOfData)
			if k.caps.LocatesByBlock {
				k.bad("locate to a block that was overwritten", k.d.Locate(k.ctx, 5), driver.OutcomeEndOfData)
			}
			k.space(driver.SpaceEndOfData, 0, 0, driver.NoCondition)
			k.at(4, 1)
		},
	},
	{
		name:        "a filemark truncates too",
		explanation: "Closing a file in the middle of old data ends the tape there, as a block does.",
		run: func(k *kit) {
			t := k.story(100, 200, 300, 0, 400)
			k.goTo(t, 1)
			k.marks(1)
			k.flush()
			k.check(tape{t[0], nil})
		},
	},
	{
		name:        "overwriting from the load point",
		explanation: "Labelling a cartridge again makes everything else on it disappear.",
		run: func(k *kit) {
			k.story(100, 0, 200, 0)
			k.rewind()
			t := k.story(80, 0)
			k.flush()
			k.check(t)
		},
	},
	{
		name:        "a flush truncates nothing",
		explanation: "Writing 0 filemarks is how a buffer is flushed. In the middle of a tape, or on one that was only read, it changes nothing.",
		run: func(k *kit) {
			t := k.story(100, 0, 200)
			k.flush()
			k.rewind()
			k.wants(t[0])
			k.flush()
			k.at(1, 0)
			k.rest(t[1:])
			k.check(t)
		},
	},
	{
		name:        "reading truncates nothing",
		explanation: "A reader may stop anywhere.",
		run: func(k *kit) {
			t := k.story(100, 200, 0, 300)
			k.rewind()
			k.wants(t[0])
			k.rewind()
			k.space(driver.SpaceEndOfData, 0, 0, driver.NoCondition)
			k.at(4, 1)
			k.check(t)
		},
	},
	{
		name:        "write after read",
		explanation: "A write goes where the tape stands, behind what was read last, not where the last write was.",
		run: func(k *kit) {
			t := k.story(100, 200, 300)
			k.rewind()
			k.wants(t[0])
			k.wants(t[1])
			b := block(50, k.size(123))
			k.write(b)
			k.check(tape{t[0], t[1], b})
		},
	},
	{
		name:        "append",
		explanation: "Files follow one another over many mounts: writing at end of data adds to the tape.",
		run: func(k *kit) {
			t := k.story(100, 0)
			for i := range 3 {
				k.space(driver.SpaceEndOfData, 0, 0, driver.NoCondition)
				b := block(70+i, k.size(1000*(i+1)))
				k.write(b)
				k.marks(1)
				k.flush()
				t = append(t, b, nil)
				k.good("unload", k.d.Unload(k.ctx))
				k.load()
			}
			k.check(t)
		},
	},
	{
		name:        "Enstore's double filemark",
		explanation: "Enstore closes a volume with two filemarks and overwrites the second one with the next file. Backspacing over it and writing must leave exactly one.",
		run: func(k *kit) {
			t := k.story(100, 0, 0)
			k.space(driver.SpaceFilemarks, -1, 1, driver.NoCondition)
			k.at(2, 1)
			b := block(60, k.size(321))
			k.write(b)
			k.marks(2)
			k.flush()
			k.check(tape{t[0], nil, b, nil, nil})
		},
	},
	{
		name:        "flush",
		explanation: "Files are recorded in the catalogue when a synchronous flush returned good: then the buffer is empty and the position is unchanged.",
		run: func(k *kit) {
			k.story(100, 200, 0, 300)
			_, err := k.d.WriteFilemarks(k.ctx, 1, false)
			k.good("write filemarks", err)
			k.flush()
			k.at(5, 2)
			p, err := k.d.Position(k.ctx)
			k.good("position", err)
			if k.caps.ReportsBuffer && p.Buffered != 0 {
				k.fail("%d objects in the buffer after a flush", p.Buffered)
			}
		},
	},
	{
		name:        "flushed data outlives Close",
		explanation: "Close is also what a dying process does. What was flushed before is on tape for whoever opens the drive next.",
		run: func(k *kit) {
			t := k.story(100, 0, 65536, 65536)
			k.flush()
			k.reopen()
			s, err := k.d.Status(k.ctx)
			k.good("status", err)
			if !s.Present {
				k.fail("the cartridge is gone after Close")
			}
			k.load()
			k.at(0, 0)
			k.rest(t)
		},
	},
	{
		name:        "what was not flushed is lost from its end",
		explanation: "After Close without a flush, the tape holds what was flushed and perhaps the first of what followed, whole and in order: never a part of a block, never a gap.",
		run: func(k *kit) {
			t := k.story(100, 0)
			k.flush()
			t = append(t, k.story(3000, 4000, 0, 5000)...)
			k.reopen()
			k.load()
			got := 0
			buf := k.buffer()
			for ; ; got++ {
				n, c, err := k.d.ReadBlock(k.ctx, buf)
				k.good("read block", err)
				if c == driver.EndOfData {
					break
				}
				if got == len(t) {
					k.fail("more on the tape than was written")
				}
				if (t[got] == nil) != (c == driver.Filemark) || string(buf[:n]) != string(t[got]) {
					k.fail("object %d is not what was written there", got)
				}
			}
			if got < 2 {
				k.fail("%d objects are left, 2 were flushed", got)
			}
		},
	},
	{
		name:        "an error comes at the latest with the flush",
		explanation: "A bad spot met while the drive wrote its buffer is told with a later command, marked as deferred, at most Window blocks late, and never lost: the files since the last flush fail. Nothing accepted since stands on the tape.",
		needs:       needsDamage,
		run: func(k *kit) {
			t := k.story(100, 0)
			k.flush()
			const spot = 5
			k.good("damage", k.rig.Damage(spot))
			var failure error
			taken := 2
			for taken < spot+k.caps.Window+3 {
				b := block(taken, k.size(700))
				if _, failure = k.d.WriteBlock(k.ctx, b); failure != nil {
					break
				}
				t = append(t, b)
				taken++
			}
			if failure == nil {
				_, failure = k.d.WriteFilemarks(k.ctx, 0, false)
			}
			e := k.bad("writing over a bad spot", failure, driver.OutcomeMedium)
			if taken > spot && !e.Sense.Deferred {
				k.fail("the error of object %d came after %d were taken and is not marked as deferred", spot, taken)
			}
			if taken == spot && e.Sense.Deferred {
				k.fail("the error of this very block is marked as deferred")
			}
			if taken > spot+k.caps.Window {
				k.fail("%d blocks were taken and not written, the window is %d", taken-spot, k.caps.Window)
			}
			k.load()
			k.space(driver.SpaceEndOfData, 0, 0, driver.NoCondition)
			if p, err := k.d.Position(k.ctx); err == nil && k.caps.ReportsPosition && (p.Block < 2 || p.Block > spot) {
				k.fail("the tape ends at object %d, want 2 to %d", p.Block, spot)
			}
			k.rewind()
			k.wants(t[0])
		},
	},
	{
		name:        "a block that cannot be read",
		explanation: "A read error is OutcomeMedium, so that another drive is tried, and never bytes that were not written.",
		needs:       needsDamage,
		run: func(k *kit) {
			t := k.story(100, 200, 300)
			k.flush()
			k.rewind()
			k.good("damage", k.rig.Damage(1))
			k.wants(t[0])
			_, _, err := k.d.ReadBlock(k.ctx, k.buffer())
			k.bad("read block", err, driver.OutcomeMedium)
			k.load()
			k.wants(t[0])
		},
	},
	{
		name:        "unload writes the buffer",
		explanation: "An orderly Unload loses nothing, flushed or not.",
		run: func(k *kit) {
			t := k.story(100, 0, 8000)
			k.good("unload", k.d.Unload(k.ctx))
			k.load()
			k.rest(t)
		},
	},
}

// lateEnd checks a tape whose end was met by blocks that had been taken already: those from
// the one that did not fit on are lost, at most Window of them, and the rest stands.
func (k *kit) lateEnd(t tape) {
	k.Helper()
	if k.caps.Window == 0 {
		k.fail("end of medium came deferred from a drive without a window: it must come with the block that does not fit")
	}
	k.load()
	buf := k.buffer()
	for i := 0; ; i++ {
		n, c, err := k.d.ReadBlock(k.ctx, buf)
		k.good("read block", err)
		if c == driver.EndOfData {
			if i < len(t)-k.caps.Window {
				k.fail("%d of %d objects are left after a late end of medium, the window is %d", i, len(t), k.caps.Window)
			}
			return
		}
		if i == len(t) || (t[i] == nil) != (c == driver.Filemark) || !bytes.Equal(buf[:n], t[i]) {
			k.fail("object %d is not what was written there", i)
		}
	}
}

// smallCapacity is that of the cartridges that rules fill, in bytes.
const smallCapacity = 4 << 20

var endRules = []rule{
	{
		name:        "early warning, then end of medium",
		explanation: "Early warning leaves time to close the file and go to another volume. The block that no longer fits is refused whole with OutcomeEndOfMedium, those before it stand, and filemarks and a flush still work after the warning. Only a drive with a window may tell it late, marked as deferred; at most a window of blocks is lost then.",
		scratch:     Scratch{Capacity: smallCapacity},
		run: func(k *kit) {
			var t tape
			n := k.size(64 << 10)
			warned := -1
			var err error
			for len(t) < 64*smallCapacity/n+10 {
				var c driver.Condition
				b := block(len(t), n)
				if c, err = k.d.WriteBlock(k.ctx, b); err != nil {
					break
				}
				t = append(t, b)
				if c == driver.EarlyWarning && warned < 0 {
					warned = len(t)
					_, err := k.d.WriteFilemarks(k.ctx, 1, false)
					k.good("write filemarks after early warning", err)
					t = append(t, nil)
				}
			}
			if err == nil {
				k.fail("%d blocks of %d bytes fit on a cartridge of %d bytes", len(t), n, smallCapacity)
			}
			e := k.bad("write block at the end", err, driver.OutcomeEndOfMedium)
			if warned < 0 {
				k.fail("end of medium without early warning")
			}
			if e.Sense.Deferred {
				k.lateEnd(t)
				return
			}
			k.at(int64(len(t)), t.file(len(t)))
			k.flush()
			k.check(t)
		},
	},
	{
		name:        "a full tape reads and is overwritten",
		explanation: "A full volume stays readable, and one that is overwritten from its beginning has room again.",
		scratch:     Scratch{Capacity: smallCapacity},
		run: func(k *kit) {
			n := k.size(256 << 10)
			var full tape
			late := false
			for len(full) < 64*smallCapacity/n+10 {
				b := block(len(full), n)
				if _, err := k.d.WriteBlock(k.ctx, b); err != nil {
					late = k.bad("write block at the end", err, driver.OutcomeEndOfMedium).Sense.Deferred
					break
				}
				full = append(full, b)
			}
			if late {
				k.lateEnd(full)
			} else {
				k.rewind()
				for _, b := range full {
					k.wants(b)
				}
			}
			k.rewind()
			t := k.story(1000, 0)
			k.flush()
			k.check(t)
		},
	},
	{
		name:        "write protection",
		explanation: "A protected cartridge is told as such before anything is tried, every write is refused with an outcome of its own, and it reads like any other.",
		scratch:     Scratch{WriteProtect: true},
		run: func(k *kit) {
			s, err := k.d.Status(k.ctx)
			k.good("status", err)
			if !s.WriteProtect {
				k.fail("status does not tell of the write protection")
			}
			_, err = k.d.WriteBlock(k.ctx, block(1, k.size(100)))
			k.bad("write block", err, driver.OutcomeWriteProtected)
			_, err = k.d.WriteFilemarks(k.ctx, 1, false)
			k.bad("write filemarks", err, driver.OutcomeWriteProtected)
			k.at(0, 0)
			k.meets(driver.EndOfData)
		},
	},
	{
		name:        "write once",
		explanation: "A write-once cartridge takes data at its end only. Overwriting is refused and destroys nothing.",
		scratch:     Scratch{WORM: true},
		needs:       needsWORM,
		run: func(k *kit) {
			s, err := k.d.Status(k.ctx)
			k.good("status", err)
			if !s.WORM {
				k.fail("status does not tell that the cartridge is write-once")
			}
			t := k.story(100, 200, 0, 300)
			k.flush()
			k.goTo(t, 1)
			_, err = k.d.WriteBlock(k.ctx, block(1, k.size(100)))
			k.bad("overwrite", err, driver.OutcomeWriteProtected)
			k.space(driver.SpaceEndOfData, 0, 0, driver.NoCondition)
			b := block(77, k.size(444))
			k.write(b)
			k.check(append(t, b))
		},
	},
}

var loadRules = []rule{
	{
		name:        "load and unload",
		explanation: "Each load begins at the load point with everything that was written; loading a loaded cartridge rewinds it; unloading twice is no error.",
		run: func(k *kit) {
			t := k.story(100, 0, 200)
			k.load()
			k.at(0, 0)
			k.rest(t)
			k.good("unload", k.d.Unload(k.ctx))
			s, err := k.d.Status(k.ctx)
			k.good("status", err)
			if s.Loaded {
				k.fail("status says loaded after Unload")
			}
			k.good("unload again", k.d.Unload(k.ctx))
			k.load()
			s, err = k.d.Status(k.ctx)
			k.good("status", err)
			if !s.Loaded {
				k.fail("status says not loaded after Load")
			}
			k.at(0, 0)
			k.rest(t)
		},
	},
	{
		name:        "empty drive",
		explanation: "An empty drive is an ordinary thing: Status says so, Unload is no error, and Load fails with OutcomeNoMedium.",
		scratch:     Scratch{None: true},
		run: func(k *kit) {
			s, err := k.d.Status(k.ctx)
			k.good("status", err)
			if s.Loaded || s.Present {
				k.fail("status of an empty drive: %+v", s)
			}
			k.bad("load", k.d.Load(k.ctx), driver.OutcomeNoMedium)
			k.good("unload", k.d.Unload(k.ctx))
		},
	},
	{
		name:        "a reset ends the load",
		explanation: "After a reset or a change of cartridge the tape stands anywhere. A write that followed would go there: the next command must fail, and everything until the next Load.",
		needs:       needsReset,
		run: func(k *kit) {
			t := k.story(100, 0)
			k.flush()
			k.good("reset", k.rig.Reset())
			_, err := k.d.WriteBlock(k.ctx, block(9, k.size(100)))
			k.bad("write block after a reset", err, driver.OutcomeUnitAttention, driver.OutcomeNotReady, driver.OutcomeGone)
			_, err = k.d.WriteBlock(k.ctx, block(9, k.size(100)))
			e := k.bad("write block before the next load", err, driver.OutcomeUnitAttention, driver.OutcomeNotReady, driver.OutcomeGone)
			if e.Outcome == driver.OutcomeGone {
				k.reopen()
			}
			k.load()
			k.at(0, 0)
			k.rest(t)
		},
	},
	{
		name:        "close is for good",
		explanation: "Close may come at any time, and ends all use: later calls fail, and do not reach a device that somebody else may have opened.",
		run: func(k *kit) {
			t := k.story(100)
			k.flush()
			old := k.d
			k.good("close", old.Close())
			_, err := old.WriteBlock(k.ctx, block(9, k.size(100)))
			if err == nil {
				k.fail("write block succeeded after Close")
			}
			var e *driver.Error
			if !errors.As(err, &e) {
				k.fail("write block after Close: %v is a %T", err, err)
			}
			k.open()
			k.load()
			k.rest(t)
		},
	},
}
