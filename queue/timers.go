package queue

import (
	std "container/heap"
	"time"
)

// timer is something to be looked at when its time has come: a group that did not have work enough, a drive whose volume rests, strikes
// that become old. It says only that; what is due is found out then.
type timer struct {
	at     int64
	group  *group
	drive  Drive
	strike bool
}

// timers are kept in order of time. The order of equal ones does not matter: looking at one does not depend on the others.
type timers struct{ all timerHeap }

type timerHeap []timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h timerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)        { *h = append(*h, x.(timer)) }
func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = timer{}
	*h = (*h)[:last]
	return t
}

func (t *timers) add(at int64, what timer) {
	what.at = at
	std.Push(&t.all, what)
}

// due takes out the next timer whose time has come.
func (t *timers) due(now int64) (timer, bool) {
	if len(t.all) == 0 || t.all[0].at > now {
		return timer{}, false
	}
	return std.Pop(&t.all).(timer), true
}

// Wake is when the machine wants to be told by a Tick that it is later, if nothing else happens before; zero: never. An earlier or
// superfluous Tick does no harm.
func (m *Machine) Wake() time.Time {
	if len(m.timers.all) == 0 {
		return time.Time{}
	}
	return at(m.timers.all[0].at)
}

// tick does what has become due. That is done after every event, so it does not matter whether a Tick or something else was first.
func (m *Machine) tick() {
	for {
		t, ok := m.timers.due(m.now)
		switch {
		case !ok:
			return
		case t.group != nil:
			m.wake(t.group, TooLittle)
		case t.strike:
			m.forgive(func(s strike) bool { return s.at+int64(m.s.StrikeTime) <= m.now })
		default:
			m.rested(m.drive(t.drive))
		}
	}
}

// rested takes the volume out of a drive that nobody needed for long enough.
func (m *Machine) rested(d *drive) {
	if d == nil || !d.listed || d.mounted() == nil || m.s.Rest < 0 || m.now < d.since+int64(m.s.Rest) {
		return
	}
	v := d.mounted()
	if v.lease != nil {
		return
	}
	m.out = append(m.out, Dismount{m.newLease(d, nil, v).id, d.name, v.name})
}
