// Package orchestron holds the nouns of Orchestron and their rules: agents, messages, turns, events, and who may
// act on them. It imports the standard library only; every other package imports it.
package orchestron
