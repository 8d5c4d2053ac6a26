package queuesim_test

import (
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/queue/queuesim"
)

// Of the intervals that were told when requests came, four in five hold: between 75 and 85 %, on other work than that from which the machine
// learned in the beginning.
func TestIntervalsOfEstimatesHold(t *testing.T) {
	is := is.New(t)
	s := small()
	s.Length = 8 * 24 * time.Hour
	m := machine(t, queue.Settings{Rate: 400e6})
	said := map[queue.RequestID]queue.Estimate{}
	var starts, ends, startsIn, endsIn int
	learned := queuesim.Epoch.Add(24 * time.Hour)
	n := 0
	_, err := queuesim.RunObserved(s, m, func(now time.Time, e queue.Event, all []queue.Decision) {
		begun := func(ids []queue.RequestID) {
			for _, id := range ids {
				if e, ok := said[id]; ok {
					starts++
					if !now.Before(e.Start.Early) && !now.After(e.Start.Late) {
						startsIn++
					}
				}
			}
		}
		switch e := e.(type) {
		case queue.Submitted:
			if n++; n%7 == 0 && now.After(learned) { // others than those from which it learns
				if w, _ := m.Find(e.Request.ID); w.Reason != queue.Leased {
					if told, ok := m.Estimate(e.Request.ID); ok {
						said[e.Request.ID] = told
					}
				}
			}
		case queue.Finished:
			if told, ok := said[e.ID]; ok {
				ends++
				if !now.Before(told.Finish.Early) && !now.After(told.Finish.Late) {
					endsIn++
				}
			}
		}
		for _, d := range all {
			switch d := d.(type) {
			case queue.Grant:
				begun(d.Lease.Requests)
			case queue.Extend:
				begun(d.Requests)
			}
		}
	})
	is.NoErr(err)
	t.Logf("starts %d of %d, ends %d of %d", startsIn, starts, endsIn, ends)
	is.True(ends > 1000)
	for _, part := range []float64{float64(startsIn) / float64(starts), float64(endsIn) / float64(ends)} {
		is.True(part >= 0.75)
		is.True(part <= 0.85)
	}
}
