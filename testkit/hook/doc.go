// Package hook reads the hooks in Claude Code's settings and runs them.
package hook
