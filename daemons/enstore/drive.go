package main

import (
	"context"
	"errors"
	"testing"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
	"github.com/enstore-go/sdk/tape/label"
)

type driveCmd struct {
	Ls       driveLsCmd       `cmd:"" help:"List the site's drives with their state."`
	Show     driveShowCmd     `cmd:"" help:"Tell all about a drive."`
	Discover driveDiscoverCmd `cmd:"" help:"Find drives and robots, and print the tables of a site file for them."`
	Check    driveCheckCmd    `cmd:"" help:"Try a drive against the contract that every drive must keep."`
}

type driveCheckCmd struct {
	oneDrive
	Overwrite string `placeholder:"LABEL" help:"The label that is on the cartridge now. What is on it is lost."`
	Blank     bool   `help:"The cartridge is known to be blank, and the drive cannot read it to say so. What is on it is lost."`
	JUnit     string `name:"junit" placeholder:"FILE" help:"Write the results as JUnit's XML too."`
}

// Help is the example of --help.
func (driveCheckCmd) Help() string {
	return "A scratch cartridge has to be in the drive; the kit writes on it. One that is not blank is refused unless its present\nlabel is given; afterwards it is labelled SCRTCH, and is no volume of the site any more. Rules that need another kind of\ncartridge (small, write protected, write once), or a way to damage it, are for tests that use package drivertest, and not tried here.\nEach broken rule is told with what engines rely on; the exit code is 1 then.\n\nExample:\n  enstore drive check drive0 --overwrite VO0008\n  enstore drive check --plugin drive-scsi --config '{\"device\": \"/dev/sg3\"}' --junit report.xml\n  enstore drive check --plugin ./drive-acme --config '{\"unit\": 7}'"
}

// Run tries a drive.
func (c *driveCheckCmd) Run(p *program) error {
	report, err := newReport(p, c.JUnit)
	if err != nil {
		return err
	}
	defer report.close()
	return p.oneDrive(c.oneDrive, func(_ *driveState, open func() (driver.Drive, error)) error {
		used, err := scratch(p.ctx, open, c.Overwrite)
		if c.Blank && err != nil && tape.OutcomeOf(err) != driver.OutcomeUnknown && !errors.Is(err, tape.ErrNotBlank) {
			err = nil // the kit will say of it what is to be said
		}
		if err != nil {
			return err
		}
		err = drivertest.CheckDrive(p.ctx, func(_ testing.TB, s drivertest.Scratch) *drivertest.Rig {
			if s != (drivertest.Scratch{}) {
				return nil
			}
			return &drivertest.Rig{Open: open, Used: used}
		}, report.rule)
		relabelled := relabel(context.WithoutCancel(p.ctx), open)
		if report.broken > 0 { // such a drive may not be able to, and that is not the news
			relabelled = nil
		}
		if err := errors.Join(err, relabelled); err != nil {
			return err
		}
		return report.end(c.name())
	})
}

// scratch makes sure that the cartridge in the drive may be written on, and tells whether it has been before.
func scratch(ctx context.Context, open func() (driver.Drive, error), given string) (used bool, err error) {
	raw, err := open()
	if err != nil {
		return false, err
	}
	d, err := tape.NewDrive(ctx, raw, nil)
	if err != nil {
		return false, errors.Join(err, raw.Close())
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	l, err := d.Load(ctx)
	if errors.Is(err, tape.ErrNoMedium) {
		return false, hint(err, "Put a scratch cartridge into the drive, as with: enstore robot move")
	}
	if err != nil {
		return false, err
	}
	if l.Status().WriteProtect {
		return false, tape.ErrWriteProtected
	}
	if err := l.MayOverwrite(ctx, given); err != nil {
		return false, err
	}
	_, _, err = l.ReadLabel(ctx)
	if errors.Is(err, tape.ErrBlank) {
		return false, nil
	}
	return true, err
}

// relabel gives the cartridge a label by which it can be named the next time: what the kit leaves on it is no label.
func relabel(ctx context.Context, open func() (driver.Drive, error)) error {
	d, err := open()
	if err != nil {
		return err
	}
	write := func() error {
		if err := d.Load(ctx); err != nil {
			return err
		}
		record, err := label.Plain("SCRTCH").Encode()
		if err != nil {
			return err
		}
		if _, err := d.WriteBlock(ctx, record); err != nil {
			return err
		}
		_, err = d.WriteFilemarks(ctx, 1, false)
		return err
	}
	return errors.Join(write(), d.Close())
}
