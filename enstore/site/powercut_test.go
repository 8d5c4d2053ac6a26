package site_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/scsi/scsitest/guest"
)

const (
	envJudge = "ENSTORE_KILL_JUDGE" // the victim inspects instead: acks are in this file's lines
	envCuts  = "ENSTORE_POWERCUTS"  // how many power cuts; default 3
)

// TestPowerCut runs the whole job in a guest and cuts its power. What the guest had not synced
// is gone, as with a real machine; everything acknowledged must be there after the next boot.
func TestPowerCut(t *testing.T) {
	if testing.Short() {
		t.Skip("long: a guest and its power cuts")
	}
	cuts := 3
	if n, err := strconv.Atoi(os.Getenv(envCuts)); err == nil {
		cuts = n
	}
	is := is.New(t)
	m := guest.New(t)
	m.Disk("1024")
	m.Build(".")
	made := false
	m.Boot(func(l string) bool { made = made || l == "made"; return true }, envDir+"=/site/s", envJudge+"=make")
	is.True(made) // the site was made in the guest

	acks := []string{}
	for i := range cuts {
		seed := uint64(5000 + i)
		r := rand.New(rand.NewPCG(seed, 11))
		opened := false
		var trouble []string
		m.Boot(func(l string) bool {
			switch {
			case l == "open":
				opened = true
				m.CutAfter(time.Duration(500+r.IntN(8000)) * time.Millisecond)
			case strings.HasPrefix(l, "ack "):
				acks = append(acks, strings.TrimPrefix(l, "ack "))
			case strings.HasPrefix(l, "error"), strings.HasPrefix(l, "panic"):
				trouble = append(trouble, l)
			}
			return l != "done"
		}, envDir+"=/site/s", fmt.Sprint(envSeed, "=", seed))
		is.True(opened)
		is.Equal(len(trouble), 0)

		var verdict []string
		fine := false
		m.Boot(func(l string) bool {
			verdict = append(verdict, l)
			fine = fine || l == "all is well"
			return true
		}, envDir+"=/site/s", envJudge+"="+strings.Join(acks, ";"), fmt.Sprint(envSeed, "=", seed))
		if !fine {
			t.Fatalf("cut %d (seed %d) after %d acknowledgements:\n%s", i+1, seed, len(acks), strings.Join(verdict, "\n"))
		}
	}
	t.Logf("%d power cuts, %d files acknowledged", cuts, len(acks))
}

// judge is what the guest's program does instead of the work: make the site, or inspect it.
func judge(ctx context.Context, dir, what string, seed uint64) error {
	if what == "make" {
		if err := makeSite(ctx, dir); err != nil {
			return err
		}
		fmt.Println("made")
		return nil
	}
	acks := map[string]string{}
	for _, a := range strings.Split(what, ";") {
		if key, sum, ok := strings.Cut(a, " "); ok {
			acks[key] = sum
		}
	}
	if err := inspect(ctx, dir, acks, seed); err != nil {
		return err
	}
	fmt.Println("all is well")
	return nil
}
