//go:build unix

package plugins

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// maxLogLine bounds one line of a plugin's standard error, in bytes; the rest of a longer one is dropped.
const maxLogLine = 64 << 10

// goPluginLog is what go-plugin itself logs to: it tells of every plugin that ends, at a
// level that is meant for its own users.
func goPluginLog(l hclog.Logger) hclog.Logger {
	quiet := l.Named("go-plugin")
	if quiet.GetLevel() > hclog.Debug {
		return hclog.NewNullLogger()
	}
	return quiet
}

// logErrors passes what the process writes on standard error to the host's logger: records of
// hclog or slog as what they are, other lines as text.
func (p *process) logErrors() {
	defer close(p.logged)
	log := p.log.With("pid", p.pid())
	r := bufio.NewReaderSize(p.stderr, maxLogLine)
	for rest := false; ; {
		line, more, err := r.ReadLine()
		if err != nil {
			return
		}
		if !rest {
			p.logLine(log, line)
		}
		rest = more
	}
}

func (p *process) logLine(log hclog.Logger, line []byte) {
	level, msg, args, ok := parseRecord(line)
	if ok {
		log.Log(level, msg, args...)
		return
	}
	text := printable(string(line))
	if text == "" {
		return
	}
	p.mu.Lock()
	// A Go program that panics says why in the first line, and then where at length.
	if !strings.HasPrefix(p.last, "panic: ") && !strings.HasPrefix(p.last, "fatal error: ") {
		p.last = clip(text, 256)
	}
	p.mu.Unlock()
	level, rest := levelOf(text)
	log.Log(level, rest)
}

// levelOf takes the level off a line that begins with one, like "[WARN] the lid is open", as many loggers write it.
func levelOf(line string) (hclog.Level, string) {
	if name, rest, ok := strings.Cut(strings.TrimPrefix(line, "["), "]"); ok && strings.HasPrefix(line, "[") {
		if l := hclog.LevelFromString(name); l != hclog.NoLevel {
			return l, strings.TrimSpace(rest)
		}
	}
	return hclog.Info, line
}

// parseRecord reads a line of hclog's or slog's JSON.
func parseRecord(line []byte) (hclog.Level, string, []any, bool) {
	if len(line) == 0 || line[0] != '{' {
		return 0, "", nil, false
	}
	var rec map[string]any
	if json.Unmarshal(line, &rec) != nil {
		return 0, "", nil, false
	}
	take := func(keys ...string) (string, bool) {
		for _, k := range keys {
			if s, ok := rec[k].(string); ok {
				delete(rec, k)
				return s, true
			}
		}
		return "", false
	}
	msg, ok := take("@message", "msg")
	name, ok2 := take("@level", "level")
	if !ok || !ok2 {
		return 0, "", nil, false
	}
	take("@timestamp", "time")
	take("@module")
	name, _, _ = strings.Cut(strings.ToLower(name), "+")
	level := hclog.LevelFromString(name)
	if level == hclog.NoLevel {
		level = hclog.Info
	}
	args := make([]any, 0, 2*len(rec))
	for _, k := range slices.Sorted(maps.Keys(rec)) {
		args = append(args, printable(k), rec[k])
	}
	return level, printable(msg), args, true
}

// printable keeps a plugin from steering somebody's terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, strings.TrimRight(s, " \r\n"))
}

// printed takes what a driver prints through os.Stdout and os.Stderr after the handshake.
type printed struct{ p *process }

var _ io.Writer = printed{}

func (w printed) Write(b []byte) (int, error) {
	for line := range strings.Lines(string(b)) {
		if text := printable(line); text != "" {
			level, rest := levelOf(text)
			w.p.log.Log(level, rest, "pid", w.p.pid())
		}
	}
	return len(b), nil
}
