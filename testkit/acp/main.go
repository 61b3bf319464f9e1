package acp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/orchestron/orchestron/testkit/mcpclient"
	"github.com/orchestron/orchestron/testkit/record"
)

type object = map[string]any

// message is any message of JSON-RPC.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  any             `json:"result,omitempty"`
	Error   any             `json:"error,omitempty"`
}

// agent is a running agent.
type agent struct {
	noLoad, noHTTP, noModel bool
	late                    bool
	login                   string

	dir string // where its sessions are
	env []string

	mu       sync.Mutex
	out      *json.Encoder
	last     int
	waits    map[string]chan json.RawMessage // for the client's answers
	loggedIn bool
	session  *session
	group    sync.WaitGroup
}

// Main runs the agent and returns the exit code of the command.
func Main(args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &agent{env: env, out: json.NewEncoder(stdout), waits: map[string]chan json.RawMessage{}}
	flags := flag.NewFlagSet("acp", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {}
	flags.BoolVar(&a.noLoad, "no-load", false, "")
	flags.BoolVar(&a.noHTTP, "no-http", false, "")
	flags.BoolVar(&a.noModel, "no-model", false, "")
	flags.BoolVar(&a.late, "late", false, "")
	flags.StringVar(&a.login, "login", "", "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, help)
		return 0
	case err != nil:
		fmt.Fprint(stderr, help)
		return 2
	}
	a.dir = filepath.Join(a.getenv("HOME"), ".testkit-acp")
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	lines := bufio.NewReader(stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			a.cancel()
			a.group.Wait()
			return 0
		}
		var m message
		var answer struct {
			Result json.RawMessage `json:"result"`
		}
		if json.Unmarshal(line, &m) != nil || json.Unmarshal(line, &answer) != nil {
			continue
		}
		a.take(m, answer.Result)
	}
}

func (a *agent) getenv(name string) string {
	value := ""
	for _, entry := range a.env {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			value = v
		}
	}
	return value
}

// take handles a message of the client. Prompts run beside it.
func (a *agent) take(m message, result json.RawMessage) {
	if m.Method == "" {
		a.mu.Lock()
		defer a.mu.Unlock()
		if wait := a.waits[string(m.ID)]; wait != nil {
			wait <- result
		}
		return
	}
	if m.Method == "session/cancel" {
		a.cancel()
		return
	}
	if m.Method != "session/prompt" {
		a.answer(m.ID, func() (any, *failure) { return a.serve(m) })
		return
	}
	var in struct {
		Prompt []struct {
			Text string `json:"text"`
		} `json:"prompt"`
	}
	if json.Unmarshal(m.Params, &in) != nil || len(in.Prompt) == 0 || a.session == nil {
		a.answer(m.ID, func() (any, *failure) { return nil, &failure{-32602, "no prompt, or no session"} })
		return
	}
	text := in.Prompt[len(in.Prompt)-1].Text // what comes before it is context
	ctx, cancel := context.WithCancel(context.Background())
	a.mu.Lock()
	a.session.cancel = cancel
	a.mu.Unlock()
	a.group.Go(func() {
		defer cancel()
		a.answer(m.ID, func() (any, *failure) { return a.session.turn(ctx, text) })
	})
}

// failure is the error of an answer.
type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (a *agent) answer(id json.RawMessage, do func() (any, *failure)) {
	result, err := do()
	m := message{ID: id, Result: result}
	if err != nil {
		m.Result, m.Error = nil, err
	}
	a.send(m)
}

func (a *agent) send(m message) {
	m.Version = "2.0"
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.out.Encode(m) // a client that is gone shows at the next read
}

func (a *agent) cancel() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.session != nil && a.session.cancel != nil {
		a.session.cancel()
	}
}

// serve answers everything but prompts.
func (a *agent) serve(m message) (any, *failure) {
	var in struct {
		Session string `json:"sessionId"`
		Config  string `json:"configId"`
		Value   string `json:"value"`
		Mode    string `json:"modeId"`
		Login   string `json:"methodId"`
		CWD     string `json:"cwd"`
		Servers []struct {
			Type    string `json:"type"`
			Name    string `json:"name"`
			URL     string `json:"url"`
			Headers []struct {
				Name  string `json:"name"`
				Value string `json:"value"`
			} `json:"headers"`
			stdioServer
		} `json:"mcpServers"`
	}
	if err := json.Unmarshal(m.Params, &in); err != nil {
		return nil, &failure{-32602, err.Error()}
	}
	switch m.Method {
	case "initialize":
		return a.welcome(), nil
	case "authenticate":
		if a.loggedIn = in.Login == a.login; !a.loggedIn {
			return nil, &failure{-32602, "there is no login " + in.Login}
		}
		return object{}, nil
	case "session/new", "session/load":
		if a.login != "" && !a.loggedIn {
			return nil, &failure{-32000, "Authentication required"}
		}
		servers, programs := object{}, []stdioServer{}
		for _, s := range in.Servers {
			if s.Command != "" {
				programs = append(programs, s.stdioServer)
				continue
			}
			headers := map[string]string{}
			for _, h := range s.Headers {
				headers[h.Name] = h.Value
			}
			servers[s.Name] = object{"type": s.Type, "url": s.URL, "headers": headers}
		}
		return a.open(m.Method == "session/load", in.Session, in.CWD, servers, programs)
	case "session/set_config_option":
		if in.Config != "model" || a.noModel || in.Value == "none" {
			return nil, &failure{-32602, "there is no model " + in.Value}
		}
		a.session.model = in.Value
		return object{"configOptions": a.options()}, nil
	case "session/set_mode":
		a.session.mode = in.Mode
		return object{}, nil
	}
	return nil, &failure{-32601, "method not found"}
}

func (a *agent) welcome() object {
	logins := []object{}
	if a.login != "" {
		logins = append(logins, object{"id": a.login, "name": a.login})
	}
	return object{
		"protocolVersion": 1, "agentInfo": object{"name": "scripted-acp", "version": "1.0.0"}, "authMethods": logins,
		"agentCapabilities": object{"loadSession": !a.noLoad, "mcpCapabilities": object{"http": !a.noHTTP}},
	}
}

// open begins a session, or goes on with one and tells what was said in it.
func (a *agent) open(load bool, id, cwd string, servers object, programs []stdioServer) (any, *failure) {
	config, err := json.Marshal(object{"mcpServers": servers})
	if err != nil {
		return nil, &failure{-32603, err.Error()}
	}
	tools, err := mcpclient.Load([][]byte{config}, "2.1.329", a.getenv)
	if err != nil {
		return nil, &failure{-32602, err.Error()}
	}
	s := &session{agent: a, id: id, cwd: cwd, tools: tools, programs: programs, model: "scripted", mode: "default"}
	if !load {
		s.id = "acp-" + record.UUID()
	} else if err := s.load(); err != nil {
		return nil, &failure{-32602, "no such session: " + err.Error()}
	}
	a.session = s
	if a.late {
		a.group.Go(func() { time.Sleep(100 * time.Millisecond); s.tell() })
	} else {
		s.tell()
	}
	out := object{"configOptions": a.options(), "modes": object{"currentModeId": "default"}}
	if !load {
		out["sessionId"] = s.id
	}
	return out, nil
}

func (a *agent) options() []object {
	if a.noModel {
		return []object{}
	}
	return []object{{"id": "model", "name": "Model", "category": "model", "type": "select", "currentValue": a.session.model}}
}
