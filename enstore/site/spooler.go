package site

import (
	"errors"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/spool"
	"github.com/enstore-go/sdk/enstore/wire"
)

// spooler is the spool as the library manager sees it.
type spooler struct{ *spool.Spool }

// Expect has the spool receive a file; done is told when it is durable, or will never be.
func (s spooler) Expect(p wire.Put, done func(size int64, adler uint32, err error) (wire.Record, error)) (wire.Turn, error) {
	return s.Receive(p, func(i spool.Info, err error) error {
		_, err = done(i.Size, i.Adler, err)
		return err
	})
}

// Find tells of a file that is complete.
func (s spooler) Find(id catalog.RequestID) (size int64, adler uint32, err error) {
	i, ok := s.Info(id)
	if !ok {
		return 0, 0, wire.Errorf(wire.NotFound, "request "+id.String(), "it is not in the spool")
	}
	return i.Size, i.Adler, nil
}

// Retain removes what nobody wants any more.
func (s spooler) Retain(keep func(catalog.RequestID) bool) error {
	var errs []error
	for _, i := range s.List() {
		if !keep(i.ID) {
			errs = append(errs, s.Remove(i.ID))
		}
	}
	return errors.Join(errs...)
}
