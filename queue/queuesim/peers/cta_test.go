package peers_test

import (
	"slices"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/queue/queuesim/peers"
)

const gb = 1_000_000_000

// step is an event, what CTA decides upon it, and by which of its rules.
type step struct {
	event  func(k *desk) string
	want   string
	reason string
}

func run(t *testing.T, d decider, steps []step) {
	k := at(t, d)
	for i, s := range steps {
		if got := s.event(k); got != s.want {
			t.Fatalf("step %d: %q instead of %q: %s", i, got, s.want, s.reason)
		}
	}
}

// events, short.
func ready(d queue.Drive, v queue.Volume) func(*desk) string {
	return func(k *desk) string { return k.ready(d, v) }
}
func submit(n int, q queue.Request) func(*desk) string {
	return func(k *desk) string { return k.submit(n, q) }
}
func more(l queue.LeaseID) func(*desk) string { return func(k *desk) string { return k.more(l) } }
func done(ns ...int) func(*desk) string {
	return func(k *desk) (all string) {
		for _, n := range ns {
			all += k.done(n)
		}
		return all
	}
}
func ended(l queue.LeaseID, v queue.Volume) func(*desk) string {
	return func(k *desk) string { return k.ended(l, v) }
}
func chosen(l queue.LeaseID, v queue.Volume, room int64) func(*desk) string {
	return func(k *desk) string { return k.chosen(l, v, room) }
}
func tick(d time.Duration) func(*desk) string {
	return func(k *desk) string { k.later(d); return k.tick() }
}
func wake(d time.Duration) func(*desk) string {
	return func(k *desk) string {
		if got := k.wake(); got != d {
			return "wakes after " + got.String()
		}
		return ""
	}
}
func many(n int, q queue.Request, count int) func(*desk) string {
	return func(k *desk) (all string) {
		for i := range count {
			q.Position.File = int64(i)
			all += k.submit(n+i, q)
		}
		return all
	}
}

func prioritised(q queue.Request, p int) queue.Request { q.Priority = p; return q }
func wide(q queue.Request, w int) queue.Request        { q.Width = w; return q }

func TestCTADecides(t *testing.T) {
	for name, c := range map[string]struct {
		settings peers.CTASettings
		steps    []step
	}{
		"500 GB warrant a mount": {peers.CTASettings{}, []step{
			{ready("d0", ""), "", "nothing is queued"},
			{submit(1, read("V1", "cms", 2, 300*gb)), "", "300 GB, one file, no age"},
			{wake(30*time.Minute + 10*time.Second), "", "older than 30 minutes is 30:01, and the next poll is at 30:10"},
			{submit(2, read("V1", "cms", 1, 199*gb)), "", "499 GB are not 500"},
			{submit(3, read("V1", "cms", 0, 1*gb)), "grant 1 d0 V1: 3 2", "500 GB; a batch by position: 1 GB, then 199 GB, and it has its 80 GB"},
			{more(1), "extend 1: 1", "the next batch of the same queue"},
			{more(1), "yield 1", "the queue is empty: the session ends"},
			{submit(4, read("V1", "cms", 3, 600*gb)), "", "too late for this session, and the tape is in use"},
			{done(1, 2, 3), "", ""},
			{ended(1, "V1"), "", "the drive has still to unmount"},
			{ready("d0", "V1"), "dismount 2 d0 V1", "a session ends with an unmount, whatever is queued"},
			{ended(2, ""), "", "the tape is free, but the drive has not asked yet"},
			{ready("d0", ""), "grant 3 d0 V1: 4", "600 GB"},
		}},
		"10,000 files warrant a mount": {peers.CTASettings{}, []step{
			{ready("d0", ""), "", ""},
			{many(1, read("V1", "cms", 0, 1000), 9999), "", "9,999 files of nothing"},
			{submit(10000, read("V1", "cms", 20000, 1000)), "grant 1 d0 V1: 1 2 3 ... (4000)", "10,000; a batch has 4,000"},
			{more(1), "extend 1: 4001 4002 4003 ... (4000)", ""},
			{more(1), "extend 1: 8001 8002 8003 ... (2000)", ""},
			{more(1), "yield 1", ""},
		}},
		"age warrants the first mount": {peers.CTASettings{}, []step{
			{submit(1, write("cms", "raw", gb)), "", "no drive"},
			{wake(-1), "", "no drive asks"},
			{ready("d0", ""), "", "1 GB is little"},
			{tick(30 * time.Minute), "", "30:00 is not older than 30 minutes"},
			{tick(time.Second), "grant 1 d0 raw: 1", "30:01 is"},
			{ready("d1", ""), "", ""},
			{chosen(1, "W1", -1), "", "nothing more is queued"},
			{submit(2, wide(write("cms", "raw", gb), 9)), "", "the session will take it when it asks"},
			{tick(5 * time.Hour), "", "the pool has a mount: age counts no more"},
			{more(1), "extend 1: 2", "no preemption, no end as long as there is something"},
		}},
		"each mount of a pool asks for 500 GB more": {peers.CTASettings{}, []step{
			{submit(1, wide(write("cms", "raw", 500*gb), 3)), "", "no drive"},
			{ready("d0", ""), "grant 1 d0 raw: 1", "500 GB for 1 + 0 mounts"},
			{ready("d1", ""), "", "nothing is queued"},
			{submit(2, wide(write("cms", "raw", 999*gb), 3)), "", "999 GB for 1 + 1 mounts are 499 each"},
			{submit(3, wide(write("cms", "raw", 1*gb), 3)), "grant 2 d1 raw: 2", "1,000 GB are 500 each; the oldest goes first"},
			{submit(4, wide(write("cms", "raw", 2000*gb), 2)), "", "2,001 GB for 1 + 2 mounts would do, but two partial tapes are in use"},
			{chosen(1, "W1", -1), "", "the one of the grant fills its batch"},
			{more(1), "extend 1: 3 4", "1 GB, and what makes the batch full"},
		}},
		"retrieves do not divide": {peers.CTASettings{}, []step{
			{submit(1, read("V1", "cms", 0, 500*gb)), "", ""},
			{submit(2, read("V2", "cms", 0, 500*gb)), "", ""},
			{ready("d0", ""), "grant 1 d0 V1: 1", "as old, as big: by name"},
			{ready("d1", ""), "grant 2 d1 V2: 2", "mounts of other tapes do not count"},
		}},
		"caps of a virtual organization": {peers.CTASettings{ReadMaxDrives: map[string]int{"cms": 1}, WriteMaxDrives: map[string]int{"cms": 0}}, []step{
			{submit(1, read("V1", "cms", 0, 500*gb)), "", ""},
			{submit(2, prioritised(read("V2", "cms", 0, 500*gb), 9)), "", ""},
			{submit(3, prioritised(write("cms", "raw", 500*gb), 99)), "", ""},
			{submit(4, read("V9", "lhcb", 0, 500*gb)), "", ""},
			{ready("d0", ""), "grant 1 d0 V2: 2", "no archive for cms; then by priority"},
			{ready("d1", ""), "grant 2 d1 V9: 4", "cms reads on its one drive: lhcb, although V1 is older"},
			{ready("d2", ""), "", "a cap is hard: the drive rests"},
			{more(1), "yield 1", ""},
			{done(2), "", ""},
			{ended(1, "V2"), "", "unmounting still counts"},
			{ready("d0", "V2"), "dismount 3 d0 V2", ""},
			{ended(3, ""), "grant 4 d2 V1: 1", "cms has a drive again"},
		}},
		"order": {peers.CTASettings{AdminPriority: 50}, []step{
			{submit(1, read("V3", "cms", 0, 500*gb)), "", ""},
			{submit(2, read("V2", "cms", 0, 500*gb)), "", ""},
			{tick(time.Second), "", ""},
			{submit(3, write("lhcb", "raw", 500*gb)), "", ""},
			{submit(4, prioritised(read("V4", "cms", 0, 500*gb), 1)), "", ""},
			{submit(5, prioritised(read("V1", "cms", 0, 499*gb), 0)), "", ""},
			{submit(6, prioritised(read("V1", "cms", 1, gb), 7)), "", ""},
			{ready("d0", ""), "grant 1 d0 V1: 5", "7 is the most of the queue of V1; its first batch is the first file all the same"},
			{ready("d1", ""), "grant 2 d1 V4: 4", "priority 1"},
			{ready("d2", ""), "grant 3 d2 raw: 3", "archives before retrieves, although a second younger"},
			{ready("d3", ""), "grant 4 d3 V2: 2", "of the same second: by name"},
			{ready("d4", ""), "grant 5 d4 V3: 1", ""},
		}},
		"full tape": {peers.CTASettings{}, []step{
			{submit(1, write("cms", "raw", 500*gb)), "", ""},
			{ready("d0", ""), "grant 1 d0 raw: 1", ""},
			{submit(2, write("cms", "raw", 10*gb)), "", ""},
			{submit(3, write("cms", "raw", gb)), "", ""},
			{chosen(1, "W1", 505*gb), "", "the first has made the batch full"},
			{more(1), "yield 1", "2 does not fit: the tape is full, and nothing overtakes"},
		}},
	} {
		t.Run(name, func(t *testing.T) { run(t, peers.NewCTA(c.settings), c.steps) })
	}
}

func TestArrangePutsABatchInTheDrivesOrder(t *testing.T) {
	is := is.New(t)
	k := at(t, peers.NewCTA(peers.CTASettings{MinFiles: 3, BatchFiles: 2, Arrange: func(v queue.Volume, batch []queue.Request) {
		is.Equal(v, queue.Volume("V1"))
		slices.Reverse(batch)
	}}))
	is.Equal(many(1, read("V1", "cms", 0, 1), 3)(k), "")
	is.Equal(k.ready("d0", ""), "grant 1 d0 V1: 2 1")
	is.Equal(k.more(1), "extend 1: 3")
}
