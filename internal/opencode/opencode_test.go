package opencode

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/usageapi"
)

// TestRefusals holds what the plugin told when a scripted API refused OpenCode 1.18.33.
func TestRefusals(t *testing.T) {
	refused := func(reason orchestron.RefusalReason) *orchestron.Refusal { return &orchestron.Refusal{Reason: reason} }
	for text, want := range map[string]*orchestron.Refusal{
		`{"error":"Incorrect API key provided: sk-test.","refusal":{"status":401,"body":"{}","name":"APIError"}}`:         refused(orchestron.Authentication),
		`{"error":"forbidden here","refusal":{"status":403,"name":"APIError"}}`:                                           refused(orchestron.Authentication),
		`{"error":"no key","refusal":{"name":"ProviderAuthError"}}`:                                                       refused(orchestron.Authentication),
		`{"error":"Insufficient Balance","refusal":{"status":402,"name":"APIError"}}`:                                     refused(orchestron.Billing),
		`{"error":"x","refusal":{"status":429,"body":"{\"error\":{\"code\":\"insufficient_quota\"}}","name":"APIError"}}`: refused(orchestron.Billing),
		`{"error":"The model gpt-9 does not exist.","refusal":{"status":404,"name":"APIError"}}`:                          refused(orchestron.NoModel),
		`{"error":"overloaded","refusal":{"status":529,"name":"APIError"}}`:                                               refused(orchestron.Overloaded),
		`{"error":"no such luck","refusal":{"status":400,"name":"APIError"}}`:                                             nil,
		`{"error":"boom","refusal":{"name":"UnknownError"}}`:                                                              nil,
		`{"error":"rate_limit is what it says"}`:                                                                          nil,
		`{"error":"Rate limit reached for m. Please try again in 8s.","refusal":{"message":"x","until":0}}`:               refused(orchestron.RateLimit),
		`{"error":"You exceeded your current quota, please check your plan.","refusal":{"until":1795300000000}}`: {
			Reason: orchestron.UsageLimit, Until: time.Date(2026, 11, 21, 22, 26, 40, 0, time.UTC),
		},
		`{"error":"Provider is overloaded","refusal":{"until":0}}`: refused(orchestron.Overloaded),
	} {
		payload := append([]byte(`{"hook_event_name":"StopFailure","session_id":"ses_1",`), text[1:]...)
		facts := New(bin.Settings{}).Hook("", json.RawMessage(payload), time.Now())
		if len(facts) != 1 || facts[0].Kind != orchestron.FactTurnFailed || facts[0].Text == "" || !cmp.Equal(facts[0].Refusal, want) {
			t.Errorf("%s gives %+v, want the refusal %v", text, facts, want)
		}
	}
}

func TestParseUsage(t *testing.T) {
	parse := New(bin.Settings{}).ParseUsage
	said, err := parse([]byte(`{"id":"msg_1","session":"ses_1","child":true,"at":1795289845781,"model":"m","window":200000,`+
		`"tokens":{"total":1050,"input":600,"output":30,"reasoning":20,"cache":{"write":7,"read":400}}}`+"\n"), "")
	want := usageapi.Line{Called: true, Entry: usageapi.Entry{
		Key: "msg_1", Session: "ses_1", Sidechain: true, Model: "m", Window: 200000, At: time.UnixMilli(1795289845781).UTC(),
		Tokens: usageapi.Tokens{Input: 600, Output: 50, CacheRead: 400, CacheWrite5m: 7},
	}}
	if diff := cmp.Diff(want, said); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for text, wrong := range map[string]bool{
		"": false, "\n": false, "{": true, "{}": true, `{"id":"a"}`: true, `{"id":"a","tokens":{"input":-1}}`: true, `{"tokens":{}}`: true,
		`{"id":"a","tokens":{"input":0.5}}`: true, `{"id":"a"}{"id":"b"}`: true,
	} {
		if said, err := parse([]byte(text), ""); said.Called || (err != nil) != wrong {
			t.Errorf("%q: %+v, %v; want no call, and an error: %v", text, said, err, wrong)
		}
	}
}
