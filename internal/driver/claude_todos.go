package driver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
)

const maxTodos = 1000

// Todos returns the agent's task list as Claude Code keeps it, in the order in which the tasks were made.
func (c *Claude) Todos(a orchestron.Agent, dir string) (json.RawMessage, error) {
	conf, err := configOf(dir)
	if err != nil || !bin.IsUUID(a.SessionID) {
		return json.RawMessage(bin.NoTodos), err
	}
	list := filepath.Join(conf.dir, "tasks", a.SessionID)
	entries, err := os.ReadDir(list)
	if errors.Is(err, os.ErrNotExist) {
		return json.RawMessage(bin.NoTodos), nil
	}
	if err != nil {
		return json.RawMessage(bin.NoTodos), fmt.Errorf("reading the agent's tasks: %w", err)
	}
	var numbers []int
	for _, e := range entries {
		if n, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".json")); err == nil && strings.HasSuffix(e.Name(), ".json") {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	tasks := []json.RawMessage{}
	for _, n := range numbers[:min(len(numbers), maxTodos)] {
		data, err := bin.Head(filepath.Join(list, strconv.Itoa(n)+".json"))
		if err == nil && json.Valid(data) && bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
			tasks = append(tasks, data)
		}
	}
	return json.Marshal(tasks)
}
