package operator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/internal/program"
)

// Requests lists what a person has to do with: open requests, and withdrawn ones that have not been answered. The oldest comes first.
func Requests(fsys disk.FS, dir string) ([]Request, error) {
	s, err := shelf{fsys, dir}.read()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(s.Requests, func(r Request) bool { return !r.waiting() }), nil
}

// Done answers a request: the cartridge stands where it was asked to go. It is durable when Done returns. A request that was withdrawn
// meanwhile is ErrWithdrawn, and nothing changes: the error says what to do; ErrAnswered and ErrNotFound are the other refusals.
func Done(fsys disk.FS, dir string, id int) error {
	return answer(fsys, dir, id, func(s *state, r *Request) error {
		if r.State == Withdrawn {
			return fmt.Errorf("%w at %s (%s): nobody waits for it any more; put the cartridge back into %s and refuse the request, or if it has to stay in %s answer late",
				ErrWithdrawn, r.Ended.Local().Format("15:04:05"), r.Why, r.Source, r.Target)
		}
		return s.carry(r)
	})
}

// Late answers a withdrawn request whose cartridge stands where it was asked to go all the same: the inventory will say so. It is for an open one what Done is.
func Late(fsys disk.FS, dir string, id int) error {
	return answer(fsys, dir, id, (*state).carry)
}

// Refuse answers a request with a reason: the cartridge was not moved, or was put back. Whoever waits for the move is told.
func Refuse(fsys disk.FS, dir string, id int, why string) error {
	return answer(fsys, dir, id, func(_ *state, r *Request) error {
		r.end(Refused, program.Printable(strings.TrimSpace(why)))
		return nil
	})
}

func answer(fsys disk.FS, dir string, id int, how func(*state, *Request) error) error {
	err := shelf{fsys, dir}.change(context.Background(), func(s *state) error {
		r := s.request(id)
		switch {
		case r == nil:
			return ErrNotFound
		case r.State == Void:
			return fmt.Errorf("%w, and %s", ErrWithdrawn, r.Why)
		case !r.waiting():
			return fmt.Errorf("%w: %s", ErrAnswered, r.State)
		}
		return how(s, r)
	})
	if err != nil {
		return fmt.Errorf("request %d: %w", id, err)
	}
	return nil
}

// carry moves the cartridge of a request. What was asked of it before is void then.
func (s *state) carry(r *Request) error {
	c := s.at(r.From)
	if c == nil || c.Label != r.Volume {
		return fmt.Errorf("%s: not in %s any more, says the inventory: %w", r.Volume, r.Source, ErrNotFound)
	}
	if other := s.at(r.To); other != nil {
		return fmt.Errorf("%s: %s is there, says the inventory: %w", r.Target, other.Label, ErrBusy)
	}
	c.Address = r.To
	r.end(Carried, "")
	for i := range s.Requests {
		if o := &s.Requests[i]; o.Volume == r.Volume && o.State == Withdrawn {
			o.end(Void, fmt.Sprintf("the cartridge was carried by request %d since", r.ID))
		}
	}
	return nil
}

// Add puts a cartridge on the shelf, durably, and tells the address of the slot where it has to stand: the first that is
// free and that no request wants. ErrLabel, ErrExists and ErrNoSlot are its refusals.
func Add(fsys disk.FS, dir, label string) (slot int, err error) {
	err = shelf{fsys, dir}.change(context.Background(), func(s *state) error {
		if !isLabel(label) {
			return ErrLabel
		}
		if c := s.find(label); c != nil {
			return fmt.Errorf("%w: %s is in %s", ErrExists, c.Label, s.place(c.Address))
		}
		taken := map[int]bool{}
		for _, c := range s.Cartridges {
			taken[c.Address] = true
		}
		for _, r := range s.Requests {
			if r.waiting() {
				taken[r.To] = true
			}
		}
		for n := range s.Slots {
			if slot = SlotAddress(n); !taken[slot] {
				s.Cartridges = append(s.Cartridges, cartridge{label, slot})
				slices.SortFunc(s.Cartridges, func(a, b cartridge) int { return strings.Compare(a.Label, b.Label) })
				return nil
			}
		}
		return ErrNoSlot
	})
	if err != nil {
		return 0, fmt.Errorf("volume %q: %w", label, err)
	}
	return slot, nil
}

// Remove takes a cartridge from the shelf, durably, and tells the address of the slot where it was. One in a drive, or for which a request is open, is ErrBusy;
// one that is not there ErrNotFound. Withdrawn requests for it are void.
func Remove(fsys disk.FS, dir, label string) (slot int, err error) {
	err = shelf{fsys, dir}.change(context.Background(), func(s *state) error {
		c := s.find(label)
		if c == nil || c.Label != label {
			return ErrNotFound
		}
		if c.Address < firstSlot {
			return fmt.Errorf("in %s: %w", s.place(c.Address), ErrBusy)
		}
		for i := range s.Requests {
			switch r := &s.Requests[i]; {
			case r.Volume == label && r.State == Open:
				return fmt.Errorf("%w: request %d", ErrBusy, r.ID)
			case r.Volume == label && r.State == Withdrawn:
				r.end(Void, "the cartridge was taken from the shelf since")
			}
		}
		slot = c.Address
		s.Cartridges = slices.DeleteFunc(s.Cartridges, func(c cartridge) bool { return c.Label == label })
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("volume %q: %w", label, err)
	}
	return slot, nil
}
