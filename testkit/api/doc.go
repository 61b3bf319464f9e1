// Package api is a scripted model API: it speaks enough of the Anthropic Messages API for real agent programs, and
// answers by the directives in the prompt.
package api
