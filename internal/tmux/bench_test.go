package tmux

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orchestron/orchestron"
)

// times reports the median and the worst of what it is given, which an average hides.
type times struct {
	mu  sync.Mutex
	all []time.Duration
}

func (m *times) do(b *testing.B, f func() error) {
	begin := time.Now()
	if err := f(); err != nil {
		b.Error(err)
	}
	took := time.Since(begin)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, took)
}

func (m *times) report(b *testing.B) {
	slices.Sort(m.all)
	b.ReportMetric(float64(m.all[len(m.all)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(m.all[len(m.all)*99/100].Microseconds()), "p99-us")
}

func BenchmarkDisplay(b *testing.B) {
	s := start(b)
	var m times
	for b.Loop() {
		m.do(b, func() error {
			_, err := s.ask(b.Context(), "display-message -p x")
			return err
		})
	}
	m.report(b)
}

func BenchmarkNew(b *testing.B) {
	s := start(b)
	var m times
	for i := 1; b.Loop(); i++ {
		var p orchestron.Pane
		m.do(b, func() (err error) {
			p, err = s.New(b.Context(), spec(i, "sleep", "1000"))
			return err
		})
		b.StopTimer()
		if err := s.Kill(b.Context(), p); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	m.report(b)
}

// BenchmarkNew20 is the time until the last of 20 panes that are made at once is there.
func BenchmarkNew20(b *testing.B) {
	s := start(b)
	var m times
	for i := 0; b.Loop(); i += 20 {
		m.do(b, func() error { return makeMany(b, s, i, 20) })
		b.StopTimer()
		list, err := s.List(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for _, l := range list {
			if err := s.Kill(b.Context(), l.Pane); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
	}
	m.report(b)
}

func makeMany(b *testing.B, s *Server, from, n int) error {
	var g errgroup.Group
	for i := range n {
		g.Go(func() error {
			_, err := s.New(b.Context(), spec(from+i+1, "sleep", "1000"))
			return err
		})
	}
	return g.Wait()
}

func BenchmarkList(b *testing.B) {
	for _, n := range []int{50, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := start(b)
			if err := makeMany(b, s, 0, n); err != nil {
				b.Fatal(err)
			}
			var m times
			for b.Loop() {
				m.do(b, func() error {
					list, err := s.List(b.Context())
					if len(list) != n {
						return fmt.Errorf("List has %d panes, %w", len(list), err)
					}
					return err
				})
			}
			m.report(b)
		})
	}
}

func BenchmarkPaste(b *testing.B) {
	s := start(b)
	p := makePane(b, s, spec(1, "sh", "-c", "stty raw; exec cat > /dev/null"))
	var m times
	for b.Loop() {
		m.do(b, func() error { return s.Paste(b.Context(), p, "a short line for an agent") })
	}
	m.report(b)
}

func BenchmarkScreen(b *testing.B) {
	s := start(b)
	p := makePane(b, s, spec(1, "sh", "-c", "ls -l /usr/bin /usr/lib; exec sleep 1000"))
	var m times
	for b.Loop() {
		m.do(b, func() error {
			_, err := s.Screen(b.Context(), p, 0)
			return err
		})
	}
	m.report(b)
}
