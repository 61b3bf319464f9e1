package sqlite

import (
	"errors"
	"io/fs"
	"os"
)

// ballastSize is how much space is kept for the time when the disk is full: enough to note how everything ended.
const ballastSize = 8 << 20

func (db *DB) ballast() string { return db.path + ".ballast" }

// fillBallast takes the space of the ballast unless we have it. Without it we live less comfortably.
func (db *DB) fillBallast() {
	if info, err := os.Stat(db.ballast()); err == nil && info.Size() == ballastSize {
		return
	}
	file, err := os.OpenFile(db.ballast(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		err = errors.Join(reserve(file, ballastSize), file.Close())
	}
	if err != nil {
		_ = os.Remove(db.ballast())
		db.log.Warn("no space is set aside for when the disk is full", "path", db.ballast(), "err", err)
	}
}

// dropBallast gives the space of the ballast back.
func (db *DB) dropBallast() {
	switch err := os.Remove(db.ballast()); {
	case err == nil:
		db.log.Error("storage is full; the space set aside is given back", "bytes", ballastSize, "path", db.path)
	case !errors.Is(err, fs.ErrNotExist):
		db.log.Error("storage is full, and the space set aside cannot be given back", "path", db.path, "err", err)
	}
}

// fill writes zeros, where the system cannot reserve space.
func fill(file *os.File, size int64) error {
	_, err := file.Write(make([]byte, size))
	return err
}
