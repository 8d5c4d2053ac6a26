package peers

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/enstore-go/sdk/queue"
)

// CTASettings are what a site configures in CTA. A zero field has the default named at it. A virtual organization is a
// storage group, a tape pool a volume family in a library.
type CTASettings struct {
	MinBytes int64 // queued bytes that warrant a mount, for each one that a pool has already and one more; 500 GB
	MinFiles int   // queued files that do; 10,000

	MinArchiveAge  time.Duration // waiting that warrants the first mount, of the mount policy; 30 minutes, whole seconds
	MinRetrieveAge time.Duration // likewise; 30 minutes

	ReadMaxDrives  map[string]int // readmaxdrives of each virtual organization; one that is not named has no limit
	WriteMaxDrives map[string]int // writemaxdrives

	BatchBytes int64 // a batch is complete when it has so many bytes; 80 GB
	BatchFiles int   // or so many files; 4000

	Poll time.Duration // how often a drive that has nothing to do looks again; 10 seconds

	// AdminPriority is added to the priority of requests with an administrative one, which CTA does not know: as if they
	// had a mount policy of their own. 0: such requests are like others.
	AdminPriority int

	// Arrange puts a batch of reads of one volume in the order in which the drive will do them: recommended access order.
	// nil: as they lie.
	Arrange func(volume queue.Volume, batch []queue.Request)
}

func (s CTASettings) withDefaults() CTASettings {
	def(&s.MinBytes, 500_000_000_000)
	def(&s.MinFiles, 10_000)
	def(&s.MinArchiveAge, 30*time.Minute)
	def(&s.MinRetrieveAge, 30*time.Minute)
	def(&s.BatchBytes, 80_000_000_000)
	def(&s.BatchFiles, 4000)
	def(&s.Poll, 10*time.Second)
	s.Poll = max(s.Poll, time.Second)
	return s
}

// CTA decides as the scheduler of CERN's CTA does. Make one with NewCTA. It is not safe for use by several goroutines at
// once.
type CTA struct {
	desk
	s       CTASettings
	shelves []*shelf // by library
	mounts  map[organization]int
}

// organization is the archive or retrieve side of a virtual organization.
type organization struct {
	name  string
	write bool
}

// shelf is the queues of one library: logical library in CTA.
type shelf struct {
	library queue.Library
	pools   map[queue.Family]*line
	tapes   map[queue.Volume]*line
	fit     []*candidates // to be mounted
	young   list[*line]   // to be mounted when they are old enough
	barren  bool          // nothing can be mounted before something changes
}

// candidates are the queues of an organization that warrant a mount, best first.
type candidates struct {
	organization
	lines list[*line]
}

// line is a queue: of a tape pool to be archived, or of a tape to be retrieved.
type line struct {
	shelf      *shelf
	org        organization
	name       string
	volume     *volume      // retrieves
	family     queue.Family // archives
	ages       list[*request]
	places     list[*request] // retrieves
	priorities []many         // highest first
	bytes      int64
	mounts     int // sessions of it; of a tape there is one at most, and then it is not to be mounted
	width      int // partial tapes: the width of the newest request
	newest     int64
	refused    bool

	in       *list[*line] // where it is filed, and by what
	priority int
	oldest   int64 // seconds
	ripe     int64 // seconds
}

// many is how many requests of a priority there are.
type many struct{ priority, n int }

// NewCTA makes a scheduler with empty queues.
func NewCTA(s CTASettings) *CTA {
	c := &CTA{desk: newDesk(), s: s.withDefaults(), mounts: map[organization]int{}}
	c.rules = c
	return c
}

const second = int64(time.Second)

// ahead is the order of mounts: priority, archive before retrieve, age, name.
func ahead(a, b *line) int {
	return cmp.Or(cmp.Compare(b.priority, a.priority), compareBool(b.org.write, a.org.write), cmp.Compare(a.oldest, b.oldest), cmp.Compare(a.name, b.name))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func byRipe(a, b *line) int {
	return cmp.Or(cmp.Compare(a.ripe, b.ripe), compareBool(b.org.write, a.org.write), cmp.Compare(a.name, b.name))
}

func (c *CTA) shelf(name queue.Library) *shelf {
	i, found := slices.BinarySearchFunc(c.shelves, name, func(s *shelf, n queue.Library) int { return cmp.Compare(s.library, n) })
	if !found {
		c.shelves = slices.Insert(c.shelves, i, &shelf{
			library: name, pools: map[queue.Family]*line{}, tapes: map[queue.Volume]*line{}, young: list[*line]{compare: byRipe},
		})
	}
	return c.shelves[i]
}

func (s *shelf) candidates(o organization) *list[*line] {
	for _, f := range s.fit {
		if f.organization == o {
			return &f.lines
		}
	}
	f := &candidates{organization: o, lines: list[*line]{compare: ahead}}
	s.fit = append(s.fit, f)
	return &f.lines
}

// queueOf finds the queue of a request, or makes it.
func (c *CTA) queueOf(r *request) *line {
	s := c.shelf(r.Library)
	q := &line{
		shelf: s, org: organization{r.Family.Group, r.Kind == queue.Write}, width: 1,
		ages: list[*request]{compare: byAge}, places: list[*request]{compare: byPlace},
	}
	if r.Kind == queue.Write {
		if old := s.pools[r.Family]; old != nil {
			return old
		}
		q.family, q.name = r.Family, r.Family.String()
		s.pools[r.Family] = q
		return q
	}
	if old := s.tapes[r.Volume]; old != nil {
		return old
	}
	q.name, q.volume = string(r.Volume), c.volume(r.Volume)
	q.volume.line = q
	s.tapes[r.Volume] = q
	return q
}

// weight is the priority of a request.
func (c *CTA) weight(r *request) int {
	if r.Admin > 0 {
		return r.Priority + c.s.AdminPriority
	}
	return r.Priority
}

func (q *line) count(priority, n int) {
	i, found := slices.BinarySearchFunc(q.priorities, priority, func(m many, p int) int { return cmp.Compare(p, m.priority) })
	if !found {
		q.priorities = slices.Insert(q.priorities, i, many{priority: priority})
	}
	if q.priorities[i].n += n; q.priorities[i].n == 0 {
		q.priorities = slices.Delete(q.priorities, i, i+1)
	}
}

func (c *CTA) join(r *request) {
	r.Path, r.Copies = "", nil
	q := c.queueOf(r)
	r.line = q
	q.ages.insert(r)
	if r.Kind != queue.Write {
		q.places.insert(r)
	} else if r.seq >= q.newest {
		q.newest, q.width = r.seq, max(r.Width, 1)
	}
	q.bytes += max(r.Size, 0)
	q.count(c.weight(r), 1)
	c.file(q)
}

// drop takes a request out of its queue; file must follow.
func (c *CTA) drop(r *request) {
	q := r.line
	q.ages.remove(r)
	q.places.remove(r)
	q.bytes -= max(r.Size, 0)
	q.count(c.weight(r), -1)
}

func (c *CTA) leave(r *request) {
	c.drop(r)
	c.file(r.line)
}

// file puts a queue where it belongs now: among those to be mounted, among those too young, or nowhere.
func (c *CTA) file(q *line) {
	if q.in != nil {
		q.in.remove(q)
		q.in = nil
	}
	oldest, ok := q.ages.first()
	if !ok {
		c.drain(q)
		return
	}
	if q.org.write && (q.refused || q.mounts >= q.width) || !q.org.write && !q.volume.idle() {
		return
	}
	q.priority, q.oldest = q.priorities[0].priority, oldest.at/second
	age := c.s.MinRetrieveAge
	if q.org.write {
		age = c.s.MinArchiveAge
	}
	q.ripe = q.oldest + int64(age)/second + 1 // older than the age, in whole seconds
	n := int64(1 + q.mounts)
	switch {
	case q.bytes/n >= c.s.MinBytes || int64(q.ages.n)/n >= int64(c.s.MinFiles), q.mounts == 0 && c.now/second >= q.ripe:
		q.in = q.shelf.candidates(q.org)
		q.shelf.barren = false
	case q.mounts == 0:
		q.in = &q.shelf.young
	default:
		return
	}
	q.in.insert(q)
}

// drain forgets an empty queue that is not being served.
func (c *CTA) drain(q *line) {
	switch {
	case q.mounts > 0:
	case !q.org.write:
		delete(q.shelf.tapes, q.volume.name)
		q.volume.line = nil
		c.forget(q.volume)
	case !q.refused:
		delete(q.shelf.pools, q.family)
	}
}

func (c *CTA) began(l *lease) {
	c.mounts[l.line.org]++
	l.line.mounts++
	c.file(l.line)
}

func (c *CTA) over(l *lease) {
	c.mounts[l.line.org]--
	for _, s := range c.shelves {
		s.barren = false
	}
	l.line.mounts--
	if l.volume != nil {
		l.line.refused = false
	}
	c.file(l.line)
}

func (c *CTA) changed(v *volume) {
	if v.line != nil {
		c.file(v.line)
	}
}

func (c *CTA) gone(*drive)   {}
func (c *CTA) closed(*lease) {}

func (c *CTA) refused(l *lease, why queue.Refusal) {
	if why != queue.Conflict {
		l.line.refused = true
	}
}

func (c *CTA) restocked(library queue.Library) {
	s := c.shelf(library)
	for _, q := range s.pools { // each for itself: the order does not matter
		if q.refused {
			q.refused = false
			c.file(q)
		}
	}
}

func (c *CTA) handed(*request, *lease)  {}
func (c *CTA) settled(*request, *lease) {}

// batch takes the next requests for a lease out of its queue, after those it has of the same batch; file must follow.
func (c *CTA) batch(l *lease, files int, bytes int64) []*request {
	from := &l.line.ages
	if !l.write {
		from = &l.line.places
	}
	var rs []*request
	room := l.room
	for r := range from.all() {
		if files >= c.s.BatchFiles || bytes >= c.s.BatchBytes {
			break
		}
		if r.not == l.id {
			continue
		}
		size := max(r.Size, 0)
		if room >= 0 {
			if size > room {
				break // the volume is full
			}
			room -= size
		}
		files, bytes = files+1, bytes+size
		rs = append(rs, r)
	}
	for _, r := range rs {
		c.drop(r)
	}
	return c.arrange(l, rs)
}

// arrange puts the reads of a batch in the order in which the drive does them.
func (c *CTA) arrange(l *lease, rs []*request) []*request {
	if l.write || c.s.Arrange == nil || len(rs) < 2 {
		return rs
	}
	qs := make([]queue.Request, len(rs))
	for i, r := range rs {
		qs[i] = r.Request
	}
	c.s.Arrange(l.volume.name, qs)
	for i, q := range qs {
		rs[i] = c.requests[q.ID]
	}
	return rs
}

func (c *CTA) chosen(l *lease) {
	if rs := c.batch(l, 1, max(l.first.Size, 0)); len(rs) > 0 {
		c.extend(l, rs...)
		c.file(l.line)
	} else if l.wanting {
		c.more(l)
	}
}

// more goes on with the next batch; a session whose queue is empty ends.
func (c *CTA) more(l *lease) {
	if rs := c.batch(l, 0, 0); len(rs) > 0 {
		c.extend(l, rs...)
		c.file(l.line)
		return
	}
	c.yield(l)
}

func (c *CTA) schedule() {
	for _, s := range c.shelves {
		for q, ok := s.young.first(); ok && q.ripe <= c.now/second; q, ok = s.young.first() {
			c.file(q)
		}
	}
	for _, d := range slices.Clone(c.ready) {
		if d.mounted != nil {
			c.dismount(d)
			continue
		}
		if q := c.pick(d); q != nil {
			c.mount(d, q)
		}
	}
}

// pick is the best queue that a drive could mount.
func (c *CTA) pick(d *drive) *line {
	var best *line
	for _, name := range d.libraries {
		s := c.shelf(name)
		if s.barren {
			continue
		}
		found := false
		for _, f := range s.fit {
			q, ok := f.lines.first()
			if !ok || c.mounts[f.organization] >= c.most(f.organization) {
				continue
			}
			found = true
			if best == nil || ahead(q, best) < 0 {
				best = q
			}
		}
		s.barren = !found
	}
	return best
}

// most is how many drives an organization may have.
func (c *CTA) most(o organization) int {
	limits := c.s.ReadMaxDrives
	if o.write {
		limits = c.s.WriteMaxDrives
	}
	if n, ok := limits[o.name]; ok {
		return n
	}
	return math.MaxInt
}

// mount begins a session: with its first batch, or for an archive with the first of it until there is a volume.
func (c *CTA) mount(d *drive, q *line) {
	if q.org.write {
		r, _ := q.ages.first()
		c.drop(r)
		c.grant(d, r)
		return
	}
	rs := c.batch(&lease{id: c.last + 1, line: q, room: -1, volume: q.volume}, 0, 0)
	c.grant(d, rs[0], rs[1:]...)
}

func (c *CTA) wake() int64 {
	var at int64
	for _, d := range c.ready {
		for _, name := range d.libraries {
			if q, ok := c.shelf(name).young.first(); ok && (at == 0 || q.ripe*second < at) {
				at = q.ripe * second
			}
		}
	}
	if at == 0 {
		return 0
	}
	poll := int64(c.s.Poll)
	return (at + poll - 1) / poll * poll
}
