package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
)

// TestRepliesToAPerson: what an agent replies to a person is shown on the command line once, and is in the history after that.
func TestRepliesToAPerson(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	v := h.spawn("scripted")
	credential := h.token(v)
	order := h.send(v.ID, "@@hold", false)
	eventually(t, "it works", 60*time.Second, func() bool { return h.status(v.ID).Status == orchestron.Busy })
	if out := h.must("replies"); strings.Contains(out, "half way") {
		t.Errorf("before it replied it is shown %q", out)
	}
	if err := h.callAs(credential, "reply_to_caller", fields{"reply_message": "half way", "correlation_id": order}, nil); err != nil {
		t.Fatal(err)
	}
	if out := h.must("replies", "--wait", "20s"); !strings.Contains(out, "half way") {
		t.Errorf("the reply is not shown: %q", out)
	}
	if out := h.must("replies"); strings.Contains(out, "half way") {
		t.Errorf("the reply is shown again: %q", out)
	}
	if out := h.must("replies", "--all"); !strings.Contains(out, "half way") {
		t.Errorf("the reply is not in the history: %q", out)
	}
}
