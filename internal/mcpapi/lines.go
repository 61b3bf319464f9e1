package mcpapi

import (
	"bufio"
	"errors"
	"io"
)

// errTooLong is what next returns, once, for a line over the limit. The line is skipped.
var errTooLong = errors.New("the line is too long")

// lines reads newline-delimited messages.
type lines struct {
	r   *bufio.Reader
	max int // bytes of a line; 0 means no limit
	buf []byte
}

func newLines(r io.Reader, limit int) *lines {
	return &lines{r: bufio.NewReaderSize(r, 64<<10), max: limit}
}

// next returns a line with its newline; it is valid until the next call. A line that the stream ends in is no line.
// With errTooLong it returns how the line begins.
func (l *lines) next() ([]byte, error) {
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
		return l.buf, errTooLong
	}
	l.buf = append(l.buf, line...)
	return l.buf, nil
}
