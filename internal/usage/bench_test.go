package usage

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/usageapi"
	"github.com/orchestron/orchestron/internal/usagestore"
)

// turnBar is how long it may take to count a turn of a long conversation.
const turnBar = 5 * time.Millisecond

// turnText is what a turn adds to a transcript: a prompt, ten replies with the results of tools, and the program's own
// books, about 90 KB.
func turnText(n int) string {
	var text strings.Builder
	fmt.Fprintf(&text, `{"type":"user","promptId":"p%d","message":{"content":"go on"}}`+"\n", n)
	for i := range 10 {
		text.WriteString(called(fmt.Sprint(n, "_", i), n*10+i, 5, 50))
		fmt.Fprintf(&text, `{"type":"user","promptId":"p%d","message":{"content":[{"type":"tool_result","content":%q}]}}`+"\n", n, strings.Repeat("result ", 500))
	}
	fmt.Fprintf(&text, `{"type":"api-request-blob","message":%q}`+"\n", strings.Repeat(`{"usage":"x"}`, 4000))
	return text.String()
}

// BenchmarkTurn counts turns of a conversation whose transcript has 50 MB and grows, durably.
func BenchmarkTurn(b *testing.B) {
	s := set(b)
	file := filepath.Join(s.dir, "a.jsonl")
	s.add("exec_1", "", s.dir, file)
	n, size := 0, 0
	for size < 50<<20 {
		var part strings.Builder
		for range 50 {
			n++
			part.WriteString(turnText(n))
		}
		add(b, file, part.String())
		size += part.Len()
	}
	s.count(b)
	r := s.known["exec_1"]
	var took []time.Duration
	for b.Loop() {
		b.StopTimer()
		n++
		add(b, file, turnText(n))
		b.StartTimer()
		start := time.Now()
		if _, err := s.read(context.Background(), r); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	if got := s.total(b, "exec_1").Calls; got != int64(n)*10 {
		b.Errorf("%d calls were counted, want %d", got, n*10)
	}
	slices.Sort(took)
	b.ReportMetric(ms(took[len(took)/2]), "ms-median")
	b.ReportMetric(ms(took[len(took)*95/100]), "ms-p95")
	b.ReportMetric(ms(turnBar), "bar-ms")
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// BenchmarkFirstRead counts a transcript of 50 MB that nobody has read.
func BenchmarkFirstRead(b *testing.B) {
	dir := b.TempDir()
	file := filepath.Join(dir, "a.jsonl")
	for size, n := 0, 0; size < 50<<20; n++ {
		text := turnText(n)
		add(b, file, text)
		size += len(text)
	}
	for b.Loop() {
		b.StopTimer()
		s := set(b)
		s.add("exec_1", "", dir, file)
		b.StartTimer()
		s.count(b)
	}
}

// BenchmarkAsk adds up 100,000 calls of 100 agents.
func BenchmarkAsk(b *testing.B) {
	s := set(b)
	for first := 0; first < 100_000; first += 1000 {
		must(b, usagestore.In(s.db).Write(b.Context(), func(tx usagestore.Tx) error {
			for i := first; i < first+1000; i++ {
				c := usageapi.Call{Agent: orchestron.AgentID(fmt.Sprintf("exec_%d", i/10%100)), Project: fmt.Sprintf("/home/ann/%d", i%7), Turn: int64(i / 10), Priced: true, Cost: usageapi.Money(i)}
				c.Entry = usageapi.Entry{
					Key: fmt.Sprint(i), Model: fmt.Sprintf("model-%d", i%5), At: noon.Add(time.Duration(i) * time.Minute),
					Tokens: usageapi.Tokens{Input: int64(i), Output: 1},
				}
				if err := tx.PutCall(c); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	must(b, s.load(b.Context()))
	for _, by := range []string{"agent", "model", "day", "project", "turn"} {
		b.Run(by, func(b *testing.B) {
			for b.Loop() {
				s.ask(b, operator, `{"by":"`+by+`"}`)
			}
		})
	}
	b.Run("day of a project in a week", func(b *testing.B) {
		for b.Loop() {
			s.ask(b, operator, `{"by":"day","project":"/home/ann/3","since":"2026-12-01","until":"2026-12-08"}`)
		}
	})
}
