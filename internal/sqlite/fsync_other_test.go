//go:build !linux

package sqlite

func failFsync(string, string) {}
