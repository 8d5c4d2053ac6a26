package queue

// Machine is the state of a queue. Make one with New.
type Machine struct{ s Settings }

// New makes an empty machine.
func New(s Settings) *Machine { return &Machine{s: s.withDefaults()} }
