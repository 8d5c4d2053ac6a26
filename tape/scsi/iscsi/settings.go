package iscsi

import (
	"context"
	"errors"

	"github.com/enstore-go/sdk/tape/driver"
)

// Settings are the part of a plugin's table that says which unit is meant.
type Settings struct {
	Portal    string `json:"portal"`
	Target    string `json:"target"`
	LUN       int    `json:"lun"`
	Initiator string `json:"initiator"`
}

// Dial logs in to the unit. Its errors are those of a driver: OutcomeConfig if the settings are wrong, which the target decides
// where it knows no such target or lets us not in; OutcomeNotReady if it does not answer.
func (s Settings) Dial(ctx context.Context) (*Session, error) {
	fail := func(o driver.Outcome, text string) error {
		return &driver.Error{Op: "open", Outcome: o, Sense: driver.Sense{Info: driver.Unknown}, Text: text}
	}
	switch {
	case s.Portal == "":
		return nil, fail(driver.OutcomeConfig, "portal: missing: the address of the iSCSI target")
	case s.Target == "":
		return nil, fail(driver.OutcomeConfig, "target: missing: the iSCSI name of the target")
	case s.LUN < 0 || s.LUN > maxLUN:
		return nil, fail(driver.OutcomeConfig, "lun: units are numbered 0 to 16383")
	}
	c, err := Dial(ctx, Unit{Portal: s.Portal, Target: s.Target, LUN: s.LUN}, Options{Initiator: s.Initiator})
	if e, ok := errors.AsType[*LoginError](err); ok && e.Class == 2 {
		return nil, fail(driver.OutcomeConfig, err.Error())
	}
	if err != nil {
		return nil, fail(driver.OutcomeNotReady, err.Error())
	}
	return c, nil
}
