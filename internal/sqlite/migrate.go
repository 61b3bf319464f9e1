package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"

	"github.com/orchestron/orchestron"
)

// migrate brings the tables up to date. What was there before is copied first.
func (db *DB) migrate(ctx context.Context, steps fs.FS, fresh bool) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, db.write, steps,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(db.log))
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	has, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("reading the version of %s: %w", db.path, err)
	}
	sources := p.ListSources()
	knows := sources[len(sources)-1].Version
	switch {
	case has == knows:
		return nil
	case has > knows:
		return orchestron.Errorf(orchestron.Conflict, "the database %s has version %d, and this Orchestron knows only %d",
			db.path, has, knows).Try("run the newer Orchestron that made it, or put back the copy %s", db.copyName(knows))
	}
	if !fresh {
		if err := db.copy(ctx, db.copyName(has)); err != nil {
			return fmt.Errorf("copying the database before changing it: %w", err)
		}
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bringing %s from version %d to %d: %w", db.path, has, knows, err)
	}
	return nil
}

func (db *DB) copyName(version int64) string { return fmt.Sprintf("%s.v%d", db.path, version) }

// copy writes a copy of the database to a file, all or nothing.
func (db *DB) copy(ctx context.Context, path string) error {
	part := path + ".part"
	file, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600) // SQLite would let everybody read it
	if err != nil {
		return err
	}
	_, err = db.write.ExecContext(ctx, "VACUUM INTO ?", part)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
