// Command robot-operator is the built-in plugin of the same name as a program of its own: a robot whose hands are a person with a shelf. A site names
// its absolute path as a robot's plugin; it does nothing when started by hand.
//
// Its settings are those of OpenChanger of package tape/operator.
package main

import "github.com/enstore-go/sdk/plugins"

func main() { plugins.Serve(plugins.RobotOperator) }
