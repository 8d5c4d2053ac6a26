// Command robot-file is the built-in plugin of the same name as a program of its own: the
// robot of a directory of tape images. A site names its absolute path as a robot's plugin; it does
// nothing when started by hand.
//
// Its settings are those of OpenChanger of package tape/filetape.
package main

import "github.com/enstore-go/sdk/plugins"

func main() { plugins.Serve(plugins.RobotFile) }
