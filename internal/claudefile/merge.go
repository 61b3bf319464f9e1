package claudefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
)

// The chords by which Orchestron works Claude Code's input box. They are bound in the Chat context alone, and their
// keys mean nothing in any other context, where Claude Code may be when they are pressed.
var chords = map[string]string{ //nolint:gochecknoglobals // a table
	"ctrl+] ctrl+]": "chat:externalEditor",
	"ctrl+] ctrl+^": "chat:submit",
}

const chatContext = "Chat"

// MergeKeybindings adds Orchestron's chords to a keybindings.json of Claude Code and keeps everything else. It
// reports whether the file changed. It is a Conflict when a chord is taken, and when the file is not understood.
func MergeKeybindings(path string) (bool, error) {
	if Bound(path) {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, orchestron.Errorf(orchestron.Unavailable, "%s cannot be made: %w", filepath.Dir(path), err)
	}
	err := EditShared(path, func(file map[string]any) error {
		chat, err := chatBindings(file)
		if err != nil {
			return orchestron.Errorf(orchestron.Conflict, "%s is not understood: %w", path, err).Try("repair it, or move it away")
		}
		for key := range chat {
			for chord, action := range chords {
				if overlaps(key, chord) && chat[key] != action {
					return orchestron.Errorf(orchestron.Conflict, "%s binds %q already", path, key).
						Try("give %v another key; Orchestron needs %q", chat[key], chord)
				}
			}
		}
		for chord, action := range chords {
			chat[chord] = action
		}
		return nil
	})
	return err == nil, err
}

// overlaps reports whether two key sequences cannot both be bound: one begins with the other.
func overlaps(a, b string) bool {
	a = strings.ToLower(strings.Join(strings.Fields(a), " "))
	return a == b || strings.HasPrefix(a+" ", b+" ") || strings.HasPrefix(b+" ", a+" ")
}

// chatBindings returns the bindings of the Chat context in a file, made when there are none.
func chatBindings(file map[string]any) (map[string]any, error) {
	list, ok := file["bindings"].([]any)
	if !ok && file["bindings"] != nil {
		return nil, errors.New(`"bindings" is no list`)
	}
	for _, entry := range list {
		block, ok := entry.(map[string]any)
		if !ok {
			return nil, errors.New(`"bindings" holds what is no object`)
		}
		if block["context"] != chatContext {
			continue
		}
		chat, ok := block["bindings"].(map[string]any)
		if !ok {
			return nil, errors.New("the Chat context has no bindings object")
		}
		return chat, nil
	}
	chat := map[string]any{}
	file["bindings"] = append(list, map[string]any{"context": chatContext, "bindings": chat})
	return chat, nil
}

// Bound reports whether a keybindings.json holds all chords.
func Bound(path string) bool {
	file, err := ReadObject(path)
	if err != nil {
		return false
	}
	chat, err := chatBindings(file)
	if err != nil {
		return false
	}
	for chord, action := range chords {
		if chat[chord] != action {
			return false
		}
	}
	return true
}

// ReadObject returns the object in a JSON file, and an empty one when there is no file.
func ReadObject(path string) (map[string]any, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return map[string]any{}, nil
	}
	if err != nil {
		return nil, err
	}
	var object map[string]any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // numbers must come out as they went in
	if err := dec.Decode(&object); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if object == nil {
		object = map[string]any{}
	}
	return object, nil
}

// EditShared is editObject for a file that other programs change too.
func EditShared(path string, edit func(map[string]any) error) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	unlock, err := lock(path + ".lock")
	if err != nil {
		return orchestron.Errorf(orchestron.Unavailable, "%s cannot be changed: %w", path, err).
			Try("check its permissions, and whether another program holds %s.lock", path)
	}
	defer unlock()
	return EditObject(path, edit)
}

// EditObject changes the object in a JSON file. It keeps what edit does not touch, and the file's mode; a file that
// edit leaves as it is is not written.
func EditObject(path string, edit func(map[string]any) error) error {
	object, err := ReadObject(path)
	if err != nil {
		return orchestron.Errorf(orchestron.Conflict, "a file of Claude Code is not understood: %w", err).Try("repair it")
	}
	before, err := encode(object)
	if err != nil {
		return err
	}
	if err := edit(object); err != nil {
		return err
	}
	after, err := encode(object)
	if err != nil || bytes.Equal(before, after) {
		return err
	}
	mode := os.FileMode(0o600)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	if err := bin.Write(path, after, mode); err != nil {
		return orchestron.Errorf(orchestron.Unavailable, "%s cannot be written: %w", path, err).Try("check its permissions")
	}
	return nil
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return b.Bytes(), err
}

const (
	lockStale = 10 * time.Second // after which Claude Code, too, takes a lock for abandoned: one that is killed leaves its own
	lockWait  = lockStale + 5*time.Second
	lockPause = 20 * time.Millisecond
)

// lock takes a lock the way Claude Code does: a directory that is there while the lock is held.
func lock(dir string) (unlock func(), err error) {
	deadline := time.Now().Add(lockWait)
	for {
		err := os.Mkdir(dir, 0o700)
		if err == nil {
			return func() { _ = os.Remove(dir) }, nil // at worst it is stale after ten seconds
		}
		if !errors.Is(err, os.ErrExist) || time.Now().After(deadline) {
			return nil, err
		}
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > lockStale {
			_ = os.Remove(dir) // whoever comes first makes it anew
			continue
		}
		time.Sleep(lockPause)
	}
}
