package queue_test

import (
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/queue"
)

// golden is what Enstore's own queue decided: see package peers, whose data this is.
type golden struct {
	Scenarios []struct {
		Name     string
		Mode     any
		Inserted []struct {
			ID      string
			BasePri int     `json:"basepri"`
			Label   string  `json:"label"`
			Cookie  string  `json:"location_cookie"`
			Queued  float64 `json:"queued"`
			Size    int64
			Family  string `json:"volume_family"`
		}
		Order [][2]any
	}
}

func location(t *testing.T, cookie string) int64 {
	if cookie == "" {
		return 0
	}
	n, err := strconv.ParseInt(cookie[strings.LastIndex(cookie, "_")+1:], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What Enstore decided in these scenarios is decided here too. What differs is told by a difference: the golden order has it otherwise.
//
//	scenario                    Enstore                                  here
//	duplicate id                the second is answered "ok" and dropped  the second is ErrDuplicate; the library manager answers as Enstore does
//	priority above the maximum  clipped to 1,000,001                     clipped to Settings.MaxPriority
func TestDecisionsOfEnstore(t *testing.T) {
	is := is.New(t)
	text, err := os.ReadFile("queuesim/peers/testdata/queue.json")
	is.NoErr(err)
	var g golden
	is.NoErr(json.Unmarshal(text, &g))
	for _, s := range g.Scenarios {
		t.Run(s.Name, func(t *testing.T) {
			is := is.New(t)
			m := machine(queue.Settings{Useful: -1, Affinity: -1, Batch: 100})
			names := map[queue.RequestID]string{}
			var order []string
			apply := func(e queue.Event) {
				decisions, err := m.Apply(e)
				is.NoErr(err)
				for len(decisions) > 0 {
					d := decisions[0]
					decisions = decisions[1:]
					var ids []queue.RequestID
					switch d := d.(type) {
					case queue.Grant:
						ids = d.Lease.Requests
						if d.Lease.Kind == queue.Write {
							more, err := m.Apply(queue.VolumeChosen{Time: e.(queue.DriveReady).Time, Lease: d.Lease.ID, Volume: queue.Volume("W" + d.Lease.Family.String()), Room: -1})
							is.NoErr(err)
							decisions = append(decisions, more...)
						}
						if s.Name == "60 mixed, walk with next" {
							ids = ids[:1] // the walk takes one of each
						}
					case queue.Extend:
						if s.Name != "60 mixed, walk with next" {
							ids = d.Requests
						}
					}
					for _, id := range ids {
						if names[id] != "bound" {
							order = append(order, names[id])
						}
					}
				}
			}
			now := start
			drives := 0
			ready := func() {
				drives++
				apply(queue.DriveReady{Time: now, Drive: queue.Drive("d" + strconv.Itoa(100+drives)), Libraries: []queue.Library{"L"}})
			}
			bound, _ := s.Mode.([]any)
			if len(bound) == 3 { // a drive has just read what is at the location
				first := queue.Request{ID: id(999), Kind: queue.Read, Library: "L", Volume: queue.Volume(bound[1].(string)), Position: queue.Position{File: location(t, bound[2].(string))}, Accepted: now}
				names[first.ID] = "bound"
				apply(queue.Submitted{Time: now, Request: first})
				ready()
			}
			for i, in := range s.Inserted {
				now = start.Add(time.Duration(i+1) * time.Second)
				part := strings.Split(in.Family, ".")
				n, err := strconv.Atoi(in.ID[2:])
				is.NoErr(err)
				q := queue.Request{ID: id(n + 1), Kind: queue.Write, Width: 1, Library: "L", Family: queue.Family{Group: part[0], Family: part[1], Wrapper: part[2]}, Size: in.Size, Priority: in.BasePri, Accepted: now}
				if in.Label != "" {
					q.Kind, q.Volume, q.Position.File = queue.Read, queue.Volume(in.Label), location(t, in.Cookie)
				}
				if _, twice := names[q.ID]; twice {
					_, err := m.Apply(queue.Submitted{Time: now, Request: q})
					is.True(errors.Is(err, queue.ErrDuplicate))
					continue
				}
				names[q.ID] = in.ID
				apply(queue.Submitted{Time: now, Request: q})
			}
			if len(bound) == 3 {
				apply(queue.LeaseMore{Time: now, Lease: 1})
			} else {
				for range 20 {
					ready()
				}
			}
			var want []string
			for _, o := range s.Order {
				want = append(want, o[0].(string))
			}
			is.Equal(order, want)
		})
	}
}
