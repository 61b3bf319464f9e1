// Package testkit lets orchestrations be tested without a model: testkit/agent is a scripted agent program,
// testkit/api a scripted model API. This package is what both understand: prompts that carry directives.
package testkit
