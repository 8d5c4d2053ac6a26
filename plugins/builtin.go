package plugins

import (
	"github.com/enstore-go/sdk/tape/command"
	"github.com/enstore-go/sdk/tape/filetape"
	"github.com/enstore-go/sdk/tape/linuxst"
	"github.com/enstore-go/sdk/tape/operator"
	"github.com/enstore-go/sdk/tape/scsi/smc"
	"github.com/enstore-go/sdk/tape/scsi/ssc"
)

// Builtin are the plugins that come with this module, for [Main]. A program may put its own
// beside them: Main(append(plugins.Builtin, mine)...).
var Builtin = []Plugin{DriveFile, RobotFile, DriveSCSI, DriveST, RobotSCSI, RobotCommand, RobotOperator}

// The built-in plugins: drives over a directory of tape images, and the robot of such a directory, with the
// settings of filetape.OpenDrive and filetape.OpenChanger; SCSI tape drives and robots of this machine or of iSCSI targets, with those
// of ssc.OpenDrive and smc.OpenChanger; drives behind Linux's tape driver, with those of linuxst.OpenDrive; robots behind commands, and persons with a shelf, with those of command.OpenChanger and
// operator.OpenChanger.
var (
	DriveFile     = Plugin{Name: "drive-file", Drive: filetape.OpenDrive}
	RobotFile     = Plugin{Name: "robot-file", Changer: filetape.OpenChanger}
	DriveSCSI     = Plugin{Name: "drive-scsi", Drive: ssc.OpenDrive}
	DriveST       = Plugin{Name: "drive-st", Drive: linuxst.OpenDrive}
	RobotSCSI     = Plugin{Name: "robot-scsi", Changer: smc.OpenChanger}
	RobotCommand  = Plugin{Name: "robot-command", Changer: command.OpenChanger}
	RobotOperator = Plugin{Name: "robot-operator", Changer: operator.OpenChanger}
)
