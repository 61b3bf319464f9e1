package sqlite

import (
	"errors"

	driver "modernc.org/sqlite"

	"github.com/orchestron/orchestron"
)

// SQLite's result codes that mean something to us. An extended code carries its primary one in the low byte.
const (
	codeBusy     = 5
	codeNoMemory = 7
	codeIO       = 10
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeConflict = 19
	codeNotADB   = 26

	codeFsync       = codeIO | 4<<8
	codeDirFsync    = codeIO | 5<<8
	codeShmSize     = codeIO | 19<<8 // the shared index could not grow
	codeForeignKey  = codeConflict | 3<<8
	codeNotNull     = codeConflict | 5<<8
	codePrimaryKey  = codeConflict | 6<<8
	codeUnique      = codeConflict | 8<<8
	primaryCodeMask = 0xff
)

// codeOf returns SQLite's extended result code of an error, or 0.
func codeOf(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// violates reports whether err is a constraint that refused one statement and harmed nothing else.
func violates(err error) bool { return codeOf(err)&primaryCodeMask == codeConflict }

// Exists reports whether a statement was refused because there is such a row already.
func Exists(err error) bool {
	code := codeOf(err)
	return code == codeUnique || code == codePrimaryKey
}

// Orphan reports whether a statement was refused because a row that it refers to is not there.
func Orphan(err error) bool { return codeOf(err) == codeForeignKey }

// Empty reports whether a statement was refused because it left a column without a value that must have one.
func Empty(err error) bool { return codeOf(err) == codeNotNull }

func full(err error) bool {
	code := codeOf(err)
	return code&primaryCodeMask == codeFull || code == codeShmSize
}

func unsynced(err error) bool {
	code := codeOf(err)
	return code == codeFsync || code == codeDirFsync
}

// explain turns trouble with the storage into words for whoever can help. Other errors stay as they are.
func (db *DB) explain(err error) error {
	switch primary := codeOf(err) & primaryCodeMask; {
	case unsynced(err):
		return errDead()
	case full(err):
		return orchestron.Errorf(orchestron.Unavailable, "storage is full: %w", err).
			Try("make room on the disk that holds %s", db.path)
	case primary == codeCorrupt, primary == codeNotADB:
		return db.damaged(err)
	case primary == codeBusy:
		return orchestron.Errorf(orchestron.Unavailable, "another program locks the database: %w", err).
			Try("close what else has %s open", db.path)
	case primary == codeIO, primary == codeCantOpen, primary == codeNoMemory:
		return orchestron.Errorf(orchestron.Unavailable, "the database cannot be read or written now: %w", err).
			Try("look at the disk that holds %s, and at how many files and how much memory processes may have", db.path)
	}
	return err
}

func (db *DB) damaged(cause error) error {
	return orchestron.Errorf(orchestron.Unavailable, "the database %s is damaged: %w", db.path, cause).
		Try("stop Orchestron, move the file and those beside it away, and put a copy back; without one, sqlite3's .recover saves what can be read")
}
