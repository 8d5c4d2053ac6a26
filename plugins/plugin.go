package plugins

import (
	"fmt"
	"os"
	"sync/atomic"

	"github.com/enstore-go/sdk/tape/driver"
)

// Version is the newest version of the plugin protocol that this package speaks: the
// go-plugin handshake, the commands of package pluginpb and the data socket together.
//
//	1  the first
const Version = 1

// Plugin is one driver that a process can serve. Either function may be nil.
type Plugin struct {
	Name    string // "drive-file": what a site writes to name a built-in one, and what ps shows
	Drive   driver.OpenDrive
	Changer driver.OpenChanger
}

// Source says which program serves a device: the name of a built-in plugin, or the
// absolute path of an executable that calls [Serve] or [Main].
type Source string

// The environment that makes a process a plugin. The cookie is no secret; it keeps a
// plugin that was started by hand from waiting for a host that never comes.
const (
	envCookie   = "ENSTORE_PLUGIN"
	cookie      = "serve-tape-devices"
	envName     = "ENSTORE_PLUGIN_NAME"  // which of Main's plugins
	envLogLevel = "ENSTORE_PLUGIN_LEVEL" // what the host's logger would keep
)

// builtins are the names given to Main, once it ran: the record that this executable may be
// started again as a plugin.
var builtins atomic.Pointer[map[string]bool]

// Main belongs into the first line of func main of a program that wants built-in
// plugins, before anything is parsed, opened or printed:
//
//	func main() {
//		plugins.Main(plugins.Builtin...)
//
// It returns at once, unless a [Host] started this process as one of them; then it serves the
// one that the host named and exits. A test binary that is to serve does the same:
//
//	func TestMain(m *testing.M) {
//		plugins.Main(plugins.Builtin...)
//		os.Exit(m.Run())
//	}
func Main(builtin ...Plugin) {
	if os.Getenv(envCookie) != cookie {
		names := make(map[string]bool, len(builtin))
		for _, p := range builtin {
			names[p.Name] = true
		}
		builtins.Store(&names)
		return
	}
	name := os.Getenv(envName)
	for _, p := range builtin {
		if p.Name == name || name == "" && len(builtin) == 1 {
			serve(p)
			os.Exit(0)
		}
	}
	fmt.Fprintf(os.Stderr, "plugin %q: this program has no plugin of that name\n", name)
	os.Exit(1)
}

// Serve is the main of a plugin that is a program of its own:
//
//	func main() { plugins.Serve(plugins.Plugin{Name: "drive-acme", Drive: acme.OpenDrive}) }
//
// It does not return. Started by hand it says that it is a plugin, and exits with status 1.
//
// The process serves one device. It ends when the host closes the device or dies; in the
// second case at once, without calling Close, so that nothing more is written and a loaded
// cartridge stays loaded. It must not print on standard output before Serve. What it logs with
// slog or hclog's default logger, or prints on standard error, reaches the host's logger.
func Serve(p Plugin) {
	if os.Getenv(envCookie) != cookie {
		fmt.Fprintf(os.Stderr, "%s is a plugin: it is started by the program that uses its device.\n"+
			"Name its absolute path there, as the plugin of a drive or robot.\n", p.Name)
		os.Exit(1)
	}
	serve(p)
	os.Exit(0)
}
