package bin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
)

const (
	maxHead = 64 << 10
	maxTail = 64 << 10 // how much of a transcript's end is looked at
)

// Head returns the beginning of a regular file.
func Head(path string) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxHead))
	return data, errors.Join(err, f.Close())
}

// Tail returns the last whole lines of a file, however long the file is.
func Tail(path string) ([][]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	from := max(0, size-maxTail)
	data := make([]byte, size-from)
	n, err := f.ReadAt(data, from)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	lines := bytes.Split(data[:n], []byte("\n"))
	if from > 0 {
		lines = lines[1:] // its beginning is cut off
	}
	return lines, nil
}

// Open opens a regular file. Agents can put anything in its place, and opening a pipe would wait for ever.
func Open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	return os.Open(path)
}

// Recorded reports whether a conversation's file holds something near its beginning: that there is one to resume.
func Recorded(path, mark string) bool {
	if path == "" {
		return false
	}
	data, err := Head(path)
	return err == nil && bytes.Contains(data, []byte(mark))
}

var globbing = regexp.MustCompile(`[*?\[\\]`)

// EscapeGlob returns a pattern that matches a path alone.
func EscapeGlob(path string) string { return globbing.ReplaceAllString(path, `\$0`) }
