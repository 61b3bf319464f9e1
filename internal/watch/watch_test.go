package watch

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestWatcher(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "state.json")
	write := func(path string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(time.Now().String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file)
	w := New[string]()
	told := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx, func(owner string) { told <- owner }, func(err error) { t.Error(err) }) }()
	// A change may come before the watch stands: it is made until it is told.
	until := func(want string, change func()) {
		t.Helper()
		deadline := time.After(20 * time.Second)
		for {
			change()
			select {
			case got := <-told:
				if got == want {
					return
				}
			case <-time.After(50 * time.Millisecond):
			case <-deadline:
				t.Fatalf("%s was not told of a change", want)
			}
		}
	}
	w.Set(ctx, "a", []string{dir, filepath.Join(dir, "missing", "x")})
	w.Set(ctx, "b", []string{file})
	until("a", func() { write(filepath.Join(dir, "new")) })
	until("b", func() { write(file) })
	w.Set(ctx, "a", nil)
	until("b", func() { write(filepath.Join(dir, "new")); write(file) })
	for len(told) > 0 {
		<-told
	}
	write(filepath.Join(dir, "new"))
	write(file)
	if got := <-told; got != "b" {
		t.Errorf("%s is told of a change, who is not watched for any more", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
