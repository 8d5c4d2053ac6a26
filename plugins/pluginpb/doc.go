// Package pluginpb holds the messages that pass between a plugin host and a plugin
// process, generated from plugin.proto. Package plugins is its only user; vendors
// and engines never see it.
//
// Nouns: the services Drive and Changer, and the plain structs of package tape/driver
// as messages. It does not carry blocks of data.
package pluginpb

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative plugin.proto
