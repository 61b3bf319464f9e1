package codex

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/usageapi"
)

// TestParseUsage reads what Codex 0.169.0 wrote in a session that was killed and resumed, with a turn of two calls and a
// call that was refused, after which it repeated its token_count.
func TestParseUsage(t *testing.T) {
	data, err := os.ReadFile("testdata/usage.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	const session = "01a1ff8c-b89d-7e82-8bf9-55fb75bfd3d8"
	call := func(key, turn, at string, tokens usageapi.Tokens) usageapi.Entry {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		return usageapi.Entry{Key: key + " " + turn, Model: "gpt-5.1-codex", Tokens: tokens, At: when, Session: session, Prompt: turn, Window: 258400}
	}
	want := []usageapi.Entry{
		call("msg_4SX3NCXTQV5WLRJDSDQ2QWRIKZ", "01a1ff8c-bd5e-7070-8448-c3ad47cac4ac", "2026-11-21T19:19:36.328Z", usageapi.Tokens{Input: 600, Output: 50, CacheRead: 400}),
		call("msg_XOWQHHE3JBNRCHQUUFJK4F4OV3", "01a1ff8c-c3eb-7e72-8405-e46285fc2828", "2026-11-21T19:19:37.826Z", usageapi.Tokens{Input: 500, Output: 60, CacheRead: 1500}),
		call("msg_QSRLKDETXANSQAFNDRMAVNNMEZ", "01a1ff8c-c3eb-7e72-8405-e46285fc2828", "2026-11-21T19:19:38.511Z", usageapi.Tokens{Input: 500, Output: 60, CacheRead: 1500}),
		call("msg_NLGQCLMTHNGJAWRAGPXZRDUUND", "01a1ff8c-d9c7-7223-a6fa-a44f0374c61f", "2026-11-21T19:19:43.485Z", usageapi.Tokens{Input: 3000, Output: 70}),
	}
	var got []usageapi.Entry
	var total, told int64 = 0, 8240 // its own last total_token_usage
	state := ""
	for line := range strings.Lines(string(data)) {
		said, err := New(bin.Settings{}).ParseUsage([]byte(line), state)
		if err != nil {
			t.Errorf("%.200s: %v", line, err)
		}
		if state = said.State; said.Called {
			got = append(got, said.Entry)
			total += said.Entry.Tokens.Total()
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if total != told {
		t.Errorf("%d tokens, and Codex says %d", total, told)
	}
}

func TestParseUsageOddLines(t *testing.T) {
	const head = `{"type":"token_usage_record","ordinal":3,"payload":{"thread_id":"t","session_id":"s","turn_id":"u",`
	for text, want := range map[string]struct {
		key       string // of a call
		sidechain bool
		wrong     bool
	}{
		``:              {},
		`turn_context"`: {},
		`{"type":"response_item","payload":{"model":"x","text":"\"turn_context\" \"task_started\""}}`: {},
		`{"type":"event_msg","payload":{"type":"agent_message","message":"\"token_usage_record\""}}`:  {},
		`"token_usage_record" {`:                {wrong: true},
		head + `"response_id":"r"}}`:            {wrong: true},
		head + `"usage":{"input_tokens":-1}}}`:  {wrong: true},
		head + `"usage":{"input_tokens":1.5}}}`: {wrong: true},
		head + `"response_id":"r","usage":{}}}`: {key: "r u", sidechain: true},
		head + `"usage":{"input_tokens":1}}}`:   {key: "line t 3", sidechain: true},
		`{"type":"token_usage_record","payload":{"thread_id":"s","session_id":"s","turn_id":"u","response_id":"r","usage":{}}}`: {key: "r u"},
	} {
		said, err := New(bin.Settings{}).ParseUsage([]byte(text), `{"model":"m"}`)
		if said.Called != (want.key != "") || said.Entry.Key != want.key || said.Entry.Sidechain != want.sidechain || (err != nil) != want.wrong || said.State != `{"model":"m"}` {
			t.Errorf("%s: %+v, %v; want %+v", text, said, err, want)
		}
	}
	if _, err := New(bin.Settings{}).ParseUsage([]byte(`{"type":"turn_context","payload":{}}`), "{"); err == nil {
		t.Error("a state of something else is taken")
	}
}

// TestTranscripts finds the record of a sub-agent, as Codex 0.169.0 begins one, among those of other sessions.
func TestTranscripts(t *testing.T) {
	const session, other = "01a1ffb4-d2f5-7cd1-9b86-7fae5efd14c3", "01a1ffb4-d2f5-7cd1-9b86-7fae5efd14c4"
	root := filepath.Join(t.TempDir(), "s[1]", "sessions")
	begun := func(day, name, id string) string {
		file := filepath.Join(root, day, "rollout-"+name+".jsonl")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		line := `{"timestamp":"2026-11-21T20:03:23.810Z","ordinal":0,"type":"session_meta","payload":{"account_scoped":true,"session_id":"` + id + `","id":"x"}}` + "\n"
		if id == "" {
			line = ""
		}
		if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	main := begun("2026/11/21", "main", session)
	begun("2026/11/20", "before", session) // of an earlier day: not a sub-agent of this one
	begun("2026/11/21", "other", other)
	late := begun("2026/12/01", "late", "")
	want := []string{main, begun("2026/11/21", "sub", session), begun("2026/11/22", "sub", session)}
	d := New(bin.Settings{})
	a := orchestron.Agent{Transcript: main, SessionID: session}
	if diff := cmp.Diff(want, d.Transcripts(a, "")); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	begun("2026/12/01", "late", session)
	if diff := cmp.Diff(append(want, late), d.Transcripts(a, "")); diff != "" {
		t.Errorf("records with one that begins late (-want +got):\n%s", diff)
	}
	a.Transcript = "/elsewhere/x.jsonl"
	if got := d.Transcripts(a, ""); len(got) != 1 {
		t.Errorf("of a record elsewhere there are %q", got)
	}
}

func FuzzParseUsage(f *testing.F) {
	f.Add([]byte(`{"type":"token_usage_record","payload":{"thread_id":"s","response_id":"r","usage":{"input_tokens":1,"cached_input_tokens":2}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		said, _ := New(bin.Settings{}).ParseUsage(data, "")
		for _, n := range []int64{said.Entry.Tokens.Input, said.Entry.Tokens.Output, said.Entry.Tokens.CacheRead, said.Entry.Tokens.CacheWrite5m, said.Entry.Window} {
			if n < 0 || n >= usageapi.MostTokens {
				t.Errorf("%d tokens", n)
			}
		}
	})
}
