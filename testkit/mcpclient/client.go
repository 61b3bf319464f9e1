package mcpclient

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Servers are the MCP servers of --mcp-config. A server is called for the first time when a prompt asks for it.
type Servers struct {
	servers []*Server
}

// Server is one server over streamable HTTP. It may be used by one goroutine at a time.
type Server struct {
	Name    string // as the configuration calls it
	url     string
	headers map[string]string
	version string // of the client, as the server is told

	mu      sync.Mutex
	client  http.Client
	session string // the server's Mcp-Session-Id
	ready   bool
	lastID  int
}

// protocol is the last revision of the protocol with a handshake.
const protocol = "2025-11-25"

// Load takes the servers of configurations, which are JSON, with ${VAR} resolved by getenv. version is the
// Claude Code that they are told calls them.
func Load(configs [][]byte, version string, getenv func(string) string) (*Servers, error) {
	all := &Servers{}
	for _, config := range configs {
		var file struct {
			Servers map[string]struct {
				Type    string            `json:"type"`
				URL     string            `json:"url"`
				Headers map[string]string `json:"headers"`
			} `json:"mcpServers"`
		}
		if err := json.Unmarshal(config, &file); err != nil {
			return nil, err
		}
		for name, s := range file.Servers {
			if s.Type != "http" && s.Type != "streamable-http" {
				continue // others are not imitated
			}
			server := &Server{Name: name, version: version, url: expand(s.URL, getenv), headers: map[string]string{}}
			for k, v := range s.Headers {
				server.headers[k] = expand(v, getenv)
			}
			all.servers = append(all.servers, server)
		}
	}
	slices.SortFunc(all.servers, func(a, b *Server) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// expand replaces ${VAR} and ${VAR:-default}; a variable that is not set and has no default stays as text.
func expand(text string, getenv func(string) string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(text, "${")
		name, rest, closed := strings.Cut(after, "}")
		if !ok || !closed {
			return b.String() + text
		}
		variable, other, hasOther := strings.Cut(name, ":-")
		value := getenv(variable)
		if value == "" {
			if value = "${" + name + "}"; hasOther {
				value = other
			}
		}
		b.WriteString(before + value)
		text = rest
	}
}

// Close lets go of the connections.
func (c *Servers) Close() {
	for _, s := range c.servers {
		s.client.CloseIdleConnections()
	}
}

// Find resolves TOOL, SERVER/TOOL or mcp__SERVER__TOOL.
func (c *Servers) Find(word string) (*Server, string, error) {
	if rest, ok := strings.CutPrefix(word, "mcp__"); ok {
		word = strings.Replace(rest, "__", "/", 1)
	}
	server, tool, named := strings.Cut(word, "/")
	for _, s := range c.servers {
		if !named {
			return s, word, nil
		}
		if s.Name == server {
			return s, tool, nil
		}
	}
	return nil, "", fmt.Errorf("no MCP server over http for %q in --mcp-config", word)
}

// Call calls a tool and returns its text. A result that says it is an error is one.
func (s *Server) Call(ctx context.Context, tool, useID string, input json.RawMessage) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	params := map[string]any{
		"name": tool, "arguments": input, "_meta": map[string]any{"claudecode/toolUseId": useID},
	}
	result, err := s.request(ctx, "tools/call", params)
	if errors.Is(err, errNoSession) { // the server was started anew
		s.ready, s.session = false, ""
		result, err = s.request(ctx, "tools/call", params)
	}
	if err != nil {
		return "", fmt.Errorf("MCP server %q: %w", s.Name, err)
	}
	var out struct {
		Content []struct{ Type, Text string }
		IsError bool
	}
	if err := json.Unmarshal(result, &out); err != nil {
		return "", fmt.Errorf("MCP server %q: %w", s.Name, err)
	}
	var texts []string
	for _, c := range out.Content {
		texts = append(texts, c.Text)
	}
	text := strings.Join(texts, "\n")
	if out.IsError {
		return "", errors.New(text)
	}
	return text, nil
}

var errNoSession = errors.New("the server does not know the session")

// request sends a request, after a handshake where there was none, and returns its result.
func (s *Server) request(ctx context.Context, method string, params any) (json.RawMessage, error) {
	if !s.ready {
		hello := map[string]any{
			"protocolVersion": protocol, "capabilities": map[string]any{},
			"clientInfo": map[string]string{"name": "claude-code", "version": s.version},
		}
		if _, err := s.send(ctx, "initialize", hello, true); err != nil {
			return nil, err
		}
		if _, err := s.send(ctx, "notifications/initialized", map[string]any{}, false); err != nil {
			return nil, err
		}
		s.ready = true
	}
	return s.send(ctx, method, params, true)
}

func (s *Server) send(ctx context.Context, method string, params any, answered bool) (json.RawMessage, error) {
	message := map[string]any{"jsonrpc": "2.0", "method": method, "params": params}
	if answered {
		s.lastID++
		message["id"] = s.lastID
	}
	data, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	for k, v := range s.headers {
		req.Header.Set(k, v)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("User-Agent", "claude-code/"+s.version+" (orchestron testkit)")
	if method != "initialize" {
		req.Header.Set("Mcp-Protocol-Version", protocol)
	}
	if s.session != "" {
		req.Header.Set("Mcp-Session-Id", s.session)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return s.receive(resp, answered)
}

func (s *Server) receive(resp *http.Response, answered bool) (json.RawMessage, error) {
	if id := resp.Header.Get("Mcp-Session-Id"); id != "" {
		s.session = id
	}
	if resp.StatusCode/100 != 2 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 500)) // only to say more
		if resp.StatusCode == http.StatusNotFound && s.session != "" {
			return nil, errNoSession
		}
		return nil, fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	if !answered {
		return nil, nil
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		result, _, err := s.match(body)
		return result, err
	}
	return s.receiveEvents(resp.Body)
}

// receiveEvents reads a stream up to the answer to the last request. What else the server says is let pass.
func (s *Server) receiveEvents(body io.Reader) (json.RawMessage, error) {
	var data []byte
	for r := bufio.NewReader(body); ; {
		line, err := r.ReadBytes('\n')
		line = bytes.TrimRight(line, "\r\n")
		if part, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(data, bytes.TrimPrefix(part, []byte(" "))...)
		}
		if len(line) == 0 && len(data) > 0 {
			if result, ok, err := s.match(data); ok {
				return result, err
			}
			data = nil
		}
		if err != nil {
			return nil, fmt.Errorf("the stream ended without an answer: %w", err)
		}
	}
}

// match reports whether a message answers the last request, and how.
func (s *Server) match(data []byte) (json.RawMessage, bool, error) {
	var m struct {
		ID     json.RawMessage
		Method string
		Result json.RawMessage
		Error  *struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, true, err
	}
	if m.Method != "" || string(m.ID) != fmt.Sprint(s.lastID) {
		return nil, false, nil
	}
	if m.Error != nil {
		return nil, true, fmt.Errorf("error %d: %s", m.Error.Code, m.Error.Message)
	}
	return m.Result, true, nil
}
