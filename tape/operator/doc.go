// Package operator is a robot whose hands are a person with a shelf: a driver.Changer for drives without a robot.
//
// Nouns: a shelf is a directory that says which cartridge stands in which slot or drive; a [Request] asks a person to carry
// one from a place to another. [OpenChanger] makes the robot of a plugin's table, which a site writes as
//
//	[robot.shelf]
//	plugin = "robot-operator"
//	config = { dir = "shelf", drives = ["left", "right"], slots = 200, notify = ["/opt/site/page", "{text}"] }
//
// and whoever writes the command line for the person uses
//
//	requests, err := operator.Requests(disk.OS(), dir)      // what is asked for
//	err = operator.Done(disk.OS(), dir, requests[0].ID)     // it was carried
//	err = operator.Refuse(disk.OS(), dir, 7, "not on the shelf")
//	slot, err := operator.Add(disk.OS(), dir, "VO0001L8")   // a cartridge has come
//
// # What a person may rely on
//
// Move makes a request durable before it tells anybody, and waits for the answer. Done is what moves the cartridge: the inventory changes
// with that answer, at one stroke, and by nothing else. A request that nobody answers in time, or that nobody waits for any more, is
// withdrawn; as the person may be on the way with the cartridge, the move's outcome is unknown then. A withdrawn request is still shown: Done
// is refused with ErrWithdrawn, which says what to do: put the cartridge back and [Refuse], or say [Late] if it is to stay where
// it was asked to go. It is void, and no longer shown, once the cartridge was carried by a later request or the same was asked again.
//
// # Death
//
// A request whose Move died with its process stays open, because the person does not know of that: Done moves the cartridge all the
// same. The next Move waits for that request, with a new time-out, if it asks for the same; if it wants the same cartridge or one of its places for something else the
// request is withdrawn first.
//
// # Files
//
// All is in one file, shelf.json, in the directory: so an answer and what it means are written at one stroke. The directory's locks hold, while the robot is
// open, "locks/robot", and for the moment of a change "locks/shelf". Slots have the addresses 1000 and up, drives 1 and up.
//
// The package knows nothing of what drives do: that a drive holds its cartridge is seen by the person, who refuses.
package operator
