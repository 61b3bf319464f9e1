//go:build conformance

package main

// The suite cannot send a token.
const token = ""
