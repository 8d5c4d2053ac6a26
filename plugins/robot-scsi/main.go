// Command robot-scsi is the built-in plugin of the same name as a program of its own: a SCSI robot of this machine, or of an iSCSI target. A site names its
// absolute path as a robot's plugin; it does nothing when started by hand.
//
// Its settings are those of OpenChanger of package tape/scsi/smc.
package main

import "github.com/enstore-go/sdk/plugins"

func main() { plugins.Serve(plugins.RobotSCSI) }
