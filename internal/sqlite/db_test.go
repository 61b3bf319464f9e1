package sqlite

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
)

// TestMain lets the tests that need a process of its own start this program again.
func TestMain(m *testing.M) {
	switch path := os.Getenv("ORCHESTRON_TEST_DB"); os.Getenv("ORCHESTRON_TEST_CHILD") {
	case "writer":
		writeUntilKilled(path)
	case "fsync":
		failFsync(path, "")
	case "fsync-wal":
		failFsync(path, "-wal")
	}
	goleak.VerifyTestMain(m)
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// openAt opens a database that is closed when the test ends.
func openAt(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(context.Background(), path, quiet())
	if err != nil {
		t.Fatalf("Open(%s): %v", path, err)
	}
	t.Cleanup(func() { closeDB(t, db) })
	return db
}

func openTemp(t testing.TB) *DB {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "orchestron.db"))
}

func closeDB(t testing.TB, db *DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func mustWrite(t testing.TB, db *DB, do func(*Tx) error) {
	t.Helper()
	if err := db.Write(context.Background(), do); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

func wantKind(t testing.TB, err error, kind orchestron.Kind, words ...string) {
	t.Helper()
	if err == nil || orchestron.KindOf(err) != kind {
		t.Errorf("error = %v, want one of kind %s", err, kind)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
}

func TestFilesBelongToTheirOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	path := filepath.Join(dir, "a b?c#d%20.db") // every character that a URI or the driver could take for its own
	db := openAt(t, path)
	mustWrite(t, db, func(tx *Tx) error { return tx.PutAgent(orchestron.Agent{ID: "exec_1"}) })
	found := map[string]bool{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimPrefix(entry.Name(), filepath.Base(path))] = true
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o, want 600", entry.Name(), info.Mode().Perm())
		}
	}
	for _, ending := range []string{"", "-wal", "-shm", ".lock", ".ballast"} {
		if !found[ending] {
			t.Errorf("there is no %q beside the database: %v", ending, found)
		}
	}
	if info, _ := os.Stat(dir); info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %o, want 700", info.Mode().Perm())
	}
}

func TestSettings(t *testing.T) {
	db := openTemp(t)
	for _, want := range []struct{ pragma, value string }{
		{"journal_mode", "wal"},
		{"synchronous", "2"},
		{"foreign_keys", "1"},
		{"busy_timeout", "5000"},
		{"journal_size_limit", "67108864"},
		{"mmap_size", "0"},
		{"query_only", "0"},
	} {
		mustWrite(t, db, func(tx *Tx) error {
			got, err := Collect(tx.Query, ScanText, "PRAGMA "+want.pragma)
			if err == nil && got[0] != want.value {
				t.Errorf("%s = %s, want %s", want.pragma, got[0], want.value)
			}
			return err
		})
	}
	if _, err := db.read.Exec("DELETE FROM agents"); err == nil {
		t.Error("a reader may write")
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	db := openTemp(t)
	_, err := Open(context.Background(), db.path, quiet())
	wantKind(t, err, orchestron.Conflict, "process ", db.path)
	closeDB(t, db)
	closeDB(t, openAt(t, db.path))
}

func TestClosedDatabase(t *testing.T) {
	db := openTemp(t)
	mustWrite(t, db, func(tx *Tx) error { return tx.PutAgent(orchestron.Agent{ID: "exec_1"}) })
	closeDB(t, db)
	wantKind(t, db.Write(context.Background(), func(*Tx) error { return nil }), orchestron.Unavailable, "closed")
	_, err := db.Agents(context.Background())
	wantKind(t, err, orchestron.Unavailable, "closed")
	if _, err := os.Stat(db.path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a log is left behind: %v", err)
	}
	agents, err := openAt(t, db.path).Agents(context.Background())
	if err != nil || len(agents) != 1 {
		t.Errorf("after opening again: %v, %v; want one agent", agents, err)
	}
}
