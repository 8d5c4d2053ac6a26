// Command robot-command is the built-in plugin of the same name as a program of its own: a robot behind commands that the site configures. A site
// names its absolute path as a robot's plugin; it does nothing when started by hand.
//
// Its settings are those of OpenChanger of package tape/command.
package main

import "github.com/enstore-go/sdk/plugins"

func main() { plugins.Serve(plugins.RobotCommand) }
