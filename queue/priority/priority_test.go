package priority_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/queue/match"
	"github.com/enstore-go/sdk/queue/priority"
)

func Example() {
	rules, err := priority.Compile([]priority.Rule{
		{Name: "daq", Match: match.Pattern{"host": "daq.*", "operation": "write"}, Admin: 1},
		{Name: "production", Match: match.Pattern{"user": "prod"}, Add: 50},
	})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%+v\n", rules.Apply(&match.Fields{User: "prod", Host: "w1"}, 1))
	fmt.Printf("%+v\n", rules.Apply(&match.Fields{User: "prod", Host: "daq1", Operation: "write"}, 0))
	// Output:
	// {Base:51 BaseRule:production Admin:0 AdminRule:}
	// {Base:50 BaseRule:production Admin:1 AdminRule:daq}
}

func TestFirstMatchOfEachKind(t *testing.T) {
	is := is.New(t)
	rules, err := priority.Compile([]priority.Rule{
		{Name: "one", Match: match.Pattern{"host": "a"}, Add: -5},
		{Name: "two", Match: match.Pattern{"host": "a|b"}, Add: 7, Admin: 3},
		{Name: "rest", Add: 1},
	})
	is.NoErr(err)
	is.Equal(rules.Apply(&match.Fields{Host: "a"}, 10), priority.Priority{Base: 5, BaseRule: "one", Admin: 3, AdminRule: "two"})
	is.Equal(rules.Apply(&match.Fields{Host: "b"}, 10), priority.Priority{Base: 17, BaseRule: "two", Admin: 3, AdminRule: "two"})
	is.Equal(rules.Apply(&match.Fields{Host: "c"}, 10), priority.Priority{Base: 11, BaseRule: "rest"})
	is.Equal((*priority.Rules)(nil).Apply(&match.Fields{}, 10), priority.Priority{Base: 10})
}

func TestBadRules(t *testing.T) {
	for _, c := range []struct {
		rules []priority.Rule
		says  string
	}{
		{[]priority.Rule{{Add: 1}}, "has no name"},
		{[]priority.Rule{{Name: "a", Add: 1}, {Name: "a", Admin: 1}}, `two priority rules are named "a"`},
		{[]priority.Rule{{Name: "a"}}, "changes nothing"},
		{[]priority.Rule{{Name: "a", Add: 2_000_000}}, "at most 1000000"},
		{[]priority.Rule{{Name: "a", Admin: -1}}, "from 1 to 1000"},
		{[]priority.Rule{{Name: "a", Add: 1, Match: match.Pattern{"colour": "red"}}}, `priority rule "a"`},
		{[]priority.Rule{{Name: "all", Add: 1}, {Name: "a", Add: 2, Match: match.Pattern{"host": "h"}}}, `"a" is never reached: "all"`},
	} {
		is := is.New(t)
		_, err := priority.Compile(c.rules)
		is.True(errors.Is(err, match.ErrRule))
		is.True(strings.Contains(err.Error(), c.says))
	}
}
