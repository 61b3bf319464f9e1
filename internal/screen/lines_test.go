package screen

import "testing"

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
