// Package plugins runs drivers of drives and robots in processes of their own.
//
// A vendor writes a [driver.OpenDrive] and one line:
//
//	func main() { plugins.Serve(plugins.Plugin{Name: "drive-acme", Drive: acme.OpenDrive}) }
//
// An engine holds a [Host] and uses the drive as if it were in its own process:
//
//	func main() {
//		plugins.Main(plugins.Builtin...) // before anything else: this program may be started again as one of them
//		...
//		host, err := plugins.NewHost(plugins.HostOptions{Dir: "/run/enstore", Logger: log})
//		drive, err := host.OpenDrive(ctx, "drive-file", driver.Config(`{"dir": "/srv/tapes", "drive": 0}`))
//		...
//		defer host.Close()
//
// Nouns: a [Plugin] is what a process can serve, a [Source] says which program that is, a
// [Host] starts the processes, one for each device, and ends them.
//
// # What crosses the border
//
// Commands go over go-plugin's gRPC (package pluginpb). Blocks never do: they go through shared memory, a
// ring of slots that the host creates and seals against any change of its size before it passes it
// over a Unix socket, and that socket carries a message of 16 bytes for each block and each
// answer, which is also what wakes the other side. No index or length is ever read from the
// shared memory: both sides count operations, and every length comes by the socket and is checked once. On
// systems without such memory the blocks follow their messages through the socket.
//
// A process is born with two descriptors: 3 is its end of that socket, 4 the lifeline, a pipe in which the
// host announces interrupted calls, and whose end says that the host is gone.
//
// # Cost
//
// Blocks of 256 KiB through a plugin process, copied once into the ring and written to the null device,
// reach 0.5 of the speed of the same drive in the same process, for twice the processor time of both
// sides together: BenchmarkRatioPlugin, the median of 25 rounds of both in turn, 2000 blocks each, on two
// cores of a Xeon. The goals are 0.3 and 4. A drive takes Window slots of memory, by default 6 of its
// longest block.
//
// # Death
//
// A plugin whose host dies, by whatever cause, exits at once: what is in the ring is dropped,
// nothing more is written, a loaded cartridge stays loaded. It ignores SIGINT, SIGTERM and SIGHUP, so
// that a service manager which ends all processes of a service at once does not take the drive from
// a host that still has a flush to do.
//
// A host notices a dead plugin by the end of the process and of its sockets, and a stuck one by the
// time-outs of its Capabilities; it kills the second. Both are outcomes of their own,
// driver.OutcomeGone and driver.OutcomeTimeout. Nothing is started again by itself: the position and the
// label must be read anew, so it is for the caller to open the device again; [Host.OpenDrive] then
// waits out a back-off.
//
// While a process lives, the run directory has a record of it and of its host, each by number and start
// time. A host that finds a device held waits a while, ends the holder if it is a plugin
// whose host is dead, and else reports who it is.
//
// The package does not look for plugins, does not check what they are beyond the handshake, and does
// not confine them: a plugin runs with the rights of its host. It is the only one that
// imports go-plugin and gRPC. On systems that are not Unix it compiles, and NewHost refuses.
package plugins
