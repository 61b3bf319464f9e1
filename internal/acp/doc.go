// Package acp hosts agents that speak the Agent Client Protocol: it is the terminal program of agents that have none, and
// behaves to Orchestron as agents with one do.
package acp
