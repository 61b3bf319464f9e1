package driver

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
)

func TestPlace(t *testing.T) {
	for text, want := range map[string]string{
		"hello":                "hello",
		"  two\n lines ":       "  two\n lines ",
		"/clear":               `\/clear`,
		" \n/clear all":        " \n" + `\/clear all`,
		"/":                    `\/`,
		"/ x":                  `\/ x`,
		"/mcp__x__y z":         `\/mcp__x__y z`,
		"/etc/hosts is a file": "/etc/hosts is a file",
		"//":                   "//",
		"see /clear":           "see /clear",
		"!rm -rf x":            `\!rm -rf x`,
		"\t!ls":                "\t" + `\!ls`,
		"wait!":                "wait!",
		"exit":                 `\exit`,
		" :wq! \n":             ` \:wq! ` + "\n",
		"exit now":             "exit now",
		"Exit":                 "Exit",
		"#x":                   "#x",
		"@file":                "@file",
		"\u200b!ls":            `\!ls`,
		"\ufeff/\u2060clear":   `\/clear`,
		"ex\u200bit":           `\exit`,
		"a\u202eb\u2066c":      "abc",
		"a\u2028b\u2029c":      "a\nb\nc",
		"❤️ 👨‍👩‍👧 1️⃣ 👍🏽 ☎️": "❤️ 👨‍👩‍👧 1️⃣ 👍🏽 ☎️",
		"a\u200db x\ufe0f":          "ab x",
		"نمی\u200cخواهم":            "نمی\u200cخواهم",
		"क\u094d\u200dष":            "क\u094d\u200dष",
		"soft\u00adhyphen nb\u00a0": "softhyphen nb\u00a0",
	} {
		got, err := NewClaude(ClaudeSettings{}).Place(text)
		if err != nil || got != want {
			t.Errorf("Place(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", " ", "\u200b", "\u200b\n\u202e"} {
		if got, err := NewClaude(ClaudeSettings{}).Place(text); orchestron.KindOf(err) != orchestron.Invalid || err == nil {
			t.Errorf("Place(%q) = %q, %v, want it refused", text, got, err)
		}
	}
}

func FuzzPlace(f *testing.F) {
	for _, s := range []string{"/clear", "!x", "exit", "\u200b/x", "é\u0301", "👍🏽"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip()
		}
		c := NewClaude(ClaudeSettings{})
		placed, err := c.Place(text)
		if err != nil {
			return
		}
		if bin.Acts(strings.TrimSpace(placed)) {
			t.Errorf("Place(%q) = %q, which acts", text, placed)
		}
		if again, err := c.Place(placed); err != nil || again != placed {
			t.Errorf("Place(%q) = %q, and of that %q, %v", text, placed, again, err)
		}
	})
}
