//go:build race

package queuesim_test

const raceEnabled = true
