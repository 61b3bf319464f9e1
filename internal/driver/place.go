package driver

import (
	"strings"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
)

// Place returns what to put into Claude's input box so that a message is taken as a prompt, word for word, and never
// as a command to the program. What UserPromptSubmit then reports is what Place returned, but for white space at the
// end. Three things differ from the message, because the box would act on them:
//
//   - A text that begins like a command (/clear), like a shell command (!ls, which a recall from the history would
//     run) or is a word that ends the program (exit, quit, :q and its kin) gets a backslash before it.
//   - Invisible characters are left out, except where emoji and scripts need them: Claude takes them out itself and
//     then asks to be submitted again.
//   - Unicode's line and paragraph separators become newlines, as Claude makes them.
//
// A message of which nothing would be left is Invalid.
func (c *Claude) Place(text string) (string, error) {
	text = bin.Visible(text)
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return "", orchestron.Errorf(orchestron.Invalid, "the message holds nothing but invisible characters").Try("give it some text")
	}
	if !bin.Acts(trimmed) {
		return text, nil
	}
	at := strings.Index(text, trimmed)
	return text[:at] + `\` + text[at:], nil
}
