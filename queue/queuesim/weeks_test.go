package queuesim_test

import (
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/queue/fairshare"
	"github.com/enstore-go/sdk/queue/match"
	"github.com/enstore-go/sdk/queue/queuesim"
)

// Weeks with faults, drives that go away, and more work than the drives can do at times: nobody waits beyond the bound, and a share that has work
// is never for long below its guarantee.
func TestWeeks(t *testing.T) {
	is := is.New(t)
	s := small()
	s.Length, s.Drain = 21*24*time.Hour, 14*24*time.Hour
	if raceEnabled || testing.Short() {
		s.Length = 5 * 24 * time.Hour
	}
	s.Faults = queuesim.Faults{Reads: 0.005, Down: 0.01, Away: 1800}
	for i := range s.Work[:3] {
		s.Work[i].Bursts *= 2.2
	}
	settings := queue.Settings{Rate: 400e6, Shares: []fairshare.Share{
		{Name: "archive", Match: match.Pattern{"storage_group": "archive"}, Least: 1}, {Name: "recall", Match: match.Pattern{"storage_group": "recall"}, Weight: 3},
	}}
	m := machine(t, settings)
	waiting := map[queue.RequestID]queue.Request{}
	had := 0 // drives that the guaranteed share has
	leases := map[queue.LeaseID]bool{}
	var below time.Time // since when it has none, and work
	var longest time.Duration
	r, err := queuesim.RunObserved(s, m, func(now time.Time, e queue.Event, all []queue.Decision) {
		switch e := e.(type) {
		case queue.Submitted:
			if e.Request.Family.Group == "archive" {
				waiting[e.Request.ID] = e.Request
			}
		case queue.LeaseEnded:
			if leases[e.Lease] {
				delete(leases, e.Lease)
				had--
			}
		case queue.Requeued:
			if q, ok := m.Find(e.ID); ok && q.Request.Family.Group == "archive" {
				waiting[e.ID] = q.Request
			}
		}
		taken := func(ids []queue.RequestID) {
			for _, id := range ids {
				delete(waiting, id)
			}
		}
		for _, d := range all {
			switch d := d.(type) {
			case queue.Grant:
				taken(d.Lease.Requests)
				if d.Lease.Family.Group == "archive" {
					leases[d.Lease.ID] = true
					had++
				}
			case queue.Extend:
				taken(d.Requests)
			}
		}
		switch {
		case had > 0 || len(waiting) == 0:
			below = time.Time{}
		case below.IsZero():
			below = now
		default:
			longest = max(longest, now.Sub(below))
		}
	})
	is.NoErr(err)
	is.Equal(r.Done, r.Came) // nobody is forgotten
	t.Logf("%d requests, longest wait %v; the guaranteed share was at most %v without a drive; drives used %.2f", r.Done, r.Waits.Most, longest, r.Use())
	// Until the drives have done their batches (16 files, some of them far apart), been unloaded, and none of them has gone away.
	is.True(longest < 45*time.Minute)
	is.True(r.Waits.Most < 48*time.Hour)
}
