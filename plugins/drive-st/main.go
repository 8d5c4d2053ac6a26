// Command drive-st is the built-in plugin of the same name as a program of its own: a tape drive behind the tape driver of the Linux kernel. A site names its
// absolute path as a drive's plugin; it does nothing when started by hand.
//
// Its settings are those of OpenDrive of package tape/linuxst.
package main

import "github.com/enstore-go/sdk/plugins"

func main() { plugins.Serve(plugins.DriveST) }
