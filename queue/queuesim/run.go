package queuesim

import (
	"container/heap"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/tape/order"
)

// Run plays drives, robots, catalogue and clients of a scenario towards a decider, and reports what came of it. A decider that decides what
// cannot be is an error, which says what and when.
func Run(s Scenario, d Decider) (*Result, error) {
	return run(s, d, nil)
}

// Observe is called by RunObserved after each event that the decider was told, with what it decided.
type Observe func(now time.Time, e queue.Event, decisions []queue.Decision)

// RunObserved is Run with somebody who watches.
func RunObserved(s Scenario, d Decider, o Observe) (*Result, error) { return run(s, d, o) }

// Epoch is when every simulation begins.
var Epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func run(s Scenario, d Decider, o Observe) (*Result, error) {
	arrivals, err := Arrivals(s)
	if err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	x := &sim{s: s, d: d, observe: o, rnd: rand.New(rand.NewPCG(s.Seed, 99)), requests: make(map[queue.RequestID]*job, len(arrivals)),
		leases: map[queue.LeaseID]*lease{}, drives: map[queue.Drive]*drive{}, at: map[queue.Volume]*drive{}, partly: map[pool][]*cartridge{}, widths: map[pool]int{}, blanks: map[string]int{}}
	x.gen, _ = order.Named(s.Site.Drive.Generation)
	x.reel, err = x.gen.Tape(x.gen.Capacity / blockSize)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScenario, err)
	}
	x.costs = x.gen.Kinematic()
	x.result = newResult(&x.s)
	x.build()
	if err := x.run(arrivals); err != nil {
		return nil, fmt.Errorf("after %v: %w", time.Duration(x.now), err)
	}
	return x.result, nil
}

// blockSize is that of all volumes.
const blockSize = 256 << 10

// job is a request under way.
type job struct {
	request queue.Request
	came    int64
	lease   *lease
	done    bool
}

type pool struct {
	library string
	family  queue.Family
}

type cartridge struct {
	label queue.Volume
	room  int64
}

type robot struct {
	arms     []int64 // when each is free
	exchange int64
	busy     int64
}

type drive struct {
	name      queue.Drive
	libraries []queue.Library
	robot     *robot
	volume    queue.Volume
	block     int64 // where it stands
	lease     *lease
	since     int64 // idle since
	ready     bool
}

type lease struct {
	id      queue.LeaseID
	drive   *drive
	kind    queue.Kind // 0: a dismount
	pool    pool
	volume  queue.Volume
	tape    *cartridge // writes
	waiting []*job
	current *job
	flushed int // files since the last flush
	yield   bool
	asked   bool
	preempt bool
	moving  bool // between mount and the first file, or at its last flush
	turn    uint64
	begun   int64
}

type kind uint8

const (
	driveBack kind = iota
	robotWanted
	loaded
	fileDone
	lingered
	unloaded
)

type event struct {
	at    int64
	seq   uint64
	kind  kind
	drive *drive
	lease *lease
	turn  uint64 // of a linger: it counts only if nothing happened since
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(v any)   { *e = append(*e, v.(event)) }
func (e *events) Pop() any {
	last := len(*e) - 1
	v := (*e)[last]
	*e = (*e)[:last]
	return v
}

type sim struct {
	s        Scenario
	d        Decider
	observe  Observe
	rnd      *rand.Rand
	now      int64
	seq      uint64
	events   events
	requests map[queue.RequestID]*job
	leases   map[queue.LeaseID]*lease
	drives   map[queue.Drive]*drive
	all      []*drive
	at       map[queue.Volume]*drive
	partly   map[pool][]*cartridge
	widths   map[pool]int
	blanks   map[string]int
	made     int
	gen      order.Generation
	reel     *order.Tape
	costs    order.Kinematic
	result   *Result
}

func (x *sim) time() time.Time { return Epoch.Add(time.Duration(x.now)) }

func (x *sim) build() {
	for _, l := range x.s.Site.Libraries {
		r := &robot{arms: make([]int64, l.Arms), exchange: seconds(l.Exchange)}
		x.blanks[l.Name] = l.Blanks
		libraries := []queue.Library{queue.Library(l.Name)}
		for _, other := range l.Also {
			libraries = append(libraries, queue.Library(other))
		}
		for i := range l.Drives {
			d := &drive{name: queue.Drive(fmt.Sprintf("%s-%03d", l.Name, i)), libraries: libraries, robot: r}
			x.drives[d.name] = d
			x.all = append(x.all, d)
		}
	}
}

func seconds(n int) int64 { return int64(n) * int64(time.Second) }

func (x *sim) after(ns int64, k kind, d *drive, l *lease) {
	x.seq++
	heap.Push(&x.events, event{at: x.now + ns, seq: x.seq, kind: k, drive: d, lease: l})
}

func (x *sim) run(arrivals []Arrival) error {
	for _, d := range x.all {
		if err := x.offer(d); err != nil {
			return err
		}
	}
	end := int64(x.s.Length + x.s.Drain)
	for {
		next, what := end, 0
		if len(arrivals) > 0 && int64(arrivals[0].At) < next {
			next, what = int64(arrivals[0].At), 1
		}
		if len(x.events) > 0 && (x.events[0].at < next || x.events[0].at == next && what == 0) {
			next, what = x.events[0].at, 2
		}
		if w := x.d.Wake(); !w.IsZero() {
			if at := max(int64(w.Sub(Epoch)), x.now); at < next {
				next, what = at, 3
			}
		}
		x.result.pass(x, next)
		x.now = next
		var err error
		switch what {
		case 0:
			x.result.finish(x)
			return nil
		case 1:
			err = x.arrive(arrivals[0])
			arrivals = arrivals[1:]
		case 2:
			err = x.happen(heap.Pop(&x.events).(event))
		case 3:
			err = x.tell(queue.Tick{Time: x.time()})
		}
		if err != nil {
			return err
		}
		if len(arrivals) == 0 && x.result.open == 0 && x.quiet() {
			end = min(end, x.now)
		}
	}
}

// quiet tells whether no drive does anything.
func (x *sim) quiet() bool {
	return !slices.ContainsFunc(x.all, func(d *drive) bool { return d.lease != nil })
}

// tell tells the decider what happened and does what it decides.
func (x *sim) tell(e queue.Event) error {
	decisions, err := x.d.Apply(e)
	if err != nil {
		return fmt.Errorf("%T: %w", e, err)
	}
	if x.observe != nil {
		x.observe(x.time(), e, decisions)
	}
	for _, d := range slices.Clone(decisions) {
		if err := x.obey(d); err != nil {
			return fmt.Errorf("%T after %T: %w", d, e, err)
		}
	}
	return nil
}

func (x *sim) arrive(a Arrival) error {
	r := a.Request
	r.Accepted = x.time()
	if x.requests[r.ID] != nil {
		return fmt.Errorf("%w: request %s comes twice", ErrScenario, r.ID)
	}
	x.requests[r.ID] = &job{request: r, came: x.now}
	x.result.came(r)
	if r.Kind == queue.Write {
		x.widths[pool{string(r.Library), r.Family}] = r.Width
	}
	return x.tell(queue.Submitted{Time: x.time(), Request: r})
}

// offer says that a drive is ready.
func (x *sim) offer(d *drive) error {
	d.ready, d.since = true, x.now
	return x.tell(queue.DriveReady{Time: x.time(), Drive: d.name, Libraries: d.libraries, Mounted: d.volume})
}

func (x *sim) obey(d queue.Decision) error {
	switch d := d.(type) {
	case queue.Grant:
		return x.begin(d.Lease)
	case queue.Dismount:
		return x.begin(queue.Lease{ID: d.Lease, Drive: d.Drive, Volume: d.Volume})
	case queue.Extend:
		l := x.leases[d.Lease]
		if l == nil {
			return fmt.Errorf("no lease %d", d.Lease)
		}
		if err := x.give(l, d.Requests); err != nil {
			return err
		}
		return x.proceed(l)
	case queue.Yield:
		if l := x.leases[d.Lease]; l != nil {
			l.yield = true
			return x.proceed(l)
		}
	case queue.Preempt:
		if l := x.leases[d.Lease]; l != nil {
			l.preempt = true
		}
	}
	return nil
}

func (x *sim) give(l *lease, ids []queue.RequestID) error {
	for _, id := range ids {
		j := x.requests[id]
		switch {
		case j == nil || j.done:
			return fmt.Errorf("request %s is not waiting", id)
		case j.lease != nil:
			return fmt.Errorf("request %s is in leases %d and %d", id, j.lease.id, l.id)
		case l.kind.OfVolume() && j.request.Volume != l.volume, l.kind == queue.Write && j.request.Family != l.pool.family:
			return fmt.Errorf("request %s does not belong into lease %d", id, l.id)
		}
		j.lease = l
		l.waiting = append(l.waiting, j)
	}
	return nil
}

// begin begins a lease on a drive that offered itself.
func (x *sim) begin(q queue.Lease) error {
	d := x.drives[q.Drive]
	switch {
	case d == nil || !d.ready || d.lease != nil:
		return fmt.Errorf("lease %d: drive %s is not ready", q.ID, q.Drive)
	case x.leases[q.ID] != nil:
		return fmt.Errorf("lease %d: twice", q.ID)
	case q.Kind != 0 && !slices.Contains(d.libraries, q.Library):
		return fmt.Errorf("lease %d: drive %s does not serve %s", q.ID, q.Drive, q.Library)
	case q.Kind == 0 && (d.volume != q.Volume || q.Volume == ""):
		return fmt.Errorf("lease %d: %s is not in drive %s", q.ID, q.Volume, q.Drive)
	}
	l := &lease{id: q.ID, drive: d, kind: q.Kind, pool: pool{string(q.Library), q.Family}, volume: q.Volume, moving: true, begun: x.now}
	d.ready = false
	d.lease = l
	x.result.idle(x.now - d.since)
	x.leases[l.id] = l
	if l.kind.OfVolume() {
		if err := x.free(l); err != nil {
			return err
		}
	}
	if err := x.give(l, q.Requests); err != nil {
		return err
	}
	if l.kind == queue.Write {
		return x.choose(l)
	}
	x.mount(l)
	return nil
}

// free checks that a lease may have its volume.
func (x *sim) free(l *lease) error {
	if at := x.at[l.volume]; at != nil && at != l.drive {
		return fmt.Errorf("lease %d: volume %s is in drive %s", l.id, l.volume, at.name)
	}
	if o := x.holder(l.volume, l); o != nil {
		return fmt.Errorf("lease %d: volume %s has lease %d", l.id, l.volume, o.id)
	}
	return nil
}

// holder is the lease other than one that has a volume, nil if there is none.
func (x *sim) holder(v queue.Volume, but *lease) *lease {
	for _, d := range x.all {
		if o := d.lease; o != nil && o != but && o.volume == v {
			return o
		}
	}
	return nil
}

// choose is the catalogue: the volume in the drive, or the fullest that will do, or a blank one.
func (x *sim) choose(l *lease) error {
	width := 0
	for _, d := range x.all {
		if o := d.lease; o != nil && o.kind == queue.Write && o.pool == l.pool {
			width++
		}
	}
	if width > x.widths[l.pool] {
		return fmt.Errorf("lease %d: family %s is written by %d drives, its width is %d", l.id, l.pool.family, width, x.widths[l.pool])
	}
	need := l.waiting[0].request.Size
	var best *cartridge
	for _, c := range x.partly[l.pool] {
		at := x.at[c.label]
		if c.room < need || at != nil && at != l.drive || x.holder(c.label, l) != nil {
			continue
		}
		if best == nil || at == l.drive || x.at[best.label] != l.drive && c.room < best.room {
			best = c
		}
	}
	if best == nil && x.blanks[l.pool.library] > 0 {
		x.blanks[l.pool.library]--
		x.made++
		best = &cartridge{label: queue.Volume(fmt.Sprintf("W%06d", x.made)), room: x.gen.Capacity}
		x.partly[l.pool] = append(x.partly[l.pool], best)
	}
	if best == nil {
		delete(x.leases, l.id)
		for _, j := range l.waiting {
			j.lease = nil
		}
		l.drive.lease, l.drive.ready, l.drive.since = nil, true, x.now
		return x.tell(queue.VolumeRefused{Time: x.time(), Lease: l.id, Reason: queue.NoVolume})
	}
	l.tape, l.volume = best, best.label
	if err := x.free(l); err != nil {
		return err
	}
	room := best.room
	x.mount(l)
	return x.tell(queue.VolumeChosen{Time: x.time(), Lease: l.id, Volume: best.label, Room: room})
}

// mount brings the volume of a lease into its drive, or takes away what is there.
func (x *sim) mount(l *lease) {
	d := l.drive
	if l.kind != 0 && d.volume == l.volume {
		x.after(0, loaded, d, l)
		return
	}
	wait := int64(0)
	if d.volume != "" {
		wait = seconds(x.s.Site.Drive.Unload)
		if d.block > 0 {
			wait += seconds(x.s.Site.Drive.Rewind)
		}
	}
	x.result.mounting(wait)
	x.after(wait, robotWanted, d, l)
}

// exchange has an arm of the robot put the volume of a lease in the place of the one in the drive.
func (x *sim) exchange(l *lease) error {
	d := l.drive
	left := d.volume
	if left != "" {
		delete(x.at, left)
		d.volume = ""
	}
	if l.kind != 0 {
		d.volume, d.block = l.volume, 0
		x.at[l.volume] = d
		x.result.mount(l)
	}
	r := d.robot
	arm := 0
	for i := range r.arms {
		if r.arms[i] < r.arms[arm] {
			arm = i
		}
	}
	r.arms[arm] = max(r.arms[arm], x.now) + r.exchange
	r.busy += r.exchange
	wait := r.arms[arm] - x.now
	x.result.robot(r.exchange, wait)
	if l.kind == 0 {
		x.after(wait, unloaded, d, l)
		return nil
	}
	x.result.mounting(wait + seconds(x.s.Site.Drive.Load))
	x.after(wait+seconds(x.s.Site.Drive.Load), loaded, d, l)
	if left == "" {
		return nil
	}
	return x.tell(queue.VolumeLeft{Time: x.time(), Volume: left})
}

func (x *sim) happen(e event) error {
	l := e.lease
	switch e.kind {
	case driveBack:
		return x.offer(e.drive)
	case robotWanted:
		return x.exchange(l)
	case loaded:
		l.moving = false
		return x.proceed(l)
	case fileDone:
		return x.done(l)
	case lingered:
		if e.turn == l.turn && l.current == nil && x.leases[l.id] == l {
			if err := x.tell(queue.LeaseEnough{Time: x.time(), Lease: l.id}); err != nil {
				return err
			}
			return x.end(l)
		}
	case unloaded:
		return x.end(l)
	}
	return nil
}

// proceed goes on with a lease that has nothing in hand.
func (x *sim) proceed(l *lease) error {
	if l.moving || l.current != nil || x.leases[l.id] != l {
		return nil
	}
	if l.preempt {
		for _, j := range l.waiting {
			j.lease = nil
			l.waiting = l.waiting[1:]
			if err := x.tell(queue.Requeued{Time: x.time(), ID: j.request.ID}); err != nil {
				return err
			}
		}
		return x.end(l)
	}
	if len(l.waiting) > 0 {
		x.start(l)
		return nil
	}
	if l.yield {
		return x.end(l)
	}
	if !l.asked {
		l.asked = true
		x.seq++
		heap.Push(&x.events, event{at: x.now + seconds(x.s.Site.Linger), seq: x.seq, kind: lingered, drive: l.drive, lease: l, turn: l.turn})
		return x.tell(queue.LeaseMore{Time: x.time(), Lease: l.id})
	}
	return nil
}

// start begins the next file of a lease.
func (x *sim) start(l *lease) {
	j := l.waiting[0]
	l.waiting, l.current, l.asked = l.waiting[1:], j, false
	l.turn++
	x.result.started(j, x.now)
	stream := x.stream(j.request.Size)
	var locate int64
	if l.kind.OfVolume() {
		locate = x.locate(l.drive, j.request)
	} else {
		if l.drive.block == 0 { // to the end of the data, once
			locate = x.move(0, (x.gen.Capacity-l.tape.room)/blockSize)
		}
		l.tape.room -= j.request.Size
		l.drive.block = (x.gen.Capacity - l.tape.room) / blockSize
		if l.flushed++; l.flushed >= x.s.Site.Drive.FlushFiles {
			l.flushed = 0
			locate += seconds(x.s.Site.Drive.Flush)
		}
	}
	x.result.work(locate, stream)
	x.after(locate+stream, fileDone, l.drive, l)
}

func (x *sim) stream(size int64) int64 {
	hi, lo := bits.Mul64(uint64(max(size, 0)), uint64(time.Second))
	q, _ := bits.Div64(hi, lo, uint64(x.gen.Rate))
	return int64(q)
}

// locate moves the tape to a file, and leaves it behind it.
func (x *sim) locate(d *drive, r queue.Request) int64 {
	from := d.block
	to := r.Position.Block
	if to < 0 {
		to = r.Position.File * 8000
	}
	d.block = to + max(r.Size, 0)/blockSize + 1
	return x.move(from, to)
}

func (x *sim) move(from, to int64) int64 {
	last := x.reel.Blocks() - 1
	from, to = min(from, last), min(to, last)
	if from == to {
		return 0
	}
	a, errA := x.reel.Place(from)
	b, errB := x.reel.Place(to)
	if errA != nil || errB != nil {
		return seconds(45)
	}
	return int64(x.costs.Locate(&a, &b))
}

// done ends a file.
func (x *sim) done(l *lease) error {
	j := l.current
	l.current = nil
	if l.kind.OfVolume() && x.s.Faults.Reads > 0 && x.rnd.Float64() < x.s.Faults.Reads {
		j.lease = nil
		x.result.failed()
		if err := x.tell(queue.Struck{Time: x.time(), Drive: l.drive.name, Volume: l.volume}); err != nil {
			return err
		}
		if err := x.tell(queue.Requeued{Time: x.time(), ID: j.request.ID, Avoid: l.drive.name}); err != nil {
			return err
		}
		return x.proceed(l)
	}
	j.done, j.lease = true, nil
	x.result.done(j, x.now, l)
	delete(x.requests, j.request.ID)
	if err := x.tell(queue.Finished{Time: x.time(), ID: j.request.ID, Well: true}); err != nil {
		return err
	}
	return x.proceed(l)
}

// end gives a lease back. What is left of it waits again.
func (x *sim) end(l *lease) error {
	d := l.drive
	if x.leases[l.id] != l { // what the decider was told last has ended it
		return nil
	}
	if l.kind == queue.Write {
		if l.flushed > 0 {
			x.result.work(seconds(x.s.Site.Drive.Flush), 0)
			l.flushed, l.moving = 0, true // once more, when the last files are safe
			x.after(seconds(x.s.Site.Drive.Flush), unloaded, d, l)
			return nil
		}
		if l.tape.room < x.gen.Capacity/1000 {
			x.partly[l.pool] = slices.DeleteFunc(x.partly[l.pool], func(c *cartridge) bool { return c == l.tape })
		}
	}
	for _, j := range l.waiting {
		j.lease = nil
	}
	delete(x.leases, l.id)
	d.lease = nil
	x.result.leased(l, x.now)
	mounted := d.volume
	if err := x.tell(queue.LeaseEnded{Time: x.time(), Lease: l.id, Mounted: mounted}); err != nil {
		return err
	}
	if x.s.Faults.Down > 0 && x.rnd.Float64() < x.s.Faults.Down {
		x.result.down()
		x.after(seconds(x.s.Faults.Away), driveBack, d, nil)
		return nil
	}
	return x.offer(d)
}
