package library

import (
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/tape/order"
)

// The waiting reads of a volume are put into order by a goroutine of its own, which gives mu back while it thinks: when a drive
// is given the volume, each time the reads have grown by a quarter, and when the plan is nearly carried out and others have
// come. So that nothing is put off for ever by what is nearer to the head, a read that was put off often enough while the volume was
// being read goes before the plan.

const (
	planMost   = 2000 // reads in one plan, the first ones by position: 30 ms of thinking. Those behind are in the next one
	planAhead  = 16   // reads left of a plan when the next is made: as many as a drive is given at once
	planPutOff = 8    // plans after which a read goes first
)

// ReelOf is the geometry of a volume by its media type, as far as package order knows that: evenly written, of the
// volume's capacity, or longer if its data say so. Nil if it does not.
func ReelOf(v catalog.Volume) *order.Tape {
	g, ok := order.Named(v.MediaType)
	if !ok || v.BlockSize <= 0 {
		return nil
	}
	blocks := v.Capacity / int64(v.BlockSize)
	if v.EOD.HasBlock() { // compression makes room for more
		blocks = max(blocks, v.EOD.Block)
	}
	t, err := g.Tape(blocks)
	if err != nil {
		return nil
	}
	return t
}

// replan has the reads of a volume looked at. Caller holds mu.
func (l *Library) replan(v queue.Volume) {
	l.toPlan[v] = true
	select {
	case l.planKick <- struct{}{}:
	default:
	}
}

// planReads looks at the volumes that replan named, until Close.
func (l *Library) planReads() {
	for {
		select {
		case <-l.planKick:
		case <-l.ctx.Done():
			return
		}
		l.mu.Lock()
		volumes := l.toPlan
		l.toPlan = map[queue.Volume]bool{}
		l.mu.Unlock()
		for v := range volumes {
			l.plan(v)
		}
	}
}

// plan tells the queue in which order the waiting reads of a volume are best done, if it is time for that.
func (l *Library) plan(v queue.Volume) {
	l.mu.Lock()
	due := l.planDue(v)
	l.mu.Unlock()
	if !due {
		return
	}
	volume, err := l.o.Catalog.Volume(l.ctx, catalog.Label(v))
	if err != nil {
		return // its reads go by position
	}
	reel := l.o.Reel(volume)
	if reel == nil {
		return
	}
	l.mu.Lock()
	t := l.trip(v, int64(volume.BlockSize))
	l.mu.Unlock()
	if t.furthest > reel.Blocks() { // small files have more filemarks than the capacity tells
		volume.EOD = catalog.Location{Block: t.furthest, File: volume.EOD.File}
		if reel = l.o.Reel(volume); reel == nil || t.furthest > reel.Blocks() {
			return
		}
	}
	p, err := order.Recall(reel, t.start, t.files)
	if err != nil {
		l.log.Debug("reads not planned", "volume", v, "error", err)
		return
	}
	e := queue.Ordered{Volume: v, Order: t.first}
	for _, s := range p.Stops {
		e.Order = append(e.Order, t.ids[s.File])
	}
	l.mu.Lock()
	defer l.unlock()
	if l.closed {
		return
	}
	e.Time = time.Now()
	l.planned[v] = len(e.Order)
	if w := l.reading(v); w != nil {
		w.planned = true
	}
	if l.apply(e) == nil {
		l.log.Debug("reads planned", "volume", v, "files", len(t.ids), "method", string(p.Method), "estimate", p.Total)
	}
}

// planDue tells whether a plan of a volume's reads is to be made now. Caller holds mu.
func (l *Library) planDue(v queue.Volume) bool {
	n := l.q.Reads(v)
	if n == 0 {
		delete(l.planned, v)
	}
	if n < 2 || l.closed {
		return false
	}
	w := l.reading(v)
	if w == nil || n > l.planned[v]*5/4 {
		return n > l.planned[v]*5/4
	}
	named := 0
	for _, yes := range l.q.WaitingReads(v) {
		if !yes || named == planAhead {
			break
		}
		named++
	}
	return !w.planned || named < planAhead && named < n
}

// reading finds the lease by which a volume is being read. Caller holds mu.
func (l *Library) reading(v queue.Volume) *lease {
	for _, w := range l.leases {
		if w.kind == wire.ReadLease && w.queue.Volume == v && !w.over {
			return w
		}
	}
	return nil
}

// trip is what a plan is made of.
type trip struct {
	first []queue.RequestID // what was put off often enough
	start int64             // where the drive will stand, about, when it has done that
	ids   []queue.RequestID // what is to be planned
	files []order.File

	furthest int64 // of all blocks named
}

// trip collects the waiting reads of a volume whose places are known. One that is not being read begins at the load
// point. Caller holds mu.
func (l *Library) trip(v queue.Volume, blockSize int64) (t trip) {
	last := (*request)(nil)
	w := l.reading(v)
	if w != nil {
		last = w.last
	}
	for id := range l.q.WaitingReads(v) {
		r := l.requests[catalog.RequestID(id)]
		if r != nil {
			r.readFrom(catalog.Label(v))
		}
		switch {
		case r == nil:
		case r.plans >= planPutOff:
			t.first, last = append(t.first, id), r
		case r.begin() >= 0:
			if w != nil {
				r.plans++
			}
			t.ids = append(t.ids, id)
			t.files = append(t.files, order.File{Start: r.begin(), End: r.end(blockSize), Number: r.file.Location.File})
			t.furthest = max(t.furthest, r.end(blockSize))
		}
		if len(t.ids) == planMost {
			break
		}
	}
	if last != nil && last.begin() >= 0 {
		t.start = last.end(blockSize)
		t.furthest = max(t.furthest, t.start)
	}
	return t
}

// begin is the first block of a file, or -1 if it is not known. Files that came from Enstore have the block of their data, if any.
func begin(f *catalog.File) int64 {
	switch {
	case f.Header >= 0:
		return f.Header
	case f.Location.HasBlock():
		return f.Location.Block
	}
	return -1
}

func (r *request) begin() int64 { return begin(r.file) }

// end is the block behind the filemark of a read's file, or a few blocks further on.
func (r *request) end(blockSize int64) int64 {
	return r.begin() + (r.file.Size+overhead+blockSize-1)/blockSize + 1
}
