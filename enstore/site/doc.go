// Package site is a whole Enstore in this process: library manager, queue, movers, changers,
// catalogue and name space, wired from a site file, with drives and robots as plugin
// subprocesses. It is the embedded default: a laptop, a test, a small institute.
//
// Nouns: a [Config] is the parsed site file, and explains its keys; a [Site] is the running whole; its
// [*Site.Client] is the same *enstore.Client that a remote user holds.
//
//	func main() {
//		plugins.Main(plugins.Builtin...) // built-in drives are this program started again
//
//		ctx := context.Background()
//		err := site.Init(ctx, dir, site.InitOptions{})
//		s, err := site.Open(ctx, dir, nil)
//		defer s.Close()
//		err = s.AddVolumes(ctx, []catalog.Label{"VO0001", "VO0002"}, site.VolumeOptions{})
//		rec, err := s.Client().PutFile(ctx, "/run1.dat", "run1.dat", enstore.PutOptions{})
//	}
//
// One process has a site open at a time; a second is refused and told who holds it. Close
// cuts off calls that still run, brings what is in the spool to tape, dismounts the volumes and ends the
// plugins. A process that is
// killed leaves everything acknowledged in place; the next Open goes on from there.
//
// The package does not serve other hosts; what it wires is the same code that daemons run.
//
// # Figures
//
// Medians of 15 interleaved rounds on a quiet machine of 2 cores (BenchmarkRatioPut): a file of 1 GiB from
// client to synced tape image, checksums at both ends, takes 1.13 times the processor time of the same path
// without checksums, at 0.91 of its speed and 1.17 times that of cp and sync. 1000 files of 1 MB take 8 or 9
// flushes. 20 GiB through a drive and back stay within 230 MiB in the host and 11 MiB in the plugins.
package site
