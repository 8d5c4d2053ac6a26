package disk

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Crash is a power cut: it gives the file system that a machine finds on its disk afterwards.
// What was synced is in it for certain. Of the rest, r decides: changed sectors
// of [SectorSize] bytes are kept or lost each for itself, in any order; a size that changed is the old
// one, the new one or one between; what was cut off may be back; a change of entries
// that was not synced has happened or not, a rename wholly or not at all. Files whose
// names are lost are gone, whatever was synced of them.
//
// With r nil nothing is kept but what was synced. The same history and the same
// numbers of r give the same result.
//
// The old file system, its open files and its locks are dead: every call gives [ErrCrashed].
func (f *Forgetful) Crash(r *rand.Rand) *Forgetful {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reach(r)
	left := newForgetful()
	left.limit = f.limit
	left.root = left.recover(f.root, map[*node]*node{})
	f.dead = ErrCrashed
	return left
}

// Writeback lets r (nil: nothing) choose what of the unsynced changes reaches the disk now, as a kernel writes
// back when it likes. Programs see nothing of it; a later Crash may show them
// a state that was written over before it.
func (f *Forgetful) Writeback(r *rand.Rand) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reach(r)
}

// Kill ends the process and not the machine: open files and locks die with [ErrCrashed], and the file
// system that is given back holds everything written, synced or not, and
// still knows which is which.
func (f *Forgetful) Kill() *Forgetful {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := &Forgetful{
		root: f.root, nodes: f.nodes, pending: f.pending, barrier: f.barrier,
		locks: map[*node]bool{}, limit: f.limit,
	}
	// The dead one goes on with nothing: its handles must not touch the nodes, which are the next one's.
	f.dead = ErrCrashed
	f.root, f.pending, f.barrier = f.newDir(0o777), nil, nil
	seen := map[*node]bool{}
	next.adopt(next.root, seen)
	return next
}

// adopt counts the space of all that has a name, and forgets the handles of the dead.
func (f *Forgetful) adopt(n *node, seen map[*node]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	n.handles = 0
	f.used += n.size
	for _, e := range n.entries {
		f.adopt(e, seen)
	}
}

// chance is how likely a change is kept, in one crash: nothing and all are as frequent as between.
func chance(r *rand.Rand) float64 {
	switch r.IntN(4) {
	case 0:
		return 0
	case 1:
		return 1
	}
	return r.Float64()
}

// reach chooses among the unsynced changes and puts the chosen ones on the disk.
func (f *Forgetful) reach(r *rand.Rand) {
	if r == nil {
		return
	}
	p := chance(r)
	inOrder := r.IntN(2) == 0 // as a journal of the file system keeps them: up to some moment
	stop := math.MaxInt
	if inOrder {
		stop = int(p * float64(len(f.pending)+1))
		p = 1
	}
	for i, c := range f.pending {
		c.keep = i < stop && r.Float64() < p
		for _, before := range slices.Concat(c.after, c.needs) {
			c.keep = c.keep && (before.done || before.keep)
		}
		if c.keep {
			c.commit()
		}
	}
	f.tidy()
	f.reachFiles(r, f.root, map[*node]bool{})
}

// reachFiles does the same for the content of all files that the disk's entries lead to.
func (f *Forgetful) reachFiles(r *rand.Rand, dir *node, seen map[*node]bool) {
	names := sortedNames(dir.durable)
	for _, name := range names {
		n := dir.durable[name]
		if seen[n] {
			continue
		}
		seen[n] = true
		if n.isDir() {
			f.reachFiles(r, n, seen)
		} else {
			n.reach(r)
		}
	}
}

// reach chooses sectors and a size that get to the disk without a Sync.
func (c *content) reach(r *rand.Rand) {
	p := chance(r)
	pages := slices.Sorted(slices.Values(c.dirty))
	for _, i := range pages {
		var kept, zero uint8
		pg := &c.pages[i]
		for s := range pageSize / SectorSize {
			bit := uint8(1 << s)
			switch {
			case pg.dirty&bit == 0:
			case r.Float64() < p:
				kept |= bit
			case pg.freed&bit != 0 && r.IntN(2) == 0:
				zero |= bit
			}
		}
		pg.keep(kept)
		pg.wipe(zero)
	}
	if c.size == c.diskSize {
		return
	}
	switch r.IntN(4) {
	case 0:
	case 1, 2:
		c.diskSize = c.size
	case 3:
		low, high := min(c.size, c.diskSize), max(c.size, c.diskSize)
		c.diskSize = low + r.Int64N(high-low+1)
	}
}

// wipe makes the given sectors zero on the disk's side.
func (p *page) wipe(sectors uint8) {
	if sectors == 0 || p.disk == nil {
		return
	}
	fresh := *p.disk
	for s := range pageSize / SectorSize {
		if sectors&(1<<s) != 0 {
			clear(fresh[s*SectorSize : (s+1)*SectorSize])
		}
	}
	p.disk = &fresh
}

// recover copies what the disk has of a node and all below it.
func (f *Forgetful) recover(n *node, seen map[*node]*node) *node {
	if to := seen[n]; to != nil {
		return to
	}
	var to *node
	if !n.isDir() {
		to = f.newFile(n.mode)
		to.content = n.content.onDisk()
		f.used += to.size
	} else {
		to = f.newDir(n.mode)
	}
	seen[n] = to
	to.mod = n.mod
	for _, name := range sortedNames(n.durable) {
		e := f.recover(n.durable[name], seen)
		e.links++
		to.entries[name], to.durable[name] = e, e
	}
	return to
}

// onDisk is the content after a crash.
func (c *content) onDisk() content {
	left := content{size: c.diskSize, diskSize: c.diskSize}
	count := int((c.diskSize + pageSize - 1) / pageSize)
	left.pages = make([]page, min(count, len(c.pages)))
	for i := range left.pages {
		p := c.pages[i].disk
		// Behind the end there are zeros, for a file that grows again.
		if rest := c.diskSize - int64(i)*pageSize; p != nil && rest < pageSize {
			fresh := *p
			clear(fresh[rest:])
			p = &fresh
		}
		left.pages[i] = page{now: p, disk: p}
	}
	return left
}
