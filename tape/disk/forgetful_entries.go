package disk

import "slices"

// change is one change of the name space that a crash keeps whole or not at all: a name comes,
// goes, or moves. It sets one or two entries.
type change struct {
	sets   []set
	after  []*change // pending ones that must be kept for this one to make sense
	synced []*node   // directories of it that were synced since
	done   bool      // it is durable
	keep   bool      // while a crash is worked out
}

// set says that a name in a directory means n from now on, or nothing if n is nil.
type set struct {
	dir  *node
	name string
	n    *node
}

// apply makes a change of entries. What it touched before, and is not durable yet, it builds on:
// a disk may keep a creation without the renaming that followed, not the renaming without
// the creation. A change with barrier set (a directory moves) builds on all before it and all after it build on it.
func (f *Forgetful) apply(barrier bool, sets ...set) {
	c := &change{sets: sets}
	if f.barrier != nil && !f.barrier.done {
		c.after = append(c.after, f.barrier)
	}
	if barrier {
		c.after = append(c.after, f.pending...)
		f.barrier = c
	}
	for _, s := range sets {
		if before := s.dir.last[s.name]; before != nil && !before.done {
			c.after = append(c.after, before)
		}
		s.dir.last[s.name] = c
		f.link(s)
	}
	f.pending = append(f.pending, c)
}

// link puts the entry of a set in place and counts names.
func (f *Forgetful) link(s set) {
	if s.n != nil {
		s.n.links++
	}
	if old := s.dir.entries[s.name]; old != nil {
		old.links--
		f.forgetSpace(old)
	}
	if s.n == nil {
		delete(s.dir.entries, s.name)
	} else {
		s.dir.entries[s.name] = s.n
	}
}

// commitDir makes durable every change all of whose directories are synced, and what those build on.
func (f *Forgetful) commitDir(dir *node) {
	for _, c := range f.pending {
		touches, complete := false, true
		for _, s := range c.sets {
			if s.dir == dir {
				touches = true
			} else if !slices.Contains(c.synced, s.dir) {
				complete = false
			}
		}
		if touches && complete {
			c.commit()
		} else if touches && !slices.Contains(c.synced, dir) {
			c.synced = append(c.synced, dir)
		}
	}
	f.tidy()
}

// commit makes a change durable, and those it builds on before it.
func (c *change) commit() {
	if c.done {
		return
	}
	for _, before := range c.after {
		before.commit()
	}
	c.done, c.after = true, nil
	for _, s := range c.sets {
		if s.n == nil {
			delete(s.dir.durable, s.name)
		} else {
			s.dir.durable[s.name] = s.n
		}
		if s.dir.last[s.name] == c {
			delete(s.dir.last, s.name)
		}
	}
}

// tidy drops what is durable from the list of pending changes.
func (f *Forgetful) tidy() {
	f.pending = slices.DeleteFunc(f.pending, func(c *change) bool { return c.done })
	if f.barrier != nil && f.barrier.done {
		f.barrier = nil
	}
}
