package queue

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/enstore-go/sdk/queue/discipline"
	"github.com/enstore-go/sdk/queue/fairshare"
	"github.com/enstore-go/sdk/queue/match"
	"github.com/enstore-go/sdk/queue/priority"
)

// Settings are the numbers and rules by which the machine decides. A zero field has the default named at it.
type Settings struct {
	AgeStep     time.Duration // waiting that outweighs one unit of priority; 30 minutes, as in Enstore; at most an hour
	MaxPriority int           // priorities are clipped to +-MaxPriority; 1000, at most 1,000,000
	Affinity    time.Duration // a group whose volume rests in a ready drive counts as so much older; 10 minutes, negative: none, at most 30 days
	Useful      time.Duration // a group counts as so much older, times the part of a drive's time in which its data would flow; 30 minutes, negative: none, at most 30 days
	Window      time.Duration // a write counts as old as the first waiting one of its dataset, but at most so much older than it is; 1 hour, negative: not
	Tail        time.Duration // the last few of a dataset count as so much older; 1 hour, negative: not
	Lead        time.Duration // a request counts as accepted so long before its deadline, at the latest; 4 hours, negative: deadlines are only shown
	Batch       int           // most requests handed to a lease at once; 16
	BatchBytes  int64         // most bytes handed to a lease at once, but always one request; 16 GiB
	LeaseFiles  int           // files after which a lease yields to others; 1000
	LeaseBytes  int64         // bytes after which a lease yields to others; 1 TiB
	LeaseTime   time.Duration // time after which a lease yields to others; 30 minutes

	// A volume that is in no drive is mounted only for so many bytes, or so many files, or when one of the requests has
	// waited so long. Zero MinAge: for anything.
	MinBytes int64
	MinFiles int
	MinAge   time.Duration

	Rest       time.Duration // after which a volume is taken out of an idle drive; 1 minute, negative: when the drive is needed
	Strikes    int           // drives in which a volume fails, or volumes that fail in a drive, until it is blamed; 3
	StrikeTime time.Duration // after which a strike does not count any more; 24 hours

	// What work costs a drive, about: for Useful, for shares and for estimates.
	MountTime time.Duration // of one volume for another; 150 seconds
	FileTime  time.Duration // of getting to a file; 10 seconds, negative: none
	Rate      int64         // bytes a second; 300,000,000

	Priorities []priority.Rule
	Shares     []fairshare.Share
	Limits     []discipline.Limit
}

func (s Settings) withDefaults() Settings {
	def(&s.AgeStep, 30*time.Minute)
	s.AgeStep = min(s.AgeStep, time.Hour)
	def(&s.MaxPriority, 1000)
	s.MaxPriority = min(s.MaxPriority, 1_000_000)
	credit(&s.Affinity, 10*time.Minute)
	credit(&s.Useful, 30*time.Minute)
	credit(&s.Window, time.Hour)
	credit(&s.Tail, time.Hour)
	credit(&s.Lead, 4*time.Hour)
	def(&s.Batch, 16)
	def(&s.BatchBytes, 16<<30)
	def(&s.LeaseFiles, 1000)
	def(&s.LeaseBytes, 1<<40)
	def(&s.LeaseTime, 30*time.Minute)
	credit(&s.Rest, time.Minute)
	def(&s.Strikes, 3)
	def(&s.StrikeTime, 24*time.Hour)
	def(&s.MountTime, 150*time.Second)
	credit(&s.FileTime, 10*time.Second)
	def(&s.Rate, 300_000_000)
	return s
}

func def[T ~int | ~int64](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// credit is a time that may be switched off by a negative one, which stays as it is: defaults may be filled in twice.
func credit(v *time.Duration, d time.Duration) {
	if *v == 0 {
		*v = d
	}
	*v = max(min(*v, 30*24*time.Hour), -1)
}

// Check says what is wrong with the rules. Its errors are match.ErrRule and name the rule.
func (s Settings) Check() error {
	_, err := s.compile()
	return err
}

// rules are the compiled rules of Settings.
type rules struct {
	priorities *priority.Rules
	shares     *fairshare.Rules
	limits     *discipline.Limits
}

func (s Settings) compile() (r rules, err error) {
	if r.priorities, err = priority.Compile(s.Priorities); err != nil {
		return r, err
	}
	if r.shares, err = fairshare.Compile(s.Shares); err != nil {
		return r, err
	}
	if r.limits, err = discipline.Compile(s.Limits); err != nil {
		return r, err
	}
	if s.MinBytes < 0 || s.MinFiles < 0 || s.MinAge < 0 {
		return r, fmt.Errorf("%w: the least work before a mount is negative", match.ErrRule)
	}
	return r, nil
}

// stream is how long a drive needs for so many bytes.
func (s *Settings) stream(n int64) int64 {
	hi, lo := bits.Mul64(uint64(max(n, 0)), uint64(time.Second))
	if hi >= uint64(s.Rate) {
		return 1 << 61
	}
	q, _ := bits.Div64(hi, lo, uint64(s.Rate))
	return int64(min(q, 1<<61))
}

// service is how long a drive needs for so many files of so many bytes, once their volume is mounted.
func (s *Settings) service(files int, n int64) int64 {
	return min(int64(max(s.FileTime, 0))*int64(files), 1<<60) + min(s.stream(n), 1<<60)
}

// useful is the credit for a group of so many files and bytes.
func (s *Settings) useful(files int, n int64) int64 {
	if s.Useful < 0 {
		return 0
	}
	flow := min(s.stream(n), 1<<60)
	hi, lo := bits.Mul64(uint64(s.Useful), uint64(flow))
	q, _ := bits.Div64(hi, lo, uint64(int64(s.MountTime)+s.service(files, n))) // flow is less than the divisor, so it fits
	return int64(q) / int64(time.Second) * int64(time.Second)                  // a few bytes more do not change whose turn it is
}
