package queue

import (
	"math/bits"
	"slices"
	"time"

	"github.com/enstore-go/sdk/queue/discipline"
	"github.com/enstore-go/sdk/queue/fairshare"
	"github.com/enstore-go/sdk/queue/match"
)

// configured takes new settings. Everything that was made by the old rules is made anew; who had used how much is kept for the shares that are
// still there.
func (m *Machine) configured(s Settings) error {
	step := int64(m.s.AgeStep)
	if err := m.configure(s); err != nil {
		return err
	}
	for _, r := range m.requests {
		r.due += int64(r.priority) * (step - int64(m.s.AgeStep))
	}
	accounts := map[*fairshare.Tree][]fairshare.Account{}
	fresh := map[*fairshare.Tree]*fairshare.Tree{}
	for _, p := range m.pools {
		old := p.tree
		if fresh[old] == nil {
			fresh[old] = fairshare.NewTree(m.rules.shares)
			accounts[fresh[old]] = old.Accounts()
		}
		p.join(fresh[old])
	}
	m.rebuild()
	for _, p := range m.pools {
		p.tree.Restore(accounts[p.tree])
	}
	return nil
}

// merge makes the pools of two trees one.
func (m *Machine) merge(a, b *fairshare.Tree) {
	t := fairshare.NewTree(m.rules.shares)
	first, second := b.Accounts(), a.Accounts()
	for _, p := range m.pools {
		if p.tree == a || p.tree == b {
			p.join(t)
		}
	}
	m.rebuild()
	t.Restore(first)
	t.Restore(second)
}

// rebuild makes anew what follows from requests, leases, drives and rules: profiles, lanes, counters, heaps and what the shares have in
// use. The pools have their trees already, without any use.
func (m *Machine) rebuild() {
	m.counters, m.opened = map[discipline.Key]*counter{}, nil
	for _, p := range m.pools {
		p.picky = nil
	}
	waiting := map[*group][]*request{}
	for _, r := range m.requests {
		if r.lease == nil {
			waiting[r.lane.group] = append(waiting[r.lane.group], r)
		}
	}
	for _, p := range sortedProfiles(m.profiles) {
		m.resolve(p)
	}
	for _, r := range m.requests {
		r.profile.pool.tree.Hold(r.profile.leaf)
	}
	for _, id := range sortedLeases(m.leases) {
		m.resettle(m.leases[id])
	}
	for _, g := range m.groups {
		g.lanes, g.n, g.held, g.bytes = nil, 0, 0, 0
		if g.parked != NoRoom {
			g.parked = Runnable
		}
		rs := waiting[g]
		slices.SortFunc(rs, compareRequests)
		for _, r := range rs {
			r.lane = m.lane(g, r.profile)
			if r.held {
				r.lane.held++
				g.held++
			} else {
				m.insert(r)
			}
		}
	}
	for _, r := range m.robots {
		r.most = -1
		if n, ok := m.rules.limits.Robot(r.name); ok {
			r.most = n
		}
		for _, d := range r.drives {
			m.unlist(d)
			m.list(d)
		}
	}
	for _, g := range m.groups {
		m.touch(g)
	}
}

// resettle finds the shares and limits of a lease anew.
func (m *Machine) resettle(l *lease) {
	if l.group == nil {
		return
	}
	t := l.group.pool.tree
	again := func(old *fairshare.Node) *fairshare.Node {
		if n := t.Make(old.Names()); n != nil {
			return n
		}
		return t.Leaf(&match.Fields{})
	}
	l.leaf = again(l.leaf)
	t.Begin(l.leaf, time.Duration(l.charged))
	spent := l.shares
	l.shares = nil
	for _, s := range spent {
		l.spend(again(s.leaf), s.time)
	}
	l.counts = nil
	for _, r := range l.requests {
		for _, c := range r.profile.keys {
			l.count(c, 1)
		}
	}
}

func sortedLeases(all map[LeaseID]*lease) []LeaseID {
	ids := make([]LeaseID, 0, len(all))
	for id := range all {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func sortedProfiles(all map[match.Fields]*profile) []*profile {
	ps := make([]*profile, 0, len(all))
	for _, p := range all {
		ps = append(ps, p)
	}
	slices.SortFunc(ps, func(a, b *profile) int { return compareFields(&a.fields, &b.fields) })
	return ps
}

func compareFields(a, b *match.Fields) int {
	for _, name := range match.Names() {
		x, _ := a.Get(name)
		y, _ := b.Get(name)
		if x != y {
			if x < y {
				return -1
			}
			return 1
		}
	}
	return 0
}

// mulDiv is a x b / c for b <= c, without overflow.
func mulDiv(a, b, c int64) int64 {
	hi, lo := bits.Mul64(uint64(max(a, 0)), uint64(max(b, 0)))
	if hi >= uint64(c) {
		return a
	}
	q, _ := bits.Div64(hi, lo, uint64(c))
	return int64(q)
}
