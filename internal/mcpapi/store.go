package mcpapi

import (
	"context"
	"encoding/json"
	"time"
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
