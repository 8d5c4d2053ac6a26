package sqlitestore_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/sqlitestore"
)

// victimEnv names the file in which the killed process of TestKillLosesNothing writes.
const victimEnv = "SQLITESTORE_TEST_VICTIM"

// TestVictim is the process that is killed: it flushes on many volumes at once and prints
// each BFID when the flush has returned.
func TestVictim(t *testing.T) {
	name := os.Getenv(victimEnv)
	if name == "" {
		t.Skip("only as the process that another test kills")
	}
	s, err := sqlitestore.Open(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	f := newFleetIn(t, s, 16)
	var wg sync.WaitGroup
	for _, d := range f.drives {
		wg.Go(func() {
			for range 1_000_000 {
				results, err := d.c.Flush(context.Background(), d.commit())
				if err != nil {
					panic(err)
				}
				fmt.Printf("stored %s %s\n", results[0].File.BFID, results[0].File.Location)
			}
		})
	}
	wg.Wait()
}

// TestKillLosesNothing kills a process among its commits: what it had been told is durable
// is there, every volume is as its files say, and numbers are not given again.
func TestKillLosesNothing(t *testing.T) {
	for round := range 5 {
		t.Run(fmt.Sprint(round), func(t *testing.T) { killOnce(t, 50+100*round) })
	}
}

func killOnce(t *testing.T, after int) {
	is := is.New(t)
	name := filepath.Join(t.TempDir(), "catalogue.db")
	cmd := exec.Command(os.Args[0], "-test.run", "^TestVictim$")
	cmd.Env = append(os.Environ(), victimEnv+"="+name)
	out, err := cmd.StdoutPipe()
	is.NoErr(err)
	is.NoErr(cmd.Start())
	var told []catalog.BFID
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "stored "); ok {
			told = append(told, catalog.BFID(strings.Fields(id)[0]))
		}
		if len(told) == after {
			is.NoErr(cmd.Process.Kill())
		}
	}
	is.True(cmd.Wait() != nil)
	is.True(len(told) >= after)

	s, err := sqlitestore.Open(t.Context(), name)
	is.NoErr(err)
	defer s.Close()
	c, err := catalog.Open(t.Context(), s, nil)
	is.NoErr(err)
	last := catalog.BFID("")
	for _, id := range told {
		_, err := c.File(t.Context(), id)
		is.NoErr(err)
	}
	files := 0
	for v, err := range c.Volumes(t.Context(), catalog.Filter{}) {
		is.NoErr(err)
		next := int64(1)
		for f, err := range c.FilesOfVolume(t.Context(), v.Label) {
			is.NoErr(err)
			is.Equal(f.Location.File, next)
			_, err = c.FileByRequest(t.Context(), f.Request)
			is.NoErr(err)
			next++
			files++
			last = max(last, f.BFID)
		}
		is.Equal(v.EOD.File, next)
		is.Equal(v.Files, next-1)
		is.True(v.Writing()) // its lease did not end
	}
	is.True(files >= len(told))
	stored := 0
	for since := uint64(0); ; {
		events, err := c.Events(t.Context(), since, 1000)
		is.NoErr(err)
		for _, e := range events {
			is.Equal(e.Seq, since+1)
			since = e.Seq
			if e.Kind == catalog.FileStored {
				stored++
			}
		}
		if len(events) == 0 {
			break
		}
	}
	is.Equal(stored, files)
	next, err := c.NewBFID(t.Context())
	is.NoErr(err)
	is.True(next > last)
}

func TestReopenedIsTheSame(t *testing.T) {
	is := is.New(t)
	name := filepath.Join(t.TempDir(), "a catalogue?#%41.db") // a name with all that a URL must quote
	s, err := sqlitestore.Open(t.Context(), name)
	is.NoErr(err)
	f := newFleetIn(t, s, 2)
	f.run(t, 3)
	is.NoErr(s.Close())
	_, err = os.Stat(name)
	is.NoErr(err)
	s, err = sqlitestore.Open(t.Context(), name)
	is.NoErr(err)
	defer s.Close()
	c, err := catalog.Open(t.Context(), s, nil)
	is.NoErr(err)
	is.NoErr(s.WaitEvents(t.Context(), 1)) // known from before
	results, err := c.FlushOutcome(t.Context(), f.drives[0].g.Lease, 3)
	is.NoErr(err)
	is.Equal(results[0].File.Location.File, int64(3))
}

func Example() {
	dir, err := os.MkdirTemp("", "catalogue")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	s, err := sqlitestore.Open(ctx, filepath.Join(dir, "catalogue.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	c, err := catalog.Open(ctx, s, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = c.AddVolume(ctx, catalog.Volume{Label: "VO1234L8", Library: "LTO8", MediaType: "LTO8", Capacity: 12e12})
	fmt.Println(err)
	// Output: <nil>
}
