package boardapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/orchestron/orchestron"
)

const longestLine = 4 << 20 // bytes

// ReadLines reads an export and calls each with every line and its number, from 1. It stops at the first error, which
// names the line.
func ReadLines(r io.Reader, each func(number int, line Line) error) error {
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, longestLine)
	number := 0
	for scan.Scan() {
		number++
		text := bytes.TrimSpace(scan.Bytes())
		if len(text) == 0 && number > 1 {
			continue
		}
		var line Line
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		err := d.Decode(&line)
		if err == nil {
			if _, rest := d.Token(); !errors.Is(rest, io.EOF) {
				err = errors.New("there is something behind the object")
			}
		}
		if err == nil && !utf8.Valid(text) {
			err = errors.New("it is not UTF-8")
		}
		if err == nil {
			err = each(number, line)
		}
		if err != nil {
			return AtLine(number, err)
		}
	}
	if err := scan.Err(); err != nil {
		return AtLine(number+1, err)
	}
	if number == 0 {
		return AtLine(1, errors.New("the file is empty"))
	}
	return nil
}

// AtLine is an error that a line of a file led to.
func AtLine(number int, err error) error {
	var e *orchestron.Error
	if !errors.As(err, &e) {
		return orchestron.Errorf(orchestron.Invalid, "line %d: %w; nothing was imported", number, err)
	}
	return orchestron.Errorf(e.Kind, "line %d: %s; nothing was imported", number, e.Message).Try("%s", e.Remedy)
}
