package terminal

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Key is one thing a terminal said: a key by its name (enter, ctrl+x, up …), typed text, or a paste.
type Key struct {
	Name string // "text" and "paste" carry text
	Text string
}

// Decoder turns the bytes of a terminal into keys. Sequences may arrive in pieces.
type Decoder struct {
	rest    []byte
	pasting bool
	pasted  []byte
}

var (
	pasteStart = []byte("\x1b[200~")
	pasteEnd   = []byte("\x1b[201~")
)

// Feed decodes data. It reports whether an escape sequence may be unfinished; Flush says that no more will come.
func (d *Decoder) Feed(data []byte) (keys []Key, unfinished bool) {
	d.rest = append(d.rest, data...)
	for len(d.rest) > 0 {
		k, n := d.next()
		if n == 0 {
			return keys, d.rest[0] == 0x1b && !d.pasting
		}
		d.rest = d.rest[n:]
		if k.Name == "text" && len(keys) > 0 && keys[len(keys)-1].Name == "text" {
			keys[len(keys)-1].Text += k.Text
		} else if k.Name != "" {
			keys = append(keys, k)
		}
	}
	d.rest = nil // gives a big paste's memory back
	return keys, false
}

// Flush decodes an escape character that turned out to be the key of that name.
func (d *Decoder) Flush() []Key {
	if d.pasting || len(d.rest) == 0 || d.rest[0] != 0x1b {
		return nil
	}
	d.rest = d.rest[1:]
	keys, _ := d.Feed(nil)
	return append([]Key{{Name: "escape"}}, keys...)
}

// next decodes the first key of rest; 0 means that more bytes are needed.
func (d *Decoder) next() (Key, int) {
	if d.pasting {
		return d.nextPasted()
	}
	b := d.rest[0]
	switch {
	case b == 0x1b:
		return d.escape()
	case b == '\r':
		return Key{Name: "enter"}, 1
	case b == '\n':
		return Key{Name: "text", Text: "\n"}, 1 // ctrl+j
	case b == '\t':
		return Key{Name: "tab"}, 1
	case b == 0x7f || b == 0x08:
		return Key{Name: "backspace"}, 1
	case b == 0:
		return Key{Name: "ctrl+space"}, 1
	case b < 0x1b:
		return Key{Name: "ctrl+" + string('a'+rune(b)-1)}, 1
	case b < 0x20:
		return Key{Name: "ctrl+" + string(`\]^_`[b-0x1c])}, 1
	}
	if !utf8.FullRune(d.rest) {
		return Key{}, 0
	}
	r, n := utf8.DecodeRune(d.rest)
	if r == utf8.RuneError && n == 1 {
		return Key{}, 1
	}
	return Key{Name: "text", Text: string(d.rest[:n])}, n
}

func (d *Decoder) nextPasted() (Key, int) {
	if i := bytes.Index(d.rest, pasteEnd); i >= 0 {
		text := string(append(d.pasted, d.rest[:i]...))
		d.pasting, d.pasted = false, nil
		return Key{Name: "paste", Text: text}, i + len(pasteEnd)
	}
	keep := min(len(pasteEnd)-1, len(d.rest)) // the end may be split
	n := len(d.rest) - keep
	d.pasted = append(d.pasted, d.rest[:n]...)
	return Key{}, n
}

func (d *Decoder) escape() (Key, int) {
	if bytes.HasPrefix(d.rest, pasteStart) {
		d.pasting = true
		return Key{}, len(pasteStart)
	}
	if len(d.rest) < 2 {
		return Key{}, 0
	}
	switch d.rest[1] {
	case '[', 'O':
		return d.csi()
	case '\r':
		return Key{Name: "text", Text: "\n"}, 2 // meta+enter
	case 0x1b:
		return Key{Name: "escape"}, 1
	}
	return Key{Name: "meta+" + strings.ToLower(string(rune(d.rest[1])))}, 2
}

// csi decodes a control sequence; those without a meaning here become keys without a name.
func (d *Decoder) csi() (Key, int) {
	for i := 2; i < len(d.rest); i++ {
		if b := d.rest[i]; b < 0x40 || b > 0x7e {
			continue
		}
		name := ""
		switch string(d.rest[2 : i+1]) {
		case "A":
			name = "up"
		case "B":
			name = "down"
		case "Z":
			name = "shift+tab"
		}
		return Key{Name: name}, i + 1
	}
	return Key{}, 0
}
