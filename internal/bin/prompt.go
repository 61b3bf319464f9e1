package bin

import (
	"strings"
	"unicode"

	"github.com/orchestron/orchestron"
)

// Prompted returns a message as a prompt for programs that take / and ! at the beginning for a command: with a
// backslash before it. A message of nothing but white space is Invalid.
func Prompted(text string) (string, error) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return "", orchestron.Errorf(orchestron.Invalid, "the message holds nothing but white space").Try("give it some text")
	}
	if !commands(trimmed) {
		return text, nil
	}
	at := strings.Index(text, trimmed)
	return text[:at] + `\` + text[at:], nil
}

// Unmentioned returns a text with a space behind a mention (@file) at its end, which would open a list that takes the
// submit key.
func Unmentioned(text string) string {
	words := strings.Fields(text)
	if len(words) == 0 || !strings.HasSuffix(text, words[len(words)-1]) || !strings.Contains(words[len(words)-1], "@") {
		return text
	}
	return text + " "
}

// Acts reports whether a text, without the white space around it, would be more than a prompt.
func Acts(text string) bool {
	switch text {
	case "exit", "quit", ":q", ":q!", ":wq", ":wq!":
		return true
	}
	return commands(text)
}

// commands reports whether a text begins like a command to the program or to a shell.
func commands(text string) bool {
	switch text[0] {
	case '!':
		return true
	case '/':
		// A path such as /etc/hosts is none: names of commands hold no slash.
		word := text[1:]
		if i := strings.IndexFunc(word, unicode.IsSpace); i >= 0 {
			word = word[:i]
		}
		return !strings.Contains(word, "/")
	}
	return false
}
