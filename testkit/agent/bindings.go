package agent

import (
	"encoding/json"
	"os"
	"strings"
	"time"
)

// bindings are the key bindings of the input box. They are read again when their file changes.
type bindings struct {
	file    string
	changed time.Time
	actions map[string]string // chord, as in "ctrl+x ctrl+o", to action
	pending string            // the keys of a chord so far
}

// load reads the file if it changed since. A missing or broken file leaves Claude Code's own bindings.
func (b *bindings) load() {
	info, err := os.Stat(b.file)
	if err == nil && b.actions != nil && info.ModTime().Equal(b.changed) {
		return
	}
	b.actions = map[string]string{"ctrl+g": "chat:externalEditor", "ctrl+s": "chat:stash", "ctrl+l": "chat:clearInput"}
	if err != nil {
		return
	}
	b.changed = info.ModTime()
	var file struct {
		Bindings []struct {
			Context  string             `json:"context"`
			Bindings map[string]*string `json:"bindings"`
		} `json:"bindings"`
	}
	data, err := os.ReadFile(b.file)
	if err != nil || json.Unmarshal(data, &file) != nil {
		return
	}
	for _, set := range file.Bindings {
		if set.Context != "Chat" {
			continue
		}
		for chord, action := range set.Bindings {
			if chord = strings.ToLower(strings.Join(strings.Fields(chord), " ")); action != nil {
				b.actions[chord] = *action
			} else {
				delete(b.actions, chord)
			}
		}
	}
}

// press takes one key of the input box. It returns the action that the key completes, if any, and whether the key
// belongs to a chord and means nothing by itself.
func (b *bindings) press(name string) (action string, taken bool) {
	if b.pending == "" && !strings.HasPrefix(name, "ctrl+") && !strings.HasPrefix(name, "meta+") && name != "shift+tab" {
		return "", false
	}
	b.load()
	chord := strings.TrimSpace(b.pending + " " + name)
	if action, ok := b.actions[chord]; ok {
		b.pending = ""
		return action, true
	}
	for known := range b.actions {
		if strings.HasPrefix(known, chord+" ") {
			b.pending = chord
			return "", true
		}
	}
	taken = b.pending != "" // a key that breaks a chord off is lost with it
	b.pending = ""
	return "", taken
}
