// Package watch tells whose files changed.
package watch

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/fsnotify/fsnotify"
)

// Watcher watches files and directories for owners of type K. It is safe for concurrent use.
type Watcher[K comparable] struct {
	wishes chan wish[K]
}

type wish[K comparable] struct {
	owner K
	paths []string
}

// New makes a watcher that does not run yet.
func New[K comparable]() *Watcher[K] { return &Watcher[K]{wishes: make(chan wish[K], 64)} }

// Set says which paths are an owner's, instead of those before. A path that does not exist is not watched: say it again
// when it may. Set waits while the watcher is busy, until ctx ends.
func (w *Watcher[K]) Set(ctx context.Context, owner K, paths []string) {
	select {
	case w.wishes <- wish[K]{owner, paths}:
	case <-ctx.Done():
	}
}

// Run calls changed with the owner of each path that was written to, or in which something was, until ctx ends. It
// calls lost when the system dropped events, which may be of any owner.
func (w *Watcher[K]) Run(ctx context.Context, changed func(K), lost func(error)) error {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching files: %w", err)
	}
	defer notify.Close()
	owners := map[string]K{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case wish := <-w.wishes:
			wish.fulfil(notify, owners)
		case e := <-notify.Events:
			owner, ok := owners[e.Name]
			if !ok {
				owner, ok = owners[filepath.Dir(e.Name)]
			}
			if ok && !e.Has(fsnotify.Remove) && !e.Has(fsnotify.Chmod) {
				changed(owner)
			}
		case err := <-notify.Errors:
			lost(err)
		}
	}
}

func (w wish[K]) fulfil(notify *fsnotify.Watcher, owners map[string]K) {
	for path, owner := range owners {
		if owner == w.owner && !slices.Contains(w.paths, path) {
			_ = notify.Remove(path) // it may be gone
			delete(owners, path)
		}
	}
	for _, path := range w.paths {
		if owner, ok := owners[path]; ok && owner == w.owner {
			continue
		}
		if err := notify.Add(path); err == nil {
			owners[path] = w.owner
		}
	}
}
