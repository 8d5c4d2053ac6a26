package peers

import (
	"embed"
	"encoding/binary"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"
	"pgregory.net/rapid"

	"github.com/enstore-go/sdk/queue"
)

//go:embed testdata/queue.json
var testdata embed.FS

// vectors are decisions of the original queue, priority selector and discipline.
type vectors struct {
	Scenarios []scenario
	Selector  struct {
		Config struct{ Basepri, Adminpri map[string]map[string]string }
		Cases  []map[string]any
	} `json:"priority_selector"`
	Discipline struct {
		Config map[string]struct {
			Host, Function, Action string
			Args                   []any
		}
		Cases []struct {
			Host   string
			Result []any
		}
	}
}

type scenario struct {
	Name     string
	Mode     any // "best", ["key", label, location] or ["walk"]
	Left     int
	Order    [][2]any
	Inserted []struct {
		ID, Work, Host, Label string
		Basepri, Adminpri     int
		Accepted              bool
		Queued                float64
		Size                  int64
		LocationCookie        string `json:"location_cookie"`
		VolumeFamily          string `json:"volume_family"`
	}
}

// differs says where the pending queue departs from the original on purpose: scenario by name, and why. There is none.
var differs = map[string]string{}

func load(is *is.I) (v vectors) {
	text, err := testdata.ReadFile("testdata/queue.json")
	is.NoErr(err)
	is.NoErr(json.Unmarshal(text, &v))
	return v
}

func location(cookie string) queue.Position {
	if cookie == "" {
		return queue.Position{}
	}
	n, err := strconv.ParseInt(cookie[strings.LastIndexByte(cookie, '_')+1:], 10, 64)
	if err != nil {
		panic(err)
	}
	return queue.Position{File: n}
}

func requestID(text string) (id queue.RequestID) {
	copy(id[:], text)
	return id
}

func TestPendingQueueIsTheOriginals(t *testing.T) {
	for _, s := range load(is.New(t)).Scenarios {
		t.Run(s.Name, func(t *testing.T) {
			is := is.New(t)
			if differs[s.Name] != "" {
				t.Skip(differs[s.Name])
			}
			p, now := s.fill(is)
			is.Equal(s.order(p, now), s.want())
			is.Equal(len(p.ids), s.Left)
		})
	}
}

func (s scenario) fill(is *is.I) (*pending, int64) {
	p, now := newPending(aging{1, 30 * time.Minute}, false), int64(0)
	for i, q := range s.Inserted {
		part := strings.SplitN(q.VolumeFamily, ".", 3)
		now = int64(q.Queued) * second
		r := &request{base: q.Basepri, admin: q.Adminpri, at: now, seq: int64(i), Request: queue.Request{
			ID: requestID(q.ID), Kind: queue.Read, Host: q.Host, Size: q.Size, Volume: queue.Volume(q.Label), Position: location(q.LocationCookie),
			Family: queue.Family{Group: part[0], Family: part[1], Wrapper: part[2]},
		}}
		if q.Work == "write_to_hsm" {
			r.Kind = queue.Write
		}
		is.Equal(p.insert(r), q.Accepted)
	}
	return p, now
}

// order takes from the queue as the scenario did.
func (s scenario) order(p *pending, now int64) (got [][2]any) {
	mode, args := s.Mode, []any(nil)
	if list, ok := s.Mode.([]any); ok {
		mode, args = list[0], list[1:]
	}
	priority := func(r *request) { got = append(got, [2]any{name(r), float64(rank(r))}) }
	switch mode {
	case "best":
		for r := p.best(now); r != nil; r = p.best(now) {
			priority(r)
			p.remove(r)
		}
	case "key":
		key, from := bundleKey{volume: queue.Volume(args[0].(string))}, location(args[1].(string))
		for r := p.at(key, now, from); r != nil; r = p.at(key, now, from) {
			got = append(got, [2]any{name(r), r.Position.File})
			from = r.Position
			p.remove(r)
		}
	case "walk":
		for b := range p.halves[regular].bundlesBy(p.age, now, nil) {
			priority(b.first(p.age, now, queue.Position{}))
		}
	}
	return got
}

func (s scenario) want() (all [][2]any) {
	for _, o := range s.Order {
		if cookie, ok := o[1].(string); ok {
			o[1] = location(cookie).File
		}
		all = append(all, o)
	}
	return all
}

func name(r *request) string { return strings.TrimRight(string(r.ID[:]), "\x00") }

func TestPrioritySelectorIsTheOriginals(t *testing.T) {
	is := is.New(t)
	v := load(is).Selector
	rules := func(config map[string]map[string]string) map[int]Pattern {
		out := map[int]Pattern{}
		for n, fields := range config {
			increment, err := strconv.Atoi(n)
			is.NoErr(err)
			out[increment] = Pattern{}
			for key, re := range fields {
				out[increment][key] = regexp.MustCompile(re)
			}
		}
		return out
	}
	s := Selector{Base: rules(v.Config.Basepri), Admin: rules(v.Config.Adminpri)}
	for _, c := range v.Cases {
		field := func(key string) string {
			if text, ok := c[key].(string); ok {
				return text
			}
			return "Unknown"
		}
		base, adm := s.priorities(int(c["basepri"].(float64)), int(c["adminpri"].(float64)), c["encp_daq"] != nil, field)
		is.Equal([]any{float64(base), float64(adm)}, c["result"])
	}
}

// The original also tells the function (there is one) and the action, which is not kept: every action makes the request wait.
func TestDisciplineIsTheOriginals(t *testing.T) {
	is := is.New(t)
	v := load(is).Discipline
	var limits []HostLimit
	for _, key := range []string{"1", "2"} {
		rule := v.Config[key]
		limits = append(limits, HostLimit{Host: regexp.MustCompile(rule.Host), Count: regexp.MustCompile(rule.Args[0].(string)), Most: int(rule.Args[1].(float64))})
	}
	for _, c := range v.Cases {
		l := discipline(limits, c.Host)
		is.Equal(l != nil, c.Result[0] == float64(1))
		if l != nil {
			is.Equal([]any{l.Count.String(), float64(l.Most)}, c.Result[2])
			is.True(!l.busy(c.Host, l.Most-1, 0))
			is.True(l.busy(c.Host, l.Most, 0))
		}
	}
}

// A request in the past grows by one priority each half hour, by itself: the order of two can turn, and turn back.
func TestAgingIsOfEachRequest(t *testing.T) {
	is := is.New(t)
	p := newPending(aging{1, 30 * time.Minute}, false)
	minute := int64(time.Minute)
	old := &request{base: 1, admin: -1, at: 0, seq: 1, Request: queue.Request{ID: requestID("old"), Kind: queue.Read, Volume: "A"}}
	high := &request{base: 2, admin: -1, at: 10 * minute, seq: 2, Request: queue.Request{ID: requestID("high"), Kind: queue.Read, Volume: "B"}}
	p.insert(old)
	p.insert(high)
	is.Equal(name(p.best(29*minute)), "high") // 2 before 1
	is.Equal(name(p.best(30*minute)), "old")  // both 2, and old is older
	is.Equal(name(p.best(40*minute)), "high") // 3 before 2
}

// The queue agrees with one that sorts everything whenever it is asked.
func TestPendingAgreesWithSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPending(aging{1, 30 * time.Minute}, rapid.Bool().Draw(t, "by host"))
		var all []*request
		now, serial := int64(0), int64(0)
		parked := map[queue.Volume]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				if got, want := p.best(now), naive(all, parked, now); got != want {
					t.Fatalf("best is %v instead of %v", got, want)
				}
			},
			"insert": func(t *rapid.T) {
				r := &request{base: rapid.IntRange(0, 3).Draw(t, "priority"), admin: rapid.IntRange(-1, 1).Draw(t, "admin"), at: now, seq: serial}
				binary.BigEndian.PutUint64(r.ID[:], rapid.Uint64().Draw(t, "id"))
				r.Kind, r.Volume = queue.Read, rapid.SampledFrom([]queue.Volume{"A", "B", "C"}).Draw(t, "volume")
				r.Host, r.Family.Group = rapid.SampledFrom([]string{"h1", "h2"}).Draw(t, "host"), "g"
				r.Position.File = rapid.Int64Range(0, 5).Draw(t, "file")
				if p.insert(r) {
					all = append(all, r)
					r.bundle.park(parked[r.Volume])
				}
				serial++
			},
			"remove": func(t *rapid.T) {
				if len(all) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
				p.remove(all[i])
				all = append(all[:i], all[i+1:]...)
			},
			"park": func(t *rapid.T) {
				v := rapid.SampledFrom([]queue.Volume{"A", "B", "C"}).Draw(t, "volume")
				parked[v] = !parked[v]
				for i := range p.halves {
					p.halves[i].bundles[bundleKey{volume: v}].park(parked[v])
				}
			},
			"time": func(t *rapid.T) { now += int64(rapid.IntRange(0, 40).Draw(t, "minutes")) * int64(time.Minute) },
		})
	})
}

// naive is the lowest location on the volume with the best request.
func naive(all []*request, parked map[queue.Volume]bool, now int64) *request {
	a := aging{1, 30 * time.Minute}
	var tag, best *request
	for _, r := range all {
		if !parked[r.Volume] && (tag == nil || halfOf(r) > halfOf(tag) || halfOf(r) == halfOf(tag) && a.before(r, tag, now)) {
			tag = r
		}
	}
	for _, r := range all {
		if tag != nil && r.Volume == tag.Volume && halfOf(r) == halfOf(tag) && (best == nil || byPlace(r, best) < 0) {
			best = r
		}
	}
	return best
}
