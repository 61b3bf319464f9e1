package testkit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Echo is the answer to a prompt without directives. It shows how the prompt begins, its SHA-256 and its length in
// bytes, so that a test can tell from the answer alone whether every byte arrived.
func Echo(prompt string) string {
	head := []rune(strings.Join(strings.Fields(prompt), " "))
	if len(head) > 60 {
		head = head[:60]
	}
	return fmt.Sprintf("echo: %s sha256=%s bytes=%d", string(head), Sum(prompt), len(prompt))
}

// Sum is the SHA-256 of a text in hexadecimal.
func Sum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
