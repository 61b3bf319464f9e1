package boardfile

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
)

// Databases opens the boards of another Orchestron's database for reading.
type Databases func(ctx context.Context, path string) (Source, io.Closer, error)

// lines calls a function with each line and its number, and stops at the first error. It can be called again.
type lines func(func(number int, line boardapi.Line) error) error

// Stage reads everything twice: once to see that it is proper and which numbers it has, which nobody else is given from
// then on; and once to stage it. What it has staged when it fails is still there.
func (im *Import) Stage(ctx context.Context, databases Databases) error {
	each, closer, err := im.open(ctx, databases)
	if err != nil {
		return err
	}
	defer closer.Close()
	if err := im.prepare(ctx, each); err != nil {
		return err
	}
	err = each(func(number int, l boardapi.Line) error { return im.read(ctx, number, l) })
	if err = cmp.Or(im.failed, err); err == nil {
		err = im.flush(ctx)
	}
	if err == nil {
		err = im.related()
	}
	if err != nil {
		return err
	}
	return im.finish(ctx)
}

// open opens what is to be imported, by what it is and not by what it is called.
func (im *Import) open(ctx context.Context, databases Databases) (lines, io.Closer, error) {
	path := im.in.Path
	if !filepath.IsAbs(path) {
		return nil, nil, orchestron.Errorf(orchestron.Invalid, "%q is not an absolute path", orchestron.Quotable(path)).Try("give the whole path")
	}
	f, err := os.Open(path)
	if err == nil {
		if info, serr := f.Stat(); serr != nil || !info.Mode().IsRegular() {
			err = errors.Join(f.Close(), errors.New("it is no file"))
		}
	}
	if err != nil {
		return nil, nil, orchestron.Errorf(orchestron.Invalid, "%q cannot be imported: %w", orchestron.Quotable(path), err).Try("name a file that Orchestron may read")
	}
	var head [16]byte
	if _, err := io.ReadFull(f, head[:]); err == nil && string(head[:]) == "SQLite format 3\x00" {
		if err := f.Close(); err != nil {
			return nil, nil, err
		}
		from, closer, err := databases(ctx, path)
		if err != nil {
			return nil, nil, err
		}
		return func(each func(int, boardapi.Line) error) error { return EachLine(ctx, from, each) }, closer, nil
	}
	im.inFile = true
	return func(each func(int, boardapi.Line) error) error {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return boardapi.ReadLines(bufio.NewReaderSize(f, 64<<10), each)
	}, f, nil
}

// prepare sees that a source is proper as far as that can be told without the boards, and reserves its numbers: what is
// refused for itself uses up none.
func (im *Import) prepare(ctx context.Context, each lines) error {
	draft := New(im.in, im.by, im.now, nil)
	draft.tx, draft.inFile = paper{}, im.inFile
	err := each(func(number int, l boardapi.Line) error {
		if number == 1 && l.Board != Format {
			return orchestron.Errorf(orchestron.Invalid, "this is no export of a board in format %d", Format).Try("make one with orchestron export")
		}
		if draft.number = number; number > 1 {
			if err := draft.line(l); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	if err == nil {
		err = draft.related()
	}
	if err != nil {
		return err
	}
	return im.write(ctx, func() error {
		for _, sp := range draft.sprints {
			if err := missing(im.tx, sp.Sprint); err != nil {
				return im.at(sp.number, err)
			}
		}
		for stem, upTo := range draft.reserved {
			if err := im.reserve(stem, upTo); err != nil {
				return err
			}
		}
		return nil
	})
}

// paper is a change of boards that have nothing in the way of anything: lines are tried on it.
type paper struct{ Tx }

func (paper) NextOrdinal(string) (int, error)                  { return 1, nil }
func (paper) RaiseOrdinal(string, int) (int, error)            { return 1 << 40, nil } // every number is below that
func (paper) AddTask(orchestron.Task) error                    { return nil }
func (paper) AddNote(orchestron.Note) error                    { return nil }
func (paper) AddChange(*orchestron.Change) error               { return nil }
func (paper) Sprint(string, string) (orchestron.Sprint, error) { return orchestron.Sprint{}, nil }

// read takes a line, and stages what was read when that is enough.
func (im *Import) read(ctx context.Context, number int, l boardapi.Line) error {
	if number == 1 {
		return nil
	}
	im.lines = append(im.lines, numbered{number, l})
	if l.Context != nil {
		im.bytes += len(l.Context.Context)
	}
	if len(im.lines) < atOnce && im.bytes < bytesAtOnce {
		return nil
	}
	im.failed = im.flush(ctx)
	return im.failed
}

// flush stages what was read.
func (im *Import) flush(ctx context.Context) error {
	defer func() { im.lines, im.bytes = im.lines[:0], 0 }()
	return im.write(ctx, func() error {
		for _, l := range im.lines {
			im.number = l.number
			if err := im.line(l.Line); err != nil {
				return im.at(l.number, err)
			}
		}
		return nil
	})
}

// at names the line that an error belongs to.
func (im *Import) at(number int, err error) error {
	if !im.inFile {
		return err
	}
	return boardapi.AtLine(number, err)
}

// finish ties the tasks together, and says in the history what became of those that agents had.
func (im *Import) finish(ctx context.Context) error {
	tied := im.links
	for number, k := range im.tasks {
		if len(k.children) > 0 && !k.linked {
			tied = append(tied, boardapi.Link{Was: orchestron.TaskIDOf(number), ID: orchestron.TaskIDOf(k.here)})
		}
	}
	if err := inParts(ctx, im, tied, im.tie); err != nil {
		return err
	}
	return inParts(ctx, im, im.left, func(c orchestron.Change) error { return im.tx.AddChange(&c) })
}

// inParts stages something for each of many, some at a time.
func inParts[T any](ctx context.Context, im *Import, all []T, do func(T) error) error {
	for some := range slices.Chunk(all, atOnce) {
		err := im.write(ctx, func() error {
			for _, one := range some {
				if err := do(one); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
