package sqlite

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

var _ op.Ledger = (*DB)(nil)

func TestKeysOfChanges(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	now := noon
	db.now = func() time.Time { return now }
	one, two := [32]byte{1}, [32]byte{2}
	keyed := func(actor, operation string, hash [32]byte) (subject string, found bool, err error) {
		err = db.Write(ctx, func(tx *Tx) error {
			subject, found, err = tx.Keyed(actor, "k", operation, hash)
			return err
		})
		return subject, found, err
	}
	if subject, found, err := keyed("exec_1", "send", one); found || err != nil {
		t.Errorf("an unknown key: %q, %v, %v; want nothing", subject, found, err)
	}
	mustWrite(t, db, func(tx *Tx) error { return tx.SetKey("exec_1", "k", "send", one, "m1") })
	if subject, found, err := keyed("exec_1", "send", one); subject != "m1" || !found || err != nil {
		t.Errorf("the same call: %q, %v, %v; want m1", subject, found, err)
	}
	if _, found, err := keyed("exec_2", "send", one); found || err != nil {
		t.Errorf("another actor's key: %v, %v; want nothing", found, err)
	}
	_, _, err := keyed("exec_1", "send", two)
	wantKind(t, err, orchestron.Conflict, `"k"`)
	_, _, err = keyed("exec_1", "spawn", one)
	wantKind(t, err, orchestron.Conflict, `"k"`)

	now = now.Add(24*time.Hour + 1)
	if _, found, err := keyed("exec_1", "spawn", two); found || err != nil {
		t.Errorf("a key after a day: %v, %v; want nothing", found, err)
	}
	mustWrite(t, db, func(tx *Tx) error { return tx.SetKey("exec_1", "k", "spawn", two, "exec_7") })
	if subject, found, err := keyed("exec_1", "spawn", two); subject != "exec_7" || !found || err != nil {
		t.Errorf("the key's new use: %q, %v, %v; want exec_7", subject, found, err)
	}
}

func TestLedger(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	now := noon
	db.now = func() time.Time { return now }
	hash := [32]byte{1}
	begin := func(want string) {
		t.Helper()
		got, err := db.Begin(ctx, "operator", "k", "terminate", hash)
		equal(t, "Begin", string(got), want, err)
		if want == "" && got != nil {
			t.Error("Begin of a call that has not ended gives an answer that is not nil")
		}
	}
	begin("")
	begin("") // it began, and nobody knows how it ended
	if err := db.End(ctx, "operator", "k", json.RawMessage(`{"n": 1}`)); err != nil {
		t.Error(err)
	}
	begin(`{"n": 1}`)
	_, err := db.Begin(ctx, "operator", "k", "terminate", [32]byte{2})
	wantKind(t, err, orchestron.Conflict, `"k"`)
	_, err = db.Begin(ctx, "operator", "k", "restart", hash)
	wantKind(t, err, orchestron.Conflict, `"k"`)
	now = now.Add(24*time.Hour + 1)
	begin("")
	wantKind(t, db.End(ctx, "operator", "other", json.RawMessage(`{}`)), orchestron.NotFound, "other")
}

func TestOnce(t *testing.T) {
	db := openTemp(t)
	for i, want := range []bool{true, false, false} {
		mustWrite(t, db, func(tx *Tx) error {
			got, err := tx.Once("record")
			if got != want || err != nil {
				t.Errorf("Once, time %d = %v, %v; want %v", i+1, got, err, want)
			}
			return nil
		})
	}
}

func TestTasks(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	put := func(id, record string, live bool, expires time.Time) {
		t.Helper()
		if err := db.PutTask(ctx, id, json.RawMessage(record), live, expires); err != nil {
			t.Fatal(err)
		}
	}
	put("b", `{"n": 1}`, true, noon)
	put("a", `{"n": 2}`, true, noon.Add(1))
	put("c", `{"n": 3}`, true, noon.Add(1))
	put("b", `{"n": 4}`, true, noon)
	put("c", `{"n": 5}`, false, noon.Add(1))
	got, err := db.GetTask(ctx, "b")
	equal(t, "GetTask", string(got), `{"n": 4}`, err)
	live, err := db.LiveTasks(ctx)
	equal(t, "LiveTasks", live, []json.RawMessage{json.RawMessage(`{"n": 4}`), json.RawMessage(`{"n": 2}`)}, err)
	if err := db.DropTasks(ctx, noon.Add(1)); err != nil {
		t.Error(err)
	}
	_, err = db.GetTask(ctx, "b")
	wantKind(t, err, orchestron.NotFound, `"b"`)
	got, err = db.GetTask(ctx, "c")
	equal(t, "a task that has not expired", string(got), `{"n": 5}`, err)
}

func TestPrune(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	db.now = func() time.Time { return noon }
	mustWrite(t, db, func(tx *Tx) error {
		for i := range 2*dropBatch + 1 {
			id := string(rune(i + 1000))
			if _, err := tx.Once(id); err != nil {
				return err
			}
			if err := tx.SetKey("operator", id, "send", [32]byte{}, ""); err != nil {
				return err
			}
		}
		return nil
	})
	if err := db.PutTask(ctx, "t", nil, true, noon.Add(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		for _, table := range []string{"keys", "records", "mcp_tasks"} {
			found, err := Read(ctx, db, ScanInt, "SELECT count(*) FROM "+table)
			if err != nil {
				t.Fatal(err)
			}
			n += int(found[0])
		}
		return n
	}
	for _, c := range []struct {
		after time.Duration
		left  int
	}{{24 * time.Hour, 2*(2*dropBatch+1) + 1}, {24*time.Hour + 1, 0}} {
		if err := db.Prune(ctx, noon.Add(c.after)); err != nil {
			t.Fatal(err)
		}
		if got := count(); got != c.left {
			t.Errorf("after %s %d rows are left, want %d", c.after, got, c.left)
		}
	}
}
