// Package mcptest is what MCP servers in tests are made with.
package mcptest

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
)

// Tasks keeps the records of tasks in memory. The zero value is empty and ready.
type Tasks struct {
	mu    sync.Mutex
	order []string
	tasks map[string]held
}

type held struct {
	record  json.RawMessage
	live    bool
	expires time.Time
}

// PutTask implements mcpapi.TaskStore.
func (m *Tasks) PutTask(_ context.Context, id string, record json.RawMessage, live bool, expires time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tasks == nil {
		m.tasks = map[string]held{}
	}
	if _, known := m.tasks[id]; !known {
		m.order = append(m.order, id)
	}
	m.tasks[id] = held{record, live, expires}
	return nil
}

// GetTask implements mcpapi.TaskStore.
func (m *Tasks) GetTask(_ context.Context, id string) (json.RawMessage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tasks[id]
	if !ok {
		return nil, orchestron.Errorf(orchestron.NotFound, "there is no task %q", id)
	}
	return t.record, nil
}

// LiveTasks implements mcpapi.TaskStore.
func (m *Tasks) LiveTasks(context.Context) ([]json.RawMessage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var live []json.RawMessage
	for _, id := range m.order {
		if t := m.tasks[id]; t.live {
			live = append(live, t.record)
		}
	}
	return live, nil
}

// DropTasks implements mcpapi.TaskStore.
func (m *Tasks) DropTasks(_ context.Context, before time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var kept []string
	for _, id := range m.order {
		if m.tasks[id].expires.Before(before) {
			delete(m.tasks, id)
			continue
		}
		kept = append(kept, id)
	}
	m.order = kept
	return nil
}
