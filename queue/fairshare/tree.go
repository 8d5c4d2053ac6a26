package fairshare

import (
	"cmp"
	"slices"
	"time"

	"github.com/enstore-go/sdk/queue/match"
)

// Credit is how much drive time a share of weight 1 may be behind the others, at most, when it has work again.
const Credit = time.Hour

// Tree keeps the accounts of those who share the same drives.
type Tree struct {
	root  *Node
	views []*View
}

// Node is a share in a Tree. Those without others in them are leaves, and only they have requests.
type Node struct {
	name   string
	rule   *rule
	parent *Node
	kids   map[string]*Node
	users  int   // requests and drives that hold it, those of the kids included
	active int   // drives in use
	used   int64 // drive time in ns, for each unit of weight
	now    int64 // what the kid whose turn was last had used then
}

// NewTree makes a tree without any use. Nil rules: everybody is in one share.
func NewTree(r *Rules) *Tree {
	if r == nil {
		r = &Rules{root: &rule{Share: Share{Weight: 1}}}
	}
	return &Tree{root: &Node{rule: r.root}}
}

// Leaf finds the leaf for a request, and makes it if need be. It stays as long as Hold says, or it has drives.
func (t *Tree) Leaf(f *match.Fields) *Node {
	n := t.root
	for len(n.rule.kids) > 0 || n.rule.Each != "" {
		n = n.kid(f)
	}
	return n
}

func (n *Node) kid(f *match.Fields) *Node {
	name, r := other, (*rule)(nil)
	for _, k := range n.rule.kids {
		if k.match.Matches(f) {
			name, r = k.Name, k
			break
		}
	}
	if r == nil && n.rule.Each != "" {
		name, _ = f.Get(n.rule.Each)
		name = "=" + name // not to be taken for the name of a share
	}
	if k := n.kids[name]; k != nil {
		return k
	}
	if r == nil {
		r = &rule{Share: Share{Name: name, Weight: 1}}
	}
	return n.add(name, r)
}

func (n *Node) add(name string, r *rule) *Node {
	k := &Node{name: name, rule: r, parent: n, used: n.now}
	if n.kids == nil {
		n.kids = map[string]*Node{}
	}
	n.kids[name] = k
	return k
}

// Path names a node from the whole downwards, "cms/alice"; the whole is "".
func (n *Node) Path() string {
	if n.parent == nil {
		return ""
	}
	name := n.name
	if name[0] == '=' {
		name = name[1:]
	}
	return join(n.parent.Path(), name)
}

// Names are the names on the way from the whole to a node, as Make takes them.
func (n *Node) Names() []string {
	var names []string
	for ; n.parent != nil; n = n.parent {
		names = append(names, n.name)
	}
	slices.Reverse(names)
	return names
}

// Make finds a leaf by what Names gave, or makes it. Nil: the rules have no such leaf any more.
func (t *Tree) Make(names []string) *Node {
	n := t.root
	for _, name := range names {
		k := n.kids[name]
		if k == nil {
			k = n.make(name)
		}
		if k == nil {
			return nil
		}
		n = k
	}
	if len(n.rule.kids) > 0 || n.rule.Each != "" {
		return nil
	}
	return n
}

// make makes a kid by its name, if there may be one of that name.
func (n *Node) make(name string) *Node {
	var r *rule
	if i := slices.IndexFunc(n.rule.kids, func(k *rule) bool { return k.Name == name }); i >= 0 {
		r = n.rule.kids[i]
	} else if dynamic := n.rule.Each != "" && name != "" && name[0] == '='; dynamic || n.rule.Each == "" && name == other && len(n.rule.kids) > 0 {
		r = &rule{Share: Share{Name: name, Weight: 1}}
	} else {
		return nil
	}
	return n.add(name, r)
}

// Active is how many drives it has.
func (n *Node) Active() int { return n.active }

// Least is how many drives it is guaranteed.
func (n *Node) Least() int { return n.rule.Least }

// Most is how many drives it may have, 0 if there is no limit.
func (n *Node) Most() int { return n.rule.Most }

// Weight is its weight against those beside it.
func (n *Node) Weight() int { return max(n.rule.Weight, 1) }

// Used is the drive time that it was charged, for each unit of weight.
func (n *Node) Used() time.Duration { return time.Duration(n.used) }

// Parent is the share that it is in, nil for the whole.
func (n *Node) Parent() *Node { return n.parent }

// Full gives the share, itself or one that it is in, that has all the drives it may; nil if it may have one more.
func (n *Node) Full() *Node {
	for ; n != nil; n = n.parent {
		if n.full() {
			return n
		}
	}
	return nil
}

// Owed gives the share, itself or one that it is in, that has fewer drives than it is guaranteed; nil if there is none.
func (n *Node) Owed() *Node {
	for ; n != nil; n = n.parent {
		if n.owed() {
			return n
		}
	}
	return nil
}

func (n *Node) full() bool { return n.rule.Most > 0 && n.active >= n.rule.Most }
func (n *Node) owed() bool { return n.active < n.rule.Least }

// Hold keeps a leaf: somebody waits in it.
func (t *Tree) Hold(leaf *Node) {
	for n := leaf; n != nil; n = n.parent {
		n.users++
	}
}

// Drop takes Hold back. A leaf that nobody holds is forgotten with its account.
func (t *Tree) Drop(leaf *Node) {
	for n := leaf; n != nil; n = n.parent {
		if n.users--; n.users == 0 && n.parent != nil {
			delete(n.parent.kids, n.name)
			for _, v := range t.views {
				delete(v.branches, n)
			}
		}
	}
}

// Begin gives a leaf a drive, and charges it what it will use, about.
func (t *Tree) Begin(leaf *Node, charge time.Duration) {
	t.Hold(leaf)
	for n := leaf; n != nil; n = n.parent {
		n.active++
		if n.parent != nil { // one that was away claims no more than Credit for that
			n.used = max(n.used, n.parent.now-int64(Credit)/int64(n.Weight()))
			n.parent.now = max(n.parent.now, n.used)
		}
		n.used += n.charge(charge)
	}
	t.moved(leaf)
}

// End takes the drive back. What was charged at its beginning is replaced by what was used.
func (t *Tree) End(leaf *Node, charged, used time.Duration) {
	for n := leaf; n != nil; n = n.parent {
		n.active--
		n.used += n.charge(used) - n.charge(charged)
	}
	t.moved(leaf)
	t.Drop(leaf)
}

// Charge charges a leaf for what was done for it on the drive of another one, or less than nothing.
func (t *Tree) Charge(leaf *Node, d time.Duration) {
	for n := leaf; n != nil; n = n.parent {
		n.used += n.charge(d)
	}
	t.moved(leaf)
}

func (n *Node) charge(d time.Duration) int64 { return int64(d) / int64(n.Weight()) }

// moved puts a node and those above it where they belong in all views.
func (t *Tree) moved(leaf *Node) {
	for _, v := range t.views {
		for n := leaf; n.parent != nil; n = n.parent {
			v.place(n)
		}
	}
}

// Before tells whether it is rather a's turn than b's: two different leaves of one tree.
func Before(a, b *Node) bool {
	pa, pb := a.line(), b.line()
	for i := range min(len(pa), len(pb)) {
		if pa[i] != pb[i] {
			return pa[i].before(pb[i])
		}
	}
	return len(pa) < len(pb)
}

// line is the nodes from the root to this one.
func (n *Node) line() []*Node {
	var l []*Node
	for ; n != nil; n = n.parent {
		l = append(l, n)
	}
	slices.Reverse(l)
	return l
}

func (n *Node) before(o *Node) bool {
	if n.owed() != o.owed() {
		return n.owed()
	}
	if n.used != o.used {
		return n.used < o.used
	}
	return n.name < o.name
}

// Account is what a tree must remember of a node.
type Account struct {
	Path []string      `json:"path"` // names as the tree has them
	Used time.Duration `json:"used"`
	Now  time.Duration `json:"now"`
}

// Accounts gives the accounts of all nodes, in order.
func (t *Tree) Accounts() []Account {
	var all []Account
	var walk func(n *Node, path []string)
	walk = func(n *Node, path []string) {
		all = append(all, Account{path, time.Duration(n.used), time.Duration(n.now)})
		names := make([]string, 0, len(n.kids))
		for name := range n.kids {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			walk(n.kids[name], append(slices.Clone(path), name))
		}
	}
	walk(t.root, nil)
	return all
}

// Restore sets the accounts of nodes that are there; those of others are passed over. Views keep what was offered.
func (t *Tree) Restore(all []Account) {
	for _, a := range all {
		n := t.root
		for _, name := range a.Path {
			if n = n.kids[name]; n == nil {
				break
			}
		}
		if n != nil {
			n.used, n.now = int64(a.Used), int64(a.Now)
		}
	}
	for _, v := range t.views {
		v.rebuild()
	}
}

// View is the leaves of a tree that could use a drive just now, of one kind.
type View struct {
	tree     *Tree
	branches map[*Node]*branch
}

// branch is a node in a view: it is among its parent's candidates at index at, or -1.
type branch struct {
	node    *Node
	offered bool // a leaf that was offered
	kids    []*branch
	at      int
}

// View makes a view without leaves.
func (t *Tree) View() *View {
	v := &View{tree: t, branches: map[*Node]*branch{}}
	t.views = append(t.views, v)
	return v
}

func (v *View) branch(n *Node) *branch {
	b := v.branches[n]
	if b == nil {
		b = &branch{node: n, at: -1}
		v.branches[n] = b
	}
	return b
}

// Offer says that a leaf has something that could run.
func (v *View) Offer(leaf *Node) {
	if b := v.branch(leaf); !b.offered {
		b.offered = true
		v.place(leaf)
	}
}

// Withdraw says that it has nothing any more.
func (v *View) Withdraw(leaf *Node) {
	if b := v.branches[leaf]; b != nil && b.offered {
		b.offered = false
		v.place(leaf)
	}
}

// place puts a node where it belongs, and those above it as far as they change.
func (v *View) place(n *Node) {
	for ; n.parent != nil; n = n.parent {
		b := v.branches[n]
		if b == nil {
			return
		}
		up := v.branch(n.parent)
		wants := (b.offered || len(b.kids) > 0) && !n.full()
		switch {
		case wants && b.at < 0:
			b.at = len(up.kids)
			up.kids = append(up.kids, b)
			up.fix(b.at)
		case wants:
			up.fix(b.at)
		case b.at >= 0:
			up.remove(b)
		}
	}
}

// rebuild puts everything into order after all accounts changed.
func (v *View) rebuild() {
	for _, b := range v.branches {
		slices.SortFunc(b.kids, func(x, y *branch) int {
			if x.node.before(y.node) {
				return -1
			}
			return 1
		})
		for i, k := range b.kids {
			k.at = i
		}
	}
}

// First is the leaf whose turn it is, nil if none was offered, or all that were have as many drives as they may.
func (v *View) First() *Node {
	b := v.branches[v.tree.root]
	if b == nil || b.node.full() {
		return nil
	}
	for len(b.kids) > 0 {
		b = b.kids[0]
	}
	if !b.offered {
		return nil
	}
	return b.node
}

func (b *branch) fix(i int) {
	if !b.down(i) {
		b.up(i)
	}
}

func (b *branch) swap(i, j int) {
	b.kids[i], b.kids[j] = b.kids[j], b.kids[i]
	b.kids[i].at, b.kids[j].at = i, j
}

func (b *branch) up(i int) {
	for i > 0 {
		p := (i - 1) / 2
		if !b.kids[i].node.before(b.kids[p].node) {
			return
		}
		b.swap(i, p)
		i = p
	}
}

func (b *branch) down(i int) bool {
	from := i
	for {
		c := 2*i + 1
		if c >= len(b.kids) {
			break
		}
		if c+1 < len(b.kids) && b.kids[c+1].node.before(b.kids[c].node) {
			c++
		}
		if !b.kids[c].node.before(b.kids[i].node) {
			break
		}
		b.swap(i, c)
		i = c
	}
	return i > from
}

func (b *branch) remove(k *branch) {
	i, last := k.at, len(b.kids)-1
	b.swap(i, last)
	b.kids[last] = nil
	b.kids = b.kids[:last]
	k.at = -1
	if i < last {
		b.fix(i)
	}
}

// Nodes lists the shares of a tree from the whole downwards, those beside each other by name.
func (t *Tree) Nodes() []*Node {
	all := []*Node{t.root}
	for i := 0; i < len(all); i++ {
		kids := make([]*Node, 0, len(all[i].kids))
		for _, k := range all[i].kids {
			kids = append(kids, k)
		}
		slices.SortFunc(kids, func(a, b *Node) int { return cmp.Compare(a.name, b.name) })
		all = append(all, kids...)
	}
	return all
}
