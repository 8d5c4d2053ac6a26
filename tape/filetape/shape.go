package filetape

import (
	"bytes"
	"sort"

	"github.com/enstore-go/sdk/tape/driver"
)

// shape is a tape without its data: runs of objects of one length.
type shape struct {
	runs  []run
	bytes int64            // of all objects, as an image has them
	kept  map[int64][]byte // content of some blocks, by object
	held  int              // bytes in kept
}

// run is one or more filemarks (length 0) or blocks of one length in a row.
type run struct {
	length             int
	first, mark, bytes int64 // objects, filemarks and bytes before it
}

const (
	maxKept    = 4096    // bytes of a block that is kept
	maxAllKept = 1 << 20 // bytes of all of them
)

func objectSize(length int) int64 {
	if length == 0 {
		return wordSize
	}
	return blockSize(int64(length))
}

// objects is how many there are: the number of the one that comes next.
func (s *shape) objects() int64 {
	if len(s.runs) == 0 {
		return 0
	}
	last := s.runs[len(s.runs)-1]
	return last.first + (s.bytes-last.bytes)/objectSize(last.length)
}

// run gives the number of the run that object obj is in.
func (s *shape) run(obj int64) int {
	return sort.Search(len(s.runs), func(i int) bool { return s.runs[i].first > obj }) - 1
}

// until is the number of the object behind run i.
func (s *shape) until(i int) int64 {
	if i+1 < len(s.runs) {
		return s.runs[i+1].first
	}
	return s.objects()
}

// file counts the filemarks before an object.
func (s *shape) file(obj int64) int64 {
	i := s.run(obj)
	if i < 0 {
		return 0
	}
	r := s.runs[i]
	if r.length == 0 {
		return r.mark + obj - r.first
	}
	return r.mark
}

// bytesTo counts the bytes before an object.
func (s *shape) bytesTo(obj int64) int64 {
	i := s.run(obj)
	if i < 0 {
		return 0
	}
	r := s.runs[i]
	return r.bytes + (obj-r.first)*objectSize(r.length)
}

// cut forgets everything from an object on.
func (s *shape) cut(obj int64) {
	end := s.objects()
	if obj >= end {
		return
	}
	s.bytes = s.bytesTo(obj)
	s.runs = s.runs[:sort.Search(len(s.runs), func(i int) bool { return s.runs[i].first >= obj })]
	for o, b := range s.kept {
		if o >= obj {
			s.held -= len(b)
			delete(s.kept, o)
		}
	}
}

// add appends n objects of a length.
func (s *shape) add(length int, n int64) {
	if k := len(s.runs); k == 0 || s.runs[k-1].length != length {
		end := s.objects()
		s.runs = append(s.runs, run{length, end, s.file(end), s.bytes})
	}
	s.bytes += n * objectSize(length)
}

// keep remembers a short block, if there is room.
func (s *shape) keep(obj int64, p []byte) {
	if len(p) <= maxKept && s.held+len(p) <= maxAllKept {
		s.kept[obj] = bytes.Clone(p)
		s.held += len(p)
	}
}

// markObject gives the object that is the filemark with n others before it.
func (s *shape) markObject(n int64) int64 {
	i := sort.Search(len(s.runs), func(i int) bool {
		r := s.runs[i]
		return r.mark > n || r.length == 0 && r.mark+s.until(i)-r.first > n
	})
	return s.runs[i].first + n - s.runs[i].mark
}

// overMarks and overBlocks are Space.
func (s *shape) overMarks(at, n int64) (to, passed int64, cond driver.Condition) {
	end := s.objects()
	behind := s.file(at)
	ahead := s.file(end) - behind
	switch {
	case n > ahead:
		return end, ahead, driver.EndOfData
	case n > 0:
		return s.markObject(behind+n-1) + 1, n, driver.NoCondition
	case n < -behind:
		return 0, behind, driver.LoadPoint
	case n < 0:
		return s.markObject(behind + n), -n, driver.NoCondition
	}
	return at, 0, driver.NoCondition
}

func (s *shape) overBlocks(at, n int64) (to, passed int64, cond driver.Condition) {
	start := at
	for n > 0 {
		if at == s.objects() {
			return at, at - start, driver.EndOfData
		}
		i := s.run(at)
		if s.runs[i].length == 0 {
			return at + 1, at - start, driver.Filemark
		}
		step := min(n, s.until(i)-at)
		at, n = at+step, n-step
	}
	for n < 0 {
		if at == 0 {
			return 0, start, driver.LoadPoint
		}
		i := s.run(at - 1)
		if s.runs[i].length == 0 {
			return at - 1, start - at, driver.Filemark
		}
		step := min(-n, at-s.runs[i].first)
		at, n = at-step, n+step
	}
	if at < start {
		return at, start - at, driver.NoCondition
	}
	return at, at - start, driver.NoCondition
}
