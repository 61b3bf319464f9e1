package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
)

// smallDisk mounts a file system of a size.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("only root can mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
	return dir
}

// fillUp writes messages until the disk is full, and returns the ids of those that were acknowledged.
func fillUp(t *testing.T, db *DB, name string) (acked []string) {
	t.Helper()
	for i := range 2000 {
		id := fmt.Sprintf("%s_%d", name, i)
		err := db.Write(t.Context(), func(tx *Tx) error {
			m := orchestron.Message{ID: orchestron.MessageID(id), Agent: "exec_1", Text: strings.Repeat("x", 50_000)}
			return tx.AddMessage(&m)
		})
		if err != nil {
			wantKind(t, err, orchestron.Unavailable, "storage is full", "make room", db.path)
			return acked
		}
		acked = append(acked, id)
	}
	t.Fatal("the disk is never full")
	return nil
}

func wantMessages(t *testing.T, db *DB, ids []string) {
	t.Helper()
	for _, id := range ids {
		if _, err := db.Message(t.Context(), orchestron.MessageID(id)); err != nil {
			t.Errorf("an acknowledged message: %v", err)
		}
	}
}

func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, "8m") // too small for the ballast
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	db := openAt(t, filepath.Join(dir, "orchestron.db"))
	putAgents(t, db, "exec_1")
	acked := fillUp(t, db, "one")
	if len(acked) == 0 {
		t.Fatal("the disk was full from the beginning")
	}
	wantMessages(t, db, acked)
	closeDB(t, db)
	db = openAt(t, db.path) // although there is still no room
	wantMessages(t, db, acked)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	more := fillUp(t, db, "two")
	if len(more) == 0 {
		t.Error("nothing can be written although there is room again")
	}
	wantMessages(t, db, append(acked, more...))
	select {
	case <-db.Fatal():
		t.Error("a full disk is fatal")
	default:
	}
	closeDB(t, db)
	if err := os.WriteFile(db.path+".lock", []byte("1\n"), 0o600); err != nil { // look at every page
		t.Fatal(err)
	}
	db = openAt(t, db.path)
	wantMessages(t, db, append(acked, more...))
}

func TestBallastLetsTheLastWordsOut(t *testing.T) {
	dir := smallDisk(t, "24m")
	db := openAt(t, filepath.Join(dir, "orchestron.db"))
	putAgents(t, db, "exec_1")
	if info, err := os.Stat(db.ballast()); err != nil || info.Size() != ballastSize {
		t.Fatalf("the ballast: %v, %v", info, err)
	}
	acked := fillUp(t, db, "one")
	if _, err := os.Stat(db.ballast()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the ballast is still there: %v", err)
	}
	last := fillUp(t, db, "last words")
	if len(last) < 10 {
		t.Errorf("only %d more messages of 50 kB could be written with the space of the ballast", len(last))
	}
	wantMessages(t, db, append(acked, last...))
}
