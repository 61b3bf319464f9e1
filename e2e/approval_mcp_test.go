package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/approvalapi"
)

const (
	older = "2025-11-25"
	newer = "2026-07-28"
)

// asked is a question that a client was asked, as a person would see it.
type asked struct {
	message string
	schema  string
	answer  chan mcp.ElicitResult // to be sent to by the test
	gone    <-chan struct{}       // closed when the question was taken back
}

// decision is an answer.
func decision(name, reason string) mcp.ElicitResult {
	return mcp.ElicitResult{Action: "accept", Content: map[string]any{"decision": name, "reason": reason}}
}

// person is a client of somebody who may be asked.
type person struct {
	*mcp.ClientSession
	t     testing.TB
	forms chan asked
}

func (h *house) personAt(version string, transport mcp.Transport) *person {
	h.t.Helper()
	p := &person{t: h.t, forms: make(chan asked, 20)}
	over, leave := context.WithCancel(context.Background())
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, &mcp.ClientOptions{
		ElicitationHandler: func(ctx context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			schema, err := json.Marshal(req.Params.RequestedSchema)
			if err != nil {
				return nil, err
			}
			form := asked{req.Params.Message, string(schema), make(chan mcp.ElicitResult, 1), ctx.Done()}
			p.forms <- form
			select {
			case res := <-form.answer:
				return &res, nil
			case <-ctx.Done():
			case <-over.Done():
			}
			return &mcp.ElicitResult{Action: "cancel"}, nil
		},
	})
	session, err := client.Connect(h.t.Context(), transport, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		h.t.Fatalf("connecting: %v", err)
	}
	p.ClientSession = session
	h.t.Cleanup(func() { leave(); _ = session.Close() })
	return p
}

// overHTTP is a client over HTTP with somebody's token; the operator's when it is empty.
func (h *house) overHTTP(version, token string) *person {
	h.t.Helper()
	door := h.door(false)
	if token == "" {
		token = door.Token
	}
	return h.personAt(version, &mcp.StreamableClientTransport{Endpoint: door.URL, HTTPClient: &http.Client{Transport: bearer(token)}})
}

// overStdio is a client of orchestron mcp.
func (h *house) overStdio(version string) *person {
	h.t.Helper()
	cmd := exec.Command(h.bin, "mcp")
	cmd.Env, cmd.Dir = h.env, h.home
	return h.personAt(version, &mcp.CommandTransport{Command: cmd})
}

// form is the next question that the client is asked.
func (p *person) form() asked {
	p.t.Helper()
	select {
	case form := <-p.forms:
		return form
	case <-time.After(30 * time.Second):
		p.t.Fatal("nobody is asked")
		return asked{}
	}
}

// calm fails the test if the client was asked something.
func (p *person) calm(who string) {
	p.t.Helper()
	select {
	case form := <-p.forms:
		p.t.Errorf("%s is asked: %s", who, form.message)
	default:
	}
}

// permission has an agent ask for permission, and returns the message with which it was told to.
func (h *house) permission(id orchestron.AgentID, command string) orchestron.MessageID {
	h.t.Helper()
	return h.send(id, fmt.Sprintf("@@permission Bash %s\n@@say told: {{result}}", encoded(h.t, fields{"command": command})), false)
}

// tool calls a tool, as the client's model does, and returns what it answers.
func (p *person) tool(name string, args fields) string {
	p.t.Helper()
	res, err := p.CallTool(p.t.Context(), &mcp.CallToolParams{Name: name, Arguments: args})
	if err != nil {
		p.t.Fatalf("%s: %v", name, err)
	}
	return encoded(p.t, res.StructuredContent)
}

func (h *house) approval(id approvalapi.ID) approvalapi.Approval {
	h.t.Helper()
	var out approvalapi.ListOut
	h.mustCall("list_approvals", approvalapi.ListIn{ID: string(id), State: approvalapi.All, Limit: 1}, &out)
	return out.Approvals[0]
}

func takenBack(t testing.TB, form asked) {
	t.Helper()
	select {
	case <-form.gone:
	case <-time.After(30 * time.Second):
		t.Errorf("the question was not taken back: %s", form.message)
	}
}

func asking(in *agentapi.SpawnIn) { in.PermissionMode = "default" }

// TestAskedThroughMCP: the clients of people are asked what agents ask, wherever they come in; the first answer counts, and
// the question is taken back from the others; who declines leaves it to them.
func TestAskedThroughMCP(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	agent := h.spawn("scripted", asking).ID
	web, desk := h.overHTTP(older, ""), h.overStdio(older)

	turn := h.permission(agent, "make deploy; echo 'a\nRisk: none'\u202e")
	first, second := web.form(), desk.form()
	t.Logf("both forms were there %s after the question", time.Since(h.approval("APR-1").Created).Round(time.Millisecond))
	for _, line := range []string{"\nBash, high risk, with the arguments {", `"make deploy; echo 'a\nRisk: none'`, "}\nAPR-1 of " + string(agent) + ", denied at "} {
		if !strings.Contains(first.message, line) || first.message != second.message {
			t.Errorf("the question is %q and %q, want both to say %q", first.message, second.message, line)
		}
	}
	if strings.Contains(first.message, "\u202e") || strings.Count(first.message, "\n") != 2 {
		t.Errorf("what the agent wrote makes lines, or is hidden: %q", first.message)
	}
	for _, part := range []string{`"enum":["allow_once","allow_always","deny"]`, `"reason"`, `"required":["decision"]`} {
		if !strings.Contains(first.schema, part) {
			t.Errorf("the form %s lacks %s", first.schema, part)
		}
	}
	second.answer <- decision("deny", "not on a Friday")
	began := time.Now()
	takenBack(t, first)
	t.Logf("the other was taken back %s after the answer", time.Since(began).Round(time.Millisecond))
	if got := h.waited(agent, turn, 60).Response; !strings.Contains(got, "told: Denied by operator (APR-1): not on a Friday") {
		t.Errorf("the agent was told %q", got)
	}

	turn = h.permission(agent, "make test")
	first, second = web.form(), desk.form()
	first.answer <- mcp.ElicitResult{Action: "decline"}
	second.answer <- mcp.ElicitResult{Action: "cancel"}
	late := h.overHTTP(older, "") // comes later, and is asked what is open
	third := late.form()
	if a := h.approval("APR-2"); a.State != approvalapi.Pending {
		t.Errorf("after two declined the question is %+v", a)
	}
	web.calm("who declined")
	h.must("approvals", "allow", "APR-2")
	takenBack(t, third)
	if got := h.waited(agent, turn, 60).Response; !strings.Contains(got, "told: ok") {
		t.Errorf("the agent was told %q", got)
	}

	turn = h.permission(agent, "make clean")
	third = late.form()
	third.answer <- decision("allow_always", "")
	h.waited(agent, turn, 60)
	if a := h.approval("APR-3"); a.Answer != approvalapi.AllowAlways || a.By != "operator" {
		t.Errorf("the question is %+v", a)
	}
	takenBack(t, web.form())
	takenBack(t, desk.form())
	if _, said, code := h.run("", "approvals", "deny", "APR-3"); code != 4 || !strings.Contains(said, "APR-3 was allowed by operator") {
		t.Errorf("a second answer: exit code %d, %s", code, said)
	}
	if got := h.ask(agent, "@@permission Bash {\"command\":\"make clean\"}\n@@say told: {{result}}").Response; !strings.Contains(got, "told: ok") {
		t.Errorf("what is allowed for ever is asked again: %q", got)
	}
}

// TestAskedAfterAKill: a question of a daemon that is gone is taken back, and the next asks it again.
func TestAskedAfterAKill(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	agent := h.spawn("scripted", asking).ID
	desk := h.overStdio(older)
	turn := h.permission(agent, "make deploy")
	first := desk.form()
	h.kill()
	takenBack(t, first)
	again := desk.form() // orchestron mcp has started the next daemon
	if again.message != first.message {
		t.Errorf("the question became %q", again.message)
	}
	again.answer <- decision("allow_once", "")
	if got := h.waited(agent, turn, 60).Response; !strings.Contains(got, "told: ok") {
		t.Errorf("the agent was told %q", got)
	}
}

// TestWhoIsAsked: an agent's client is never asked. Where agents may approve, its model sees the questions of those below it,
// and answers them for once only.
func TestWhoIsAsked(t *testing.T) {
	for _, may := range []bool{false, true} {
		t.Run(fmt.Sprintf("agents_may_approve %t", may), func(t *testing.T) {
			h := newHouse(t, program)
			dir := filepath.Join(h.home, "config")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "config.yaml"), fmt.Appendf(nil, "approvals: {agents_may_approve: %t}\n", may), 0o600); err != nil {
				t.Fatal(err)
			}
			h.start()
			project := h.repository("shop")
			clients := map[orchestron.AgentID]*person{}
			below := func(role string, parent orchestron.AgentID) orchestron.AgentID {
				v := h.spawn("scripted", at(project), asking, func(in *agentapi.SpawnIn) { in.Role, in.ParentID = role, string(parent) })
				clients[v.ID] = h.overHTTP(older, h.token(v))
				return v.ID
			}
			leader := below("manager", "")
			child := below("specialist", leader)
			below("manager", "") // a stranger
			boss := h.overHTTP(older, "")
			turn := h.permission(child, "make deploy")
			form := boss.form() // then whoever is to be asked is, or will be soon
			if may {
				model := clients[leader].tool
				if seen := model("list_approvals", fields{"timeout_seconds": 20}); !strings.Contains(seen, `"id":"APR-1"`) {
					t.Errorf("an agent sees %s", seen)
				}
				if said := model("answer_approval", fields{"id": "APR-1", "decision": "allow_always"}); !strings.Contains(said, `"kind":"forbidden"`) {
					t.Errorf("an agent allows for ever: %s", said)
				}
				model("answer_approval", fields{"id": "APR-1", "decision": "allow_once"})
				takenBack(t, form)
			} else {
				form.answer <- decision("allow_once", "")
			}
			h.waited(child, turn, 60)
			if a := h.approval("APR-1"); may && a.By != string(leader) || !may && a.By != "operator" {
				t.Errorf("the question is %+v", a)
			}
			turn = h.permission(leader, "make leader") // its own, and nobody's above it but the person's
			form = boss.form()
			form.answer <- decision("deny", "")
			h.waited(leader, turn, 60)
			for id, client := range clients {
				client.calm(string(id))
			}
		})
	}
}

// TestAskedInACall: a client of the new revision is asked while its call waits for the agent. Its message is sent once,
// and what it declines it is not asked again in the same call.
func TestAskedInACall(t *testing.T) {
	for name, connect := range map[string]func(h *house) *person{
		"over HTTP":  func(h *house) *person { return h.overHTTP(newer, "") },
		"over stdio": func(h *house) *person { return h.overStdio(newer) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, program)
			h.start()
			leader := h.spawn("scripted", asking, func(in *agentapi.SpawnIn) { in.Role = "manager" }).ID
			agent := h.spawn("scripted", asking, func(in *agentapi.SpawnIn) { in.ParentID = string(leader) }).ID
			other := h.spawn("scripted", asking).ID
			p := connect(h)
			if got := p.InitializeResult().ProtocolVersion; got != newer {
				t.Fatalf("the revision is %s", got)
			}
			call := func(tool string, args fields) <-chan string {
				done := make(chan string, 1)
				go func() {
					res, err := p.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
					if err != nil {
						done <- err.Error()
						return
					}
					done <- encoded(t, res.StructuredContent)
				}()
				return done
			}
			h.permission(other, "make other") // nobody waits for that
			done := call("send_to_instance", fields{
				"instance_id": agent, "message": "@@permission Bash {\"command\":\"make one\"}\n@@say told: {{result}}", "timeout_seconds": 60,
			})
			form := p.form()
			if !strings.Contains(form.message, "make one") {
				t.Errorf("the question is %q", form.message)
			}
			form.answer <- decision("allow_once", "")
			if got := <-done; !strings.Contains(got, "told: ok") {
				t.Errorf("the call answered %s", got)
			}
			if n := len(h.accepted(agent)); n != 1 { // also where each request has a key of its own
				t.Errorf("the message was given to the agent %d times", n)
			}

			turn := h.permission(agent, "make two")
			done = call("wait_for_instance", fields{"instance_id": leader, "timeout_seconds": 1}) // over at once: it is idle
			<-done
			done = call("wait_for_instance", fields{"instance_id": agent, "message_id": turn, "timeout_seconds": 60})
			form = p.form()
			form.answer <- mcp.ElicitResult{Action: "decline"}
			eventually(t, "the question stays open", 20*time.Second, func() bool {
				return h.status(agent).Status == orchestron.Waiting
			})
			h.must("approvals", "deny", "APR-3", "--reason", "by somebody else")
			if got := <-done; !strings.Contains(got, "by somebody else") {
				t.Errorf("the call answered %s", got)
			}
			p.calm("who declined")
		})
	}
}
