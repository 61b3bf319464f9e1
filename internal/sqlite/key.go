package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/orchestron/orchestron"
)

const (
	keyLife    = 24 * time.Hour // of idempotency keys
	recordLife = 24 * time.Hour // of what Once remembers, at least
)

// keyed is what is stored under an idempotency key.
type keyed struct {
	operation, subject string
	hash               []byte
	answer             sql.NullString // not valid until the call has ended
}

func scanKeyed(rows *sql.Rows) (k keyed, err error) {
	err = rows.Scan(&k.operation, &k.hash, &k.subject, &k.answer)
	return k, err
}

// keyed returns what stands under a key that has not expired, if anything. It is a Conflict when the key stands for
// another call.
func (tx *Tx) keyed(actor, key, operation string, hash [32]byte) (keyed, bool, error) {
	found, err := Collect(tx.Query, scanKeyed, selectKeyed, actor, key, Nanos(tx.w.db.now().Add(-keyLife)))
	return theSame(found, err, key, operation, hash)
}

const selectKeyed = `SELECT operation, hash, subject, answer FROM keys WHERE actor = ? AND key = ? AND created >= ?`

// theSame returns what was found under a key, or a Conflict when that is another call.
func theSame(found []keyed, err error, key, operation string, hash [32]byte) (keyed, bool, error) {
	if err != nil || len(found) == 0 {
		return keyed{}, false, err
	}
	if found[0].operation != operation || string(found[0].hash) != string(hash[:]) {
		return keyed{}, false, orchestron.Errorf(orchestron.Conflict, "the idempotency key %q was used for another call", key).
			Try("use a new key for a new call")
	}
	return found[0], true, nil
}

// Keyed returns what the actor stored under an idempotency key in the last 24 hours. It is a Conflict when the key
// stands for another operation or other arguments.
func (tx *Tx) Keyed(actor, key, operation string, hash [32]byte) (subject string, found bool, err error) {
	k, found, err := tx.keyed(actor, key, operation, hash)
	return k.subject, found, err
}

// Keyed is what the transaction's Keyed is, without waiting for the writer.
func (db *DB) Keyed(ctx context.Context, actor, key, operation string, hash [32]byte) (subject string, found bool, err error) {
	all, err := Read(ctx, db, scanKeyed, selectKeyed, actor, key, Nanos(db.now().Add(-keyLife)))
	k, found, err := theSame(all, err, key, operation, hash)
	return k.subject, found, err
}

// SetKey stores what a call with a key made, in place of what the key stood for.
func (tx *Tx) SetKey(actor, key, operation string, hash [32]byte, subject string) error {
	_, err := tx.Exec(`INSERT OR REPLACE INTO keys (actor, key, operation, hash, subject, created)
		VALUES (?, ?, ?, ?, ?, ?)`, actor, key, operation, hash[:], subject, Nanos(tx.w.db.now()))
	return err
}

// Once reports whether the record with this id is seen for the first time, and remembers it for a day at least.
func (tx *Tx) Once(record string) (bool, error) {
	result, err := tx.Exec(`INSERT INTO records (id, seen) VALUES (?, ?) ON CONFLICT DO NOTHING`,
		record, Nanos(tx.w.db.now()))
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// Begin notes durably that a call with an idempotency key begins. It returns the answer when the same call has ended
// before, nil when it has not, and a Conflict when the key stands for another call.
func (db *DB) Begin(ctx context.Context, actor, key, operation string, hash [32]byte) (json.RawMessage, error) {
	var answer json.RawMessage
	err := db.Write(ctx, func(tx *Tx) error {
		k, found, err := tx.keyed(actor, key, operation, hash)
		if err != nil {
			return err
		}
		if !found {
			return tx.SetKey(actor, key, operation, hash, "")
		}
		if k.answer.Valid {
			answer = json.RawMessage(k.answer.String)
		}
		return nil
	})
	return answer, err
}

// End stores the answer of a call that Begin noted, or returns NotFound.
func (db *DB) End(ctx context.Context, actor, key string, answer json.RawMessage) error {
	missing := orchestron.Errorf(orchestron.NotFound, "no call has begun under the idempotency key %q", key)
	return db.Write(ctx, func(tx *Tx) error {
		return tx.Touch(missing, `UPDATE keys SET answer = ? WHERE actor = ? AND key = ?`, string(answer), actor, key)
	})
}
