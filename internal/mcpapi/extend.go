//go:build !conformance

package mcpapi

import "github.com/modelcontextprotocol/go-sdk/mcp"

// fixtures are empty but in builds for the conformance suite.
type fixtures struct{}

func (*view) prepare(*mcp.ServerOptions) {}
func (*view) extend()                    {}
