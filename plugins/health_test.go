//go:build unix

package plugins

import (
	"strings"
	"testing"

	"github.com/matryer/is"
	"google.golang.org/protobuf/proto"

	"github.com/enstore-go/sdk/plugins/pluginpb"
	"github.com/enstore-go/sdk/tape/driver"
)

func TestHealthCrossesTheBorder(t *testing.T) {
	is := is.New(t)
	d := open(t, quickOptions(t), ramConfig{Health: true})
	_, caps, err := d.Identify(t.Context())
	is.NoErr(err)
	is.True(caps.ReportsHealth)
	h, err := d.Health(t.Context())
	is.NoErr(err)
	is.Equal(h, wellness)
	s, err := d.Status(t.Context())
	is.NoErr(err)
	is.True(s.Cleaning && s.NeedsClean)
}

// A drive, or a plugin of an older release, that does not tell how it is is not asked. Its capabilities say so.
func TestHealthThatIsNotThere(t *testing.T) {
	is := is.New(t)
	d := open(t, quickOptions(t), ramConfig{Stuck: "health"})
	_, caps, err := d.Identify(t.Context())
	is.NoErr(err)
	is.True(!caps.ReportsHealth)
	h, err := d.Health(t.Context())
	is.Equal(outcome(err), driver.OutcomeIllegalRequest)
	is.Equal(h, driver.UnknownHealth())

	// What an older plugin sends has no such field.
	b, err := proto.Marshal(capabilitiesToWire(driver.Capabilities{MinBlock: 1, MaxBlock: 10}))
	is.NoErr(err)
	old := &pluginpb.DriveCapabilities{}
	is.NoErr(proto.Unmarshal(b, old))
	c, err := capabilitiesFromWire(old)
	is.NoErr(err)
	is.True(!c.ReportsHealth)
	is.Equal(healthFromWire(&pluginpb.HealthReply{}), driver.UnknownHealth()) // nothing said is nothing known
}

// Health that cannot be is refused, and the plugin goes on with its tape.
func TestHealthThatCannotBe(t *testing.T) {
	for mode, text := range map[string]string{
		"odd health": "stops: -2", "odd cleaning": "cleaning of degree 255", "odd kind": "a cartridge of kind 255",
	} {
		t.Run(mode, func(t *testing.T) {
			is := is.New(t)
			t.Setenv(envFake, mode)
			d, err := newHost(t, quickOptions(t)).OpenDrive(t.Context(), "fake", config(t, ramConfig{MaxBlock: 4096, Health: true}))
			is.NoErr(err)
			h, err := d.(driver.HealthReporter).Health(t.Context())
			is.Equal(outcome(err), driver.OutcomeHardware)
			is.True(strings.Contains(err.Error(), text))
			is.Equal(h, driver.UnknownHealth())
			_, err = d.Status(t.Context())
			is.NoErr(err)
		})
	}
	is := is.New(t)
	t.Setenv(envFake, "long health")
	d, err := newHost(t, quickOptions(t)).OpenDrive(t.Context(), "fake", config(t, ramConfig{MaxBlock: 4096, Health: true}))
	is.NoErr(err)
	h, err := d.(driver.HealthReporter).Health(t.Context())
	is.NoErr(err)
	is.Equal(len(h.Cartridge.Maker), driver.MaxHealthText)
	is.Equal(len(h.Cartridge.Serial), driver.MaxHealthText)
	is.Equal(len(h.Cartridge.WrapEnds), driver.MaxWraps)
}

// FuzzHealth takes whatever a plugin may send: it is refused, or can be.
func FuzzHealth(f *testing.F) {
	b, err := proto.Marshal(healthToWire(wellness))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &pluginpb.HealthReply{}
		if proto.Unmarshal(b, m) != nil {
			return
		}
		h := healthFromWire(m)
		if h.Check() != nil {
			return
		}
		if again := healthFromWire(healthToWire(h)); again.Check() != nil {
			t.Fatalf("%+v came back as %+v", h, again)
		}
	})
}
