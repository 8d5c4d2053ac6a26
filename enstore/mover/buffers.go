package mover

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/enstore-go/sdk/tape"
)

// restAfter is how long a drive without work keeps the memory of its buffers.
const restAfter = time.Second

// buffers are the block buffers of a drive, for one lease after the other. They are not on the heap,
// which the collector lets grow to twice what lives there: a transfer would take twice what its user allows.
// A block that nobody has used yet takes no memory.
type buffers struct {
	most int64 // bytes of all

	mu    sync.Mutex
	mem   []byte // nil: none
	lent  bool   // between lend and back
	size  int    // of a block
	step  int    // from one to the next
	fresh int    // where in mem those begin that were never taken
	free  [][]byte
	freed chan struct{} // has a token after give
}

func newBuffers(most int64) *buffers { return &buffers{most: most, freed: make(chan struct{}, 1)} }

// lend makes blocks of a size ready to be taken, at least two.
func (b *buffers) lend(size int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.size, b.step = size, (size+page-1)&^(page-1)
	n := max(int(b.most)/b.step, 2) * b.step
	if len(b.mem) != n {
		b.unmap()
		mem, err := mapMemory(n)
		if err != nil {
			return fmt.Errorf("mover: %d bytes for buffers: %w", n, err)
		}
		b.mem = mem
	}
	b.lent, b.fresh, b.free = true, 0, b.free[:0]
	return nil
}

// take gives a block, or nil while all are taken: then freed tells when to ask again. The
// one given back last comes first; it is still in the processor's caches.
func (b *buffers) take() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.free); n > 0 {
		p := b.free[n-1]
		b.free = b.free[:n-1]
		return p
	}
	if b.fresh == len(b.mem) {
		return nil
	}
	p := b.mem[b.fresh : b.fresh+b.size : b.fresh+b.size]
	b.fresh += b.step
	return p
}

// give returns a block.
func (b *buffers) give(p []byte) {
	b.mu.Lock()
	b.free = append(b.free, p[:b.size])
	b.mu.Unlock()
	select {
	case b.freed <- struct{}{}:
	default:
	}
}

// back ends what lend began: nobody uses a block any more.
func (b *buffers) back() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lent = false
}

// release gives the memory back to the system, unless it is lent.
func (b *buffers) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.lent {
		b.unmap()
	}
}

// lose leaves the memory to a driver that will not return.
func (b *buffers) lose() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mem, b.lent = nil, false
}

func (b *buffers) unmap() {
	unmapMemory(b.mem)
	b.mem, b.free = nil, nil
}

// page is what direct I/O wants a block's address to be a multiple of.
const page = 4096

// takeBuffersBack is for when the load's calls have returned. If the load has ended, one that was abandoned may still
// use a block; saveBuffers follows then.
func (m *Mover) takeBuffersBack(l *tape.Load) {
	if l.Err() == nil {
		m.buffers.back()
	}
}

// saveBuffers takes the buffers back from a drive that was closed: as soon as no call uses them.
func (m *Mover) saveBuffers(d *tape.Drive) {
	ctx, cancel := context.WithTimeout(context.Background(), tape.DefaultGrace)
	defer cancel()
	if err := d.Idle(ctx); err == nil {
		m.buffers.back()
		return
	}
	m.buffers.lose()
	m.log.Error("the driver does not return from a call: the memory of its buffers is lost", "bytes", m.buffers.most)
}
