package program_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/internal/program"
)

// play makes the test binary the program that is run.
const play = "play"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == play {
		os.Exit(act(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func act(args []string) int {
	switch args[0] {
	case "echo":
		in, _ := io.ReadAll(os.Stdin)
		fmt.Printf("%q %q", args[1:], in)
	case "env":
		fmt.Print(strings.Join(os.Environ(), "\n"))
	case "fail":
		for i := range 1000 {
			fmt.Fprintf(os.Stderr, "line %d\n", i)
		}
		fmt.Fprint(os.Stderr, "\n  drive \x1b[31moffline\t\xff\n\n")
		return 7
	case "flood":
		for {
			fmt.Println("more")
		}
	case "hang": // with a child of its own
		if !child(args[1]) {
			return 1
		}
		select {}
	case "leave": // a child that holds the output open
		if !child(args[1]) {
			return 1
		}
	case "child": // it ignores what can be ignored, and is connected as long as it lives
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		if _, err := net.Dial("tcp", args[1]); err == nil {
			select {}
		}
	}
	return 0
}

func child(addr string) bool {
	self, err := os.Executable()
	if err == nil {
		_, err = os.StartProcess(self, []string{self, play, "child", addr}, &os.ProcAttr{Files: []*os.File{nil, os.Stdout, os.Stderr}})
	}
	return err == nil
}

// life listens for a child. born returns when it runs, dead when it is dead.
func life(t *testing.T) (addr string, born, dead func()) {
	t.Helper()
	is := is.New(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	is.NoErr(err)
	t.Cleanup(func() { l.Close() })
	var c net.Conn
	return l.Addr().String(), func() {
			c, err = l.Accept()
			is.NoErr(err)
		}, func() {
			defer c.Close()
			_, err := c.Read(make([]byte, 1))
			is.True(err != nil && !errors.Is(err, os.ErrDeadlineExceeded))
		}
}

func prog(t *testing.T, args ...string) *program.Program {
	t.Helper()
	self, err := os.Executable()
	is.New(t).NoErr(err)
	return &program.Program{Key: "mount", Args: append([]string{self, play}, args...), Env: []string{"GORACE=atexit_sleep_ms=0", "SITE=here"}}
}

func TestRun(t *testing.T) {
	is := is.New(t)
	p := prog(t, "echo", "{volume}", "to={drive};{volume}", "$HOME {", "")
	is.NoErr(p.Check("volume", "drive"))
	e := p.Run(t.Context(), program.Input{Values: map[string]string{"volume": "V 1", "drive": "{volume}"}, In: []byte("said"), Out: 1000})
	is.NoErr(e.Why)
	is.Equal(e.Code, 0)
	is.Equal(string(e.Out), `["V 1" "to={volume};V 1" "$HOME {" ""] "said"`) // no shell, and nothing is filled in twice

	e = prog(t, "fail").Run(t.Context(), program.Input{})
	is.NoErr(e.Why)
	is.Equal(e.Code, 7)
	is.Equal(e.Said, "line 997; line 998; line 999; drive ?[31moffline ?")
}

func TestEnvironmentIsMinimal(t *testing.T) {
	is := is.New(t)
	t.Setenv("ENSTORE_SECRET", "1")
	e := prog(t, "env").Run(t.Context(), program.Input{Out: 10_000})
	is.NoErr(e.Why)
	is.Equal(string(e.Out), "PATH="+os.Getenv("PATH")+"\nLC_ALL=C\nGORACE=atexit_sleep_ms=0\nSITE=here")
}

func TestTooMuch(t *testing.T) {
	is := is.New(t)
	e := prog(t, "flood").Run(t.Context(), program.Input{Out: 10_000})
	is.True(errors.Is(e.Why, program.ErrTooMuch))
	is.Equal(e.Code, -1)
	is.True(len(e.Out) <= 10_000)
}

func TestTheEndOfTheContextKillsTheGroup(t *testing.T) {
	is := is.New(t)
	addr, born, dead := life(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { born(); cancel() }()
	e := prog(t, "hang", addr).Run(ctx, program.Input{Out: 1000})
	is.True(errors.Is(e.Why, context.Canceled))
	is.Equal(e.Code, -1)
	dead()
	is.True(errors.Is(prog(t, "echo").Run(ctx, program.Input{}).Why, context.Canceled))
}

func TestWhatIsLeftBehindIsKilled(t *testing.T) {
	is := is.New(t)
	addr, born, dead := life(t)
	e := prog(t, "leave", addr).Run(t.Context(), program.Input{Out: 1000})
	is.NoErr(e.Why)
	is.Equal(e.Code, 0)
	born()
	dead()
}

func TestNotStarted(t *testing.T) {
	is := is.New(t)
	p := &program.Program{Key: "mount", Args: []string{t.TempDir() + "/none"}}
	is.True(errors.Is(p.Run(t.Context(), program.Input{}).Why, program.ErrNotStarted))
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		args []string
		text string
	}{
		{nil, "missing"},
		{[]string{""}, "missing"},
		{[]string{"sh", "{volme}"}, "there is no {volme} here; what may be filled in: {volume} {drive}"},
		{[]string{"{volume}"}, "own name"},
		{[]string{"sh", "a\x00b"}, "NUL"},
		{[]string{"sh", strings.Repeat("x", 5000)}, "4096"},
		{append([]string{"sh"}, make([]string, 64)...), "65 arguments"},
		{[]string{"/no/such/program"}, "no such file"},
		{[]string{"no-such-program-anywhere"}, "not found"},
	} {
		t.Run(c.text, func(t *testing.T) {
			err := (&program.Program{Key: "dismount", Args: c.args}).Check("volume", "drive")
			if err == nil || !strings.HasPrefix(err.Error(), "dismount: ") || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %q", err, c.text)
			}
		})
	}
	err := (&program.Program{Key: "audit", Args: []string{"sh", "{x}"}}).Check()
	is.New(t).Equal(err.Error(), "audit: there is no {x} here; what may be filled in: nothing")
}
