package peers

import (
	"iter"
	"slices"
	"sort"
)

// list keeps elements in order. No two of them are equal in it. It is cut into pieces, so that a hundred thousand
// elements are not moved to put one in front of them.
type list[T any] struct {
	compare func(a, b T) int
	pieces  [][]T // none is empty
	n       int
}

const piece = 256

// find gives the place of x, or where it would stand.
func (l *list[T]) find(x T) (p, i int, found bool) {
	p = sort.Search(len(l.pieces), func(p int) bool { return l.compare(l.pieces[p][len(l.pieces[p])-1], x) >= 0 })
	if p == len(l.pieces) {
		return p, 0, false
	}
	i, found = slices.BinarySearchFunc(l.pieces[p], x, l.compare)
	return p, i, found
}

func (l *list[T]) insert(x T) {
	l.n++
	if len(l.pieces) == 0 {
		l.pieces = append(l.pieces, []T{x})
		return
	}
	p, i, _ := l.find(x)
	if p == len(l.pieces) {
		p--
		i = len(l.pieces[p])
	}
	l.pieces[p] = slices.Insert(l.pieces[p], i, x)
	if len(l.pieces[p]) > piece {
		back := slices.Clone(l.pieces[p][piece/2:])
		clear(l.pieces[p][piece/2:])
		l.pieces[p] = l.pieces[p][:piece/2]
		l.pieces = slices.Insert(l.pieces, p+1, back)
	}
}

// remove tells whether x was there.
func (l *list[T]) remove(x T) bool {
	p, i, found := l.find(x)
	if !found {
		return false
	}
	l.n--
	l.pieces[p] = slices.Delete(l.pieces[p], i, i+1)
	if len(l.pieces[p]) == 0 {
		l.pieces = slices.Delete(l.pieces, p, p+1)
	}
	return true
}

func (l *list[T]) first() (x T, ok bool) {
	if l.n == 0 {
		return x, false
	}
	return l.pieces[0][0], true
}

// from gives the elements in order, beginning with the first that is not before x.
func (l *list[T]) from(x T) iter.Seq[T] {
	return func(yield func(T) bool) {
		p, i, _ := l.find(x)
		for ; p < len(l.pieces); p, i = p+1, 0 {
			for _, x := range l.pieces[p][i:] {
				if !yield(x) {
					return
				}
			}
		}
	}
}

// all gives the elements in order.
func (l *list[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, p := range l.pieces {
			for _, x := range p {
				if !yield(x) {
					return
				}
			}
		}
	}
}

// cursor walks through a list that does not change meanwhile.
type cursor[T any] struct {
	l    *list[T]
	p, i int
}

func (c *cursor[T]) at() (x T, ok bool) {
	if c.p >= len(c.l.pieces) {
		return x, false
	}
	return c.l.pieces[c.p][c.i], true
}

func (c *cursor[T]) next() {
	if c.i++; c.i == len(c.l.pieces[c.p]) {
		c.p, c.i = c.p+1, 0
	}
}
