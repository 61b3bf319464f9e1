package boardstore

import (
	"context"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// Cursor returns up to where a reader has seen a project's changes, and 0 for a reader that has seen none.
func (b Store) Cursor(ctx context.Context, reader, project string) (int64, error) {
	found, err := sqlite.Read(ctx, b.db, sqlite.ScanInt, `SELECT seq FROM change_cursors WHERE reader = ? AND project = ?`, reader, project)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0], nil
}

// SetCursor notes up to where a reader has seen a project's changes. It never goes back.
func (tx Tx) SetCursor(reader, project string, seq int64) error {
	_, err := tx.Exec(`INSERT INTO change_cursors (reader, project, seq) VALUES (?, ?, ?)
		ON CONFLICT (reader, project) DO UPDATE SET seq = max(seq, excluded.seq)`, reader, project, seq)
	return err
}

// SealNotices puts the agent's notices up to a Seq that are in no batch yet into one that is named by it.
func (tx Tx) SealNotices(agent orchestron.AgentID, upTo int64) error {
	_, err := tx.Exec(`UPDATE notices SET batch = ? WHERE agent = ? AND batch = 0 AND seq <= ?`, upTo, agent, upTo)
	return err
}
