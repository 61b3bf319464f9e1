package record_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron/testkit/record"
)

// TestTranscript: a later run finds what an earlier one wrote, goes on from its last line.
// A line that a crash cut off is no line.
func TestTranscript(t *testing.T) {
	config, id := t.TempDir(), record.UUID()
	if got := record.Find(config, id); got != "" {
		t.Errorf("Find = %q before anything was said", got)
	}
	path := record.Path(config, "/home/a_b", id)
	if want := filepath.Join(config, "projects", "-home-a-b", id+".jsonl"); path != want {
		t.Errorf("Path = %q, want %q", path, want)
	}
	first := &record.Transcript{Path: path, Base: map[string]any{"sessionId": id}}
	if first.Written() {
		t.Error("a transcript without a line has a file")
	}
	add := func(kind string, message map[string]any) {
		t.Helper()
		if _, err := first.Add(kind, map[string]any{"message": message}); err != nil {
			t.Fatal(err)
		}
	}
	add("user", map[string]any{"content": "hello"})
	for _, text := range []string{"one", "two"} { // two blocks of one reply
		add("assistant", map[string]any{"id": "msg_1", "content": []any{map[string]any{"type": "text", "text": text}}})
	}
	first.Close("m", time.Now())
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"type":"user","uuid":"cut","message":{"content":"cut o`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	second := &record.Transcript{Path: record.Find(config, id)}
	said, err := second.Load()
	if err != nil {
		t.Fatal(err)
	}
	want := []record.Said{{By: "user", Text: "hello"}, {By: "assistant", Text: "one"}, {By: "assistant", Text: "two"}}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
	if second.Leaf != first.Leaf {
		t.Errorf("leaf %s, want %s", second.Leaf, first.Leaf)
	}
}
