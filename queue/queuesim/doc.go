// Package queuesim plays the drives, the robots, the catalogue and the clients of a tape site towards a decider under an event clock, and tells
// what its decisions are worth. A simulated day of the largest site takes seconds.
//
// # Nouns
//
// A [Scenario] is a [Site] (libraries with drives and robots), what is asked of it, and for how long. What is asked is made by [Stream] tables, or
// comes from a workload file ([ReadArrivals]) as [Arrival]. A [Decider] is whoever decides: a *queue.Machine with some settings, or the rules of
// others, in package peers. A [Result] is what came of it.
//
//	m, err := queue.New(settings)
//	ours, err := queuesim.Run(scenario, m)
//	theirs, err := queuesim.Run(scenario, peers.NewCTA(peers.CTASettings{}))
//	err = queuesim.Table(os.Stdout, []queuesim.Named{{Name: "ours", Result: ours}, {Name: "CTA", Result: theirs}})
//
// # The model
//
// Drives load, locate (package tape/order, its kinematic costs), stream at their rate, rewind and unload in the published times of their
// generation; a robot has arms and a queue. Reads are done in the order that the decider gives. The catalogue has a family written on the volume
// that is in the drive, else on the fullest one that will do, else on a blank. Everything is integer nanoseconds and seeded: the same scenario
// gives the same result. What cannot be (a volume in two drives, a request in two leases, a width passed) ends the run with an error.
//
// # The largest site
//
// Enstore's largest site as far as it is known: 8 libraries, 190 drives (here LTO-8), 25,000 volumes, a day of 765 TB in 283,000 files, of which datasets and single
// files are read, and archives and data acquisition written (TestLargestSite has the parameters, testdata/largest.txt the whole table). The machine needs a twentieth to a
// tenth fewer drive seconds than Enstore's rules at the same waiting, a third of its time for data acquisition, and with the criteria for a mount that CTA has, the waiting of
// CTA; there it needs 1.6 % more drive seconds than CTA, since it does not let data acquisition wait half an hour. Where single files are read at random nobody gains anything.
//
//	                                    ours           Enstore  ours, CTA's criteria               CTA
//	         requests done  283322 of 283322  283322 of 283322      283322 of 283322  283322 of 283322
//	              TB moved             764.7             764.7                 764.7             764.7
//	                mounts             25927             31136                 23349             23205
//	            GB a mount              29.5              24.6                  32.8              33.0
//	    drive seconds a TB             10104             11170                  9517              9368
//	     drives' time used            45.2 %            49.9 %                42.0 %            41.3 %
//	         waiting, half           2.2 min           2.5 min              31.3 min          31.5 min
//	         waiting, 95 %          30.2 min          29.6 min              53.6 min          53.6 min
//	         waiting, 99 %          58.4 min          56.6 min              67.9 min          67.5 min
//	         waiting, most         108.6 min         108.5 min             110.9 min             2.2 h
//	data acquisition, 95 %              53 s           2.7 min                  41 s          27.1 min
//	        datasets, half           3.8 min           3.6 min              33.5 min          33.4 min
//	        datasets, 95 %          59.9 min          61.2 min              65.9 min          86.1 min
//	     volumes a dataset              3.26              3.07                  3.02              2.91
//	      95 % of datasets          46.1 min          46.0 min              63.1 min          63.3 min
//
// What 50 PB written in a month would take, of LTO-9 drives, when a fifth of that is read besides (TestFiftyPetabytesInAMonth; a day of it, with everything that came still to be
// done when it ends): with 48 drives it can be done, but hardly; with 80 nobody waits long.
//
//	                           48 drives         64 drives         80 drives         96 drives
//	     requests done  494836 of 494836  494836 of 494836  494836 of 494836  494836 of 494836
//	          TB moved            1979.3            1979.3            1979.3            1979.3
//	            mounts              1382              1375              1320              1238
//	        GB a mount            1432.2            1439.5            1499.5            1598.8
//	drive seconds a TB              3037              3049              3129              3209
//	 drives' time used            89.6 %            89.1 %            82.9 %            71.3 %
//	     waiting, half             6.9 h          70.4 min              40 s              10 s
//	     waiting, 95 %            14.1 h             5.5 h          79.6 min          57.8 min
//	     waiting, 99 %            14.7 h             6.4 h             2.2 h             2.0 h
//	     waiting, most            15.3 h             7.0 h             5.6 h             5.0 h
//	    datasets, half             7.4 h         102.0 min          60.1 min          59.9 min
//	    datasets, 95 %            14.7 h             5.9 h         113.9 min          79.6 min
//	 volumes a dataset              7.84              9.94             13.09             15.71
//
// A simulated day of the largest site takes 5 s of one core (BenchmarkDay; goal: a minute).
//
// # What it does not do
//
// Clients are never slow, networks and disks never full, and files are never spread over volumes. Copies are read where the decider sends them,
// but streams make none. Nobody changes his mind.
package queuesim
