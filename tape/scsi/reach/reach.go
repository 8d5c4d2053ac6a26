// Package reach opens the way to a SCSI unit that a plugin's table names: a device of this machine, or a unit of an iSCSI target.
//
//	var t struct {
//		reach.Settings
//		MaxBlock int `json:"maxBlock"`
//	}
//	err := c.Decode(&t)
//	way, err := t.Open(ctx)
//
// It knows nothing of drives and robots.
package reach

import (
	"context"
	"errors"
	"io/fs"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/scsi"
	"github.com/enstore-go/sdk/tape/scsi/iscsi"
	"github.com/enstore-go/sdk/tape/scsi/sg"
)

// Settings are the part of a plugin's table that says which unit is meant: Device, or Portal, Target and LUN.
type Settings struct {
	Device    string `json:"device"`    // generic SCSI device of Linux: /dev/sg3
	Portal    string `json:"portal"`    // address of an iSCSI target: 192.0.2.7:3260
	Target    string `json:"target"`    // its iSCSI name
	LUN       int    `json:"lun"`       // the unit's number in the target
	Initiator string `json:"initiator"` // our iSCSI name; default that of iscsi.Options
}

func fail(o driver.Outcome, text string) error {
	return &driver.Error{Op: "open", Outcome: o, Sense: driver.Sense{Info: driver.Unknown}, Text: text}
}

// Open opens the way to the unit. Its errors are those of a driver: OutcomeConfig if the settings are wrong, which for an iSCSI target
// that knows no such name, or lets us not in, the target decides; OutcomeHeld if another has the device; OutcomeNotReady if
// the portal does not answer.
func (s Settings) Open(ctx context.Context) (scsi.Transport, error) {
	network := s.Portal != "" || s.Target != "" || s.LUN != 0 || s.Initiator != ""
	switch {
	case s.Device != "" && network:
		return nil, fail(driver.OutcomeConfig, "device: a unit has either a device, or portal, target and lun")
	case s.Device != "":
		return s.device()
	case !network:
		return nil, fail(driver.OutcomeConfig, "device: missing: a generic SCSI device like /dev/sg3, or else portal, target and lun of an iSCSI target")
	}
	return s.session(ctx)
}

func (s Settings) device() (scsi.Transport, error) {
	d, err := sg.Open(s.Device)
	switch {
	case err == nil:
		return d, nil
	case errors.Is(err, sg.ErrHeld):
		return nil, fail(driver.OutcomeHeld, err.Error())
	case errors.Is(err, sg.ErrNoDevice):
		return nil, fail(driver.OutcomeConfig, "device: "+err.Error())
	case errors.Is(err, fs.ErrPermission):
		return nil, fail(driver.OutcomeConfig, "device: "+err.Error()+": this user may not open it; on most systems group tape may")
	}
	return nil, fail(driver.OutcomeNotReady, err.Error())
}

func (s Settings) session(ctx context.Context) (scsi.Transport, error) {
	switch {
	case s.Portal == "":
		return nil, fail(driver.OutcomeConfig, "portal: missing: the address of the iSCSI target")
	case s.Target == "":
		return nil, fail(driver.OutcomeConfig, "target: missing: the iSCSI name of the target")
	case s.LUN < 0 || s.LUN > iscsi.MaxLUN:
		return nil, fail(driver.OutcomeConfig, "lun: units are numbered 0 to 16383")
	}
	c, err := iscsi.Dial(ctx, iscsi.Unit{Portal: s.Portal, Target: s.Target, LUN: s.LUN}, iscsi.Options{Initiator: s.Initiator})
	if e, ok := errors.AsType[*iscsi.LoginError](err); ok && e.Class == 2 {
		return nil, fail(driver.OutcomeConfig, err.Error())
	}
	if err != nil {
		return nil, fail(driver.OutcomeNotReady, err.Error())
	}
	return c, nil
}
