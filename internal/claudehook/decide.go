package claudehook

import (
	"encoding/json"

	"github.com/orchestron/orchestron"
)

// Decide returns what the hook of a permission question writes for a decision, where input is the arguments of the tool
// that it asks about. It is Invalid when the decision leaves a question open.
func Decide(input json.RawMessage, d orchestron.Decision) (json.RawMessage, error) {
	decision := map[string]any{"behavior": "allow"}
	switch {
	case !d.Allow:
		decision = map[string]any{"behavior": "deny", "message": d.Reason}
	case len(d.Answers) > 0:
		var updated map[string]any
		if err := json.Unmarshal(input, &updated); err != nil || updated == nil {
			return nil, orchestron.Errorf(orchestron.Invalid, "the question cannot be answered from outside").Try("answer it in the terminal")
		}
		updated["answers"] = d.Answers
		decision["updatedInput"] = updated
	}
	return json.Marshal(map[string]any{
		"hookSpecificOutput": map[string]any{"hookEventName": "PermissionRequest", "decision": decision},
	})
}
