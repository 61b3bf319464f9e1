package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
)

// bare returns a function that commits one row with a full sync: the least that durability costs with this driver.
func bare(b *testing.B) func() {
	b.Helper()
	db, err := sql.Open("sqlite", dsn(filepath.Join(b.TempDir(), "bare.db"), "synchronous(FULL)", "journal_mode(WAL)"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`CREATE TABLE one (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT`); err != nil {
		b.Fatal(err)
	}
	stmt, err := db.Prepare(`INSERT INTO one (text) VALUES (?)`)
	if err != nil {
		b.Fatal(err)
	}
	return func() {
		if _, err := stmt.Exec(prompt); err != nil {
			b.Fatal(err)
		}
	}
}

const prompt = "Please look at the tests of the parser and tell me which of them cannot fail."

// message returns a function that stores a message and its event, as sending a prompt does.
func message(b *testing.B) func() {
	b.Helper()
	db := openTemp(b)
	mustWrite(b, db, func(tx *Tx) error { return tx.PutAgent(orchestron.Agent{ID: "exec_1"}) })
	var n atomic.Int64
	return func() {
		id := orchestron.MessageID(fmt.Sprintf("msg_%d", n.Add(1)))
		err := db.Write(context.Background(), func(tx *Tx) error {
			now := time.Now()
			m := orchestron.Message{ID: id, Agent: "exec_1", From: "operator", Text: prompt, State: orchestron.Queued, Created: now}
			if err := tx.AddMessage(&m); err != nil {
				return err
			}
			data := json.RawMessage(`{"messageId":"` + string(id) + `"}`)
			return tx.AddEvent(&orchestron.Event{At: now, Type: orchestron.MessageQueued, Agent: "exec_1", Data: data})
		})
		if err != nil {
			b.Error(err)
		}
	}
}

func BenchmarkBareCommit(b *testing.B) {
	commit := bare(b)
	for b.Loop() {
		commit()
	}
}

// BenchmarkWriteMessage takes turns with a bare commit, so that both see the same disk, and reports how much dearer the
// message is.
func BenchmarkWriteMessage(b *testing.B) {
	commit, write := bare(b), message(b)
	var bares, writes time.Duration
	for b.Loop() {
		start := time.Now()
		commit()
		middle := time.Now()
		write()
		bares += middle.Sub(start)
		writes += time.Since(middle)
	}
	b.ReportMetric(float64(writes)/float64(b.N), "ns/write")
	b.ReportMetric(float64(bares)/float64(b.N), "ns/bare")
	b.ReportMetric(float64(writes)/float64(bares), "x-bare")
}

func BenchmarkWriteMessage64Parallel(b *testing.B) {
	write := message(b)
	b.SetParallelism(max(1, 64/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			write()
		}
	})
}
