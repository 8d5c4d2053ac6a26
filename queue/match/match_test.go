package match_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/queue/match"
)

func TestAllConditionsMustHoldForTheWholeValue(t *testing.T) {
	is := is.New(t)
	c, err := match.Compile(match.Pattern{"storage_group": "cms|atlas", "host": `daq\d+`})
	is.NoErr(err)
	is.True(c.Matches(&match.Fields{Group: "cms", Host: "daq7"}))
	is.True(!c.Matches(&match.Fields{Group: "cms2", Host: "daq7"})) // not a part of the value
	is.True(!c.Matches(&match.Fields{Group: "cms", Host: "xdaq7"}))
	is.True(!c.Matches(&match.Fields{Group: "cms"}))
	is.True(match.Compiled{}.Matches(&match.Fields{}))
}

func TestEveryFieldHasItsName(t *testing.T) {
	is := is.New(t)
	f := &match.Fields{Operation: "operation", Library: "library", Group: "storage_group", Family: "file_family", Wrapper: "wrapper",
		Class: "class", Host: "host", User: "user", Path: "path", Dataset: "dataset"}
	for _, name := range match.Names() {
		v, ok := f.Get(name)
		is.True(ok)
		is.Equal(v, name)
	}
	_, ok := f.Get("colour")
	is.True(!ok)
}

func TestBadPatterns(t *testing.T) {
	for _, c := range []struct {
		p    match.Pattern
		says string
	}{
		{match.Pattern{"colour": "red"}, `no field "colour"`},
		{match.Pattern{"host": "("}, "field host"},
		{match.Pattern{"host": strings.Repeat("a", 1001)}, "1001 characters"},
		{match.Pattern{"operation": "erase"}, "matches none of read, write"},
	} {
		is := is.New(t)
		_, err := match.Compile(c.p)
		is.True(errors.Is(err, match.ErrRule))
		is.True(strings.Contains(err.Error(), c.says))
	}
}

func TestUnreached(t *testing.T) {
	is := is.New(t)
	before, never, found := match.Unreached([]match.Pattern{{"host": "a"}, {"user": "u"}, {"host": "a", "user": "v"}})
	is.True(found)
	is.Equal([]int{before, never}, []int{0, 2})
	_, _, found = match.Unreached([]match.Pattern{{"host": "a", "user": "v"}, {"host": "a"}, {"host": "b"}, {}})
	is.True(!found)
	_, never, found = match.Unreached([]match.Pattern{{"host": ".*"}, {"user": "u"}})
	is.True(found)
	is.Equal(never, 1)
}

func FuzzCompile(f *testing.F) {
	f.Add("host", "daq.*")
	f.Add("operation", "read|write")
	f.Fuzz(func(t *testing.T, field, text string) {
		c, err := match.Compile(match.Pattern{field: text})
		if err == nil {
			c.Matches(&match.Fields{Host: text})
		} else if !errors.Is(err, match.ErrRule) {
			t.Fatal(err)
		}
	})
}
