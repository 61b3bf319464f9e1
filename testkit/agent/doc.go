// Package agent is a scripted terminal agent: it behaves like Claude Code wherever Orchestron touches it, and
// answers by the directives in its prompts.
package agent
