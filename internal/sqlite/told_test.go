package sqlite

import (
	"errors"
	"testing"

	"github.com/orchestron/orchestron"
)

// TestTold waits for events as readers do: they are told of those that are there to be read, and of nothing else.
func TestTold(t *testing.T) {
	db := openTemp(t)
	putAgents(t, db, "exec_1")
	add := func(tx *Tx) error {
		return tx.AddEvent(&orchestron.Event{Type: orchestron.TaskCreated, Data: []byte("{}")})
	}
	told := db.Told()
	if err := db.Write(t.Context(), func(tx *Tx) error { return tx.SetToken("exec_1", "h") }); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("no")
	if err := db.Write(t.Context(), func(tx *Tx) error { return errors.Join(add(tx), failed) }); !errors.Is(err, failed) {
		t.Fatalf("the change ended with %v", err)
	}
	select {
	case <-told:
		t.Error("told although nothing was added")
	default:
	}
	if err := db.Write(t.Context(), add); err != nil {
		t.Fatal(err)
	}
	select {
	case <-told:
	default:
		t.Error("not told of an event that was added")
	}
}
