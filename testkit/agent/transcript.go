package agent

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

// transcript is the session's JSONL file. Only the session's loop uses it, so its lines are in order.
type transcript struct {
	path  string
	base  map[string]any // what every line of the conversation says
	leaf  string         // uuid of the last line
	usage testkit.Usage  // of the whole conversation
	file  *os.File
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

// findTranscript returns the file of a session of any directory, or "".
func findTranscript(config, session string) string {
	projects, _ := os.ReadDir(filepath.Join(config, "projects")) // none is as good as empty
	for _, p := range projects {
		path := filepath.Join(config, "projects", p.Name(), session+".jsonl")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// add writes a line of the conversation and returns its uuid. The file is made by the first line.
func (t *transcript) add(kind string, fields map[string]any) (string, error) {
	id := uuid()
	line := map[string]any{"type": kind, "uuid": id, "parentUuid": nil, "isSidechain": false, "timestamp": stamp(time.Now())}
	if t.leaf != "" {
		line["parentUuid"] = t.leaf
	}
	for k, v := range t.base {
		line[k] = v
	}
	for k, v := range fields {
		line[k] = v
	}
	t.leaf = id
	return id, t.write(line)
}

func (t *transcript) write(line map[string]any) error {
	data, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if t.file == nil {
		if err := os.MkdirAll(filepath.Dir(t.path), 0o700); err != nil {
			return err
		}
		if t.file, err = os.OpenFile(t.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
			return err
		}
	}
	if _, err := t.file.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("writing the transcript: %w", err)
	}
	return nil
}

// said is a line of an old conversation that people see.
type said struct {
	by   string // user or assistant
	text string
}

// load reads what an earlier run wrote and returns what was said, for the screen.
func (t *transcript) load() ([]said, error) {
	f, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var out []said
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
		t.leaf = line.UUID
		if line.Type == "assistant" && !counted[line.Message.ID] {
			counted[line.Message.ID] = true
			t.count(line.Message.Usage)
		}
		if text := visible(line.Message.Content); text != "" && !line.IsMeta {
			out = append(out, said{by: line.Type, text: text})
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

func (t *transcript) count(u testkit.Usage) {
	t.usage.Input += u.Input
	t.usage.Output += u.Output
	t.usage.CacheRead += u.CacheRead
	t.usage.CacheWrite += u.CacheWrite
}

// close writes the cost of the conversation, if there was one, and closes the file.
func (t *transcript) close(model string, began time.Time) {
	if t.file == nil {
		return
	}
	u := t.usage
	cost := float64(u.Input)*4e-6 + float64(u.Output)*20e-6 + float64(u.CacheRead)*0.4e-6 + float64(u.CacheWrite)*5e-6
	_ = t.write(map[string]any{ // the conversation itself is already written
		"type": "cost-state", "sessionId": t.base["sessionId"], "totalCostUSD": cost,
		"totalDuration": time.Since(began).Milliseconds(), "startTime": began.UnixMilli(),
		"modelUsage": map[string]any{model: map[string]any{
			"inputTokens": u.Input, "outputTokens": u.Output, "cacheReadInputTokens": u.CacheRead,
			"cacheCreationInputTokens": u.CacheWrite, "costUSD": cost, "costBasis": "list",
		}},
	})
	_ = t.file.Close()
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// uuid makes a random UUID of version 4.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
