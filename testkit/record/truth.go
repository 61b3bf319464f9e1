package record

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/orchestron/orchestron/testkit"
)

// Accepted is one line of testkit-prompts.jsonl in the configuration directory: a prompt that was submitted and that
// no hook refused, exactly as a model would get it. The file is the ground truth for tests of delivery.
type Accepted struct {
	At        time.Time `json:"at"`
	SessionID string    `json:"session_id"`
	Prompt    string    `json:"prompt"`
	SHA256    string    `json:"sha256"`
}

// Accept writes one line with one write, so that many agents can share the file.
func Accept(config, session, prompt string) error {
	line, err := json.Marshal(Accepted{At: time.Now(), SessionID: session, Prompt: prompt, SHA256: testkit.Sum(prompt)})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(config, "testkit-prompts.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("recording the prompt: %w", err)
	}
	if err := whole(f, append(line, '\n')); err != nil {
		_ = f.Close()
		return fmt.Errorf("recording the prompt: %w", err)
	}
	return f.Close()
}
