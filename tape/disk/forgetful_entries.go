package disk

import "slices"

// change is one change of the name space that a crash keeps whole or not at all: a name comes,
// goes, or moves. It sets one or two entries.
type change struct {
	sets   []set
	after  []*change // pending ones that must be kept for this one to make sense
	needs  []*change // pending ones without which a moved file would lie in a directory without a name
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
func (f *Forgetful) apply(barrier bool, sets ...set) *change {
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
	return c
}

// chain gives the pending changes that the names of directories hang on.
func (f *Forgetful) chain(elems []string) []*change {
	var list []*change
	dir := f.root
	for _, e := range elems {
		if c := dir.last[e]; c != nil && !c.done {
			list = append(list, c)
		}
		dir = dir.entries[e]
	}
	return list
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
// A file moved into a directory whose own name is not durable has not moved for certain.
func (f *Forgetful) commitDir(dir *node) {
	for _, c := range f.pending {
		complete := true
		for _, s := range c.sets {
			if s.dir == dir && !slices.Contains(c.synced, dir) {
				c.synced = append(c.synced, dir)
			}
			complete = complete && slices.Contains(c.synced, s.dir)
		}
		for _, before := range c.needs {
			complete = complete && before.done
		}
		if complete {
			c.commit()
		}
	}
	f.tidy()
}

// commit makes a change durable, and those it builds on before it.
func (c *change) commit() {
	if c.done {
		return
	}
	for _, before := range slices.Concat(c.after, c.needs) {
		before.commit()
	}
	c.done, c.after, c.needs = true, nil, nil
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
