// Package shim is the processes beside an agent: the one that runs it in its pane, the one that its hooks call, and
// the one that it takes for an editor. They need no daemon; what they see they leave in the spool.
package shim
