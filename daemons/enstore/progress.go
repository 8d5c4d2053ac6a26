package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/enstore-go/sdk/enstore"
)

// redraw is how often the progress line is drawn anew.
const redraw = 250 * time.Millisecond

// recent is how many redraws the speed is averaged over.
const recent = 20

// longest is what an estimate is worth telling.
const longest = 100 * time.Hour

// progress counts what many transfers have done, and shows it on one line of a terminal.
type progress struct {
	w    io.Writer // where it is shown; nil: nowhere
	verb string

	mu    sync.Mutex
	files int   // that there are
	done  int   // of them
	total int64 // bytes of all files; -1: not known
	bytes int64 // that have passed
	began time.Time
	past  []sample
	drawn bool

	stop chan struct{}
	over sync.WaitGroup
}

// sample is how far the transfers had come at a time.
type sample struct {
	at    time.Time
	bytes int64
}

// watch begins to count, and to show progress if somebody watches. end is to be called when the transfers
// are over.
func (p *program) watch(verb string, files int, total int64) *progress {
	g := &progress{verb: verb, files: files, total: total, began: time.Now(), stop: make(chan struct{})}
	if p.terminal() {
		g.show(p, p.err)
	}
	return g
}

// show draws the line now and then until end.
func (g *progress) show(p *program, w io.Writer) {
	g.w = w
	p.mu.Lock()
	p.progress = g
	p.mu.Unlock()
	g.over.Go(func() {
		tick := time.NewTicker(redraw)
		defer tick.Stop()
		for {
			select {
			case <-g.stop:
				return
			case <-tick.C:
				p.mu.Lock()
				g.draw(time.Now())
				p.mu.Unlock()
			}
		}
	})
}

// end stops the display and removes the line.
func (g *progress) end(p *program) {
	close(g.stop)
	g.over.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	g.erase()
	p.progress = nil
}

// above prints something while the progress line is out of the way. One at a time prints.
func (p *program) above(print func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.progress != nil {
		p.progress.erase()
	}
	print()
}

// meter gives the Progress function of one file.
func (g *progress) meter() func(enstore.Progress) {
	var had int64
	return func(now enstore.Progress) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.bytes += now.Bytes - had // less than nothing when a file begins again
		had = now.Bytes
	}
}

// finished counts a file of so many bytes, of which meter may not have heard to the end.
func (g *progress) finished(meter func(enstore.Progress), size int64) {
	meter(enstore.Progress{Bytes: size})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.done++
}

// speed is the mean of the last seconds in bytes a second. mu is held.
func (g *progress) speed(now time.Time) float64 {
	if len(g.past) == 0 {
		g.past = append(g.past, sample{g.began, 0})
	}
	first := g.past[0]
	g.past = append(g.past, sample{now, g.bytes})
	if len(g.past) > recent {
		g.past = g.past[1:]
	}
	if d := now.Sub(first.at).Seconds(); d > 0 {
		return max(0, float64(g.bytes-first.bytes)/d)
	}
	return 0
}

// text is the line, of less than 80 characters.
func (g *progress) text(now time.Time) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	speed := g.speed(now)
	s := fmt.Sprintf("%s %d/%d files  %s", g.verb, g.done, g.files, size(g.bytes))
	if g.total >= 0 {
		s += " of " + size(g.total)
	}
	if g.total >= 0 && g.bytes >= g.total {
		return s + "  waiting for the tape"
	}
	s += fmt.Sprintf("  %s/s", size(int64(speed)))
	if left := float64(g.total-g.bytes) / speed; g.total >= 0 && left < longest.Seconds() {
		return s + "  ETA " + span(time.Duration(left*float64(time.Second)))
	}
	return s + "  " + span(now.Sub(g.began))
}

// draw and erase are called with the program's lock held.
func (g *progress) draw(now time.Time) {
	fmt.Fprintf(g.w, "\r%s\x1b[K", g.text(now))
	g.drawn = true
}

func (g *progress) erase() {
	if g.drawn {
		fmt.Fprint(g.w, "\r\x1b[K")
		g.drawn = false
	}
}
