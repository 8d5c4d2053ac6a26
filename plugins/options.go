package plugins

import (
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
)

// HostOptions are the settings of a [Host]. All but Dir may be left zero.
type HostOptions struct {
	// Dir is the run directory, for sockets and for the records of which process drives
	// what. It is made with mode 0700 if it does not exist; one that others can enter is refused. Hosts that
	// may want the same devices must share it, also one after the other: only then can one
	// end what another left.
	Dir string

	// WorkDir is where plugin processes run, so that relative names in their tables are true: a
	// site's directory. "": where the host runs.
	WorkDir string

	// Logger gets what plugins log, each under its name. Nil: nobody does.
	Logger hclog.Logger

	// Window is how many blocks may be on their way to a drive: 1 to 64; 6 by default. The
	// memory for a drive is Window times its MaxBlock, of which only what its blocks fill is ever used.
	Window int

	// NoSharedMemory sends blocks through the socket, as on systems without memfd.
	NoSharedMemory bool

	StartTimeout time.Duration // from the start of a process to its handshake; 30 s
	OpenTimeout  time.Duration // for a driver's OpenDrive or OpenChanger; 2 min
	CloseTimeout time.Duration // for its Close, before the process is killed; 30 s

	// HeldWait is how long a device that somebody else holds is tried; 10 s. OrphanGrace is
	// how long into that a plugin of a dead host, which ends by itself in milliseconds if it can, is
	// left to do so; 2 s. Then it is killed.
	HeldWait, OrphanGrace time.Duration

	// After the n-th death in a row of a device's process, the next one is started no
	// sooner than RestartMin doubled n-1 times, at most RestartMax, after it: 250 ms and 30 s. A process
	// that lived for RestartReset ends the row; 1 min.
	RestartMin, RestartMax, RestartReset time.Duration
}

func (o *HostOptions) check() error {
	if o.Window == 0 {
		o.Window = 6
	}
	if o.Window < 1 || o.Window > maxWindow {
		return fmt.Errorf("plugins: host: window %d, not 1 to %d", o.Window, maxWindow)
	}
	for _, d := range []struct {
		name string
		v    *time.Duration
		def  time.Duration
	}{
		{"StartTimeout", &o.StartTimeout, 30 * time.Second},
		{"OpenTimeout", &o.OpenTimeout, 2 * time.Minute},
		{"CloseTimeout", &o.CloseTimeout, 30 * time.Second},
		{"HeldWait", &o.HeldWait, 10 * time.Second},
		{"OrphanGrace", &o.OrphanGrace, 2 * time.Second},
		{"RestartMin", &o.RestartMin, 250 * time.Millisecond},
		{"RestartMax", &o.RestartMax, 30 * time.Second},
		{"RestartReset", &o.RestartReset, time.Minute},
	} {
		if *d.v == 0 {
			*d.v = d.def
		}
		if *d.v < 0 {
			return fmt.Errorf("plugins: host: %s is negative: %v", d.name, *d.v)
		}
	}
	return nil
}

// maxWindow is the largest HostOptions.Window.
const maxWindow = 64
