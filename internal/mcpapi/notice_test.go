package mcpapi

import (
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

// TestNotice: what waits for a caller stands in the answer, the answer still meets its schema, and who has nothing
// waiting gets the answer as it is.
func TestNotice(t *testing.T) {
	quiet := op.NewCatalogue(nil, slog.New(slog.DiscardHandler))
	s := &Server{cfg: Config{Catalogue: op.NewCatalogue(nil, slog.New(slog.DiscardHandler)).Noticing(func(a orchestron.Actor) string {
		if a.Kind == orchestron.AgentCall {
			return `1 message waits for you from "x"`
		}
		return ""
	})}}
	agent, operator := orchestron.Actor{Kind: orchestron.AgentCall}, orchestron.Actor{Kind: orchestron.Operator}
	for answer, schema := range map[string]string{
		`{"a":1}`:  `{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}`,
		`{}`:       `{"type":"object","properties":{},"additionalProperties":false}`,
		`{"b":2}`:  `{"type":"object"}`,
		`{"c":{}}`: `{"type":"object","additionalProperties":{"type":["object","string"],"properties":{"d":{}}}}`,
	} {
		noted := s.noted(agent, json.RawMessage(answer))
		var v map[string]any
		if err := json.Unmarshal(noted, &v); err != nil || v["notice"] != `1 message waits for you from "x"` {
			t.Errorf("%s becomes %s, %v", answer, noted, err)
		}
		var parsed jsonschema.Schema
		if err := json.Unmarshal(withNotice(json.RawMessage(schema)), &parsed); err != nil {
			t.Fatalf("the schema %s: %v", schema, err)
		}
		resolved, err := parsed.Resolve(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := resolved.Validate(v); err != nil {
			t.Errorf("%s is not what the schema says: %v", noted, err)
		}
		if got := s.noted(operator, json.RawMessage(answer)); string(got) != answer {
			t.Errorf("an operator is answered %s", got)
		}
		if got := (&Server{cfg: Config{Catalogue: quiet}}).noted(agent, json.RawMessage(answer)); string(got) != answer {
			t.Errorf("without anything to tell, the answer is %s", got)
		}
	}
	if got := s.noted(agent, nil); got != nil {
		t.Errorf("no answer becomes %s", got)
	}
}
