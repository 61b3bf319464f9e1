package gemini

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

// TestParseUsage reads what Gemini CLI 0.61.0 wrote in a chat that was killed and resumed, with a message that has two
// lines because a tool was called, and with lines that repeat all messages.
func TestParseUsage(t *testing.T) {
	data, err := os.ReadFile("testdata/usage.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	call := func(key, at string, tokens usageapi.Tokens) usageapi.Entry {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		return usageapi.Entry{Key: key, Model: "gemini-2.5-pro", Tokens: tokens, At: when, Session: "1af8206c-a153-4606-af1e-efc877ae9b36"}
	}
	twice := call("fb007142-230e-472e-b951-5773083302f4", "2026-11-21T19:25:56.245Z", usageapi.Tokens{Input: 500, Output: 60, CacheRead: 1500})
	want := []usageapi.Entry{
		call("bcda7b95-999e-4565-ad03-ce583bce33d9", "2026-11-21T19:25:53.363Z", usageapi.Tokens{Input: 600, Output: 70, CacheRead: 400}),
		twice, twice,
		call("a340cd3d-9bc0-4bd7-84f1-f66aab23cb51", "2026-11-21T19:25:56.349Z", usageapi.Tokens{Input: 500, Output: 60, CacheRead: 1500}),
		call("d8a29722-7d2a-448b-878a-a04033fa6604", "2026-11-21T19:26:23.321Z", usageapi.Tokens{Input: 3000, Output: 70}),
	}
	var got []usageapi.Entry
	state := ""
	for line := range strings.Lines(string(data)) {
		said, err := New(bin.Settings{}, nil).ParseUsage([]byte(line), state)
		if err != nil {
			t.Errorf("%.200s: %v", line, err)
		}
		if state = said.State; said.Called {
			got = append(got, said.Entry)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestParseUsageOddLines(t *testing.T) {
	for text, want := range map[string]struct{ called, wrong bool }{
		``: {},
		`{"$set":{"messages":[{"id":"a","type":"gemini","tokens":{"input":1}}]}}`: {},
		`{"id":"a","type":"user","content":"\"tokens\""}`:                         {},
		`{"id":"a","type":"gemini","content":"\"tokens\""}`:                       {},
		`{"id":"a","type":"gemini","tokens":{"input":1}}`:                         {called: true},
		`{"id":"a","type":"gemini","tokens":{}}`:                                  {called: true},
		`{"type":"gemini","tokens":{"input":1}}`:                                  {wrong: true},
		`{"id":"a","type":"gemini","tokens":{"input":-1}}`:                        {wrong: true},
		`{"id":"a","type":"gemini","tokens":{"input":1`:                           {wrong: true},
	} {
		said, err := New(bin.Settings{}, nil).ParseUsage([]byte(text), `{"session":"s","kind":"subagent"}`)
		if said.Called != want.called || (err != nil) != want.wrong || said.Called && !said.Entry.Sidechain {
			t.Errorf("%s: %+v, %v; want %+v", text, said, err, want)
		}
	}
}

func TestTranscripts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[b]")
	chats := filepath.Join(dir, "gemini", ".gemini", "tmp", "work", "chats")
	if err := os.MkdirAll(filepath.Join(chats, "11"), 0o700); err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(chats, "11", "sub.jsonl"), filepath.Join(chats, "session-1.jsonl")}
	for _, file := range append(want, filepath.Join(chats, "x.json")) {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, New(bin.Settings{}, nil).Transcripts(orchestron.Agent{}, dir)); diff != "" {
		t.Errorf("transcripts (-want +got):\n%s", diff)
	}
}

func FuzzParseUsage(f *testing.F) {
	f.Add([]byte(`{"id":"a","type":"gemini","tokens":{"input":1,"cached":2,"tool":3}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		said, _ := New(bin.Settings{}, nil).ParseUsage(data, "")
		for _, n := range []int64{said.Entry.Tokens.Input, said.Entry.Tokens.Output, said.Entry.Tokens.CacheRead} {
			if n < 0 || n >= 2*usageapi.MostTokens {
				t.Errorf("%d tokens", n)
			}
		}
	})
}
