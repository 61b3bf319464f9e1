package sqlite

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
)

// TestPruneHistory keeps what is asked for: young events, what agents that run or ended lately were asked, and messages
// that are not done.
func TestPruneHistory(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	now := noon.Add(historyLife)
	zone := time.FixedZone("east", 9*3600)
	for id, a := range map[orchestron.AgentID]orchestron.Agent{
		"exec_1": {Status: orchestron.Idle},
		"mgr_1":  {Status: orchestron.Stopped, Ended: noon.Add(time.Hour).In(zone)},
		"mgr_2":  {Status: orchestron.Failed, Ended: noon.Add(-time.Hour).In(zone)},
		"mgr_3":  {Status: orchestron.Starting, Ended: noon.Add(-time.Hour)}, // restarted
		"mgr_4":  {Status: orchestron.Lost},                                  // nothing says when
	} {
		mustWrite(t, db, func(tx *Tx) error {
			a.ID = id
			if err := tx.PutAgent(a); err != nil {
				return err
			}
			for _, state := range []orchestron.Delivery{orchestron.Answered, orchestron.Queued} {
				m := orchestron.Message{ID: orchestron.MessageID(string(id) + string(state)), Agent: id, Text: "x", State: state, Created: noon.Add(-2 * time.Hour)}
				if err := tx.AddMessage(&m); err != nil {
					return err
				}
			}
			turn := orchestron.Turn{Agent: id, Prompt: "x", Started: noon.Add(-2 * time.Hour), Ended: noon.Add(-2 * time.Hour)}
			return tx.AddTurn(&turn)
		})
	}
	mustWrite(t, db, func(tx *Tx) error {
		for i := range 2 * 1000 {
			e := orchestron.Event{At: noon.Add(time.Duration(i-1500) * time.Second), Type: orchestron.AgentStatus, Data: json.RawMessage(`{}`)}
			if err := tx.AddEvent(&e); err != nil {
				return err
			}
		}
		return nil
	})
	if err := db.Prune(ctx, now); err != nil {
		t.Fatal(err)
	}
	events, err := db.Events(ctx, 0, 5000)
	if err != nil || len(events) != 500 || events[0].At != noon || events[0].Seq != 1501 {
		t.Errorf("%d events are left, the first %+v, %v; want 500 from %s on", len(events), events[:1], err, noon)
	}
	kept, err := Read(ctx, db, ScanText, `SELECT id FROM messages ORDER BY id`)
	equal(t, "messages", kept, []string{
		"exec_1answered", "exec_1queued", "mgr_1answered", "mgr_1queued", "mgr_2queued", "mgr_3answered", "mgr_3queued", "mgr_4answered", "mgr_4queued",
	}, err)
	turns, err := Read(ctx, db, ScanText, `SELECT agent FROM turns ORDER BY agent`)
	equal(t, "turns", turns, []string{"exec_1", "mgr_1", "mgr_3", "mgr_4"}, err)
	last, err := db.LastEvent(ctx)
	equal(t, "the last event", last, 2000, err)
}
