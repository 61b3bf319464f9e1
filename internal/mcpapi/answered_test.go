package mcpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

// TestAnswersAreWhole holds what our connections write for answers, in spite of the SDK, against the answers: as text
// and as structure, whatever is in them, also when several calls are under way.
func TestAnswersAreWhole(t *testing.T) {
	type out struct {
		Text string          `json:"text"`
		Raw  json.RawMessage `json:"raw"`
	}
	texts := []string{
		"", "plain", `{"parked":1}`, `"quoted" \ and \\ and \"`, "<b>&amp;</b>", "\u2028\u2029", "\x00\x01\x1f\x7f\n\r\t", "👩‍👩‍👧 \ufffd", strings.Repeat(`"\`, 1<<16),
	}
	s := newServer(catalogue(op.New("tell", op.Read, "Tell a text.", func(_ context.Context, _ op.Call, in struct {
		N int `json:"n"`
	},
	) (out, error) {
		return out{Text: texts[in.N], Raw: json.RawMessage(fmt.Sprintf("{ \"n\" : [ %d , \"\u2028<\" ] }", in.N))}, nil
	})), nil)
	w := connect(t, s, orchestron.Actor{Kind: orchestron.Operator}).initialize()
	go func() {
		for n := range texts {
			_, _ = fmt.Fprintln(w.in, callLine(n+1, "tell", fmt.Sprintf(`{"n":%d}`, n)))
		}
	}()
	for range texts {
		var line struct {
			ID     int `json:"id"`
			Result struct {
				Content    []struct{ Text string }
				Structured out `json:"structuredContent"`
			} `json:"result"`
		}
		answer := w.read()
		if err := json.Unmarshal([]byte(answer), &line); err != nil {
			t.Fatalf("%v: %.200s", err, answer)
		}
		want, got := texts[line.ID-1], line.Result
		if got.Structured.Text != want {
			t.Errorf("the structure of %.40q is %.40q", want, got.Structured.Text)
		}
		var text out
		if len(got.Content) != 1 || json.Unmarshal([]byte(got.Content[0].Text), &text) != nil {
			t.Fatalf("the text of %.40q is %.200q", want, got.Content)
		}
		if diff := cmp.Diff(got.Structured, text); diff != "" {
			t.Errorf("the text of %.40q is not its structure:\n%s", want, diff)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.mu.Lock()
		if len(c.parked) > 0 {
			t.Errorf("%d answers are kept after they were written", len(c.parked))
		}
		c.mu.Unlock()
	}
}
