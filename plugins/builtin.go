package plugins

import "github.com/enstore-go/sdk/tape/filetape"

// Builtin are the plugins that come with this module, for [Main]. A program may put its own
// beside them: Main(append(plugins.Builtin, mine)...).
var Builtin = []Plugin{DriveFile, RobotFile}

// DriveFile is a drive over a directory of tape images, RobotFile the robot of such a
// directory. Their settings are those of filetape.OpenDrive and filetape.OpenChanger.
var (
	DriveFile = Plugin{Name: "drive-file", Drive: filetape.OpenDrive}
	RobotFile = Plugin{Name: "robot-file", Changer: filetape.OpenChanger}
)
