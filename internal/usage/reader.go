package usage

import (
	"bufio"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"syscall"

	"github.com/orchestron/orchestron/internal/usageapi"
)

const (
	longestLine = 64 << 20 // bytes; a longer line is skipped
	headSize    = 1 << 10  // how much of a file's beginning tells whether it is the same file
	batchBytes  = 32 << 20 // that are read before what was found is stored
	batchCalls  = 256      // likewise; a change that stores them is short
	bufferSize  = 256 << 10
)

// batch is what was read of one file at once.
type batch struct {
	cursor usageapi.Cursor // behind it
	calls  []usageapi.Entry
	more   bool // there is more to read now
	at     int  // which of an agent's transcripts it is
}

// read reads a transcript from a cursor on, and stops behind a whole line. A file that is not the one that the cursor
// was in, or has become shorter, is read from its start. A file that does not exist has nothing in it.
func read(c usageapi.Cursor, parse usageapi.Parser) (batch, error) {
	// Agents can put anything in the place of a transcript: opening a pipe must not wait.
	f, err := os.OpenFile(c.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return batch{cursor: c}, nil
	}
	if err != nil {
		return batch{cursor: c}, err
	}
	defer f.Close()
	b, err := readFrom(f, c, parse)
	if err != nil {
		return batch{cursor: c}, fmt.Errorf("reading %s: %w", c.Path, err)
	}
	return b, nil
}

func readFrom(f *os.File, c usageapi.Cursor, parse usageapi.Parser) (batch, error) {
	info, err := f.Stat()
	if err != nil {
		return batch{}, err
	}
	if !info.Mode().IsRegular() {
		return batch{cursor: c}, nil
	}
	same, err := unchanged(f, info, c)
	if err != nil {
		return batch{}, err
	}
	if !same {
		c = usageapi.Cursor{File: c.File, Agent: c.Agent, Path: c.Path, Skipped: c.Skipped}
	}
	c.Identity = identity(info)
	if info.Size() == c.Offset {
		return batch{cursor: c}, nil
	}
	if _, err := f.Seek(c.Offset, io.SeekStart); err != nil {
		return batch{}, err
	}
	s := scan{parse: parse, in: bufio.NewReaderSize(f, bufferSize), batch: batch{cursor: c}}
	if err := s.run(); err != nil {
		return batch{}, err
	}
	s.cursor.Head, err = head(f, s.cursor.Offset)
	return s.batch, err
}

// unchanged reports whether a file goes on from where a cursor is.
func unchanged(f *os.File, info os.FileInfo, c usageapi.Cursor) (bool, error) {
	if c.Offset == 0 {
		return true, nil
	}
	if c.Identity != identity(info) || info.Size() < c.Offset {
		return false, nil
	}
	if info.Size() == c.Offset {
		return true, nil
	}
	sum, err := head(f, c.Offset) // numbers of files are used again
	return sum == c.Head, err
}

// head is a sum over the beginning and the end of what was read of a file: programs take lines out of the middle.
func head(f io.ReaderAt, offset int64) (int64, error) {
	data := make([]byte, min(offset, headSize))
	sum := fnv.New64a()
	for _, at := range []int64{0, offset - int64(len(data))} {
		if _, err := f.ReadAt(data, at); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		_, _ = sum.Write(data) // never fails
	}
	return int64(sum.Sum64()), nil
}

// identity names a file for as long as it exists.
func identity(info os.FileInfo) string {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d", s.Dev, s.Ino)
	}
	return ""
}

// scan is a read under way.
type scan struct {
	batch
	parse usageapi.Parser
	in    *bufio.Reader
	read  int64 // bytes of whole lines
}

func (s *scan) run() error {
	for s.read < batchBytes && len(s.calls) < batchCalls {
		data, size, err := s.line()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		s.cursor.Offset += size
		s.read += size
		if data == nil { // too long
			s.cursor.Skipped++
			continue
		}
		s.take(data)
	}
	s.more = true
	return nil
}

// take notes what a line says.
func (s *scan) take(data []byte) {
	said, err := s.parse(data, s.cursor.State)
	if err != nil {
		s.cursor.Skipped++
		return
	}
	s.cursor.State = said.State
	if said.Called {
		s.calls = append(s.calls, said.Entry)
	}
}

// line returns the next whole line with the bytes that it takes, and EOF when there is none. Of a line that is too long
// it returns nil: also a part of one, which the cursor notes, so that it is not read twice.
func (s *scan) line() (data []byte, size int64, err error) {
	for {
		part, err := s.in.ReadSlice('\n')
		size += int64(len(part))
		whole := err == nil
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return nil, 0, err
		}
		s.cursor.Skipping = s.cursor.Skipping || size > longestLine
		switch {
		case s.cursor.Skipping:
			data = nil
		case whole && data == nil:
			data = part // most lines; good until the next is read
		default:
			data = append(data, part...)
		}
		switch {
		case whole && s.cursor.Skipping:
			s.cursor.Skipping = false
			return nil, size, nil
		case whole:
			return data, size, nil
		case errors.Is(err, io.EOF):
			if s.cursor.Skipping {
				s.cursor.Offset += size
			}
			return nil, 0, io.EOF
		}
	}
}
