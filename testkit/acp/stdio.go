package acp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// stdioServer is an MCP server that is a program.
type stdioServer struct {
	Command string   `json:"command"`
	Args    []string `json:"args"`
	Env     []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"env"`
}

// call starts the server, calls one of its tools, and ends it. It returns the tool's text.
func (s stdioServer) call(ctx context.Context, tool string, input json.RawMessage) (string, error) {
	cmd := exec.CommandContext(ctx, s.Command, s.Args...)
	for _, e := range s.Env {
		cmd.Env = append(cmd.Env, e.Name+"="+e.Value)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	text, err := converse(json.NewEncoder(in), bufio.NewReader(out), tool, input)
	_ = in.Close() // which ends it
	return text, errors.Join(err, cmd.Wait())
}

func converse(to *json.Encoder, from *bufio.Reader, tool string, input json.RawMessage) (string, error) {
	client := object{"protocolVersion": "2025-11-25", "capabilities": object{}, "clientInfo": object{"name": "scripted-acp", "version": "1"}}
	err := to.Encode(object{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client})
	if err == nil {
		_, err = answerTo(from, 1)
	}
	if err == nil {
		err = to.Encode(object{"jsonrpc": "2.0", "method": "notifications/initialized"})
	}
	if err == nil {
		err = to.Encode(object{"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": object{"name": tool, "arguments": input}})
	}
	if err != nil {
		return "", err
	}
	raw, err := answerTo(from, 2)
	if err != nil {
		return "", err
	}
	var result struct {
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
	}
	if err := json.Unmarshal(raw, &result); err != nil || len(result.Content) == 0 {
		return "", fmt.Errorf("%s says %s", tool, raw)
	}
	return result.Content[0].Text, nil
}

// answerTo reads the answer to a request, and past everything before it.
func answerTo(from *bufio.Reader, id int) (json.RawMessage, error) {
	for {
		line, err := from.ReadBytes('\n')
		if err != nil {
			return nil, errors.Join(err, io.ErrUnexpectedEOF)
		}
		var m struct {
			ID     int             `json:"id"`
			Result json.RawMessage `json:"result"`
			Error  json.RawMessage `json:"error"`
		}
		if json.Unmarshal(line, &m) != nil || m.ID != id {
			continue
		}
		if m.Error != nil {
			return nil, fmt.Errorf("the server says %s", m.Error)
		}
		return m.Result, nil
	}
}
