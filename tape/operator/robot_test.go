package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
)

// moveIn makes this program a robot of the directory that moves from slot 1000 to drive 1, and dies waiting.
const moveIn = "ENSTORE_OPERATOR_TEST_MOVE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(moveIn); dir != "" {
		c, err := OpenChanger(context.Background(), settingsOf(dir, nil))
		if err == nil {
			err = c.Move(context.Background(), SlotAddress(0), DriveAddress(0))
		}
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func settingsOf(dir string, more map[string]any) driver.Config {
	t := map[string]any{"dir": dir, "drives": []string{"left", "right"}, "slots": 4, "volumes": []string{"VO0001", "VO0002", "VO0003"}}
	for k, v := range more {
		t[k] = v
	}
	c, err := driver.ConfigOf(t)
	if err != nil {
		panic(err)
	}
	return c
}

// obedient is a person who does what is asked as soon as it is, until the test ends.
func obedient(t testing.TB, dir string) {
	stop := make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			rs, err := Requests(disk.OS(), dir)
			if errors.Is(err, ErrNoShelf) {
				continue
			}
			if err != nil {
				t.Error(err)
				return
			}
			for _, r := range rs {
				if r.State != Open {
					continue
				}
				if err := Done(disk.OS(), dir, r.ID); err != nil && !errors.Is(err, ErrWithdrawn) {
					t.Error(err)
					return
				}
			}
		}
	})
	t.Cleanup(func() { close(stop); busy.Wait() })
}

func TestKit(t *testing.T) {
	drivertest.TestChanger(t, func(t testing.TB) *drivertest.Robot {
		dir := t.TempDir()
		obedient(t, dir)
		return &drivertest.Robot{
			Open:      func() (driver.Changer, error) { return open(t.Context(), disk.OS(), settingsOf(dir, nil), io.Discard) },
			Exclusive: true,
		}
	})
}

func outcome(t *testing.T, err error) (driver.Outcome, string) {
	t.Helper()
	var e *driver.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is a %T", err, err)
	}
	return e.Outcome, e.Text
}

// rig is a robot on a disk in memory, and its person.
type rig struct {
	t   *testing.T
	is  *is.I
	fs  disk.FS
	c   driver.Changer
	log bytes.Buffer
}

func newRig(t *testing.T, fsys disk.FS, more map[string]any) *rig {
	t.Helper()
	r := &rig{t: t, is: is.New(t), fs: fsys}
	var err error
	r.c, err = open(t.Context(), fsys, settingsOf("/shelf", more), &r.log)
	r.is.NoErr(err)
	return r
}

// move begins a move, and returns when its request is there.
func (r *rig) move(ctx context.Context, from, to int) (Request, chan error) {
	r.t.Helper()
	result := make(chan error, 1)
	go func() { result <- r.c.Move(ctx, from, to) }()
	synctest.Wait()
	rs := r.open()
	r.is.Equal(len(rs), 1)
	return rs[0], result
}

// open are the open requests.
func (r *rig) open() (open []Request) {
	r.t.Helper()
	rs, err := Requests(r.fs, "/shelf")
	r.is.NoErr(err)
	for _, q := range rs {
		if q.State == Open {
			open = append(open, q)
		}
	}
	return open
}

// at tells where a volume is, also while a move waits.
func (r *rig) at(label string) int {
	r.t.Helper()
	s, err := shelf{r.fs, "/shelf"}.read()
	r.is.NoErr(err)
	if c := s.find(label); c != nil {
		return c.Address
	}
	return -1
}

func TestAPersonCarries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, disk.NewForgetful(), nil)
		begin := time.Now()
		q, result := r.move(t.Context(), SlotAddress(1), DriveAddress(0))
		r.is.Equal(q.String(), "carry VO0002 from slot 1001 to drive left")
		r.is.Equal(q.State, Open)
		time.Sleep(50 * time.Minute)
		r.is.Equal(r.at("VO0002"), SlotAddress(1)) // nothing has moved before the answer
		r.is.NoErr(Done(r.fs, "/shelf", q.ID))
		r.is.NoErr(<-result)
		r.is.True(time.Since(begin) < 51*time.Minute)
		r.is.Equal(r.at("VO0002"), DriveAddress(0))
		r.is.True(errors.Is(Done(r.fs, "/shelf", q.ID), ErrAnswered))
		r.is.True(errors.Is(Refuse(r.fs, "/shelf", q.ID, ""), ErrAnswered))
		r.is.True(errors.Is(Done(r.fs, "/shelf", 99), ErrNotFound))

		q, result = r.move(t.Context(), DriveAddress(0), SlotAddress(3))
		r.is.NoErr(Refuse(r.fs, "/shelf", q.ID, " the drive\x1b holds it\n"))
		o, text := outcome(t, <-result)
		r.is.Equal(o, driver.OutcomeAborted)
		r.is.True(strings.HasSuffix(text, "was refused: the drive? holds it"))
		r.is.Equal(r.at("VO0002"), DriveAddress(0))
		r.is.Equal(r.log.String(), "[WARN] operator: request 1: carry VO0002 from slot 1001 to drive left; answer with: enstore robot done 1\n"+
			"[WARN] operator: request 2: carry VO0002 from drive left to slot 1003; answer with: enstore robot done 2\n")
		r.is.NoErr(r.c.Close())
	})
}

// A request that nobody answers is withdrawn, and whoever answers it later is told.
func TestWithdrawn(t *testing.T) {
	for _, how := range []string{"timeout", "context", "close"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, disk.NewForgetful(), map[string]any{"timeout": "30m"})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				q, result := r.move(ctx, SlotAddress(0), DriveAddress(1))
				begin := time.Now()
				switch how {
				case "context":
					cancel()
				case "close":
					r.is.NoErr(r.c.Close())
				}
				o, text := outcome(t, <-result)
				r.is.Equal(o, driver.OutcomeUnknown) // the person may be on the way
				r.is.True(strings.Contains(text, "request 1 (carry VO0001 from slot 1000 to drive right) is withdrawn: "))
				r.is.Equal(time.Since(begin) >= 30*time.Minute, how == "timeout")
				if how == "close" {
					r = newRig(t, r.fs, nil)
				}
				rs, err := Requests(r.fs, "/shelf")
				r.is.NoErr(err)
				r.is.Equal(len(rs), 1) // it is still shown
				r.is.Equal(rs[0].State, Withdrawn)
				err = Done(r.fs, "/shelf", q.ID)
				r.is.True(errors.Is(err, ErrWithdrawn))
				r.is.True(strings.Contains(err.Error(), "put the cartridge back into slot 1000"))
				r.is.Equal(r.at("VO0001"), SlotAddress(0))
				r.is.NoErr(Late(r.fs, "/shelf", q.ID))
				r.is.Equal(r.at("VO0001"), DriveAddress(1)) // which is the truth now
				r.is.Equal(len(r.open()), 0)
				r.is.NoErr(r.c.Close())
			})
		})
	}
}

func TestWithdrawnRequestsAreOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, disk.NewForgetful(), map[string]any{"timeout": "1m"})
		giveUp := func(from, to int) Request {
			q, result := r.move(t.Context(), from, to)
			o, _ := outcome(t, <-result)
			r.is.Equal(o, driver.OutcomeUnknown)
			return q
		}
		first := giveUp(SlotAddress(0), DriveAddress(0))
		other := giveUp(SlotAddress(0), DriveAddress(1))
		q, result := r.move(t.Context(), SlotAddress(0), DriveAddress(0)) // as first
		err := Done(r.fs, "/shelf", first.ID)
		r.is.True(errors.Is(err, ErrWithdrawn))
		r.is.True(strings.Contains(err.Error(), "asked again as request 3"))
		r.is.NoErr(Done(r.fs, "/shelf", q.ID))
		r.is.NoErr(<-result)
		err = Late(r.fs, "/shelf", other.ID)
		r.is.True(errors.Is(err, ErrWithdrawn))
		r.is.True(strings.Contains(err.Error(), "carried by request 3 since"))
		rs, err := Requests(r.fs, "/shelf")
		r.is.NoErr(err)
		r.is.Equal(len(rs), 0)

		// Late has to be possible.
		late := giveUp(SlotAddress(1), SlotAddress(3))
		q, result = r.move(t.Context(), SlotAddress(2), SlotAddress(3))
		r.is.NoErr(Done(r.fs, "/shelf", q.ID))
		r.is.NoErr(<-result)
		r.is.True(errors.Is(Late(r.fs, "/shelf", late.ID), ErrBusy)) // another stands there
		r.is.NoErr(Refuse(r.fs, "/shelf", late.ID, "put back"))
		r.is.NoErr(r.c.Close())
	})
}

func TestTheShelfIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, disk.NewForgetful(), nil)
		r.is.NoErr(shelf{r.fs, "/shelf"}.change(t.Context(), func(s *state) error {
			for s.Last < keptAnswers {
				s.Last++
				s.Requests = append(s.Requests, Request{ID: s.Last, Volume: "VO0001", State: Refused})
			}
			return nil
		}))
		q, result := r.move(t.Context(), SlotAddress(0), DriveAddress(0))
		r.is.Equal(q.ID, keptAnswers+1)
		r.is.NoErr(Refuse(r.fs, "/shelf", q.ID, strings.Repeat("no", 1000)))
		o, text := outcome(t, <-result)
		r.is.Equal(o, driver.OutcomeAborted)
		r.is.True(len(text) < maxWhy+100)
		s, err := shelf{r.fs, "/shelf"}.read()
		r.is.NoErr(err)
		r.is.Equal(len(s.Requests), keptAnswers)
		r.is.True(errors.Is(Done(r.fs, "/shelf", 1), ErrNotFound))
		r.is.NoErr(r.c.Close())
	})
}

func TestAddAndRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, disk.NewForgetful(), nil)
		q, result := r.move(t.Context(), SlotAddress(0), SlotAddress(3))
		_, err := Add(r.fs, "/shelf", "VO0004") // the last slot is wanted
		r.is.True(errors.Is(err, ErrNoSlot))
		_, err = Remove(r.fs, "/shelf", "VO0001")
		r.is.True(errors.Is(err, ErrBusy))
		r.is.NoErr(Done(r.fs, "/shelf", q.ID))
		r.is.NoErr(<-result)
		slot, err := Add(r.fs, "/shelf", "VO0004")
		r.is.NoErr(err)
		r.is.Equal(slot, SlotAddress(0))
		r.is.Equal(r.at("VO0004"), slot)
		for label, want := range map[string]error{"vo0004": ErrExists, "": ErrLabel, "-x": ErrLabel, "A B": ErrLabel, strings.Repeat("A", 33): ErrLabel} {
			_, err = Add(r.fs, "/shelf", label)
			r.is.True(errors.Is(err, want))
		}
		slot, err = Remove(r.fs, "/shelf", "VO0004")
		r.is.NoErr(err)
		r.is.Equal(slot, SlotAddress(0))
		_, err = Remove(r.fs, "/shelf", "VO0004")
		r.is.True(errors.Is(err, ErrNotFound))
		q, result = r.move(t.Context(), SlotAddress(1), DriveAddress(0))
		r.is.NoErr(Done(r.fs, "/shelf", q.ID))
		r.is.NoErr(<-result)
		_, err = Remove(r.fs, "/shelf", "VO0002")
		r.is.True(errors.Is(err, ErrBusy)) // it is in a drive

		q, result = r.move(t.Context(), SlotAddress(2), DriveAddress(1))
		<-result // nobody answers
		_, err = Remove(r.fs, "/shelf", "VO0003")
		r.is.NoErr(err)
		r.is.True(errors.Is(Late(r.fs, "/shelf", q.ID), ErrWithdrawn))
		r.is.NoErr(r.c.Close())
	})
	_, err := Add(disk.NewForgetful(), "/none", "A")
	is.New(t).True(errors.Is(err, ErrNoShelf))
}

// A process that is killed leaves its request open; the next one finds it.
func TestKill(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	self, err := os.Executable()
	is.NoErr(err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), moveIn+"="+dir)
	cmd.Stderr = io.Discard
	is.NoErr(cmd.Start())
	defer cmd.Process.Kill()
	var rs []Request
	deadline := time.Now().Add(time.Minute)
	for tick := time.NewTicker(5 * time.Millisecond); len(rs) == 0; <-tick.C {
		if rs, err = Requests(disk.OS(), dir); err != nil && !errors.Is(err, ErrNoShelf) || time.Now().After(deadline) {
			t.Fatal("no request: ", err)
		}
	}
	_, err = open(t.Context(), disk.OS(), settingsOf(dir, nil), io.Discard)
	o, _ := outcome(t, err)
	is.Equal(o, driver.OutcomeHeld)
	is.NoErr(cmd.Process.Kill())
	_ = cmd.Wait()

	c, err := open(t.Context(), disk.OS(), settingsOf(dir, nil), io.Discard)
	is.NoErr(err)
	defer c.Close()
	left, err := Requests(disk.OS(), dir)
	is.NoErr(err)
	is.Equal(left, rs) // still open
	result := make(chan error, 1)
	go func() { result <- c.Move(t.Context(), SlotAddress(0), DriveAddress(0)) }()
	is.NoErr(Done(disk.OS(), dir, rs[0].ID)) // before the move looks, or while it waits
	err = <-result
	if err != nil { // it looked behind the answer
		o, _ := outcome(t, err)
		is.Equal(o, driver.OutcomeNoMedium)
	}
	es, err := c.Inventory(t.Context())
	is.NoErr(err)
	is.Equal(es[0].Label, "VO0001")
}

// What the next process does with a request that it finds depends on what it wants.
func TestRequestsThatAreLeft(t *testing.T) {
	left := func(t *testing.T) (*rig, Request) {
		old := disk.NewForgetful()
		r := newRig(t, old, nil)
		q, result := r.move(t.Context(), SlotAddress(0), DriveAddress(0))
		fsys := old.Kill()
		r.is.True(<-result != nil)
		return newRig(t, fsys, nil), q
	}
	t.Run("the same", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, q := left(t)
			again, result := r.move(t.Context(), SlotAddress(0), DriveAddress(0))
			r.is.Equal(again, q)
			r.is.NoErr(Done(r.fs, "/shelf", q.ID))
			r.is.NoErr(<-result)
			r.is.NoErr(r.c.Close())
		})
	})
	t.Run("something else", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, q := left(t)
			other, result := r.move(t.Context(), SlotAddress(1), DriveAddress(0))
			r.is.True(other.ID != q.ID)
			r.is.True(errors.Is(Done(r.fs, "/shelf", q.ID), ErrWithdrawn))
			r.is.NoErr(Done(r.fs, "/shelf", other.ID))
			r.is.NoErr(<-result)
			r.is.NoErr(r.c.Close())
		})
	})
	t.Run("nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, q := left(t)
			r.is.NoErr(Done(r.fs, "/shelf", q.ID)) // the person cannot know
			r.is.Equal(r.at("VO0001"), DriveAddress(0))
			r.is.NoErr(r.c.Close())
		})
	})
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		more map[string]any
		text string
	}{
		{map[string]any{"dir": ""}, "dir: missing"},
		{map[string]any{"drives": []string{}}, "drives: 0"},
		{map[string]any{"drives": []string{"a", "a"}}, "drives: "},
		{map[string]any{"drives": []string{"a\nb"}}, "drives: "},
		{map[string]any{"slots": 0}, "slots: 0"},
		{map[string]any{"slots": 100_001}, "slots: 100001"},
		{map[string]any{"slots": 2}, "volumes: volume VO0003: at address 1002, which is beyond"},
		{map[string]any{"volumes": []string{"A", "a"}}, "volumes: "},
		{map[string]any{"volumes": []string{"-"}}, "volumes: "},
		{map[string]any{"timeout": "0s"}, "timeout: "},
		{map[string]any{"timeout": "200h"}, "timeout: "},
		{map[string]any{"notify": []string{"/no/such/program"}}, "notify: "},
		{map[string]any{"notify": []string{"sh", "{drive}"}}, "notify: there is no {drive}"},
		{map[string]any{"dri": 1}, "dri"},
	} {
		t.Run(c.text, func(t *testing.T) {
			_, err := open(t.Context(), disk.NewForgetful(), settingsOf("/shelf", c.more), io.Discard)
			o, text := outcome(t, err)
			is.New(t).Equal(o, driver.OutcomeConfig)
			is.New(t).True(strings.Contains(text, c.text))
		})
	}
}

func TestSettingsOfAShelfThatIsThere(t *testing.T) {
	is := is.New(t)
	fsys := disk.NewForgetful()
	reopen := func(more map[string]any) error {
		c, err := open(t.Context(), fsys, settingsOf("/shelf", more), io.Discard)
		if err == nil {
			err = c.Close()
		}
		return err
	}
	is.NoErr(reopen(nil))
	is.NoErr(reopen(map[string]any{"slots": 6, "volumes": []string{"OTHER"}, "drives": []string{"left", "right", "new"}}))
	s, err := shelf{fsys, "/shelf"}.read()
	is.NoErr(err)
	is.Equal(s.Slots, 6)
	is.Equal(len(s.Drives), 3)
	is.Equal(s.find("OTHER"), nil) // volumes were for the beginning
	o, text := outcome(t, reopen(map[string]any{"slots": 2, "volumes": nil}))
	is.Equal(o, driver.OutcomeConfig)
	is.True(strings.Contains(text, "volume VO0003: at address 1002, which is beyond drives and slots"))
	is.NoErr(disk.WriteFileAtomic(fsys, "/shelf/shelf.json", []byte("{}"), 0o666))
	o, text = outcome(t, reopen(nil))
	is.Equal(o, driver.OutcomeConfig)
	is.True(strings.Contains(text, "damaged"))
}

func TestNotify(t *testing.T) {
	is := is.New(t)
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	var log bytes.Buffer
	notify := []string{"sh", "-c", `cat >"$0.new"; echo "$1,$2,$3,$4,$5" >>"$0.new"; mv "$0.new" "$0"; echo pager is empty >&2; exit 3`, out, "{id}", "{volume}", "{from}", "{to}", "{text}"}
	c, err := open(t.Context(), disk.OS(), settingsOf(dir, map[string]any{"notify": notify}), &log)
	is.NoErr(err)
	result := make(chan error, 1)
	go func() { result <- c.Move(t.Context(), SlotAddress(0), DriveAddress(0)) }()
	deadline := time.Now().Add(time.Minute)
	var said []byte
	for tick := time.NewTicker(5 * time.Millisecond); said == nil; <-tick.C {
		if said, err = os.ReadFile(out); err != nil && time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	asJSON, args, _ := strings.Cut(string(said), "\n")
	var q Request
	is.NoErr(json.Unmarshal([]byte(asJSON), &q))
	rs, err := Requests(disk.OS(), dir)
	is.NoErr(err)
	is.Equal(q, rs[0])
	is.Equal(args, "1,VO0001,slot 1000,drive left,carry VO0001 from slot 1000 to drive left\n")
	is.NoErr(Done(disk.OS(), dir, q.ID))
	is.NoErr(<-result) // the pager does not matter
	is.NoErr(c.Close())
}
