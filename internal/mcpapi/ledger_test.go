package mcpapi

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

// ledger is op.Ledger in memory.
type ledger struct {
	mu      sync.Mutex
	hashes  map[string][32]byte
	answers map[string]json.RawMessage
}

var _ op.Ledger = (*ledger)(nil)

func newLedger() *ledger {
	return &ledger{hashes: map[string][32]byte{}, answers: map[string]json.RawMessage{}}
}

func (l *ledger) Begin(_ context.Context, actor, key, _ string, hash [32]byte) (json.RawMessage, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := actor + "/" + key
	if before, ok := l.hashes[id]; ok && before != hash {
		return nil, orchestron.Errorf(orchestron.Conflict, "the key %s was used for another call", key)
	}
	l.hashes[id] = hash
	return l.answers[id], nil
}

func (l *ledger) End(_ context.Context, actor, key string, answer json.RawMessage) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers[actor+"/"+key] = answer
	return nil
}
