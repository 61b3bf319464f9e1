package mcpapi

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
)

// TaskStore keeps the records of tasks, which outlive the daemon. A record is opaque to it.
type TaskStore interface {
	// PutTask stores a record durably in place of an earlier one with its id. live says that the task has not ended;
	// after expires nobody asks for the record.
	PutTask(ctx context.Context, id string, record json.RawMessage, live bool, expires time.Time) error
	// GetTask returns a record, or a NotFound error.
	GetTask(ctx context.Context, id string) (json.RawMessage, error)
	// LiveTasks returns the records of the tasks that have not ended, oldest first.
	LiveTasks(ctx context.Context) ([]json.RawMessage, error)
	// DropTasks removes the records that expired before a time.
	DropTasks(ctx context.Context, before time.Time) error
}

// MemoryTasks is a TaskStore for tests. The zero value is empty and ready.
type MemoryTasks struct {
	mu    sync.Mutex
	order []string
	tasks map[string]memoryTask
}

type memoryTask struct {
	record  json.RawMessage
	live    bool
	expires time.Time
}

// PutTask implements TaskStore.
func (m *MemoryTasks) PutTask(_ context.Context, id string, record json.RawMessage, live bool, expires time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tasks == nil {
		m.tasks = map[string]memoryTask{}
	}
	if _, known := m.tasks[id]; !known {
		m.order = append(m.order, id)
	}
	m.tasks[id] = memoryTask{record, live, expires}
	return nil
}

// GetTask implements TaskStore.
func (m *MemoryTasks) GetTask(_ context.Context, id string) (json.RawMessage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tasks[id]
	if !ok {
		return nil, orchestron.Errorf(orchestron.NotFound, "there is no task %q", id)
	}
	return t.record, nil
}

// LiveTasks implements TaskStore.
func (m *MemoryTasks) LiveTasks(context.Context) ([]json.RawMessage, error) {
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

// DropTasks implements TaskStore.
func (m *MemoryTasks) DropTasks(_ context.Context, before time.Time) error {
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
