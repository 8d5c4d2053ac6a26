package command

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/internal/program"
)

var _ driver.OpenChanger = OpenChanger

// settings are a plugin's table.
type settings struct {
	Mount     []string          `json:"mount"`
	Dismount  []string          `json:"dismount"`
	Move      []string          `json:"move"`
	Inventory []string          `json:"inventory"`
	Query     []string          `json:"query"`
	Audit     []string          `json:"audit"`
	Rescan    bool              `json:"rescan"`
	Drives    []string          `json:"drives"`
	Timeout   string            `json:"timeout"`
	ExitCodes map[string]string `json:"exitCodes"`
	Env       map[string]string `json:"env"`
}

// OpenChanger opens a robot. Its settings, of which the first three are required:
//
//	mount      the command that brings a cartridge from a slot or port into a drive; it may hold {volume}, the label,
//	           {slot}, the number of the slot or port, {drive}, the drive's name, and {from} and {to}, which are these in the order of the move
//	dismount   the command for the way back, with the same
//	inventory  the command that lists all places, as the package says
//	move       the command for all other moves, with {volume}, {from} and {to}; without it they are refused
//	query      a quicker inventory of the places {from} and {to}
//	audit      the command that has the robot look at its places anew
//	rescan     true: do that once, now; for re-inventories
//	drives     names of the drives for {drive}, in the order of their numbers; default their numbers
//	timeout    the longest that one command takes, like "15m"; default "10m"
//	exitCodes  what exit codes mean: "no medium", "full", "held", "busy" (or "not ready"), "medium" (the cartridge is at fault), "hardware",
//	           "request" (it was wrong), "config", "aborted" (nothing was done), "unknown", or "done", for a code that is as good as 0
//	env        environment variables beside PATH and LC_ALL=C
//
// It fails with OutcomeConfig and the setting's name if one is wrong, or its program is not there. Only rescan runs anything yet.
func OpenChanger(ctx context.Context, c driver.Config) (driver.Changer, error) {
	var s settings
	if err := c.Decode(&s); err != nil {
		return nil, err
	}
	r, err := s.robot()
	if err != nil {
		return nil, fail("configure", driver.OutcomeConfig, "%v", err)
	}
	if s.Rescan {
		if err := r.audit(ctx); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Bounds of the settings.
const (
	defaultTimeout = 10 * time.Minute
	maxTimeout     = 24 * time.Hour
	maxEnv         = 64
)

// meanings are what exitCodes may say.
var meanings = map[string]driver.Outcome{
	"done": driver.OutcomeNone, "no medium": driver.OutcomeNoMedium, "full": driver.OutcomeFull, "held": driver.OutcomeHeld,
	"busy": driver.OutcomeNotReady, "not ready": driver.OutcomeNotReady, "medium": driver.OutcomeMedium, "hardware": driver.OutcomeHardware,
	"request": driver.OutcomeIllegalRequest, "config": driver.OutcomeConfig, "aborted": driver.OutcomeAborted, "unknown": driver.OutcomeUnknown,
}

func (s *settings) robot() (*robot, error) {
	r := &robot{timeout: defaultTimeout, codes: map[int]driver.Outcome{}, names: s.Drives, closed: make(chan struct{})}
	env, err := s.environment()
	if err != nil {
		return nil, err
	}
	for _, c := range []struct {
		key      string
		args     []string
		required bool
		holds    []string
		to       **program.Program
	}{
		{"mount", s.Mount, true, []string{"volume", "slot", "drive", "from", "to"}, &r.mount},
		{"dismount", s.Dismount, true, []string{"volume", "slot", "drive", "from", "to"}, &r.dismount},
		{"inventory", s.Inventory, true, nil, &r.list},
		{"move", s.Move, false, []string{"volume", "from", "to"}, &r.other},
		{"query", s.Query, false, []string{"from", "to"}, &r.query},
		{"audit", s.Audit, s.Rescan, nil, &r.look},
	} {
		if c.args == nil && !c.required {
			continue
		}
		p := &program.Program{Key: c.key, Args: c.args, Env: env}
		if err := p.Check(c.holds...); err != nil {
			return nil, err
		}
		*c.to = p
	}
	if s.Timeout != "" {
		if r.timeout, err = time.ParseDuration(s.Timeout); err != nil || r.timeout <= 0 || r.timeout > maxTimeout {
			return nil, fmt.Errorf("timeout: %.40q: want a time like \"15m\", at most 24h", s.Timeout)
		}
	}
	for code, meaning := range s.ExitCodes {
		n, err := strconv.Atoi(code)
		if err != nil || n < 1 || n > 255 {
			return nil, fmt.Errorf("exitCodes: %.40q: want a number from 1 to 255", code)
		}
		o, ok := meanings[meaning]
		if !ok {
			return nil, fmt.Errorf("exitCodes: %d: %.40q means nothing here; want one of %q", n, meaning, slices.Sorted(maps.Keys(meanings)))
		}
		r.codes[n] = o
	}
	if len(s.Drives) > firstOther {
		return nil, fmt.Errorf("drives: %d names, at most %d", len(s.Drives), firstOther)
	}
	for i, name := range s.Drives {
		if !isWord(name) || slices.Index(s.Drives, name) != i {
			return nil, fmt.Errorf("drives: %.40q: want 1 to 32 characters without blanks, each name once", name)
		}
	}
	return r, nil
}

// environment is the setting env as NAME=value, in order.
func (s *settings) environment() (env []string, err error) {
	if len(s.Env) > maxEnv {
		return nil, fmt.Errorf("env: %d variables, at most %d", len(s.Env), maxEnv)
	}
	for _, k := range slices.Sorted(maps.Keys(s.Env)) {
		if v := s.Env[k]; k == "" || strings.ContainsAny(k, "=\x00") || strings.ContainsRune(v, 0) || len(k)+len(v) > 4096 {
			return nil, fmt.Errorf("env: %.40q: want a name without '=', and a value, of at most 4096 bytes together", k)
		}
		env = append(env, k+"="+s.Env[k])
	}
	return env, nil
}
