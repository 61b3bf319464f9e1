// Package mcpclient calls the tools of MCP servers over streamable HTTP, and does no more than a scripted agent needs.
package mcpclient
