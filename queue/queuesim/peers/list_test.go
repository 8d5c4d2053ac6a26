package peers

import (
	"cmp"
	"slices"
	"testing"

	"github.com/matryer/is"
	"pgregory.net/rapid"
)

// A list of several pieces agrees with a sorted slice.
func TestListAgreesWithSortedSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		is := is.New(t)
		l := list[int]{compare: cmp.Compare[int]}
		var want []int
		for range rapid.IntRange(0, 8).Draw(t, "rounds") {
			first, step := rapid.IntRange(0, 2000).Draw(t, "first"), rapid.IntRange(1, 7).Draw(t, "step")
			insert := rapid.IntRange(0, 2).Draw(t, "insert") > 0
			for x := first; x < first+step*300; x += step {
				i, found := slices.BinarySearch(want, x)
				switch {
				case insert && !found:
					l.insert(x)
					want = slices.Insert(want, i, x)
				case !insert:
					is.Equal(l.remove(x), found)
					if found {
						want = slices.Delete(want, i, i+1)
					}
				}
			}
		}
		is.Equal(l.n, len(want))
		is.True(slices.Equal(slices.Collect(l.all()), want))
		from := rapid.IntRange(0, 4000).Draw(t, "from")
		i, _ := slices.BinarySearch(want, from)
		is.True(slices.Equal(slices.Collect(l.from(from)), want[i:]))
		walked := []int{}
		for c := (cursor[int]{l: &l}); ; c.next() {
			x, ok := c.at()
			if !ok {
				break
			}
			walked = append(walked, x)
		}
		is.True(slices.Equal(walked, want))
	})
}
