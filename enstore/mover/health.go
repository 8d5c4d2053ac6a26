package mover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
)

// Status is how a drive is, as far as its mover knows without asking it.
type Status struct {
	Open     bool // its driver runs
	Identity driver.Identity
	Volume   catalog.Label // in the drive
	Cleaning driver.Cleaning
	Cleaner  string // the cleaning cartridge that is at work
	// Alerts are the TapeAlert flags that were read since the drive was opened. A cleaning takes back those that asked for it.
	Alerts driver.Alerts
	Health driver.Health // as it was asked last: when the drive was opened, before each unload, and after a lease that failed
	Asked  time.Time     // when; zero: never, or the drive does not tell
}

// condition is a Status that may be read at any time.
type condition struct {
	mu sync.Mutex
	s  Status
}

func (c *condition) change(f func(*Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.s)
}

// Status tells how the drive is. It may be called at any time.
func (m *Mover) Status() Status {
	m.condition.mu.Lock()
	defer m.condition.mu.Unlock()
	return m.condition.s
}

// now brings into the condition what the mover itself knows.
func (m *Mover) now() {
	m.condition.change(func(s *Status) {
		s.Open, s.Volume = m.drive != nil, m.report().Mounted
		if m.drive != nil {
			s.Identity, s.Cleaning = m.drive.Identity(), m.drive.Cleaning()
		} else {
			*s = Status{Identity: s.Identity, Volume: s.Volume, Cleaning: s.Cleaning} // what it wants it will want when it is back
		}
	})
}

// The alerts by which a drive asks for cleaning. They go with it.
var cleaningAlerts = driver.AlertsOf(driver.AlertCleanNow, driver.AlertCleanDue)

// examine asks the drive how it is, and tells what is new: alerts, and that it wants cleaning. The mover does so when it has opened the drive and
// before each unload, and after a lease that failed. A drive that fails to answer fails the next command too, if that matters.
func (m *Mover) examine(ctx context.Context) {
	before := m.Status()
	h, err := m.drive.Health(ctx)
	if err != nil {
		m.log.Warn("the drive does not tell how it is", "error", err)
		return
	}
	m.now()
	m.condition.change(func(s *Status) {
		s.Health, s.Alerts = h, s.Alerts|h.Alerts
		if m.drive.Capabilities().ReportsHealth {
			s.Asked = time.Now()
		}
	})
	v := m.report().Mounted
	if h.Alerts != 0 {
		var words []string
		for _, n := range h.Alerts.Flags() {
			_, why := tape.JudgeAlert(n)
			words = append(words, why)
		}
		why := strings.Join(words, "; ")
		m.log.Warn("TapeAlert", "volume", v, "flags", h.Alerts.Flags(), "meaning", why)
		m.note(ctx, catalog.DriveAlerts, catalog.DriveEvent{Volume: v, Alerts: h.Alerts.Flags(), Why: why})
	}
	if h.Cleaning >= driver.CleaningDue && h.Cleaning > before.Cleaning {
		m.log.Warn("the drive wants to be cleaned", "cleaning", h.Cleaning, "volume", v)
		m.note(ctx, catalog.DriveWantsCleaning, catalog.DriveEvent{Volume: v, Cleaning: h.Cleaning.String()})
	}
}

func (m *Mover) note(ctx context.Context, k catalog.EventKind, e catalog.DriveEvent) {
	if err := m.opts.Catalog.RecordDrive(context.WithoutCancel(ctx), m.opts.Drive, k, e); err != nil {
		m.log.Warn("event not recorded", "kind", string(k), "error", err)
	}
}

// cleanAgain is how long after a cleaning the next one is tried, whatever came of it: a drive whose heads are worn asks after each volume, and would use up
// all cartridges in a night. Some thirty in a day is the most then, and each is an event.
const cleanAgain = time.Hour

// tidy has the drive cleaned if it wants that, the site has cleaning cartridges, and there is nothing else to do: between leases, when
// no volume is in the drive. A drive that must be cleaned before anything else puts its volume away first. A cleaning that fails keeps nobody
// from working with the drive; an error says that the drive is to be looked at anew.
func (m *Mover) tidy(ctx context.Context) error {
	if m.drive.Cleaning() > m.Status().Cleaning { // a status or an error said so: how urgently?
		m.examine(ctx)
	}
	wanted := m.drive.Cleaning()
	if wanted < driver.CleaningDue || len(m.opts.Cleaning) == 0 || time.Now().Before(m.cleanNext) {
		return nil
	}
	if m.vol != nil {
		if wanted < driver.CleaningNow {
			return nil
		}
		if err := m.dismount(ctx); err != nil {
			return err
		}
	}
	m.cleanNext = time.Now().Add(cleanAgain)
	var whys []error
	for _, label := range m.opts.Cleaning {
		if m.spent[label] {
			continue
		}
		next, err := m.cleanWith(ctx, label)
		if err == nil {
			m.log.Info("the drive was cleaned", "cartridge", label)
			m.condition.change(func(s *Status) { s.Alerts &^= cleaningAlerts })
			m.note(ctx, catalog.DriveCleaned, catalog.DriveEvent{Cleaning: label})
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		m.log.Warn("the drive was not cleaned", "cartridge", label, "error", err)
		whys = append(whys, err)
		if !next {
			break
		}
	}
	if len(whys) == 0 {
		whys = []error{errors.New("none of the site's cleaning cartridges was of use")}
	}
	m.note(ctx, catalog.DriveNotCleaned, catalog.DriveEvent{Cleaning: wanted.String(), Why: sentence(errors.Join(whys...))})
	if !m.clean {
		return errors.Join(whys...)
	}
	return nil
}

// cleanWith cleans the drive with one cartridge. next tells that another one may do better.
func (m *Mover) cleanWith(ctx context.Context, label string) (next bool, err error) {
	m.condition.change(func(s *Status) { s.Cleaner = label })
	defer m.condition.change(func(s *Status) { s.Cleaner = "" })
	m.opts.Step("mover: before cleaning")
	err = m.opts.Robot.Mount(ctx, label, m.opts.Number)
	switch {
	case errors.Is(err, tape.ErrNotFound), errors.Is(err, tape.ErrInOtherDrive):
		return true, fmt.Errorf("cleaning cartridge %s: %w", label, err)
	case err != nil:
		m.clean = false // it may have come none the less
		return false, fmt.Errorf("cleaning cartridge %s: mount in %s: %w", label, m.opts.Drive, err)
	}
	err = m.drive.Clean(ctx)
	m.opts.Step("mover: cleaned")
	m.now()
	useless := errors.Is(err, tape.ErrUncleaned) || errors.Is(err, tape.ErrNotCleaning)
	if errors.Is(err, tape.ErrCleanerSpent) || errors.Is(err, tape.ErrNotCleaning) {
		m.spent[label] = true
	}
	if err != nil && !useless {
		m.abandon() // it is looked at anew, and what is in it taken home
		return false, fmt.Errorf("cleaning cartridge %s in %s: %w", label, m.opts.Drive, err)
	}
	if e := m.opts.Robot.Dismount(ctx, label, m.opts.Number); e != nil {
		m.clean = false
		return false, errors.Join(err, fmt.Errorf("cleaning cartridge %s: dismount from %s: %w", label, m.opts.Drive, e))
	}
	if err != nil {
		err = fmt.Errorf("cleaning cartridge %s in %s: %w", label, m.opts.Drive, err)
	}
	return useless, err
}
