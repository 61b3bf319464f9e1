package boardstore

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
)

const (
	manyTasks = 100_000
	project   = "/home/ann/parser"
	common    = "parser" // a word in a fifth of the tasks
)

// word is the n-th of a vocabulary: as pronounceable and as unlike each other as those of a language.
func word(n int) string {
	syllables := "ba de fi go hu ka le mi no pu ra se ti vo wu ya ze cho sha thi qua"
	all, text := strings.Fields(syllables), ""
	for n = n*7919 + 50; n > 0; n /= len(all) {
		text += all[n%len(all)]
	}
	return text
}

// manyWords are words of which few are common and many are rare.
func manyWords(r *rand.Rand, n int) string {
	var words []string
	for range n {
		words = append(words, word(int(r.ExpFloat64()*400)))
	}
	return strings.Join(words, " ")
}

// manyTask is one of the tasks of a large board: three in ten are to be done, the rest is mostly over.
func manyTask(r *rand.Rand, n int64) orchestron.Task {
	t := orchestron.Task{
		ID: orchestron.TaskIDOf(n), Project: project, Type: orchestron.TaskTypes[r.IntN(5)], Title: manyWords(r, 6),
		Description: manyWords(r, 60), AcceptanceCriteria: []string{manyWords(r, 8), manyWords(r, 8)},
		Status:   []orchestron.TaskStatus{"TODO", "TODO", "TODO", "DONE", "DONE", "DONE", "DONE", "CANCELLED", "DONE", "BLOCKED"}[r.IntN(10)],
		Priority: orchestron.Priorities[r.IntN(4)], Assignee: fmt.Sprintf("spec_1_%d", r.IntN(50)),
		Labels: []string{fmt.Sprintf("label%d", r.IntN(5)), fmt.Sprintf("area%d", r.IntN(200))}, Sprint: fmt.Sprintf("sprint %d", r.IntN(20)),
		CreatedBy: "exec_1", Created: noon, Updated: noon, Version: 1, DependsOn: []orchestron.TaskID{}, Clarifications: []orchestron.Clarification{},
	}
	if n%500 == 0 {
		t.Status = orchestron.InProgress
	}
	if r.IntN(5) == 0 {
		t.Description += " " + common
	}
	if n > 10 && r.IntN(5) == 0 {
		t.DependsOn, t.Waits = append(t.DependsOn, orchestron.TaskIDOf(1+r.Int64N(n-1))), 1
	}
	return t
}

// fillBoard adds tasks until there are n.
func fillBoard(tb testing.TB, db Store, n int64) {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for from := int64(1); from <= n; from += 1000 {
		mustWrite(tb, db, func(tx Tx) error {
			for i := from; i < min(from+1000, n+1); i++ {
				if err := tx.AddTask(manyTask(r, i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// report says how long the calls took, and how long half of them may take.
func report(b *testing.B, took []time.Duration, bar time.Duration) {
	b.Helper()
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
	b.ReportMetric(ms(took[len(took)*95/100]), "p95-ms")
	b.ReportMetric(ms(bar), "bar-ms")
	b.ReportMetric(0, "ns/op")
}

// asks runs the filters in turn.
func asks(b *testing.B, db Store, bar time.Duration, want int, draw func(*rand.Rand) boardapi.Filter) {
	b.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	var took []time.Duration
	for b.Loop() {
		f := draw(r)
		start := time.Now()
		found, err := db.Tasks(context.Background(), f)
		took = append(took, time.Since(start))
		if err != nil || len(found) < want {
			b.Fatalf("Tasks(%+v) = %d tasks, %v, want %d", f, len(found), err, want)
		}
	}
	report(b, took, bar)
}

// BenchmarkBoard says how fast a board of 100,000 tasks is.
func BenchmarkBoard(b *testing.B) {
	db := openTemp(b)
	fillBoard(b, db, manyTasks)
	base := boardapi.Filter{Project: project, Limit: 50}
	list := func(name string, want int, change func(*rand.Rand, *boardapi.Filter)) {
		b.Run("list/"+name, func(b *testing.B) {
			asks(b, db, 5*time.Millisecond, want, func(r *rand.Rand) boardapi.Filter {
				f := base
				f.Statuses = []orchestron.TaskStatus{orchestron.TaskStatuses[r.IntN(3)]}
				change(r, &f)
				return f
			})
		})
	}
	list("status,assignee", 1, func(r *rand.Rand, f *boardapi.Filter) { f.Assignee = fmt.Sprintf("spec_1_%d", r.IntN(50)) })
	list("status,label", 20, func(r *rand.Rand, f *boardapi.Filter) { f.Label = fmt.Sprintf("label%d", r.IntN(5)) })
	list("status,rare-label", 0, func(r *rand.Rand, f *boardapi.Filter) { f.Label = fmt.Sprintf("area%d", r.IntN(200)) })
	list("status,sprint", 1, func(r *rand.Rand, f *boardapi.Filter) { f.Sprint = fmt.Sprintf("sprint %d", r.IntN(20)) })
	list("status,type", 20, func(r *rand.Rand, f *boardapi.Filter) { f.Types = orchestron.TaskTypes[:1] })
	list("open,label,assignee", 1, func(r *rand.Rand, f *boardapi.Filter) {
		f.Statuses = orchestron.TaskStatuses[:3]
		f.Label, f.Assignee = fmt.Sprintf("label%d", r.IntN(5)), fmt.Sprintf("spec_1_%d", r.IntN(50))
	})
	list("any", 50, func(_ *rand.Rand, f *boardapi.Filter) { f.Statuses = nil })
	list("ready,label", 50, func(r *rand.Rand, f *boardapi.Filter) {
		f.Statuses, f.Ready, f.Label = nil, true, fmt.Sprintf("label%d", r.IntN(5))
	})
	text := func(name string, want int, words func(*rand.Rand) string, change func(*boardapi.Filter)) {
		b.Run("text/"+name, func(b *testing.B) {
			asks(b, db, 15*time.Millisecond, want, func(r *rand.Rand) boardapi.Filter {
				f := base
				f.Text = words(r)
				change(&f)
				return f
			})
		})
	}
	none := func(*boardapi.Filter) {}
	frequent := func(*rand.Rand) string { return common }
	rare := func(r *rand.Rand) string { return word(1200 + r.IntN(400)) }
	text("common", 50, frequent, none)
	text("common,status,sprint", 50, frequent, func(f *boardapi.Filter) {
		f.Statuses, f.Sprint = []orchestron.TaskStatus{"TODO"}, "sprint 3"
	})
	text("common,none-matches", 0, frequent, func(f *boardapi.Filter) { f.Assignee = "nobody" })
	text("rare", 1, rare, none)
	text("two", 1, func(r *rand.Rand) string { return common + " " + word(r.IntN(200)) }, none)
	text("prefix", 50, func(*rand.Rand) string { return "shaba"[:3] }, none)
	text("letter", 50, func(*rand.Rand) string { return "s" }, none)
	b.Run("progress", func(b *testing.B) {
		for b.Loop() {
			if p, err := db.Progress(context.Background(), project, ""); err != nil || p.Tasks < manyTasks {
				b.Fatal(p, err)
			}
		}
	})
	b.Run("progress-sprint", func(b *testing.B) {
		for b.Loop() {
			if p, err := db.Progress(context.Background(), project, "sprint 3"); err != nil || p.Tasks < 1000 {
				b.Fatal(p, err)
			}
		}
	})
	b.Run("put", func(b *testing.B) { benchPut(b, db) })
	b.Run("claim", func(b *testing.B) { benchClaim(b, db) })
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	b.Logf("the heap has %d MB", mem.HeapSys>>20)
}

// change changes a task as an operation does: with a line of history and an event.
func changeTask(tx Tx, before orchestron.Task, change func(*orchestron.Task)) error {
	now := time.Now().UTC()
	after := before
	change(&after)
	after.Version, after.Updated = before.Version+1, now
	if err := tx.PutTask(before, after); err != nil {
		return err
	}
	fields := []byte(`{"status":"` + after.Status + `"}`)
	if err := tx.AddChange(&orchestron.Change{At: now, By: "spec_1_1", Kind: orchestron.TaskUpdated, Project: after.Project, Task: after.ID, Fields: fields}); err != nil {
		return err
	}
	return tx.AddEvent(&orchestron.Event{At: now, Type: orchestron.TaskUpdated, Actor: "spec_1_1", Data: fields})
}

// bare returns a function that commits one row with a full sync: the least that durability costs with this driver.
func bare(b *testing.B) func() {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "bare.db")+
		"?_txlock=immediate&_pragma=synchronous(FULL)&_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=mmap_size(0)")
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
		if _, err := stmt.Exec("Please look at the tests of the parser and tell me which of them cannot fail."); err != nil {
			b.Fatal(err)
		}
	}
}

func benchPut(b *testing.B, db Store) {
	b.Helper()
	r := rand.New(rand.NewPCG(5, 6))
	commit := bare(b)
	var bares, writes time.Duration
	for b.Loop() {
		id := orchestron.TaskIDOf(1 + r.Int64N(manyTasks))
		before, err := db.Task(context.Background(), id)
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		commit()
		middle := time.Now()
		mustWrite(b, db, func(tx Tx) error {
			return changeTask(tx, before, func(t *orchestron.Task) { t.Status = orchestron.TaskStatuses[r.IntN(6)] })
		})
		bares, writes = bares+middle.Sub(start), writes+time.Since(middle)
	}
	b.ReportMetric(float64(writes)/float64(b.N), "ns/write")
	b.ReportMetric(float64(bares)/float64(b.N), "ns/bare")
	b.ReportMetric(float64(writes)/float64(bares), "x-bare")
	b.ReportMetric(1.7, "bar-x-bare")
}

func benchClaim(b *testing.B, db Store) {
	b.Helper()
	var mu sync.Mutex
	claimed := map[orchestron.TaskID]bool{}
	b.SetParallelism(max(1, 32/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			var got orchestron.TaskID
			err := db.Write(context.Background(), func(tx Tx) error {
				before, err := tx.NextReady(boardapi.Filter{Project: project})
				got = before.ID
				if err != nil {
					return err
				}
				return changeTask(tx, before, func(t *orchestron.Task) { err = t.Claim("spec_1_1", time.Time{}, time.Now().UTC()) })
			})
			mu.Lock()
			if err != nil || claimed[got] {
				b.Errorf("claiming %s: %v, claimed before: %t", got, err, claimed[got])
			}
			claimed[got] = true
			mu.Unlock()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "claims/s")
	b.ReportMetric(500, "bar-claims/s")
}
