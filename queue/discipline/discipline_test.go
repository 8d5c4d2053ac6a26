package discipline_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/queue/discipline"
	"github.com/enstore-go/sdk/queue/match"
)

func Example() {
	limits, err := discipline.Compile([]discipline.Limit{
		{Name: "farm", Match: match.Pattern{"host": "farm.*"}, Each: "host", Drives: 2},
		{Name: "minos reads", Match: match.Pattern{"storage_group": "minos", "operation": "read"}, Drives: 8},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(limits.Keys(&match.Fields{Host: "farm7", Group: "minos", Operation: "read"}))
	fmt.Println(limits.Keys(&match.Fields{Host: "desk"}))
	// Output:
	// [{0 farm7} {1 }]
	// []
}

func TestLimitsOfRobots(t *testing.T) {
	is := is.New(t)
	l, err := discipline.Compile([]discipline.Limit{{Name: "r", Robot: "tl1", Drives: 3}, {Name: "all", Drives: 9}})
	is.NoErr(err)
	n, ok := l.Robot("tl1")
	is.True(ok && n == 3)
	_, ok = l.Robot("tl2")
	is.True(!ok)
	is.Equal(l.Limit(l.Keys(&match.Fields{})[0].Limit).Name, "all")
	is.Equal((*discipline.Limits)(nil).Keys(&match.Fields{}), nil)
}

func TestBadLimits(t *testing.T) {
	for _, c := range []struct {
		limits []discipline.Limit
		says   string
	}{
		{[]discipline.Limit{{Drives: 1}}, "limit 1 has no name"},
		{[]discipline.Limit{{Name: "a", Drives: 1}, {Name: "a", Drives: 1}}, `two limits are named "a"`},
		{[]discipline.Limit{{Name: "a", Drives: -1}}, "drives = -1"},
		{[]discipline.Limit{{Name: "a", Drives: 1, Mounted: 1e9}}, "mounted = 1000000000"},
		{[]discipline.Limit{{Name: "a", Drives: 1, Each: "colour"}}, `each = "colour"`},
		{[]discipline.Limit{{Name: "a", Drives: 1, Robot: "r", Each: "host"}}, "nothing but its drives"},
		{[]discipline.Limit{{Name: "a", Robot: "r"}}, "could ever work"},
		{[]discipline.Limit{{Name: "a", Drives: 1, Robot: "r"}, {Name: "b", Drives: 2, Robot: "r"}}, "has a limit already"},
		{[]discipline.Limit{{Name: "a", Drives: 1, Match: match.Pattern{"host": "("}}}, `limit "a"`},
	} {
		is := is.New(t)
		_, err := discipline.Compile(c.limits)
		is.True(errors.Is(err, match.ErrRule))
		is.True(strings.Contains(err.Error(), c.says))
	}
}
