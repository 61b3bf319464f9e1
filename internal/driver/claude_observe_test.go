package driver

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/claudefile"
)

// observed prepares an agent's files as Claude Code leaves them, and returns what Observe says in short.
func observed(t *testing.T, state, transcript string) []string {
	t.Helper()
	dir := t.TempDir()
	a := orchestron.Agent{ID: "spec_1", Status: orchestron.Busy, Process: orchestron.Process{PID: 4711}}
	sessions := filepath.Join(dir, "config", "sessions")
	if err := os.MkdirAll(sessions, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(sessions, "4711.json"), []byte(state), 0o600); err != nil {
		t.Fatal(err)
	}
	if transcript != "" {
		a.Transcript = filepath.Join(dir, "t.jsonl")
		if err := os.WriteFile(a.Transcript, []byte(transcript), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	facts, err := NewClaude(ClaudeSettings{}).Observe(a, dir)
	if err != nil {
		t.Fatalf("Observe: %v", err)
	}
	var got []string
	for _, f := range facts {
		got = append(got, strings.Trim(string(f.Source)+" "+string(f.Kind)+" "+string(f.Status)+" "+f.Text, " "))
		if f.At.IsZero() {
			t.Errorf("the fact %+v has no time", f)
		}
	}
	return got
}

// idleAfter is a state file of a program that became idle some time after a transcript ends.
func idleAfter(t *testing.T, transcript string, later time.Duration) string {
	t.Helper()
	last, ok := claudefile.LastEntry(bytesLines(transcript))
	if !ok {
		t.Fatal("the transcript has no entry")
	}
	data, err := json.Marshal(map[string]any{"status": "idle", "startedAt": 1, "statusUpdatedAt": last.Time.Add(later).UnixMilli()})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func bytesLines(s string) [][]byte {
	var lines [][]byte
	for l := range strings.Lines(s) {
		lines = append(lines, []byte(l))
	}
	return lines
}

func TestObserveState(t *testing.T) {
	for name, want := range map[string][]string{
		"idle": {"state_file status idle"}, "shell": {"state_file status idle"}, "interrupted": {"state_file status idle"},
		"busy": {"state_file status busy"}, "busy_background_agent": {"state_file status busy"},
		"waiting": {"state_file status waiting"}, "waiting_input": {"state_file status waiting"},
	} {
		if diff := cmp.Diff(want, observed(t, fixture(t, "state/"+name+".json"), "")); diff != "" {
			t.Errorf("Observe of the state %s differs (-want +got):\n%s", name, diff)
		}
	}
}

func TestObserveTurn(t *testing.T) {
	for name, want := range map[string]string{
		"answered":                  "transcript turn_ended  done",
		"interrupted":               "transcript turn_failed  interrupted",
		"interrupted_before_output": "transcript turn_failed  interrupted",
		"refused":                   "transcript turn_failed  interrupted",
		"api_error":                 "transcript turn_failed  API Error: 400 bad stuff",
		"background_agent":          "transcript turn_ended  started it",
	} {
		transcript := fixture(t, "transcript/"+name+".jsonl")
		for _, later := range []time.Duration{0, 20 * time.Millisecond} {
			if diff := cmp.Diff([]string{want, "state_file status idle"}, observed(t, idleAfter(t, transcript, later), transcript)); diff != "" {
				t.Errorf("Observe of the transcript %s, idle after %s, differs (-want +got):\n%s", name, later, diff)
			}
		}
		busy := strings.Replace(idleAfter(t, transcript, 0), "idle", "busy", 1)
		if diff := cmp.Diff([]string{"state_file status busy"}, observed(t, busy, transcript)); diff != "" {
			t.Errorf("Observe of the transcript %s while busy differs (-want +got):\n%s", name, diff)
		}
	}
}

func TestObserveLongTranscript(t *testing.T) {
	transcript := fixture(t, "transcript/answered.jsonl")
	state := idleAfter(t, transcript, 0)
	line := `{"type":"api-request-blob","content":"` + strings.Repeat("x", 100_000) + `"}` + "\n"
	want := []string{"transcript turn_ended  done", "state_file status idle"}
	if diff := cmp.Diff(want, observed(t, state, strings.Repeat(line, 200)+transcript)); diff != "" {
		t.Errorf("behind 20 MB Observe differs (-want +got):\n%s", diff)
	}
}

func TestObserveGarbage(t *testing.T) {
	for _, state := range []string{"", "{", "null", "[]", `{"status":7}`, `{"status":"idle"}`, `{"status":"new","statusUpdatedAt":5}`, "\x00\xff"} {
		if got := observed(t, state, "garbage\n{\x00"); len(got) != 0 {
			t.Errorf("Observe of the state %q = %q, want nothing", state, got)
		}
	}
	got := observed(t, `{"status":"idle","statusUpdatedAt":5}`, "{}\nnull\n[1]\n"+`{"type":"user"}`+"\n"+`{"type":"assistant","timestamp":7}`)
	if diff := cmp.Diff([]string{"state_file status idle"}, got); diff != "" {
		t.Errorf("Observe of a garbage transcript differs (-want +got):\n%s", diff)
	}
}

func TestObserveStaleFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "config", "sessions"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "config", "sessions", "7.json")
	if err := os.WriteFile(file, []byte(`{"status":"idle","startedAt":1000,"statusUpdatedAt":2000}`), 0o600); err != nil {
		t.Fatal(err)
	}
	a := orchestron.Agent{Process: orchestron.Process{PID: 7}, Started: time.Now()}
	if facts, err := NewClaude(ClaudeSettings{}).Observe(a, dir); err != nil || len(facts) != 0 {
		t.Errorf("Observe of a file that a dead process left = %v, %v, want nothing", facts, err)
	}
	a.Process.PID = 8
	if facts, err := NewClaude(ClaudeSettings{}).Observe(a, dir); err != nil || len(facts) != 0 {
		t.Errorf("Observe without a file = %v, %v, want nothing", facts, err)
	}
}

func TestTodos(t *testing.T) {
	dir := t.TempDir()
	id := "11111111-1111-4111-8111-111111111111"
	list := filepath.Join(dir, "config", "tasks", id)
	if err := os.MkdirAll(list, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"10.json": `{"id":"10","subject":"last"}`, "2.json": `{"id":"2","subject":"first"}`, "3.json": `{"broken`, "x.json": `{}`, ".lock": ``,
	} {
		if err := os.WriteFile(filepath.Join(list, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := NewClaude(ClaudeSettings{}).Todos(orchestron.Agent{SessionID: id}, dir)
	if want := `[{"id":"2","subject":"first"},{"id":"10","subject":"last"}]`; err != nil || string(got) != want {
		t.Errorf("Todos = %s, %v, want %s", got, err, want)
	}
	for _, id := range []string{"", "../../x", "22222222-2222-4222-8222-222222222222"} {
		if got, err := NewClaude(ClaudeSettings{}).Todos(orchestron.Agent{SessionID: id}, dir); err != nil || string(got) != "[]" {
			t.Errorf("Todos of the session %q = %s, %v, want []", id, got, err)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	dir := b.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "config", "sessions"), 0o700); err != nil {
		b.Fatal(err)
	}
	transcript := fixture(b, "transcript/answered.jsonl")
	a := orchestron.Agent{Status: orchestron.Busy, Process: orchestron.Process{PID: 7}, Transcript: filepath.Join(dir, "t.jsonl")}
	line := `{"type":"api-request-blob","content":"` + strings.Repeat("x", 100_000) + `"}` + "\n"
	if err := os.WriteFile(a.Transcript, []byte(strings.Repeat(line, 500)+transcript), 0o600); err != nil {
		b.Fatal(err)
	}
	state := `{"status":"idle","startedAt":1,"statusUpdatedAt":32503680000000}`
	if err := os.WriteFile(filepath.Join(dir, "config", "sessions", "7.json"), []byte(state), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if facts, err := NewClaude(ClaudeSettings{}).Observe(a, dir); err != nil || len(facts) != 2 {
			b.Fatal(facts, err)
		}
	}
}

// TestPrompts reads the prompts of a conversation again, and leaves out what only looks like one.
func TestPrompts(t *testing.T) {
	dir := t.TempDir()
	a := orchestron.Agent{Transcript: filepath.Join(dir, "t.jsonl")}
	at := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	line := func(later time.Duration, rest string) string {
		return `{"timestamp":"` + at.Add(later).Format(time.RFC3339Nano) + `",` + rest + "}\n"
	}
	text := line(-time.Second, `"type":"user","message":{"content":"before"}`) +
		line(0, `"type":"user","message":{"content":"one\nof two lines"}`) +
		line(1, `"type":"user","isMeta":true,"message":{"content":"its own"}`) +
		line(2, `"type":"user","isSidechain":true,"message":{"content":"a sub-agent's"}`) +
		line(3, `"type":"user","message":{"content":[{"type":"tool_result","content":"x"}]}`) +
		line(4, `"type":"assistant","message":{"content":[{"type":"text","text":"\"user\""}]}`) +
		line(5, `"type":"user","message":{"content":[{"type":"text","text":"[Request interrupted by user]"}]}`) +
		line(6, `"type":"user","message":{"content":[{"type":"text","text":"two"}]}`) + "{\n"
	if err := os.WriteFile(a.Transcript, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := NewClaude(ClaudeSettings{}).Prompts(a, at.Add(500*time.Microsecond))
	if diff := cmp.Diff([]string{"one\nof two lines", "two"}, got); diff != "" {
		t.Errorf("Prompts (-want +got):\n%s", diff)
	}
	a.Transcript = filepath.Join(dir, "none")
	if got := NewClaude(ClaudeSettings{}).Prompts(a, at); len(got) != 0 {
		t.Errorf("without a transcript: %q", got)
	}
}
