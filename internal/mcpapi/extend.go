//go:build !conformance

package mcpapi

import "github.com/modelcontextprotocol/go-sdk/mcp"

func (*view) prepare(*mcp.ServerOptions) {}
func (*view) extend()                    {}
