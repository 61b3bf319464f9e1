// Package acp is a scripted agent that speaks the Agent Client Protocol on its standard input and output, and answers by
// the directives in its prompts.
package acp
