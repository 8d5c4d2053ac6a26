package queue

import (
	"cmp"
	"fmt"
	"slices"
)

func (m *Machine) driveReady(e DriveReady) error {
	if e.Drive == "" || len(e.Libraries) == 0 || slices.Contains(e.Libraries, "") {
		return fmt.Errorf("drive %q: ready without a name or a library: %w", e.Drive, ErrInvalid)
	}
	d := m.addDrive(e.Drive)
	if d.lease != nil {
		return fmt.Errorf("drive %s: %w", e.Drive, ErrDriveInUse)
	}
	m.unready(d)
	d.coming = false
	m.assign(d, e.Robot)
	libraries := slices.Compact(slices.Sorted(slices.Values(e.Libraries)))
	d.pools = make([]*pool, len(libraries))
	for i, name := range libraries {
		d.pools[i] = m.pool(name)
	}
	m.share(d.pools)
	m.fill(d, e.Mounted)
	if v := d.mounted(); v != nil {
		if v.family.IsZero() {
			v.family = e.MountedFamily
		}
		if v.home == nil {
			v.home = d.pools[0]
		}
		m.wakeVolume(v)
	}
	m.makeReady(d)
	return nil
}

func (m *Machine) driveGone(e DriveGone) error {
	d := m.drive(e.Drive)
	if d == nil {
		return fmt.Errorf("drive %q: %w", e.Drive, ErrUnknownDrive)
	}
	m.unready(d)
	d.coming = false
	m.unpickAll(d.pools)
	m.forgetDrive(d)
	return nil
}

// fill says what is in a drive: this volume and nothing else.
func (m *Machine) fill(d *drive, name Volume) {
	var v *volume
	if name != "" {
		v = m.volume(name)
	}
	for _, old := range slices.Clone(d.holds) {
		if old != v {
			m.left(old)
		}
	}
	if v == nil || v.drive == d {
		return
	}
	if v.drive != nil {
		m.left(v)
		v = m.volume(name)
	}
	v.drive = d
	d.holds = []*volume{v}
}

// left says that a volume is no longer where it was.
func (m *Machine) left(v *volume) {
	d := v.drive
	v.drive = nil
	d.holds = slices.DeleteFunc(d.holds, func(other *volume) bool { return other == v })
	if v.reads != nil {
		v.reads.moving = false
	}
	m.warm(v)
	m.wakeVolume(v)
	m.forgetVolume(v)
}

// wakeVolume wakes who waited for a volume.
func (m *Machine) wakeVolume(v *volume) {
	m.wake(v.reads, VolumeInUse, VolumeElsewhere, Blocked, Suspect)
	if g := m.writers(v); g != nil {
		m.unrefuse(g)
	}
}

// writers is the group whose writes a volume takes.
func (m *Machine) writers(v *volume) *group {
	if v.family.IsZero() || v.home == nil {
		return nil
	}
	return m.groups[groupKey{library: v.home.name, family: v.family}]
}

// warm puts the groups that like to find a volume mounted into their right order.
func (m *Machine) warm(v *volume) {
	for _, g := range [...]*group{v.reads, m.writers(v)} {
		if g != nil {
			m.wake(g, TooLittle) // it would cost no mount now
			m.touch(g)
		}
	}
}

// makeReady lets a drive be chosen, if nothing else keeps it from that.
func (m *Machine) makeReady(d *drive) {
	d.ready, d.since = true, m.now
	if m.s.Rest > 0 && d.mounted() != nil {
		m.timers.add(d.since+int64(m.s.Rest), timer{drive: d.name})
	}
	m.list(d)
}

// list puts a ready drive among those of its pools, unless it is blamed, or its robot has enough to do.
func (m *Machine) list(d *drive) {
	if !d.ready || d.listed || d.blamed || d.robot != nil && d.robot.full() {
		return
	}
	d.listed = true
	for _, p := range d.pools {
		i, _ := slices.BinarySearchFunc(p.ready, d.name, byDrive)
		p.ready = slices.Insert(p.ready, i, d)
		for _, g := range slices.Clone(p.picky) {
			if !m.shuns(g.volume, d) {
				m.wake(g, Suspect)
			}
		}
	}
	if v := d.mounted(); v != nil {
		m.warm(v)
		m.wake(v.reads, VolumeInUse, VolumeElsewhere)
	}
}

func (m *Machine) unlist(d *drive) {
	if !d.listed {
		return
	}
	d.listed = false
	for _, p := range d.pools {
		if i, ok := slices.BinarySearchFunc(p.ready, d.name, byDrive); ok {
			p.ready = slices.Delete(p.ready, i, i+1)
		}
		if len(p.ready) == 0 { // now they wait for any drive, as all do
			m.unpickAll([]*pool{p})
		}
	}
	if v := d.mounted(); v != nil {
		m.warm(v)
	}
}

func (m *Machine) unready(d *drive) {
	d.ready = false
	m.unlist(d)
}

// assign says which robot serves a drive.
func (m *Machine) assign(d *drive, name string) {
	if old := d.robot; old != nil && old.name != name {
		old.drives = slices.DeleteFunc(old.drives, func(o *drive) bool { return o == d })
		d.robot = nil
	}
	if name == "" || d.robot != nil {
		return
	}
	r := m.robots[name]
	if r == nil {
		r = &robot{name: name, most: -1}
		if n, ok := m.rules.limits.Robot(name); ok {
			r.most = n
		}
		m.robots[name] = r
	}
	d.robot = r
	i, _ := slices.BinarySearchFunc(r.drives, d.name, byDrive)
	r.drives = slices.Insert(r.drives, i, d)
}

// engage counts a lease of a drive for its robot.
func (m *Machine) engage(d *drive, n int) {
	r := d.robot
	if r == nil {
		return
	}
	r.active += n
	if r.most < 0 {
		return
	}
	for _, o := range r.drives {
		if r.full() {
			m.unlist(o)
		} else {
			m.list(o)
		}
	}
}

// share makes pools whose drives are shared one for the shares.
func (m *Machine) share(pools []*pool) {
	for _, p := range pools[1:] {
		if p.tree != pools[0].tree {
			m.merge(pools[0].tree, p.tree)
		}
	}
}

// mountedFor tells whether a ready drive already has a volume in it on which the group could go on.
func (m *Machine) mountedFor(g *group) bool {
	if !g.write {
		d := g.volume.drive
		return d != nil && d.listed && d.serves(g.pool)
	}
	return slices.ContainsFunc(g.pool.ready, func(d *drive) bool { return d.mounted().takes(g) })
}

func (m *Machine) volumesChanged(e VolumesChanged) error {
	if e.Library == "" {
		return fmt.Errorf("volumes changed: no library: %w", ErrInvalid)
	}
	p := m.pool(e.Library)
	for len(p.roomless) > 0 {
		m.unrefuse(p.roomless[len(p.roomless)-1])
	}
	return nil
}

func (m *Machine) volumeBlocked(e VolumeBlocked) error {
	if e.Volume == "" {
		return fmt.Errorf("volume blocked: no volume: %w", ErrInvalid)
	}
	v := m.volume(e.Volume)
	v.blocked = cmp.Or(e.Reason, "blocked")
	m.moveCopies(v)
	return nil
}

func (m *Machine) volumeFreed(e VolumeFreed) {
	if v := m.volumes[e.Volume]; v != nil {
		v.blocked = ""
		m.wakeVolume(v)
		m.forgetVolume(v)
	}
}

func (m *Machine) volumeLeft(e VolumeLeft) {
	if v := m.volumes[e.Volume]; v != nil && v.drive != nil {
		d := v.drive
		m.left(v)
		m.forgetDrive(d)
	}
}

func (m *Machine) libraryHeld(e LibraryHeld) error {
	if e.Library == "" {
		return fmt.Errorf("library held: no library: %w", ErrInvalid)
	}
	p := m.pool(e.Library)
	p.holdReads, p.holdWrites, p.holdWhy, p.holdWho = e.Reads, e.Writes, e.Reason, e.Who
	for _, g := range m.groups {
		if g.pool == p {
			m.touch(g)
		}
	}
	return nil
}
