package queue

import (
	"bufio"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/enstore-go/sdk/queue/fairshare"
	"github.com/enstore-go/sdk/queue/match"
)

// A snapshot is a stream of gobs: a savedHead, then as many savedPart as it takes. Names are of the format; fields are only ever added.

// snapshotVersion is the version of the format.
const snapshotVersion = 1

// ErrSnapshot means that what should be a snapshot is none, or damaged, or of a later version.
var ErrSnapshot = errors.New("no snapshot of a queue")

type savedHead struct {
	Version   int
	Settings  []byte // JSON: gob makes room for maps of any size
	Now       int64
	Seq       uint64
	LastLease LeaseID
	Requests  int
	Profiles  []match.Fields
	Pools     []savedPool
	Robots    []string
	Drives    []savedDrive
	Volumes   []savedVolume
	Groups    []savedGroup
	Leases    []savedLease
	Datasets  []savedDataset
	Roomless  []int // groups, in order
	Past      savedPast
}

type savedPool struct {
	Name          Library
	Tree          int // pools of the same number share one
	Reads, Writes bool
	Why, Who      string
	Accounts      []fairshare.Account // of the tree, with its first pool
}

type savedDrive struct {
	Name    Drive
	Robot   string
	Pools   []Library
	Holds   []Volume
	Ready   bool
	Since   int64
	Strikes []savedStrike
	Blamed  bool
	Coming  bool
}

type savedStrike struct {
	Drive  Drive
	Volume Volume
	At     int64
}

type savedVolume struct {
	Name    Volume
	Family  Family
	Home    Library
	Blocked string
	Strikes []savedStrike
	Blamed  bool
}

type savedGroup struct {
	Library Library // of the key: writes
	Volume  Volume
	Family  Family
	Named   Family // of the files or the volume
	Pool    Library
	Width   int
	Turn    int64
	Swept   savedPlace
	Moving  bool
}

type savedPlace struct {
	Admin       int16
	Rank        int32
	File, Block int64
	Due         int64
	Seq         uint64
}

type savedLease struct {
	ID        LeaseID
	Drive     Drive
	Group     int // -1: a dismount
	Volume    Volume
	Begun     int64
	Files     int
	Bytes     int64
	Room      int64
	Wanting   bool
	Mounting  bool
	Preempted bool
	Admin     bool
	Ordinary  bool
	Charged   int64
	Leaf      []string
	Shares    []savedSpending
	Requests  []RequestID // in order
}

type savedSpending struct {
	Leaf []string
	Time int64
}

type savedDataset struct {
	Name        string
	Family      Family
	Total, Left int
	Due         int64
}

// savedPart is some of the requests, in the order in which they came.
type savedPart struct{ Requests []savedRequest }

type savedRequest struct {
	ID       RequestID
	Profile  int
	Group    int // -1: leased
	Seq      uint64
	Accepted int64
	Due      int64
	Size     int64
	File     int64
	Block    int64
	Rank     int32
	Priority int32
	Admin    int16
	Kind     Kind
	Held     bool
	Urged    bool
	Scar     scar
	Copies   []Copy
}

// partSize is how many requests are in a part.
const partSize = 4096

// Snapshot writes the whole state of the machine. What Restore makes of it decides as this machine does.
func (m *Machine) Snapshot(w io.Writer) error {
	buf := bufio.NewWriterSize(w, 1<<16)
	e := gob.NewEncoder(buf)
	head, groups, profiles := m.head()
	if err := e.Encode(head); err != nil {
		return fmt.Errorf("snapshot of the queue: %w", err)
	}
	all := m.inOrder()
	for len(all) > 0 {
		n := min(len(all), partSize)
		part := savedPart{make([]savedRequest, n)}
		for i, r := range all[:n] {
			s := savedRequest{ID: r.id, Profile: profiles[r.profile], Group: -1, Seq: r.seq, Accepted: r.accepted, Due: r.due, Size: r.size, File: r.file, Block: r.block,
				Rank: r.rank, Priority: r.priority, Admin: r.admin, Kind: r.kind, Held: r.held, Urged: r.urged, Scar: m.scars[r.id], Copies: m.copies[r.id]}
			if r.lease == nil {
				s.Group = groups[r.lane.group]
			}
			part.Requests[i] = s
		}
		if err := e.Encode(part); err != nil {
			return fmt.Errorf("snapshot of the queue: %w", err)
		}
		all = all[n:]
	}
	if err := buf.Flush(); err != nil {
		return fmt.Errorf("snapshot of the queue: %w", err)
	}
	return nil
}

func (m *Machine) inOrder() []*request {
	all := make([]*request, 0, len(m.requests))
	for _, r := range m.requests {
		all = append(all, r)
	}
	slices.SortFunc(all, compareRequests)
	return all
}

func (m *Machine) head() (savedHead, map[*group]int, map[*profile]int) {
	settings, _ := json.Marshal(m.s) // plain numbers and texts
	h := savedHead{Version: snapshotVersion, Settings: settings, Now: m.now, Seq: m.seq, LastLease: m.lastLease, Requests: len(m.requests), Past: m.past.save()}
	profiles := map[*profile]int{}
	for i, p := range sortedProfiles(m.profiles) {
		profiles[p] = i
		h.Profiles = append(h.Profiles, p.fields)
	}
	trees := map[*fairshare.Tree]int{}
	for _, p := range m.pools {
		s := savedPool{Name: p.name, Reads: p.holdReads, Writes: p.holdWrites, Why: p.holdWhy, Who: p.holdWho}
		n, known := trees[p.tree]
		if !known {
			n = len(trees)
			trees[p.tree], s.Accounts = n, p.tree.Accounts()
		}
		s.Tree = n
		h.Pools = append(h.Pools, s)
	}
	for _, d := range m.drives {
		s := savedDrive{Name: d.name, Ready: d.ready, Since: d.since, Strikes: saveStrikes(d.strikes), Blamed: d.blamed, Coming: d.coming}
		if d.robot != nil {
			s.Robot = d.robot.name
		}
		for _, p := range d.pools {
			s.Pools = append(s.Pools, p.name)
		}
		for _, v := range d.holds {
			s.Holds = append(s.Holds, v.name)
		}
		h.Drives = append(h.Drives, s)
	}
	for _, name := range sortedKeys(m.volumes) {
		v := m.volumes[name]
		s := savedVolume{Name: v.name, Family: v.family, Blocked: v.blocked, Strikes: saveStrikes(v.strikes), Blamed: v.blamed}
		if v.home != nil {
			s.Home = v.home.name
		}
		h.Volumes = append(h.Volumes, s)
	}
	groups := m.saveGroups(&h)
	for _, id := range sortedLeases(m.leases) {
		h.Leases = append(h.Leases, saveLease(m.leases[id], groups))
	}
	h.Datasets = m.saveDatasets()
	return h, groups, profiles
}

func (m *Machine) saveGroups(h *savedHead) map[*group]int {
	all := make([]*group, 0, len(m.groups))
	for _, g := range m.groups {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *group) int { return compareKeys(a.key, b.key) })
	groups := make(map[*group]int, len(all))
	for i, g := range all {
		groups[g] = i
		h.Groups = append(h.Groups, savedGroup{Library: g.key.library, Volume: g.key.volume, Family: g.key.family, Named: g.family, Pool: g.pool.name,
			Width: g.width, Turn: g.turn, Swept: savedPlace{g.swept.admin, g.swept.rank, g.swept.file, g.swept.block, g.swept.due, g.swept.seq}, Moving: g.moving})
	}
	for _, p := range m.pools {
		for _, g := range p.roomless {
			h.Roomless = append(h.Roomless, groups[g])
		}
	}
	return groups
}

func saveLease(l *lease, groups map[*group]int) savedLease {
	s := savedLease{ID: l.id, Drive: l.drive.name, Group: -1, Begun: l.begun, Files: l.files, Bytes: l.bytes, Room: l.room, Wanting: l.wanting, Mounting: l.mounting,
		Preempted: l.preempted, Admin: l.admin, Ordinary: l.ordinary, Charged: l.charged}
	if l.volume != nil {
		s.Volume = l.volume.name
	}
	if l.group == nil {
		return s
	}
	s.Group, s.Leaf = groups[l.group], l.leaf.Names()
	for _, spent := range l.shares {
		s.Shares = append(s.Shares, savedSpending{spent.leaf.Names(), spent.time})
	}
	for _, r := range l.requests {
		s.Requests = append(s.Requests, r.id)
	}
	return s
}

func (m *Machine) saveDatasets() []savedDataset {
	all := make([]savedDataset, 0, len(m.datasets))
	for _, d := range m.datasets {
		all = append(all, savedDataset{d.key.name, d.key.family, d.total, d.left, d.due})
	}
	slices.SortFunc(all, func(a, b savedDataset) int {
		return compareKeys(groupKey{Library(a.Name), "", a.Family}, groupKey{Library(b.Name), "", b.Family})
	})
	return all
}

func saveStrikes(all []strike) []savedStrike {
	var out []savedStrike
	for _, s := range all {
		out = append(out, savedStrike{s.drive, s.volume, s.at})
	}
	return out
}

func loadStrikes(all []savedStrike) []strike {
	var out []strike
	for _, s := range all {
		out = append(out, strike{s.Drive, s.Volume, s.At})
	}
	return out
}

// Restore makes the machine of which a snapshot was written. What is not a whole snapshot is ErrSnapshot.
func Restore(r io.Reader) (*Machine, error) {
	m, err := restore(gob.NewDecoder(bufio.NewReaderSize(r, 1<<16)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	return m, nil
}

func restore(d *gob.Decoder) (*Machine, error) {
	var h savedHead
	if err := d.Decode(&h); err != nil {
		return nil, err
	}
	if h.Version != snapshotVersion {
		return nil, fmt.Errorf("version %d, this program reads %d", h.Version, snapshotVersion)
	}
	var s Settings
	if err := json.Unmarshal(h.Settings, &s); err != nil {
		return nil, err
	}
	m, err := New(s)
	if err != nil {
		return nil, err
	}
	l := &loader{m: m, h: &h}
	if err := l.places(); err != nil {
		return nil, err
	}
	if err := l.requests(d); err != nil {
		return nil, err
	}
	if err := l.leases(); err != nil {
		return nil, err
	}
	l.finish()
	return m, nil
}

// loader puts a machine together. Whatever does not fit is an error: a snapshot may be damaged in ways that no checksum saw.
type loader struct {
	m        *Machine
	h        *savedHead
	profiles []*profile
	groups   []*group
	group    map[*request]*group
	trees    []*fairshare.Tree
}

var errOdd = errors.New("parts that do not fit each other")

// places makes pools, robots, drives, volumes and groups.
func (l *loader) places() error {
	m, h := l.m, l.h
	m.now, m.seq, m.lastLease = h.Now, h.Seq, h.LastLease
	m.past.load(h.Past)
	for _, s := range h.Pools {
		p := m.pool(s.Name)
		p.holdReads, p.holdWrites, p.holdWhy, p.holdWho = s.Reads, s.Writes, s.Why, s.Who
		switch {
		case s.Tree == len(l.trees):
			l.trees = append(l.trees, fairshare.NewTree(m.rules.shares))
		case s.Tree < 0 || s.Tree > len(l.trees):
			return errOdd
		}
		p.join(l.trees[s.Tree])
	}
	for _, s := range h.Volumes {
		v := m.volume(s.Name)
		v.family, v.blocked, v.strikes, v.blamed = s.Family, s.Blocked, loadStrikes(s.Strikes), s.Blamed
		if s.Home != "" {
			v.home = m.pool(s.Home)
		}
		if len(v.strikes) > 0 {
			m.suspects = append(m.suspects, v)
		}
		m.expect(v.strikes)
	}
	for _, s := range h.Drives {
		d := m.addDrive(s.Name)
		d.ready, d.since, d.strikes, d.blamed, d.coming = s.Ready, s.Since, loadStrikes(s.Strikes), s.Blamed, s.Coming
		for _, name := range s.Pools {
			d.pools = append(d.pools, m.pool(name))
		}
		for _, name := range s.Holds {
			v := m.volume(name)
			if v.drive != nil {
				return errOdd
			}
			v.drive = d
			d.holds = append(d.holds, v)
		}
		m.assign(d, s.Robot)
		m.expect(d.strikes)
	}
	for _, s := range h.Groups {
		key := groupKey{s.Library, s.Volume, s.Family}
		if m.groups[key] != nil {
			return errOdd
		}
		g := &group{key: key, write: s.Volume == "", family: s.Named, pool: m.pool(s.Pool), width: s.Width, turn: s.Turn, moving: s.Moving, roomAt: -1,
			swept: place{s.Swept.Admin, s.Swept.Rank, s.Swept.File, s.Swept.Block, s.Swept.Due, s.Swept.Seq}}
		if !g.write {
			g.volume = m.volume(s.Volume)
			g.volume.reads = g
		}
		m.groups[key] = g
		l.groups = append(l.groups, g)
	}
	for _, i := range h.Roomless {
		if i < 0 || i >= len(l.groups) {
			return errOdd
		}
		m.refuse(l.groups[i])
	}
	return nil
}

// expect sets the timers of strikes.
func (m *Machine) expect(all []strike) {
	for _, k := range all {
		m.timers.add(k.at+int64(m.s.StrikeTime), timer{strike: true})
	}
}

func (l *loader) requests(d *gob.Decoder) error {
	m, h := l.m, l.h
	for _, f := range h.Profiles {
		p := &profile{fields: f, pool: m.pool(Library(f.Library))}
		m.profiles[f] = p
		l.profiles = append(l.profiles, p)
	}
	for _, s := range h.Datasets {
		key := datasetKey{s.Name, s.Family}
		m.datasets[key] = &dataset{key: key, total: s.Total, left: s.Left, due: s.Due}
	}
	l.group = map[*request]*group{} // h.Requests is not to be trusted with memory
	for len(m.requests) < h.Requests {
		var part savedPart
		if err := d.Decode(&part); err != nil {
			return err
		}
		if len(part.Requests) == 0 {
			return errOdd
		}
		for _, s := range part.Requests {
			if s.Profile < 0 || s.Profile >= len(l.profiles) || s.Group < -1 || s.Group >= len(l.groups) || m.requests[s.ID] != nil {
				return errOdd
			}
			l.request(s)
		}
	}
	return nil
}

func (l *loader) request(s savedRequest) {
	m, p := l.m, l.profiles[s.Profile]
	p.users++
	r := &request{id: s.ID, profile: p, seq: s.Seq, accepted: s.Accepted, due: s.Due, size: s.Size, file: s.File, block: s.Block, rank: s.Rank,
		priority: s.Priority, admin: s.Admin, kind: s.Kind, held: s.Held, urged: s.Urged}
	m.requests[s.ID] = r
	if s.Scar != (scar{}) {
		m.scars[s.ID] = s.Scar
	}
	if len(s.Copies) > 0 {
		m.copies[s.ID] = s.Copies
	}
	if d := m.dataset(r); d != nil {
		if r.next = d.first; r.next != nil {
			r.next.prev = r
		}
		d.first = r
	}
	if s.Group >= 0 {
		g := l.groups[s.Group]
		l.group[r] = g
		r.lane = &lane{group: g} // rebuild finds the right one
	}
}

func (l *loader) leases() error {
	m := l.m
	for _, s := range l.h.Leases {
		d := m.drive(s.Drive)
		if d == nil || d.lease != nil || m.leases[s.ID] != nil || s.Group < -1 || s.Group >= len(l.groups) {
			return errOdd
		}
		x := &lease{id: s.ID, drive: d, begun: s.Begun, files: s.Files, bytes: s.Bytes, room: s.Room, wanting: s.Wanting, mounting: s.Mounting,
			preempted: s.Preempted, admin: s.Admin, ordinary: s.Ordinary, charged: s.Charged}
		if s.Volume != "" {
			v := m.volume(s.Volume)
			if v.lease != nil {
				return errOdd
			}
			v.lease, x.volume = x, v
		}
		m.leases[s.ID], d.lease = x, x
		if r := d.robot; r != nil {
			r.active++
			if s.Mounting {
				r.mounting++
			}
		}
		if s.Group < 0 {
			continue
		}
		x.group = l.groups[s.Group]
		x.group.leases = append(x.group.leases, x)
		t := x.group.pool.tree
		if x.leaf = t.Make(s.Leaf); x.leaf == nil {
			return errOdd
		}
		for _, k := range s.Shares {
			leaf := t.Make(k.Leaf)
			if leaf == nil {
				return errOdd
			}
			x.shares = append(x.shares, spending{leaf, k.Time})
		}
		for _, id := range s.Requests {
			r := m.requests[id]
			if r == nil || r.lease != nil || l.group[r] != nil {
				return errOdd
			}
			r.lease = x
			x.requests = append(x.requests, r)
		}
	}
	for _, r := range m.requests {
		if r.lease == nil && r.lane == nil {
			return errOdd
		}
	}
	return nil
}

// finish makes what follows from the rest.
func (l *loader) finish() {
	m := l.m
	for _, g := range l.groups { // their order is that of the drives' leases only by chance
		slices.SortFunc(g.leases, func(a, b *lease) int { return int(int64(a.id) - int64(b.id)) })
	}
	for _, d := range m.drives {
		if d.ready && m.s.Rest > 0 && d.mounted() != nil {
			m.timers.add(d.since+int64(m.s.Rest), timer{drive: d.name})
		}
		m.list(d)
	}
	m.rebuild()
	for _, s := range l.h.Pools {
		if s.Accounts != nil {
			m.pool(s.Name).tree.Restore(s.Accounts)
		}
	}
}

func compareKeys(a, b groupKey) int {
	for _, c := range [...][2]string{
		{string(a.library), string(b.library)}, {string(a.volume), string(b.volume)}, {a.family.Group, b.family.Group},
		{a.family.Family, b.family.Family}, {a.family.Wrapper, b.family.Wrapper},
	} {
		if c[0] != c[1] {
			if c[0] < c[1] {
				return -1
			}
			return 1
		}
	}
	return 0
}

func sortedKeys[K ~string, V any](all map[K]V) []K {
	keys := make([]K, 0, len(all))
	for k := range all {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
