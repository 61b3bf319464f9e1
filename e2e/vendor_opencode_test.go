package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
)

// newOpenCodeHouse is a house in which agents are the real OpenCode.
func newOpenCodeHouse(t *testing.T) *vendorHouse {
	t.Helper()
	return newVendorHouse(t, "opencode", scriptedOpenCode(t))
}

// scriptedOpenCode gives OpenCode the scripted API as its provider.
func scriptedOpenCode(t *testing.T) func(home, url string) []string {
	t.Helper()
	return func(home, url string) []string {
		type object = map[string]any
		conf, err := json.Marshal(object{
			"model": "scripted/m", "small_model": "scripted/m",
			"provider": object{"scripted": object{
				"npm": "@ai-sdk/openai-compatible", "options": object{"baseURL": url + "/v1", "apiKey": "x"},
				"models": object{"m": object{"limit": object{"context": 200000, "output": 8000}}},
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		put(t, home, ".config/opencode/opencode.json", string(conf))
		return []string{"OPENCODE_DISABLE_MODELS_FETCH=1", "OPENCODE_DISABLE_LSP_DOWNLOAD=1"}
	}
}

func TestOpenCode(t *testing.T) {
	h := newOpenCodeHouse(t)
	h.start()
	if got := h.doctor(); !strings.Contains(got, "1.18.33") {
		t.Errorf("doctor does not name the version of OpenCode:\n%s", got)
	}
	h.placed = map[string]string{"exit": `\exit`, "@file": "@file ", "look at @work": "look at @work "}
	v := h.conversation()
	h.openCodeDialog(v)
	h.openCodeTools(v)
	h.long(v)
}

// openCodeDialog has OpenCode ask a person. Messages wait, and go on after the answer.
func (h *vendorHouse) openCodeDialog(v agentapi.View) {
	h.t.Helper()
	file := filepath.Join(h.status(v.ID).Workspace, "made")
	call := fmt.Sprintf("@@call bash {\"command\":\"touch %s\",\"description\":\"a test\"}\n@@say made", file)
	h.mustCall("send", agentapi.SendIn{InstanceID: string(v.ID), Text: call}, nil)
	eventually(h.t, "the agent waits", time.Minute, func() bool { return h.status(v.ID).Status == orchestron.Waiting })
	if q := h.status(v.ID).Question; q == nil || q.Tool != "bash" || !strings.Contains(q.Detail, file) {
		h.t.Errorf("the question is %+v, want the command", q)
	}
	h.mustCall("send", agentapi.SendIn{InstanceID: string(v.ID), Text: "next"}, nil)
	time.Sleep(time.Second) // in which nothing may happen
	if _, err := os.Stat(file); err == nil || h.heard("next") > 0 {
		h.t.Errorf("a message answered the dialog: %v\n%s", err, h.screen(v))
	}
	h.press(v, "Enter")
	eventually(h.t, "both are answered", time.Minute, func() bool {
		return h.heard("next") == 1 && h.status(v.ID).Status == orchestron.Idle && h.status(v.ID).Queued == 0
	})
	if _, err := os.Stat(file); err != nil {
		h.t.Error(err)
	}
}

// openCodeTools has an agent call Orchestron itself.
func (h *vendorHouse) openCodeTools(v agentapi.View) {
	h.t.Helper()
	out := h.ask(v.ID, "@@call orchestron_orchestron_task_list {}\n@@say {{result}}")
	if out.Failure != "" || !strings.Contains(out.Response, "tasks") {
		h.t.Errorf("the agent was told %q %s, want the tasks of its board", out.Response, out.Failure)
	}
}
