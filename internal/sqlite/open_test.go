package sqlite

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/orchestron/orchestron"
)

// filled makes a closed database with more than one page of everything, and returns its path.
func filled(t *testing.T) string {
	t.Helper()
	db := openTemp(t)
	putAgents(t, db, "exec_1")
	mustWrite(t, db, func(tx *Tx) error {
		for range 2000 {
			if err := tx.AddEvent(&orchestron.Event{Type: "filler", Actor: strings.Repeat("x", 100)}); err != nil {
				return err
			}
		}
		return nil
	})
	closeDB(t, db)
	return db.path
}

func overwrite(t *testing.T, path string, at int64, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt([]byte(text), at); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedFileIsRefused(t *testing.T) {
	for name, at := range map[string]int64{"the first page": 0, "the middle": 120_000} {
		t.Run(name, func(t *testing.T) {
			path := filled(t)
			overwrite(t, path, at, strings.Repeat("garbage ", 4096))
			if err := os.WriteFile(path+".lock", []byte("4711\n"), 0o600); err != nil { // as after a kill
				t.Fatal(err)
			}
			for range 2 { // looking at it must not make it look clean
				_, err := Open(context.Background(), path, quiet())
				wantKind(t, err, orchestron.Unavailable, "damaged", path, "copy")
			}
		})
	}
}

func TestDamageIsNamedWhenMet(t *testing.T) {
	path := filled(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, info.Size()*3/4, strings.Repeat("garbage ", 4096))
	db := openAt(t, path) // the events are last, and nothing looks at every page after a clean stop
	_, err = db.Events(t.Context(), 0, 10_000)
	wantKind(t, err, orchestron.Unavailable, "damaged", path)
}

// newest is the version of the migrations.
func newest(t *testing.T) int {
	t.Helper()
	all, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(filepath.Base(all[len(all)-1])[:5]) // there may be gaps
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// stepsWith returns the migrations and one more.
func stepsWith(t *testing.T, more string) fs.FS {
	t.Helper()
	dir := t.TempDir()
	all, err := fs.Sub(migrations, "migrations")
	if err == nil {
		err = os.CopyFS(dir, all)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d_more.sql", newest(t)+1)), []byte("-- +goose Up\n"+more), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return os.DirFS(dir)
}

func TestMigrationCopiesFirst(t *testing.T) {
	path := filled(t)
	db, err := open(t.Context(), path, quiet(), stepsWith(t, `ALTER TABLE events ADD COLUMN extra TEXT;`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), db, ScanInt, `SELECT count(extra) FROM events`); err != nil {
		t.Errorf("the migration did not run: %v", err)
	}
	closeDB(t, db)

	info, err := os.Stat(fmt.Sprintf("%s.v%d", path, newest(t)))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the copy: %v, %v; want a file of mode 600", info, err)
	}
	db = openAt(t, fmt.Sprintf("%s.v%d", path, newest(t))) // of the old version, and whole
	if got, err := db.LastEvent(t.Context()); got != 2000 || err != nil {
		t.Errorf("the copy's last event is %d, %v; want 2000", got, err)
	}

	_, err = Open(t.Context(), path, quiet())
	wantKind(t, err, orchestron.Conflict, fmt.Sprintf("version %d", newest(t)+1), fmt.Sprintf("knows only %d", newest(t)), path)
	if db, err = open(t.Context(), path, quiet(), stepsWith(t, "")); err != nil {
		t.Errorf("after it was refused: %v", err)
	} else {
		closeDB(t, db)
	}
}

func TestFailedMigrationChangesNothing(t *testing.T) {
	path := filled(t)
	_, err := open(t.Context(), path, quiet(), stepsWith(t, "ALTER TABLE events ADD COLUMN extra TEXT;\nALTER TABLE nothing ADD COLUMN x;"))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("from version %d to %d", newest(t), newest(t)+1)) {
		t.Errorf("Open = %v, want an error that names the versions", err)
	}
	db := openAt(t, path)
	if got, err := db.LastEvent(t.Context()); got != 2000 || err != nil {
		t.Errorf("the last event is %d, %v; want 2000", got, err)
	}
	if _, err := Read(t.Context(), db, ScanInt, `SELECT count(extra) FROM events`); err == nil {
		t.Error("half of the migration stands")
	}
}

func TestFreshDatabaseHasNoCopy(t *testing.T) {
	db := openTemp(t)
	found, err := filepath.Glob(db.path + ".v*")
	if err != nil || len(found) != 0 {
		t.Errorf("beside a fresh database there is %v, %v", found, err)
	}
}

func TestDirectoryThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(file, "orchestron.db")
	if _, err := Open(t.Context(), path, quiet()); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("Open = %v, want an error that names %s", err, file)
	}
}
