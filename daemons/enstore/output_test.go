package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/enstore"
)

func TestSizes(t *testing.T) {
	is := is.New(t)
	for n, want := range map[int64]string{
		-1: "?", 0: "0 B", 9999: "9999 B", 10_000: "10.0 kB", 999_499: "999 kB", 999_500: "1.0 MB", 123_456_789: "123 MB",
		99_949_999: "99.9 MB", 99_950_001: "100 MB", 12e12: "12.0 TB", 999_600_000_000_000_000: "1.0 EB", 1 << 62: "4.6 EB",
	} {
		is.Equal(size(n), want)
	}
}

func TestSpans(t *testing.T) {
	is := is.New(t)
	for d, want := range map[time.Duration]string{
		0: "0.0s", 7340 * time.Millisecond: "7.3s", 59 * time.Second: "59s", 245 * time.Second: "4:05", 7209 * time.Second: "2:00:09",
	} {
		is.Equal(span(d), want)
	}
}

// What a terminal would act upon, or show as something else, does not reach it.
func TestNamesArePrintedSafely(t *testing.T) {
	is := is.New(t)
	for _, s := range []string{"plain", "with blank", "*?[a-z]", "-rf", "Müller", "日本", `back\slash`, "it's"} {
		is.Equal(printable(s), s)
	}
	for s, want := range map[string]string{
		"":              `""`,
		"\x1b[2J":       `"\x1b[2J"`,
		"a\nb":          `"a\nb"`,
		"a\xffb":        `"a\xffb"`,
		"\u202egpj.exe": `"\u202egpj.exe"`, // right to left
		"\u009b31m":     `"\u009b31m"`,
		`"quoted"`:      `"\"quoted\""`,
	} {
		is.Equal(printable(s), want)
	}
	is.Equal(indented("a\x1b\nenstore: b\xff"), "a\\x1b\n  enstore: b\\xff")
	is.Equal(unlikeText("/a\xff"), []byte("/a\xff"))
	is.Equal(unlikeText("/ä"), nil)
}

func TestProgressLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		var screen bytes.Buffer
		p := &program{out: &screen, err: &screen}
		g := &progress{w: &screen, verb: "storing", files: 3, total: 900e6, began: time.Now()}
		p.progress = g
		meter := g.meter()

		time.Sleep(time.Second)
		is.Equal(g.text(time.Now()), "storing 0/3 files  0 B of 900 MB  0 B/s  1.0s")
		for i := range 10 {
			meter(enstore.Progress{Bytes: int64(i+1) * 30e6})
			time.Sleep(time.Second)
			g.text(time.Now())
		}
		g.finished(meter, 300e6)
		is.Equal(g.text(time.Now()), "storing 1/3 files  300 MB of 900 MB  27.3 MB/s  ETA 22s")

		meter(enstore.Progress{Bytes: 0}) // the file begins again
		is.True(strings.HasPrefix(g.text(time.Now()), "storing 1/3 files  0 B of 900 MB"))
		g.meter()(enstore.Progress{Bytes: 900e6})
		is.Equal(g.text(time.Now()), "storing 1/3 files  900 MB of 900 MB  waiting for the tape")

		g.total = -1
		is.True(!strings.Contains(g.text(time.Now()), "ETA")) // nobody knows
		g.total, g.bytes = 9e18, 1
		g.past = nil
		is.True(!strings.Contains(g.text(time.Now()), "ETA")) // of no interest

		// Lines are printed above it.
		g.draw(time.Now())
		screen.Reset()
		is.NoErr(p.line("hello"))
		is.Equal(screen.String(), "\r\x1b[Khello\n")
	})
}

// The line is drawn four times a second, whatever goes on, and is gone in the end.
func TestProgressIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		var screen bytes.Buffer
		p := &program{out: &screen, err: &screen, cmd: &commands{}}
		g := p.watch("fetching", 1, 1000)
		g.show(p, &screen)
		meter := g.meter()
		for i := range 1000 {
			meter(enstore.Progress{Bytes: int64(i)})
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		is.Equal(strings.Count(screen.String(), "\r"), 4)
		g.end(p)
		is.True(strings.HasSuffix(screen.String(), "\r\x1b[K"))
		is.NoErr(p.line("done"))
		is.True(strings.HasSuffix(screen.String(), "\r\x1b[Kdone\n"))
	})
}

func TestProgressIsForTerminals(t *testing.T) {
	is := is.New(t)
	var screen bytes.Buffer
	p := &program{out: &screen, err: &screen, cmd: &commands{}}
	g := p.watch("storing", 1, 10)
	g.meter()(enstore.Progress{Bytes: 10})
	g.end(p)
	is.Equal(screen.Len(), 0)
	is.Equal(g.bytes, int64(10)) // counted all the same
}
