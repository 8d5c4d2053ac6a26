package crc

// SanitySpan is how many bytes from the start of a file a [Sanity] covers: 64 KiB, as Enstore has it.
const SanitySpan = 65536

// Sanity is the checksum of the beginning of a file, by which a reader tells a wrong file
// before it has read all of it.
type Sanity struct {
	Size int64  // bytes covered: [SanitySpan], or the whole file if that is shorter
	Sum  uint32 // Adler-32 with [Seed1]; one stored by Enstore may have either seed
}

// SanityOf is the Sanity of a file that begins with p. If p is shorter than [SanitySpan] it is the whole file.
func SanityOf(p []byte) Sanity {
	p = p[:min(len(p), SanitySpan)]
	return Sanity{Size: int64(len(p)), Sum: Adler(Seed1, p)}
}

// Matches says whether a stored Sanity, of either seed, fits the computed one. They
// must cover the same number of bytes.
func (s Sanity) Matches(computed Sanity) bool {
	return s.Size == computed.Size && Matches(s.Sum, computed.Sum, s.Size)
}

// Meter computes, of the bytes written to it, the length, the Adler-32 with [Seed1] and
// the [Sanity], touching each byte once. It is not safe for use by several goroutines at once.
type Meter struct {
	size   int64
	sum    uint32
	sanity uint32 // of the first SanitySpan bytes, once there are as many
}

// NewMeter gives a Meter of no bytes yet.
func NewMeter() *Meter {
	return &Meter{sum: uint32(Seed1)}
}

// Write adds bytes. It always takes all of them.
func (m *Meter) Write(p []byte) (int, error) {
	n := len(p)
	if left := SanitySpan - m.size; left > 0 {
		head := p[:min(int64(len(p)), left)]
		m.add(head)
		m.sanity = m.sum
		p = p[len(head):]
	}
	m.add(p)
	return n, nil
}

func (m *Meter) add(p []byte) {
	m.sum = UpdateAdler(m.sum, p)
	m.size += int64(len(p))
}

// Reset goes back to no bytes.
func (m *Meter) Reset() { *m = Meter{sum: uint32(Seed1)} }

// Size is the number of bytes so far.
func (m *Meter) Size() int64 { return m.size }

// Sum is the Adler-32 of all bytes so far, with [Seed1].
func (m *Meter) Sum() uint32 { return m.sum }

// Sanity is the Sanity of a file of the bytes so far. It does not change any more
// after [SanitySpan] bytes.
func (m *Meter) Sanity() Sanity {
	if m.size == 0 {
		return Sanity{Sum: uint32(Seed1)}
	}
	return Sanity{Size: min(m.size, SanitySpan), Sum: m.sanity}
}
