package queue_test

import (
	"reflect"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/queue"
)

func TestEveryEventSurvivesTheJournal(t *testing.T) {
	is := is.New(t)
	for _, e := range []queue.Event{
		queue.Submitted{Time: start, Request: queue.Request{ID: id(1), Kind: queue.Read, Library: "L", Family: raw, Width: 2, Size: -1, Volume: "V1", Position: queue.Position{File: 3, Block: -1}, Class: "daq", Priority: -2, Accepted: start}},
		queue.Cancelled{Time: start, ID: id(1)}, queue.Finished{Time: start, ID: id(1)}, queue.Requeued{Time: start, ID: id(1), Avoid: "d0"},
		queue.Reprioritised{Time: start, ID: id(1), Priority: 7},
		queue.DriveReady{Time: start, Drive: "d0", Libraries: []queue.Library{"L", "M"}, Mounted: "V1", MountedFamily: raw}, queue.DriveGone{Time: start, Drive: "d0"},
		queue.LeaseMore{Time: start, Lease: 1}, queue.LeaseEnough{Time: start, Lease: 1}, queue.LeaseEnded{Time: start, Lease: 1, Mounted: "V1"}, queue.LeaseExpired{Time: start, Lease: 1},
		queue.VolumeChosen{Time: start, Lease: 1, Volume: "V1", Room: 9}, queue.VolumeRefused{Time: start, Lease: 1, Reason: queue.WidthInUse}, queue.VolumesChanged{Time: start, Library: "L"},
		queue.VolumeBlocked{Time: start, Volume: "V1", Reason: "noaccess"}, queue.VolumeFreed{Time: start, Volume: "V1"}, queue.VolumeLeft{Time: start, Volume: "V1"},
		queue.LibraryHeld{Time: start, Library: "L", Reads: true}, queue.Ordered{Time: start, Volume: "V1", Order: []queue.RequestID{id(2), id(1)}},
	} {
		line, err := queue.EncodeEvent(e)
		is.NoErr(err)
		back, err := queue.DecodeEvent(line)
		is.NoErr(err)
		is.True(reflect.DeepEqual(back, e)) // every field
	}
	_, err := queue.EncodeEvent(nil)
	isErr(is, err, queue.ErrInvalid)
}

func FuzzDecodeEvent(f *testing.F) {
	for _, e := range []queue.Event{queue.VolumeLeft{Time: start, Volume: "V1"}, queue.Submitted{Time: start, Request: queue.Request{ID: id(1)}}} {
		line, _ := queue.EncodeEvent(e)
		f.Add(line)
	}
	f.Add([]byte(`{"e":"left","v":{"Colour":1}}`))
	f.Add([]byte(`{"e":"left","v":{}}{}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := queue.DecodeEvent(line)
		if err != nil {
			return
		}
		again, err := queue.EncodeEvent(e)
		if err != nil {
			t.Skip() // a year that JSON cannot hold
		}
		back, err := queue.DecodeEvent(again)
		if err != nil || !reflect.DeepEqual(back, e) {
			t.Fatalf("%s: %#v is not %#v, %v", line, back, e, err)
		}
		_, _ = machine(queue.Settings{}).Apply(e) // whatever it is, it does no harm
	})
}
