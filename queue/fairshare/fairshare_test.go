package fairshare_test

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"
	"pgregory.net/rapid"

	"github.com/enstore-go/sdk/queue/fairshare"
	"github.com/enstore-go/sdk/queue/match"
)

func compile(t testing.TB, shares ...fairshare.Share) *fairshare.Rules {
	t.Helper()
	r, err := fairshare.Compile(shares)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func group(name string) match.Pattern { return match.Pattern{"storage_group": name} }

func Example() {
	rules, err := fairshare.Compile([]fairshare.Share{
		{Name: "cms", Match: match.Pattern{"storage_group": "cms"}, Weight: 3, Each: "user"},
		{Name: "rest", Weight: 1},
	})
	if err != nil {
		panic(err)
	}
	tree := fairshare.NewTree(rules)
	view := tree.View()
	view.Offer(tree.Leaf(&match.Fields{Group: "cms", User: "alice"}))
	view.Offer(tree.Leaf(&match.Fields{Group: "cms", User: "bob"}))
	view.Offer(tree.Leaf(&match.Fields{Group: "minos"}))
	for range 8 {
		first := view.First()
		tree.Begin(first, time.Hour)
		fmt.Print(first.Path(), " ")
	}
	// Output: cms/alice rest cms/bob cms/alice cms/bob rest cms/alice cms/bob
}

// end is a drive that will be given back.
type end struct {
	at   int64
	leaf *fairshare.Node
	used time.Duration
}

type ends []end

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].at < e[j].at }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)        { *e = append(*e, x.(end)) }
func (e *ends) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// Shares that always have work get drive time in proportion to their weights, however long their leases are.
func TestProportion(t *testing.T) {
	weights := []int{1, 2, 5}
	lengths := []time.Duration{time.Hour, 10 * time.Minute, 20 * time.Minute} // mean lease of each
	var shares []fairshare.Share
	for i, w := range weights {
		shares = append(shares, fairshare.Share{Name: fmt.Sprint("s", i), Match: group(fmt.Sprint("g", i)), Weight: w})
	}
	tree := fairshare.NewTree(compile(t, shares...))
	view := tree.View()
	var leaves []*fairshare.Node
	for i := range weights {
		leaves = append(leaves, tree.Leaf(&match.Fields{Group: fmt.Sprint("g", i)}))
		tree.Hold(leaves[i])
		view.Offer(leaves[i])
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var busy ends
	used := make([]time.Duration, len(weights))
	const charge = 20 * time.Minute
	now := int64(0)
	for range 20_000 {
		for len(busy) < 8 {
			leaf := view.First()
			tree.Begin(leaf, charge)
			i := slices.Index(leaves, leaf)
			took := time.Duration(rnd.ExpFloat64() * float64(lengths[i]))
			used[i] += took
			heap.Push(&busy, end{now + int64(took), leaf, took})
		}
		e := heap.Pop(&busy).(end)
		now = e.at
		tree.End(e.leaf, charge, e.used)
	}
	for i := range weights {
		per, first := used[i]/time.Duration(weights[i]), used[0]/time.Duration(weights[0])
		if d := (per - first).Abs(); d > 12*time.Hour { // of 25,000 hours: what is in use just now is not equal
			t.Errorf("share %d: %v for each unit of weight, share 0 %v", i, per, first)
		}
	}
}

func TestGuaranteesComeFirstAndMostIsNeverPassed(t *testing.T) {
	is := is.New(t)
	tree := fairshare.NewTree(compile(t,
		fairshare.Share{Name: "a", Match: group("a"), Weight: 100, Most: 3},
		fairshare.Share{Name: "b", Match: group("b"), Least: 2},
	))
	view := tree.View()
	a, b := tree.Leaf(&match.Fields{Group: "a"}), tree.Leaf(&match.Fields{Group: "b"})
	tree.Hold(a)
	tree.Hold(b)
	view.Offer(a)
	view.Offer(b)
	var order []string
	for range 6 {
		n := view.First()
		tree.Begin(n, time.Hour)
		order = append(order, n.Path())
	}
	is.Equal(order, []string{"b", "b", "a", "a", "a", "b"})
	is.Equal(a.Full(), a)
	view.Withdraw(b)
	is.Equal(view.First(), nil)
	tree.End(a, time.Hour, time.Hour)
	is.Equal(view.First(), a)
}

// Whoever comes back after a long time does not take everything for as long as it was away.
func TestCreditIsBounded(t *testing.T) {
	is := is.New(t)
	tree := fairshare.NewTree(compile(t, fairshare.Share{Name: "a", Match: group("a")}, fairshare.Share{Name: "b", Match: group("b")}))
	view := tree.View()
	a, b := tree.Leaf(&match.Fields{Group: "a"}), tree.Leaf(&match.Fields{Group: "b"})
	tree.Hold(a)
	tree.Hold(b)
	view.Offer(a)
	for range 1000 {
		tree.Begin(a, time.Hour)
		tree.End(a, time.Hour, time.Hour)
	}
	view.Offer(b)
	n := 0
	for view.First() == b {
		tree.Begin(b, 10*time.Minute)
		n++
	}
	is.True(n > 0)
	is.True(n <= 13) // an hour's credit, and the hour by which a is ahead
}

func TestAccountsAreRestored(t *testing.T) {
	is := is.New(t)
	rules := compile(t, fairshare.Share{Name: "a", Match: group("a"), Each: "user"}, fairshare.Share{Name: "b", Match: group("b")})
	one, two := fairshare.NewTree(rules), fairshare.NewTree(rules)
	var leaves [2][]*fairshare.Node
	var views []*fairshare.View
	for i, tree := range []*fairshare.Tree{one, two} {
		v := tree.View()
		views = append(views, v)
		for _, f := range []match.Fields{{Group: "a", User: "u"}, {Group: "a", User: "v"}, {Group: "b"}, {Group: "c"}} {
			leaf := tree.Leaf(&f)
			tree.Hold(leaf)
			v.Offer(leaf)
			leaves[i] = append(leaves[i], leaf)
		}
	}
	for i := range 37 {
		leaf := views[0].First()
		one.Begin(leaf, time.Minute*time.Duration(i))
		one.End(leaf, time.Minute*time.Duration(i), time.Minute)
	}
	two.Restore(one.Accounts())
	is.Equal(two.Accounts(), one.Accounts())
	for range 20 {
		a, b := views[0].First(), views[1].First()
		is.Equal(a.Path(), b.Path())
		one.Begin(a, time.Minute)
		two.Begin(b, time.Minute)
	}
}

// The heaps of the views agree with a search of all leaves, whatever happens.
func TestViewsAgreeWithASearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, err := fairshare.Compile([]fairshare.Share{
			{Name: "a", Match: group("a"), Weight: 3, Most: 4, Each: "user", Shares: []fairshare.Share{{Name: "boss", Match: match.Pattern{"user": "boss"}, Least: 1}}},
			{Name: "b", Match: group("b"), Least: 2, Most: 3},
			{Name: "c", Match: group("c"), Each: "host"},
		})
		if err != nil {
			t.Fatal(err)
		}
		tree := fairshare.NewTree(rules)
		views := []*fairshare.View{tree.View(), tree.View()}
		var leaves []*fairshare.Node
		for _, g := range []string{"a", "b", "c", "d"} {
			for _, u := range []string{"boss", "x", "y"} {
				leaf := tree.Leaf(&match.Fields{Group: g, User: u, Host: u})
				if !slices.Contains(leaves, leaf) {
					leaves = append(leaves, leaf)
					tree.Hold(leaf)
				}
			}
		}
		offered := []map[*fairshare.Node]bool{{}, {}}
		var running []*fairshare.Node
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			leaf := rapid.SampledFrom(leaves).Draw(t, "leaf")
			v := rapid.IntRange(0, 1).Draw(t, "view")
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				views[v].Offer(leaf)
				offered[v][leaf] = true
			case 1:
				views[v].Withdraw(leaf)
				delete(offered[v], leaf)
			case 2:
				if leaf.Full() == nil {
					tree.Begin(leaf, time.Duration(rapid.IntRange(0, 100).Draw(t, "charge"))*time.Minute)
					running = append(running, leaf)
				}
			case 3:
				if len(running) > 0 {
					tree.End(running[0], time.Minute, time.Duration(rapid.IntRange(0, 100).Draw(t, "used"))*time.Minute)
					running = running[1:]
				}
			case 4:
				tree.Charge(leaf, time.Minute)
			}
			for v := range views {
				var best *fairshare.Node
				for _, l := range leaves {
					if offered[v][l] && l.Full() == nil && (best == nil || fairshare.Before(l, best)) {
						best = l
					}
				}
				if got := views[v].First(); got != best {
					t.Fatalf("view %d: first is %v, a search finds %v", v, path(got), path(best))
				}
			}
		}
	})
}

func path(n *fairshare.Node) string {
	if n == nil {
		return "nobody"
	}
	return n.Path()
}

func TestBadShares(t *testing.T) {
	for _, c := range []struct {
		shares []fairshare.Share
		says   string
	}{
		{[]fairshare.Share{{}}, "has no name"},
		{[]fairshare.Share{{Name: "a", Match: group("a")}, {Name: "a", Match: group("b")}}, "two of this name"},
		{[]fairshare.Share{{Name: "a", Weight: -1}}, "weight = -1"},
		{[]fairshare.Share{{Name: "a", Weight: 2_000_000}}, "weight = 2000000"},
		{[]fairshare.Share{{Name: "a", Least: -1}}, "least = -1"},
		{[]fairshare.Share{{Name: "a", Most: 1e9}}, "most = 1000000000"},
		{[]fairshare.Share{{Name: "a", Least: 3, Most: 2}}, "least = 3 is more than most = 2"},
		{[]fairshare.Share{{Name: "a", Each: "colour"}}, `each = "colour"`},
		{[]fairshare.Share{{Name: "all"}, {Name: "a", Match: group("a")}}, "never reached"},
		{[]fairshare.Share{{Name: "a", Match: match.Pattern{"host": "["}}}, `share "a"`},
		{[]fairshare.Share{{Name: "a", Most: 2, Shares: []fairshare.Share{{Name: "x", Match: group("x"), Least: 2}, {Name: "y", Least: 1}}}}, "3 drives are guaranteed"},
	} {
		is := is.New(t)
		_, err := fairshare.Compile(c.shares)
		is.True(errors.Is(err, match.ErrRule))
		if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q does not say %q", err, c.says)
		}
	}
}

func TestGuaranteed(t *testing.T) {
	is := is.New(t)
	is.Equal(compile(t, fairshare.Share{Name: "a", Match: group("a"), Least: 3}, fairshare.Share{Name: "b", Least: 4}).Guaranteed(), 7)
}
