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
	libraries := slices.Compact(slices.Sorted(slices.Values(e.Libraries)))
	d.pools = make([]*pool, len(libraries))
	for i, name := range libraries {
		d.pools[i] = m.pool(name)
	}
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
	m.wake(v.reads, VolumeInUse, VolumeElsewhere, Blocked)
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
	if v.reads != nil {
		m.touch(v.reads)
	}
	if g := m.writers(v); g != nil {
		m.touch(g)
	}
}

func (m *Machine) makeReady(d *drive) {
	d.ready, d.since = true, m.now
	for _, p := range d.pools {
		i, _ := slices.BinarySearchFunc(p.ready, d.name, byDrive)
		p.ready = slices.Insert(p.ready, i, d)
	}
	if v := d.mounted(); v != nil {
		m.warm(v)
		m.wake(v.reads, VolumeInUse, VolumeElsewhere)
	}
}

func (m *Machine) unready(d *drive) {
	if !d.ready {
		return
	}
	d.ready = false
	for _, p := range d.pools {
		if i, ok := slices.BinarySearchFunc(p.ready, d.name, byDrive); ok {
			p.ready = slices.Delete(p.ready, i, i+1)
		}
	}
	if v := d.mounted(); v != nil {
		m.warm(v)
	}
}

// mountedFor tells whether a ready drive already has a volume in it on which the group could go on.
func (m *Machine) mountedFor(g *group) bool {
	if g.kind == Read {
		d := g.volume.drive
		return d != nil && d.ready && d.serves(g.pool)
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
	m.volume(e.Volume).blocked = cmp.Or(e.Reason, "blocked")
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
	p.holdReads, p.holdWrites = e.Reads, e.Writes
	return nil
}
