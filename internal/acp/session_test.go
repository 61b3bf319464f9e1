package acp

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/orchestron/orchestron/internal/bin"
)

// TestLongFirstPrompt: drivers see from the head of the records that there is a conversation to go on with.
func TestLongFirstPrompt(t *testing.T) {
	h := bare()
	h.records = filepath.Join(t.TempDir(), "records.jsonl")
	h.write(&turn{id: "t"}, "user", object{"role": "user", "content": strings.Repeat("x", 1<<20)})
	if h.notice != "" || !bin.Recorded(h.records, `"type":"user"`) {
		t.Errorf("a conversation that begins with a long prompt is not seen: %s", h.notice)
	}
}
