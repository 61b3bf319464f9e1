// Package terminal reads keys from the terminal that a program has to itself, and draws on it: a scripted agent, or the
// host of an agent that has no terminal interface.
package terminal
