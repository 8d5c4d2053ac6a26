// Package order plans in which order files are read from a serpentine tape.
//
// A modern cartridge is written in wraps: forwards along the whole length on one set of tracks, back on the next,
// hundreds of times. Two files that lie far apart by block number may lie side by side, and reading in the order of
// block numbers runs the tape up and down for nearly every file. The planner knows where along the tape each file
// begins and ends, what it costs to go from one place to another, and looks for a cheap way through all of them.
//
// Nouns: a [Tape] is the geometry of one cartridge with what motion costs on its drive; a [Place] is a block's wrap and
// where along the tape it lies; [Costs] tell the time of a locate; a [File] is an extent of blocks to be read; a [Plan]
// lists the files as [Stop], each with the time at which it will be read.
//
//	tape, err := order.LTO9.Tape(18e12 / (256 << 10)) // blocks that fit on it
//	plan, err := order.Recall(tape, 0, []order.File{
//		{Start: 61_000_000, End: 61_007_630, Number: 7001},
//		{Start: 12_000, End: 19_630, Number: 2},
//	})
//	for _, s := range plan.Stops {
//		fmt.Println(s.File, s.At, s.Locate, s.Read)
//	}
//
// Everything is integer arithmetic on durations: the same input gives the same plan, bit for bit, everywhere.
//
// # How good
//
// For up to 12 files the plan is the best there is under the costs. Above that it is never worse than the order of positions, nor than
// going to the nearest file each time, under the same costs. Files of 2 GB spread evenly over a full LTO-9 cartridge,
// planned with one cost model and judged by the other (TestGainOverPositionOrder; whole time, reading included, of position
// order divided by that of the plan):
//
//	files                                       30   100   300  1000
//	planned by Kinematic, Regression judges   2.16  2.43  2.36  1.73
//	planned by Regression, Kinematic judges   2.86  3.40  3.38  2.42
//
// The whole time is at most 1.02 times what two seconds of local search with restarts find, and the locates at most 1.12
// times a bound that no order undercuts (BenchmarkRatioSearch). 2000 files are planned in 24 to 30 ms (BenchmarkRecall).
//
// # Limits
//
// The costs are models: [Kinematic] is made of published averages, [Regression] of one measured drive. A drive that
// orders by itself (recommended access order) knows better. The package does not group files, and knows neither
// deadlines nor the priority of one file over another. Memory is proportional to the number of files, about 2 kB each.
package order
