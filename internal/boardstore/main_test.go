package boardstore

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/orchestron/orchestron/internal/sqlite"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 123456789, time.UTC)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openTemp opens a database that is closed when the test ends.
func openTemp(t testing.TB) Store {
	t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "orchestron.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return In(db)
}

func mustWrite(t testing.TB, db Store, do func(Tx) error) {
	t.Helper()
	if err := db.Write(context.Background(), do); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

func equal[T any](t testing.TB, what string, got, want T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func same[T any](t *rapid.T, what string, got, want T, err error) {
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
