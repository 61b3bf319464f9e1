// Package terminal reads keys from the terminal that a scripted agent runs in, and draws on it.
package terminal
