//go:build !linux

package acp

import "syscall"

// apart starts a program in a session of its own. Nothing here ends it with us.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
