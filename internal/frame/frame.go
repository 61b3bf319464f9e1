// Package frame reads JSON-RPC messages, one a line, as far as it takes to route them, and refuses what parsers could
// take in different ways.
package frame

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

const (
	// Max is how many bytes one message may have.
	Max = 4 << 20

	maxDepth = 120 // nesting of one message; operations allow 100 in their arguments
)

// Frame is what must be known of a message to route it. The slices are parts of the message.
type Frame struct {
	ID     []byte // raw, nil when absent
	Method []byte // without its quotes, nil when absent
	Params []byte // raw, nil when absent
	Reply  bool   // it has a result or an error
}

// ErrNotJSON says that a message is no JSON object, or a broken one.
var ErrNotJSON = errors.New("the message is not valid JSON")

// Peek reads only as much of a message as tells its kind, and trusts the rest. An error means that it is no JSON
// object, or broken before that.
func Peek(line []byte) (Frame, error) {
	var f Frame
	s := scanner{data: line}
	err := s.object(func(key, value []byte) (bool, error) {
		switch string(key) {
		case "id":
			f.ID = value
			f.Reply = bytes.HasPrefix(line[s.pos:], []byte(`,"result":`)) // as the daemon writes it; it may be long
		case "method":
			f.Method = unquote(value)
		case "result", "error":
			f.Reply = true
		}
		return f.ID == nil || f.Method == nil && !f.Reply, nil
	})
	return f, err
}

// Inspect reads a whole message that comes from outside and refuses what parsers could take in different ways: text
// that is not UTF-8, a key that is there twice or in two spellings, a batch, a message nested too deep.
func Inspect(data []byte) (Frame, error) {
	var f Frame
	if !utf8.Valid(data) {
		return f, errors.New("the message is not valid UTF-8")
	}
	if rest := bytes.TrimLeft(data, " \t\r\n"); len(rest) > 0 && rest[0] == '[' {
		return f, errors.New("batches are not supported: send one message at a time")
	}
	s := scanner{data: data}
	version := false
	err := s.members(func(key string, value []byte) error {
		switch key {
		case "jsonrpc":
			version = string(value) == `"2.0"`
		case "id":
			f.ID = value
		case "method":
			if f.Method = unquote(value); f.Method == nil {
				return errors.New("the method is not a plain string")
			}
		case "params":
			f.Params = value
		case "result", "error":
			f.Reply = true
		}
		return nil
	})
	if err != nil {
		return f, err
	}
	if s.space(); s.pos != len(data) {
		return f, ErrNotJSON
	}
	if !version {
		return f, errors.New(`the message lacks "jsonrpc":"2.0"`)
	}
	return f, inspectParams(f.Params)
}

// inspectParams checks the keys of the parameters and of their _meta. What is below belongs to the operation.
func inspectParams(params []byte) error {
	if len(params) == 0 || params[0] != '{' {
		return nil
	}
	s := scanner{data: params}
	return s.members(func(key string, value []byte) error {
		if key != "_meta" || value[0] != '{' {
			return nil
		}
		meta := scanner{data: value}
		return meta.members(func(string, []byte) error { return nil })
	})
}

// Text returns the string at a key of a JSON object, and "" when there is none.
func Text(object []byte, key string) string {
	var found string
	s := scanner{data: object}
	_ = s.object(func(k, value []byte) (bool, error) {
		if string(k) != key {
			return true, nil
		}
		return false, json.Unmarshal(value, &found)
	})
	return found
}

// unquote returns what is between the quotes of a string without escapes, and nil for anything else.
func unquote(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' || bytes.IndexByte(value, '\\') >= 0 {
		return nil
	}
	return value[1 : len(value)-1]
}

// scanner finds its way through JSON by strings and brackets. It accepts everything that is valid and some things
// that are not; whoever decodes a part checks that part.
type scanner struct {
	data []byte
	pos  int
}

// members calls visit for each member of an object and refuses keys that are equal but for their case, and keys
// with control characters.
func (s *scanner) members(visit func(key string, value []byte) error) error {
	var seen [8][]byte
	keys := seen[:0]
	return s.object(func(raw, value []byte) (bool, error) {
		key := raw
		if bytes.IndexByte(raw, '\\') >= 0 {
			var decoded string
			if json.Unmarshal(fmt.Appendf(nil, `"%s"`, raw), &decoded) != nil {
				return false, ErrNotJSON
			}
			key = []byte(decoded)
		}
		for _, c := range key {
			if c < ' ' {
				return false, fmt.Errorf("the key %q has a control character", key)
			}
		}
		for _, k := range keys {
			if bytes.EqualFold(k, key) {
				return false, fmt.Errorf("the key %q is there twice", key)
			}
		}
		keys = append(keys, key)
		return true, visit(string(key), value)
	})
}

// object calls visit for each member of the object at the scanner, until visit wants no more.
func (s *scanner) object(visit func(key, value []byte) (more bool, err error)) error {
	if s.space(); !s.take('{') {
		return ErrNotJSON
	}
	if s.space(); s.take('}') {
		return nil
	}
	for {
		s.space()
		key, ok := s.str()
		if !ok {
			return ErrNotJSON
		}
		if s.space(); !s.take(':') {
			return ErrNotJSON
		}
		value, err := s.value()
		if err != nil {
			return err
		}
		if more, err := visit(key[1:len(key)-1], value); err != nil || !more {
			return err
		}
		s.space()
		if s.take('}') {
			return nil
		}
		if !s.take(',') {
			return ErrNotJSON
		}
	}
}

// value steps over one value and returns it.
func (s *scanner) value() ([]byte, error) {
	s.space()
	start := s.pos
	depth := 0
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case '"':
			if _, ok := s.str(); !ok {
				return nil, ErrNotJSON
			}
			if depth == 0 {
				return s.data[start:s.pos], nil
			}
			continue
		case '{', '[':
			if depth++; depth > maxDepth {
				return nil, fmt.Errorf("the message is nested more than %d deep", maxDepth)
			}
		case '}', ']', ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return s.scalar(start)
			}
			if c == '}' || c == ']' {
				if depth--; depth == 0 {
					s.pos++
					return s.data[start:s.pos], nil
				}
			}
		}
		s.pos++
	}
	return nil, ErrNotJSON
}

// scalar returns the number or word that ends at the scanner.
func (s *scanner) scalar(start int) ([]byte, error) {
	if s.pos == start {
		return nil, ErrNotJSON
	}
	return s.data[start:s.pos], nil
}

// str steps over a string and returns it with its quotes.
func (s *scanner) str() ([]byte, bool) {
	start := s.pos
	if !s.take('"') {
		return nil, false
	}
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case '"':
			s.pos++
			return s.data[start:s.pos], true
		case '\\':
			s.pos++
		}
		s.pos++
	}
	return nil, false
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) take(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}
