package queue

import (
	"cmp"
	"fmt"
	"slices"
)

// strike is one failure of which it is not known whose fault it was. A pair of drive and volume counts once.
type strike struct {
	drive  Drive
	volume Volume
	at     int64
}

// failedIn tells whether a volume has failed in a drive.
func (v *volume) failedIn(d Drive) bool {
	return slices.ContainsFunc(v.strikes, func(s strike) bool { return s.drive == d })
}

// shuns tells whether a volume is not to be used in a drive: it has failed there, and there is another drive in service that could have
// it. Where there is none the two must try again.
func (m *Machine) shuns(v *volume, d *drive) bool {
	if v == nil || !v.failedIn(d.name) {
		return false
	}
	return slices.ContainsFunc(m.drives, func(o *drive) bool {
		return (o.ready || o.lease != nil) && !o.blamed && !v.failedIn(o.name) && slices.ContainsFunc(d.pools, o.serves)
	})
}

// unpickAll lets the groups that wait for another drive be looked at again.
func (m *Machine) unpickAll(pools []*pool) {
	for _, p := range pools {
		for _, g := range slices.Clone(p.picky) {
			m.wake(g, Suspect)
		}
	}
}

func (m *Machine) struck(e Struck) error {
	if e.Drive == "" || e.Volume == "" {
		return fmt.Errorf("drive %q, volume %q: a strike without one of them: %w", e.Drive, e.Volume, ErrInvalid)
	}
	d, v := m.addDrive(e.Drive), m.volume(e.Volume)
	s := strike{e.Drive, e.Volume, m.now}
	m.timers.add(m.now+int64(m.s.StrikeTime), timer{strike: true})
	same := func(o strike) bool { return o.drive == s.drive && o.volume == s.volume }
	d.strikes = append(slices.DeleteFunc(d.strikes, same), s)
	v.strikes = append(slices.DeleteFunc(v.strikes, same), s)
	if i, found := slices.BinarySearchFunc(m.suspects, v.name, byVolume); !found {
		m.suspects = slices.Insert(m.suspects, i, v)
	}
	m.judge(d, v)
	m.wake(v.reads, Suspect)
	return nil
}

// judge blames a volume that failed in too many drives, or a drive in which too many volumes failed. The failures that are the volume's
// do not count against the drive.
func (m *Machine) judge(d *drive, v *volume) {
	if !v.blamed && len(v.strikes) >= m.s.Strikes {
		v.blamed = true
		m.out = append(m.out, Blame{Volume: v.name})
		m.moveCopies(v)
	}
	if v.blamed {
		return
	}
	if !d.blamed && len(d.strikes) >= m.s.Strikes {
		d.blamed = true
		m.unlist(d)
		m.unpickAll(d.pools)
		m.out = append(m.out, Blame{Drive: d.name})
	}
}

func (m *Machine) forgiven(e Forgiven) error {
	if e.Drive == "" && e.Volume == "" {
		return fmt.Errorf("forgiven: neither a drive nor a volume: %w", ErrInvalid)
	}
	m.forgive(func(s strike) bool {
		return (e.Drive == "" || s.drive == e.Drive) && (e.Volume == "" || s.volume == e.Volume)
	})
	return nil
}

func byVolume(v *volume, n Volume) int { return cmp.Compare(v.name, n) }

// forgive takes back the strikes that which says.
func (m *Machine) forgive(which func(strike) bool) {
	for _, d := range slices.Clone(m.drives) {
		m.clearDrive(d, which)
	}
	for _, v := range slices.Clone(m.suspects) {
		m.clearVolume(v, which)
	}
}

// worked takes back what counted against the drive and the volume of a lease.
func (m *Machine) worked(l *lease) {
	all := func(strike) bool { return true }
	if len(l.drive.strikes) > 0 {
		m.clearDrive(l.drive, all)
	}
	if l.volume != nil && len(l.volume.strikes) > 0 {
		m.clearVolume(l.volume, all)
	}
}

func (m *Machine) clearDrive(d *drive, which func(strike) bool) {
	if !slices.ContainsFunc(d.strikes, which) {
		return
	}
	d.strikes = slices.DeleteFunc(d.strikes, which)
	if d.blamed && len(d.strikes) < m.s.Strikes {
		d.blamed = false
		m.list(d)
	}
	m.forgetDrive(d)
}

func (m *Machine) clearVolume(v *volume, which func(strike) bool) {
	if !slices.ContainsFunc(v.strikes, which) {
		return
	}
	if v.strikes = slices.DeleteFunc(v.strikes, which); len(v.strikes) < m.s.Strikes {
		v.blamed = false
	}
	if i, found := slices.BinarySearchFunc(m.suspects, v.name, byVolume); found && len(v.strikes) == 0 {
		m.suspects = slices.Delete(m.suspects, i, i+1)
	}
	m.wakeVolume(v)
	m.forgetVolume(v)
}
