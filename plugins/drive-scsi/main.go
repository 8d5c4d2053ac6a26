// Command drive-scsi is the built-in plugin of the same name as a program of its own: a SCSI tape drive of this machine, or of an iSCSI target. A site names its
// absolute path as a drive's plugin; it does nothing when started by hand.
//
// Its settings are those of OpenDrive of package tape/scsi/ssc.
package main

import "github.com/enstore-go/sdk/plugins"

func main() { plugins.Serve(plugins.DriveSCSI) }
