package drivertest

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// Result is what became of one rule.
type Result struct {
	Rule        string
	Explanation string // why engines rely on the rule
	Verdict     Verdict
	Text        string // how it was broken, or why it was not tried
	Took        time.Duration
}

// Verdict is kept, broken or not tried.
type Verdict string

// The verdicts.
const (
	Kept     Verdict = "kept"
	Broken   Verdict = "broken"
	NotTried Verdict = "not tried"
)

// CheckDrive runs the rules of TestDrive without package testing's runner, for programs: report is called after
// each rule. It stops before the next rule when ctx ends, with ctx's error. The testing.TB that h is given fails
// the rule, and cleans up after it.
func CheckDrive(ctx context.Context, h Harness, report func(Result)) error {
	for _, r := range driveRules() {
		if err := check(ctx, r.name, r.explanation, report, func(t testing.TB) string { return r.try(t, h) }); err != nil {
			return err
		}
	}
	return nil
}

// CheckChanger does for a robot what CheckDrive does for a drive.
func CheckChanger(ctx context.Context, h ChangerHarness, report func(Result)) error {
	for _, r := range changerRules {
		if err := check(ctx, r.name, r.explanation, report, func(t testing.TB) string { return r.try(t, h) }); err != nil {
			return err
		}
	}
	return nil
}

func check(ctx context.Context, name, explanation string, report func(Result), try func(testing.TB) string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	began := time.Now()
	res := Result{Rule: name, Explanation: explanation, Verdict: Kept}
	t := &trial{ctx: ctx, name: name}
	t.run(func() { res.Text = try(t) })
	switch {
	case t.failed && ctx.Err() != nil:
		return ctx.Err() // it was cut off, which says nothing of the device
	case t.failed:
		res.Verdict, res.Text = Broken, strings.TrimSuffix(strings.Join(t.log, "\n"), reason(name, explanation))
	case t.skipped:
		res.Verdict, res.Text = NotTried, strings.Join(t.log, "\n")
	case res.Text != "":
		res.Verdict = NotTried
	}
	res.Took = time.Since(began)
	report(res)
	return nil
}

// subtest runs a rule as a test of its own.
func subtest(t *testing.T, name, explanation string, try func(testing.TB) string) Result {
	t.Helper()
	began := time.Now()
	res := Result{Rule: name, Explanation: explanation, Verdict: Kept}
	ok := t.Run(name, func(t *testing.T) {
		defer func() {
			if t.Skipped() {
				res.Verdict = NotTried
			}
		}()
		if res.Text = try(t); res.Text != "" {
			t.Skip("not tried: " + res.Text)
		}
	})
	if !ok {
		res.Verdict = Broken
	}
	res.Took = time.Since(began)
	return res
}

// trial is a testing.TB outside of a test. What it does not have, like Setenv, panics, and that breaks the rule.
type trial struct {
	testing.TB      // nil
	ctx             context.Context
	name            string
	log             []string
	failed, skipped bool
	cleanups        []func()
}

// run calls f, which may end its goroutine as tests do, and then what it wanted cleaned up.
func (t *trial) run(f func()) {
	t.apart(f)
	for len(t.cleanups) > 0 {
		last := t.cleanups[len(t.cleanups)-1]
		t.cleanups = t.cleanups[:len(t.cleanups)-1]
		t.apart(last)
	}
}

// apart calls f in a goroutine of its own, and waits for its end.
func (t *trial) apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		f()
	}()
	<-done
}

func (t *trial) Helper()                  {}
func (t *trial) Name() string             { return t.name }
func (t *trial) Context() context.Context { return t.ctx }
func (t *trial) Failed() bool             { return t.failed }
func (t *trial) Skipped() bool            { return t.skipped }
func (t *trial) Fail()                    { t.failed = true }
func (t *trial) FailNow()                 { t.Fail(); runtime.Goexit() }
func (t *trial) SkipNow()                 { t.skipped = true; runtime.Goexit() }
func (t *trial) Log(args ...any) {
	t.log = append(t.log, strings.TrimSuffix(fmt.Sprintln(args...), "\n"))
}
func (t *trial) Logf(format string, args ...any)   { t.log = append(t.log, fmt.Sprintf(format, args...)) }
func (t *trial) Error(args ...any)                 { t.Log(args...); t.Fail() }
func (t *trial) Errorf(format string, args ...any) { t.Logf(format, args...); t.Fail() }
func (t *trial) Fatal(args ...any)                 { t.Log(args...); t.FailNow() }
func (t *trial) Fatalf(format string, args ...any) { t.Logf(format, args...); t.FailNow() }
func (t *trial) Skip(args ...any)                  { t.Log(args...); t.SkipNow() }
func (t *trial) Skipf(format string, args ...any)  { t.Logf(format, args...); t.SkipNow() }
func (t *trial) Cleanup(f func())                  { t.cleanups = append(t.cleanups, f) }

func (t *trial) TempDir() string {
	dir, err := os.MkdirTemp("", "drivertest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
