package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/orchestron/orchestron"
)

const selectReply = `SELECT id, message, sender, recipient, text, created, taken FROM replies `

func scanReply(rows *sql.Rows) (r orchestron.Reply, err error) {
	var created, taken int64
	err = rows.Scan(&r.ID, &r.Message, &r.From, &r.To, &r.Text, &created, &taken)
	r.Created, r.Taken = Moment(created), Moment(taken)
	return r, err
}

// AddReply stores a reply.
func (tx *Tx) AddReply(r orchestron.Reply) error {
	_, err := tx.Exec(`INSERT INTO replies (id, message, sender, recipient, text, created, taken) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		r.ID, r.Message, r.From, r.To, r.Text, Nanos(r.Created), Nanos(r.Taken))
	return err
}

// Reply returns a reply, or NotFound.
func (tx *Tx) Reply(id orchestron.MessageID) (orchestron.Reply, error) {
	missing := orchestron.Errorf(orchestron.NotFound, "there is no reply %s", id)
	return One(tx.Query, scanReply, missing, selectReply+`WHERE id = ?`, id)
}

// PendingReplies returns the replies that have not reached their recipient, oldest first, and at most one more than it is
// given at once.
func (tx *Tx) PendingReplies(recipient string) ([]orchestron.Reply, error) {
	return Collect(tx.Query, scanReply, selectReply+`WHERE recipient = ? AND taken = 0 ORDER BY n LIMIT ?`, recipient, orchestron.MaxReplies+1)
}

// OpenReplies counts the replies of a sender that have not reached a recipient.
func (tx *Tx) OpenReplies(sender orchestron.AgentID, recipient string) (int64, error) {
	found, err := Collect(tx.Query, ScanInt, `SELECT count(*) FROM replies WHERE recipient = ? AND taken = 0 AND sender = ?`, recipient, sender)
	if err != nil {
		return 0, err
	}
	return found[0], nil
}

// TakeReply notes that a reply reached its recipient. It does nothing when there is none of that id.
func (tx *Tx) TakeReply(id orchestron.MessageID, at time.Time) error {
	_, err := tx.Exec(`UPDATE replies SET taken = ? WHERE id = ? AND taken = 0`, Nanos(at), id)
	return err
}

// Replies returns the newest replies to a recipient, oldest first: those that have not reached it, or all.
func (db *DB) Replies(ctx context.Context, recipient string, all bool, limit int) ([]orchestron.Reply, error) {
	return Read(ctx, db, scanReply, `SELECT id, message, sender, recipient, text, created, taken FROM (
		SELECT * FROM replies WHERE recipient = ? AND (taken = 0 OR ?) ORDER BY n DESC LIMIT ?) ORDER BY n`, recipient, all, limit)
}

// RepliesTo returns the replies that answer a message, oldest first.
func (db *DB) RepliesTo(ctx context.Context, id orchestron.MessageID) ([]orchestron.Reply, error) {
	return Read(ctx, db, scanReply, selectReply+`WHERE message = ? ORDER BY n`, id)
}

// LastEventBefore returns the number of the newest event before a time, and 0 when there is none.
func (db *DB) LastEventBefore(ctx context.Context, at time.Time) (int64, error) {
	found, err := Read(ctx, db, ScanInt, `SELECT coalesce(max(seq), 0) FROM events WHERE at < ?`, Nanos(at))
	if err != nil {
		return 0, err
	}
	return found[0], nil
}
