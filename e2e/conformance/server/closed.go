//go:build !conformance

package main

const token = "conformance"
