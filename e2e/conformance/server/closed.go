//go:build !conformance

package main

import "github.com/orchestron/orchestron/internal/mcpapi"

const token = "conformance"

// newServer makes the product's server as it is.
func newServer(cfg mcpapi.Config) *mcpapi.Server { return mcpapi.New(cfg) }
