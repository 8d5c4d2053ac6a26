//go:build unix && !linux

package mover

func adviseHuge([]byte) {}
