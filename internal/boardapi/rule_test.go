package boardapi

import (
	"strings"
	"testing"

	"github.com/orchestron/orchestron"
)

// Bounds count characters, as those of the schemas do.
func TestPlain(t *testing.T) {
	for name, want := range map[string]bool{
		"": true, "a b": true, strings.Repeat("字", MaxTitle): true, strings.Repeat("a", MaxName*4+1): false,
		" a": false, "a\n": false, "a\tb": false, "a\x7f": false, "a\u009bb": false, "a\xff": false,
	} {
		if err := Plain("title", name); (err == nil) != want {
			t.Errorf("Plain(%.20q) = %v, want it to be accepted: %v", name, err, want)
		}
	}
	long := orchestron.Task{Title: "a", Description: strings.Repeat("字", MaxText)}
	if err := Check(long); err != nil {
		t.Errorf("a description of %d characters: %v", MaxText, err)
	}
}
