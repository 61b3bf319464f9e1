// Package driver knows agent programs: how each is started and given prompts, and what its hooks, files and screen
// say. It knows a program and no agent's state; the caller decides what facts mean.
package driver
