package peers_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/queue/queuesim/peers"
)

var limited = peers.EnstoreSettings{
	Limits: map[string]int{"a": 1, "b": 1}, RestrictBound: true,
	Hosts: []peers.HostLimit{{Host: regexp.MustCompile("h1"), Most: 1, ExtraReads: 1}, {Host: regexp.MustCompile("h"), Most: 2}},
}

func urgent(q queue.Request) queue.Request            { q.Admin = 1; return q }
func from(host string, q queue.Request) queue.Request { q.Host = host; return q }
func requeued(n int, d queue.Drive) func(*desk) string {
	return func(k *desk) string { return k.do(queue.Requeued{Time: k.now, ID: id(n), Avoid: d}) }
}
func refused(l queue.LeaseID) func(*desk) string {
	return func(k *desk) string {
		return k.do(queue.VolumeRefused{Time: k.now, Lease: l, Reason: queue.NoVolume})
	}
}

func TestEnstoreDecides(t *testing.T) {
	for name, c := range map[string]struct {
		settings peers.EnstoreSettings
		steps    []step
	}{
		"a mounted volume is swept, then kept for a minute": {peers.EnstoreSettings{}, []step{
			{submit(1, read("V1", "cms", 30, 1)), "", ""},
			{submit(2, read("V1", "cms", 10, 1)), "", ""},
			{submit(3, prioritised(read("V1", "cms", 20, 1), 9)), "", ""},
			{submit(4, prioritised(read("V2", "cms", 1, 1), 5)), "", ""},
			{ready("d0", ""), "grant 1 d0 V1: 2", "V1 has the highest priority, and starts at its lowest location"},
			{submit(5, read("V1", "cms", 5, 1)), "", ""},
			{more(1), "extend 1: 3", "upwards"},
			{more(1), "extend 1: 1", ""},
			{more(1), "extend 1: 5", "behind the head: after the wrap"},
			{more(1), "", "no work: the drive keeps its volume, although V2 waits"},
			{tick(time.Hour), "", "it is still at work"},
			{done(1, 2, 3, 5), "", ""},
			{wake(time.Minute), "", "dismount delay"},
			{tick(59 * time.Second), "", ""},
			{submit(6, read("V1", "cms", 6, 1)), "extend 1: 6", "in time"},
			{more(1), "", ""},
			{done(6), "", "the delay begins again"},
			{tick(59 * time.Second), "", ""},
			{tick(time.Second), "yield 1", ""},
			{submit(7, read("V1", "cms", 7, 1)), "", "too late: the volume leaves"},
			{ended(1, "V1"), "", ""},
			{ready("d0", "V1"), "dismount 2 d0 V1", ""},
			{ended(2, ""), "", ""},
			{ready("d0", ""), "grant 3 d0 V2: 4", "by priority, 7 has a lower one"},
		}},
		"width, and a volume that is full": {peers.EnstoreSettings{}, []step{
			{ready("d0", ""), "", ""},
			{ready("d1", ""), "", ""},
			{submit(1, write("cms", "raw", 10)), "grant 1 d0 raw: 1", ""},
			{submit(2, write("cms", "raw", 10)), "", "width 1 is reached"},
			{submit(3, prioritised(write("cms", "raw", 95), 3)), "", ""},
			{more(1), "", "before it has a volume nothing is answered"},
			{chosen(1, "W1", 100), "yield 1", "the most urgent is next, and does not fit into 90: the volume is full"},
			{done(1), "", ""},
			{ended(1, "W1"), "grant 2 d1 raw: 3", "a full volume does not count against the width, although it is still in its drive"},
			{ready("d0", "W1"), "dismount 3 d0 W1", ""},
			{refused(2), "", "no volume: the family waits"},
			{ended(3, ""), "grant 4 d1 raw: 3", "a volume of the family is free again"},
		}},
		"direction": {peers.EnstoreSettings{}, []step{
			{ready("d0", ""), "", ""},
			{submit(1, write("cms", "raw", 10)), "grant 1 d0 raw: 1", ""},
			{chosen(1, "W1", 100), "", ""},
			{submit(2, prioritised(read("W1", "cms", 1, 10), 99)), "", ""},
			{submit(3, write("cms", "raw", 10)), "", ""},
			{more(1), "extend 1: 3", "after a write, writes of the family come first"},
			{more(1), "yield 1", "then reads of the volume: of another kind, so in a lease of their own"},
			{done(1, 3), "", ""},
			{ended(1, "W1"), "", ""},
			{ready("d0", "W1"), "grant 2 d0 W1: 2", "the volume stays"},
			{submit(4, write("cms", "raw", 10)), "", "the volume that is read was being written, but its drive has said nothing yet"},
		}},
		"storage groups": {peers.EnstoreSettings{Limits: map[string]int{"cms": 1, "lhcb": 1, "dune": 1}}, []step{
			{many(1, prioritised(read("A", "cms", 0, 1), 9), 1), "", ""},
			{submit(2, prioritised(read("B", "cms", 0, 1), 9)), "", ""},
			{submit(3, prioritised(read("C", "cms", 0, 1), 9)), "", ""},
			{submit(4, prioritised(read("D", "cms", 0, 1), 9)), "", ""},
			{submit(5, read("E", "lhcb", 0, 1)), "", ""},
			{submit(6, read("F", "lhcb", 0, 1)), "", ""},
			{ready("d0", ""), "grant 1 d0 A: 1", "cms is below its limit"},
			{ready("d1", ""), "grant 2 d1 E: 5", "cms is at its limit: the other group, although of lower priority"},
			{ready("d2", ""), "grant 3 d2 B: 2", "both are: served as little as the other, the first by priority"},
			{ready("d3", ""), "grant 4 d3 F: 6", "cms was served once beyond its limit"},
			{ready("d4", ""), "grant 5 d4 C: 3", "one group only is left: no limit"},
			{ready("d5", ""), "grant 6 d5 D: 4", "soft limits leave no drive idle"},
		}},
		"limits do not matter while another drive is idle": {peers.EnstoreSettings{}, []step{
			{ready("d0", ""), "", ""},
			{ready("d1", ""), "", ""},
			{ready("d2", ""), "", ""},
			{submit(1, read("A", "cms", 0, 1)), "grant 1 d0 A: 1", ""},
			{submit(2, read("B", "cms", 0, 1)), "grant 2 d1 B: 2", "limit 0, and d2 idle"},
		}},
		"administrative priority": {peers.EnstoreSettings{Limits: map[string]int{"cms": 9, "daq": 9}}, []step{
			{many(1, read("A", "cms", 0, 1), 5), "", ""},
			{submit(6, prioritised(read("B", "cms", 0, 1), 1000)), "", ""},
			{submit(7, urgent(read("C", "daq", 0, 1))), "", ""},
			{ready("d0", ""), "grant 1 d0 C: 7", "before all others"},
			{ready("d1", ""), "grant 2 d1 B: 6", ""},
			{ready("d2", ""), "grant 3 d2 A: 1", ""},
			{tick(2 * time.Minute), "", ""},
			{submit(8, urgent(write("daq", "raw", 1))), "", "no drive; it is not taken in the middle of a file"},
			{more(3), "yield 3", "between files it is: the volume is given up, with four reads left for it"},
			{submit(9, urgent(write("daq", "mon", 1))), "", ""},
			{more(2), "", "looked a moment ago: no work for the volume, so it waits"},
			{wake(time.Minute), "", "until the next look, or the end of the delay"},
			{done(1), "", ""},
			{ended(3, "A"), "", "the promise holds"},
			{ready("d2", "A"), "grant 4 d2 raw: 8", "A is put away first"},
			{tick(30 * time.Second), "", ""},
			{more(1), "", "the last of this drive was urgent: only urgent work for the volume, and ordinary"},
		}},
		"background work gives way": {peers.EnstoreSettings{Limits: map[string]int{"cms": 9}}, []step{
			{many(1, prioritised(read("A", "cms", 0, 1), -1), 3), "", ""},
			{ready("d0", ""), "grant 1 d0 A: 1", ""},
			{more(1), "extend 1: 2", ""},
			{submit(9, read("B", "cms", 0, 1)), "", ""},
			{more(1), "yield 1", "ordinary work takes the drive between files"},
			{done(1, 2), "", ""},
			{ended(1, "A"), "", ""},
			{ready("d0", "A"), "grant 2 d0 B: 9", "as promised"},
		}},
		"host limit": {peers.EnstoreSettings{Hosts: []peers.HostLimit{{Host: regexp.MustCompile("node"), Most: 1}}}, []step{
			{submit(1, from("node1", read("A", "cms", 0, 1))), "", ""},
			{submit(2, from("node1", read("B", "cms", 0, 1))), "", ""},
			{submit(3, from("node2", read("C", "cms", 0, 1))), "", ""},
			{ready("d0", ""), "grant 1 d0 A: 1", ""},
			{ready("d1", ""), "grant 2 d1 C: 3", "node1 has its one; the limit is of each host"},
			{ready("d2", ""), "", ""},
			{done(1), "grant 3 d2 B: 2", ""},
		}},
		"a failed read goes to another drive": {peers.EnstoreSettings{}, []step{
			{submit(1, read("A", "cms", 0, 1)), "", ""},
			{ready("d0", ""), "grant 1 d0 A: 1", ""},
			{ready("d1", ""), "", ""},
			{requeued(1, "d0"), "", ""},
			{more(1), "", "not to the lease from which it came"},
			{tick(time.Minute), "yield 1", ""},
			{ended(1, ""), "grant 2 d1 A: 1", ""},
		}},
	} {
		t.Run(name, func(t *testing.T) { run(t, peers.NewEnstore(c.settings), c.steps) })
	}
}
