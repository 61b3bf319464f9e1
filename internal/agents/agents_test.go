package agents

import (
	"testing"

	"github.com/orchestron/orchestron"
)

func TestCanTake(t *testing.T) {
	for _, status := range []orchestron.Status{
		orchestron.Starting, orchestron.Idle, orchestron.Busy, orchestron.Waiting, orchestron.Limited, orchestron.Stopped,
		orchestron.Failed, orchestron.Lost,
	} {
		for _, urgent := range []bool{false, true} {
			want := status == orchestron.Idle || urgent && status == orchestron.Busy
			if got := canTake(orchestron.Agent{Status: status}, orchestron.Message{Urgent: urgent}); got != want {
				t.Errorf("canTake(%s, urgent %v) = %v, want %v", status, urgent, got, want)
			}
		}
	}
}

func TestNewLines(t *testing.T) {
	tests := []struct{ before, now, want string }{
		{"", "a", "a"},
		{"a\nb", "a\nb", ""},
		{"a\nb", "a\nb\nc", "c"},
		{"a\nb\nc", "b\nc\nd\ne", "d\ne"},
		{"a\nb\nprompt", "a\nb\nanswer\nprompt", "answer\nprompt"},
		{"a", "x\ny", "x\ny"},
	}
	for _, tt := range tests {
		if got := newLines(tt.before, tt.now); got != tt.want {
			t.Errorf("newLines(%q, %q) = %q, want %q", tt.before, tt.now, got, tt.want)
		}
	}
}
