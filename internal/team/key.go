package team

import (
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/state"
)

// key is the idempotency key of a call, or none.
type key struct {
	call      op.Call
	operation string
	hash      [32]byte
}

// subject returns what the same call stored under the key before, if it did.
func (k key) subject(tx state.Tx) (subject string, found bool, err error) {
	if k.call.Key == "" {
		return "", false, nil
	}
	return tx.Keyed(k.call.Actor.String(), k.call.Key, k.operation, k.hash)
}

// set stores under the key what the call made.
func (k key) set(tx state.Tx, subject string) error {
	if k.call.Key == "" {
		return nil
	}
	return tx.SetKey(k.call.Actor.String(), k.call.Key, k.operation, k.hash, subject)
}
