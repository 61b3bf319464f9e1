package frame

import (
	"bufio"
	"errors"
	"io"
)

// ErrTooLong is what Next returns, once, for a line over the limit. The line is skipped.
var ErrTooLong = errors.New("the line is too long")

// Lines reads newline-delimited messages.
type Lines struct {
	r   *bufio.Reader
	max int // bytes of a line; 0 means no limit
	buf []byte
}

// NewLines reads from r lines of at most limit bytes; 0 means no limit.
func NewLines(r io.Reader, limit int) *Lines {
	return &Lines{r: bufio.NewReaderSize(r, 64<<10), max: limit}
}

// Next returns a line with its newline; it is valid until the next call. A line that the stream ends in is no line.
// With ErrTooLong it returns how the line begins.
func (l *Lines) Next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if err == nil {
		return line, nil
	}
	if cap(l.buf) > 1<<20 {
		l.buf = nil // one large message does not cost its memory for ever
	}
	l.buf = l.buf[:0]
	long := false
	for errors.Is(err, bufio.ErrBufferFull) {
		if long = long || l.max > 0 && len(l.buf)+len(line) > l.max; !long {
			l.buf = append(l.buf, line...)
		}
		line, err = l.r.ReadSlice('\n')
	}
	if err != nil {
		return nil, err
	}
	if long || l.max > 0 && len(l.buf)+len(line) > l.max {
		return l.buf, ErrTooLong
	}
	l.buf = append(l.buf, line...)
	return l.buf, nil
}
