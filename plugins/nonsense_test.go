//go:build unix

package plugins

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
)

// openFake opens the drive of a process that breaks the protocol in the given way.
func openFake(t *testing.T, mode string, o HostOptions) (driver.Drive, error) {
	t.Helper()
	t.Setenv(envFake, mode)
	return newHost(t, o).OpenDrive(t.Context(), "fake", config(t, ramConfig{MaxBlock: 4096}))
}

func TestAProcessThatDoesNotComeUpSaysWhy(t *testing.T) {
	for mode, want := range map[string]struct {
		outcome driver.Outcome
		text    string
	}{
		"newer":   {driver.OutcomeConfig, "plugin fake: speaks version 7 of the plugin protocol, this program only up to 1: use a plugin of the same release"},
		"chatter": {driver.OutcomeConfig, `plugin fake: printed "Acme drive \x1b[31mlibrary 7.1 initialised" on standard output, where a plugin's handshake belongs`},
		"silent":  {driver.OutcomeGone, "plugin fake: did not come up: its start took too long"},
		"dies":    {driver.OutcomeGone, "plugin fake: did not come up: exit status 3: libacme.so.7: cannot open shared object file"},
		"tcp":     {driver.OutcomeGone, "plugin fake: did not come up: it offers its commands on \"tcp\", not on a Unix socket"},
	} {
		t.Run(mode, func(t *testing.T) {
			is := is.New(t)
			o := quickOptions(t)
			o.StartTimeout = 400 * time.Millisecond
			_, err := openFake(t, mode, o)
			is.Equal(err.Error(), (&driver.Error{Op: "open", Outcome: want.outcome, Text: want.text}).Error())
		})
	}
}

func TestImpossibleCapabilitiesAreRefused(t *testing.T) {
	for mode, text := range map[string]string{
		"no capabilities": "tells no capabilities",
		"no blocks":       "tells impossible block sizes: 0 to 0 bytes",
		"negative window": "tells an impossible window: -1 blocks",
	} {
		t.Run(mode, func(t *testing.T) {
			is := is.New(t)
			_, err := openFake(t, mode, quickOptions(t))
			is.Equal(outcome(err), driver.OutcomeGone)
			is.True(strings.HasSuffix(err.Error(), "was ended: open: it "+text))
		})
	}
}

func TestWhatAPluginTellsOfItselfIsBounded(t *testing.T) {
	is := is.New(t)
	d, err := openFake(t, "long names", quickOptions(t))
	is.NoErr(err)
	id, caps, err := d.Identify(t.Context())
	is.NoErr(err)
	is.Equal(len(id.Serial), maxWord)
	is.Equal(caps.Timeouts.Locate, driver.Timeouts{}.WithDefaults().Locate)
	is.Equal(caps.Timeouts.Load, maxTimeout)
}

func TestADriveOfHugeBlocksIsUsedWithSmallerOnes(t *testing.T) {
	is := is.New(t)
	d, err := openFake(t, "huge blocks", quickOptions(t))
	is.NoErr(err)
	_, caps, err := d.Identify(t.Context())
	is.NoErr(err)
	is.Equal(caps.MaxBlock, maxSlotSize)
}

// nonsenseCalls are calls that meet an answer which cannot be.
var nonsenseCalls = map[string]func(driver.Drive, context.Context) error{
	"read": func(d driver.Drive, ctx context.Context) error {
		_, _, err := d.ReadBlock(ctx, make([]byte, 1000))
		return err
	},
	"write": func(d driver.Drive, ctx context.Context) error {
		_, err := d.WriteBlock(ctx, make([]byte, 1000))
		return err
	},
	"space": func(d driver.Drive, ctx context.Context) error {
		_, _, err := d.Space(ctx, driver.SpaceBlocks, 1)
		return err
	},
	"flush": func(d driver.Drive, ctx context.Context) error {
		_, err := d.WriteFilemarks(ctx, 1, false)
		return err
	},
}

func TestNonsenseEndsThePlugin(t *testing.T) {
	for _, c := range []struct{ mode, call, text string }{
		{"garbage", "read", "not a message of the data socket"},
		{"garbage", "write", "not a message of the data socket"},
		{"unknown kind", "write", "kind 77"},
		{"own kind", "write", "message of kind 3"},
		{"unknown condition", "write", "condition 200"},
		{"wrong number", "write", "answered operation 1, where 0 of 1 was due"},
		{"long block", "read", "read a block of 1001 bytes where 1000 were asked for"},
		{"huge block", "read", "read a block of 4294967295 bytes"},
		{"skips", "write", "kind 9"},
		{"huge error", "write", "an error of 2147483648 bytes"},
		{"unreadable error", "read", "an error that cannot be read"},
		{"space condition", "space", "the condition 99"},
		{"negative count", "space", "passed -4 objects"},
		{"flush condition", "flush", "the condition 5"},
		{"hangs up", "write", "it closed its sockets"},
	} {
		t.Run(c.mode+" "+c.call, func(t *testing.T) {
			bothWays(t, func(t *testing.T, o HostOptions) {
				is := is.New(t)
				d, err := openFake(t, c.mode, o)
				is.NoErr(err)
				err = nonsenseCalls[c.call](d, t.Context())
				is.Equal(outcome(err), driver.OutcomeGone)
				if !strings.Contains(err.Error(), c.text) {
					t.Fatalf("%v: does not say %q", err, c.text)
				}
				is.True(d.(*remoteDrive).p.isDead())
				_, err = d.Position(t.Context())
				is.Equal(outcome(err), driver.OutcomeGone)
			})
		})
	}
}

func TestAnAnswerTooManyIsNonsense(t *testing.T) {
	is := is.New(t)
	d, err := openFake(t, "twice", quickOptions(t))
	is.NoErr(err)
	_, err = d.WriteBlock(t.Context(), []byte("one"))
	is.NoErr(err)
	for err == nil { // the second answer is seen when a later one is due
		_, err = d.WriteBlock(t.Context(), []byte("more"))
	}
	is.Equal(outcome(err), driver.OutcomeGone)
	is.True(strings.Contains(err.Error(), "answered operation 0"))
}

func TestAnErrorOfAnySizeIsBounded(t *testing.T) {
	is := is.New(t)
	d, err := openFake(t, "", quickOptions(t))
	is.NoErr(err)
	err = d.Rewind(t.Context())
	is.Equal(outcome(err), driver.OutcomeUnknown) // 7000 is no outcome
	is.True(len(err.Error()) < maxOp+maxText+100)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err = d.Locate(t.Context(), 1)
	runtime.ReadMemStats(&after)
	is.Equal(outcome(err), driver.OutcomeUnknown) // an answer that is too long to be taken
	is.True(after.TotalAlloc-before.TotalAlloc < 2*maxMessage)
}
