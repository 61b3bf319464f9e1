package record

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/orchestron/orchestron/testkit"
)

// Transcript is the session's JSONL file. Only the session's loop uses it, so its lines are in order.
type Transcript struct {
	Path  string
	Base  map[string]any // what every line of the conversation says
	Leaf  string         // uuid of the last line
	usage testkit.Usage  // of the whole conversation
	file  *os.File
}

// Path is where the transcript of a new session in the directory cwd is.
func Path(config, cwd, session string) string {
	return filepath.Join(config, "projects", slug(cwd), session+".jsonl")
}

// slug is a directory's name in projects/.
func slug(dir string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return r
		}
		return '-'
	}, dir)
}

// Find returns the file of a session of any directory, or "".
func Find(config, session string) string {
	projects, _ := os.ReadDir(filepath.Join(config, "projects")) // none is as good as empty
	for _, p := range projects {
		path := filepath.Join(config, "projects", p.Name(), session+".jsonl")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// Add writes a line of the conversation and returns its uuid. The file is made by the first line.
func (t *Transcript) Add(kind string, fields map[string]any) (string, error) {
	id := UUID()
	line := map[string]any{"type": kind, "uuid": id, "parentUuid": nil, "isSidechain": false, "timestamp": stamp(time.Now())}
	if t.Leaf != "" {
		line["parentUuid"] = t.Leaf
	}
	for k, v := range t.Base {
		line[k] = v
	}
	for k, v := range fields {
		line[k] = v
	}
	t.Leaf = id
	return id, t.write(line)
}

func (t *Transcript) write(line map[string]any) error {
	data, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if t.file == nil {
		if err := os.MkdirAll(filepath.Dir(t.Path), 0o700); err != nil {
			return err
		}
		if t.file, err = os.OpenFile(t.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
			return err
		}
	}
	if err := whole(t.file, append(data, '\n')); err != nil {
		return fmt.Errorf("writing the transcript: %w", err)
	}
	return nil
}

// Said is a line of an old conversation that people see.
type Said struct {
	By   string // user or assistant
	Text string
}

// Load reads what an earlier run wrote and returns what was said, for the screen.
func (t *Transcript) Load() ([]Said, error) {
	f, err := os.Open(t.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var out []Said
	counted := map[string]bool{}
	for r := bufio.NewReader(f); ; {
		data, err := r.ReadBytes('\n')
		if err != nil {
			return out, nil // a line without an end was cut off by a crash
		}
		var line struct {
			Type, UUID string
			IsMeta     bool
			Message    struct {
				ID      string
				Content json.RawMessage
				Usage   testkit.Usage
			}
		}
		if json.Unmarshal(data, &line) != nil || line.UUID == "" {
			continue
		}
		t.Leaf = line.UUID
		if line.Type == "assistant" && !counted[line.Message.ID] {
			counted[line.Message.ID] = true
			t.Count(line.Message.Usage)
		}
		if text := visible(line.Message.Content); text != "" && !line.IsMeta {
			out = append(out, Said{By: line.Type, Text: text})
		}
	}
}

// visible is the text of a message: its content may be a string or blocks.
func visible(content json.RawMessage) string {
	var text string
	if json.Unmarshal(content, &text) == nil {
		return text
	}
	var blocks []struct{ Type, Text string }
	if json.Unmarshal(content, &blocks) != nil || len(blocks) == 0 || blocks[0].Type != "text" {
		return ""
	}
	return blocks[0].Text
}

func (t *Transcript) Count(u testkit.Usage) {
	t.usage.Input += u.Input
	t.usage.Output += u.Output
	t.usage.CacheRead += u.CacheRead
	t.usage.CacheWrite += u.CacheWrite
}

// Close writes the cost of the conversation, if there was one, and closes the file.
func (t *Transcript) Close(model string, began time.Time) {
	if t.file == nil {
		return
	}
	u := t.usage
	cost := float64(u.Input)*4e-6 + float64(u.Output)*20e-6 + float64(u.CacheRead)*0.4e-6 + float64(u.CacheWrite)*5e-6
	_ = t.write(map[string]any{ // the conversation itself is already written
		"type": "cost-state", "sessionId": t.Base["sessionId"], "totalCostUSD": cost,
		"totalDuration": time.Since(began).Milliseconds(), "startTime": began.UnixMilli(),
		"modelUsage": map[string]any{model: map[string]any{
			"inputTokens": u.Input, "outputTokens": u.Output, "cacheReadInputTokens": u.CacheRead,
			"cacheCreationInputTokens": u.CacheWrite, "costUSD": cost, "costBasis": "list",
		}},
	})
	_ = t.file.Close()
}

// Written reports whether the session has a file, which is so from the first line on.
func (t *Transcript) Written() bool { return t.file != nil }

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// UUID makes a random UUID of version 4.
func UUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
