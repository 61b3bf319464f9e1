package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/usageapi"
)

// used is what an agent's calls took, once nothing more has come for a while.
func (h *vendorHouse) used(v agentapi.View) usageapi.Amount {
	h.t.Helper()
	var last usageapi.Amount
	for settled := 0; settled < 5; time.Sleep(500 * time.Millisecond) {
		var out usageapi.Out
		h.mustCall("get_usage", usageapi.In{InstanceID: string(v.ID), By: "agent", Limit: 10}, &out)
		if out.Skipped > 0 {
			h.t.Errorf("%d lines of the agent's records make no sense", out.Skipped)
		}
		if settled++; out.Total != last {
			settled = 0
		}
		last = out.Total
	}
	return last
}

// counted has the model say what an answer took. It is counted once, exactly, and for its turn.
func (h *vendorHouse) counted(v agentapi.View) {
	h.t.Helper()
	before := h.used(v)
	out := h.ask(v.ID, "@@usage in=1000 out=50 cache_read=400 reasoning=20\n@@say counted")
	if out.Response != "counted" {
		h.t.Fatalf("the answer is %q %s", out.Response, out.Failure)
	}
	want := usageapi.Tokens{Input: 600, Output: 50, CacheRead: 400}
	if h.driver == "gemini" {
		want.Output = 70 // there, what the model thought is beside the answer
	}
	if h.told != nil {
		want = *h.told
	}
	after := h.used(v).Minus(before)
	if h.untold() {
		if after.Calls != 0 {
			h.t.Errorf("%+v were counted, want nothing", after)
		}
		return
	}
	if after.Calls != 1 || after.Tokens != want {
		h.t.Errorf("the call was counted as %+v, want one of %+v", after, want)
	}
	var turns usageapi.Out
	h.mustCall("get_usage", usageapi.In{InstanceID: string(v.ID), By: "turn", Limit: 1}, &turns)
	if len(turns.Rows) != 1 || turns.Rows[0].Message != out.MessageID || turns.Rows[0].Tokens != want {
		h.t.Errorf("the last turn took %+v, want %+v for message %s", turns.Rows, want, out.MessageID)
	}
}

// untold reports whether nothing is told of what calls took.
func (h *vendorHouse) untold() bool { return h.told != nil && *h.told == (usageapi.Tokens{}) }

// TestCodexSubagents has Codex start an agent of its own. What that used is counted once, too.
func TestCodexSubagents(t *testing.T) {
	h := newCodexHouse(t)
	h.start()
	v := h.spawn("codex")
	h.ask(v.ID, "its session begins")
	session := h.status(v.ID).SessionID
	out := h.ask(v.ID, `@@call multi_agent_v1/spawn_agent {"message":"@@usage in=7000000 out=1\n@@say child"}`+"\n@@say {{result}}")
	if !strings.Contains(out.Response, "agent_id") {
		t.Fatalf("Codex started no agent: %q %s", out.Response, out.Failure)
	}
	if after := h.status(v.ID).SessionID; session == "" || after != session {
		t.Errorf("the agent's session is %q after it was %q, want no other", after, session)
	}
	eventually(t, "the child's call is counted", time.Minute, func() bool { return h.used(v).Tokens.Input >= 7_000_000 })
	if got := h.used(v); got.Tokens.Input >= 8_000_000 || got.Calls < 4 {
		t.Errorf("%d calls with %+v, want the child's once and the parent's", got.Calls, got.Tokens)
	}
}

// TestOpenCodeSubagents has OpenCode start an agent of its own. What that used is counted once, too, and what its vendor
// refuses limits the whole.
func TestOpenCodeSubagents(t *testing.T) {
	h := newOpenCodeHouse(t)
	h.start()
	v := h.spawn("opencode")
	task := "@@usage in=100 out=1\n" + `@@call task {"description":"a test","subagent_type":"general","prompt":"%s"}` + "\n@@say {{result}}"
	out := h.ask(v.ID, fmt.Sprintf(task, `@@usage in=150000 out=1\n@@say child`))
	if !strings.Contains(out.Response, "child") {
		t.Fatalf("OpenCode started no agent: %q %s", out.Response, out.Failure)
	}
	if got := h.used(v); got.Tokens.Input != 150_200 || got.Calls != 3 {
		t.Errorf("%d calls with %+v, want the child's once and the parent's two", got.Calls, got.Tokens)
	}
	h.limited(v, []vendorRefusal{{fmt.Sprintf(task, `@@error 429 {\"error\":{\"message\":\"You have reached your usage limit.\"}}`), orchestron.UsageLimit, 0}})
}

// vendorRefusal is a prompt that the vendor refuses, and what becomes of the agent.
type vendorRefusal struct {
	prompt string
	want   orchestron.RefusalReason
	until  time.Duration // from now, or 0 when it is not known; about
}

// limited has the vendor refuse prompts. The agent is limited each time, its queue waits, and goes on when it is let.
func (h *vendorHouse) limited(v agentapi.View, refusals []vendorRefusal) {
	h.t.Helper()
	for i, r := range refusals {
		after := fmt.Sprintf("after %d: %s", i, r.want)
		var sent, next agentapi.MessageOut
		h.mustCall("send", agentapi.SendIn{InstanceID: string(v.ID), Text: r.prompt}, &sent)
		eventually(h.t, "the agent is limited: "+string(r.want), 3*time.Minute, func() bool { return h.status(v.ID).Status == orchestron.Limited })
		got := h.status(v.ID).Refusal
		if got == nil || got.Reason != r.want || (r.until == 0) != got.Until.IsZero() {
			h.t.Errorf("%.60q limits the agent by %+v, want %s\n%s", r.prompt, got, r.want, h.screen(v))
		} else if r.until != 0 && time.Until(got.Until.Add(-r.until)).Abs() > 8*time.Minute {
			h.t.Errorf("%.60q limits the agent until %s, want %s from now", r.prompt, got.Until, r.until)
		}
		if m := h.message(v.ID, sent.MessageID); m.State != orchestron.Answered || m.Failure == "" {
			h.t.Errorf("%.60q is %s: %q, want a failure", r.prompt, m.State, m.Failure)
		}
		h.mustCall("send", agentapi.SendIn{InstanceID: string(v.ID), Text: after}, &next)
		if h.heard(after) > 0 {
			h.t.Errorf("a message reached the model of an agent that is limited")
		}
		h.mustCall("release_instance", map[string]any{"instance_id": v.ID}, nil)
		eventually(h.t, "the queue goes on after "+string(r.want), time.Minute, func() bool { return h.message(v.ID, next.MessageID).State == orchestron.Answered })
	}
}

func TestCodexLimited(t *testing.T) {
	h := newCodexHouse(t)
	h.start()
	v := h.spawn("codex")
	resets := time.Now().Add(2 * time.Hour)
	h.limited(v, []vendorRefusal{
		{`@@error 429 {"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","plan_type":"plus","resets_at":` + strconv.FormatInt(resets.Unix(), 10) + `}}`, orchestron.UsageLimit, 2 * time.Hour},
		{`@@error 429 {"error":{"message":"Rate limit reached. Please try again in 8s.","code":"rate_limit_exceeded"}}`, orchestron.RateLimit, 0},
		{`@@error 401 {"error":{"message":"Incorrect API key provided.","code":"invalid_api_key"}}`, orchestron.Authentication, 0},
		{`@@error 404 {"error":{"message":"The model gpt-9 does not exist.","code":"model_not_found"}}`, orchestron.NoModel, 0},
		{`@@error 503 {"error":{"message":"Our servers are overloaded.","code":"server_is_overloaded"}}`, orchestron.Overloaded, 0},
	})
}

func TestOpenCodeLimited(t *testing.T) {
	h := newOpenCodeHouse(t)
	h.start()
	v := h.spawn("opencode")
	h.limited(v, []vendorRefusal{
		{`@@error 401 {"error":{"message":"Incorrect API key provided.","code":"invalid_api_key"}}`, orchestron.Authentication, 0},
		{`@@error 402 {"error":{"message":"Insufficient Balance"}}`, orchestron.Billing, 0},
		{`@@error 404 {"error":{"message":"The model gpt-9 does not exist.","code":"model_not_found"}}`, orchestron.NoModel, 0},
		{`@@error 429 {"error":{"message":"You have reached your usage limit."}}`, orchestron.UsageLimit, 0}, // it tries again for half a minute
	})
}

func TestGeminiLimited(t *testing.T) {
	h := newGeminiHouse(t)
	h.start()
	v := h.spawn("gemini", func(in *agentapi.SpawnIn) { in.Model = h.model })
	h.limited(v, []vendorRefusal{
		{`@@error 401 {"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED"}}`, orchestron.Authentication, 0},
		{`@@error 404 {"error":{"code":404,"message":"models/x is not found for API version v1beta.","status":"NOT_FOUND"}}`, orchestron.NoModel, 0}, // a dialog
		{`@@error 429 {"error":{"code":429,"message":"Quota exceeded for this tier.","status":"RESOURCE_EXHAUSTED","details":[` +
			`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"QUOTA_EXHAUSTED","domain":"cloudcode-pa.googleapis.com"},` +
			`{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"7200s"}]}}`, orchestron.UsageLimit, 2 * time.Hour}, // a dialog that says when
		{`@@error 429 {"error":{"code":429,"message":"You have exhausted your capacity on this model. Your quota will reset after 1h0m0s.","status":"RESOURCE_EXHAUSTED","details":[` +
			`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"QUOTA_EXHAUSTED","domain":"cloudcode-pa.googleapis.com"},` +
			`{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"3600s"}]}}`, orchestron.UsageLimit, 66 * time.Minute}, // it waits without a word, up to a fifth longer than it is told
		{`@@error 503 {"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}`, orchestron.Overloaded, 0}, // after half a minute
	})
}
