package agent

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// key is one thing a terminal said: a key by its name (enter, ctrl+x, up …), typed text, or a paste.
type key struct {
	name string // "text" and "paste" carry text
	text string
}

// decoder turns the bytes of a terminal into keys. Sequences may arrive in pieces.
type decoder struct {
	rest    []byte
	pasting bool
	pasted  []byte
}

var (
	pasteStart = []byte("\x1b[200~")
	pasteEnd   = []byte("\x1b[201~")
)

// feed decodes data. It reports whether an escape sequence may be unfinished; flush says that no more will come.
func (d *decoder) feed(data []byte) (keys []key, unfinished bool) {
	d.rest = append(d.rest, data...)
	for len(d.rest) > 0 {
		k, n := d.next()
		if n == 0 {
			return keys, d.rest[0] == 0x1b && !d.pasting
		}
		d.rest = d.rest[n:]
		if k.name == "text" && len(keys) > 0 && keys[len(keys)-1].name == "text" {
			keys[len(keys)-1].text += k.text
		} else if k.name != "" {
			keys = append(keys, k)
		}
	}
	d.rest = nil // gives a big paste's memory back
	return keys, false
}

// flush decodes an escape character that turned out to be the key of that name.
func (d *decoder) flush() []key {
	if d.pasting || len(d.rest) == 0 || d.rest[0] != 0x1b {
		return nil
	}
	d.rest = d.rest[1:]
	keys, _ := d.feed(nil)
	return append([]key{{name: "escape"}}, keys...)
}

// next decodes the first key of rest; 0 means that more bytes are needed.
func (d *decoder) next() (key, int) {
	if d.pasting {
		return d.nextPasted()
	}
	b := d.rest[0]
	switch {
	case b == 0x1b:
		return d.escape()
	case b == '\r':
		return key{name: "enter"}, 1
	case b == '\n':
		return key{name: "text", text: "\n"}, 1 // ctrl+j
	case b == '\t':
		return key{name: "tab"}, 1
	case b == 0x7f || b == 0x08:
		return key{name: "backspace"}, 1
	case b == 0:
		return key{name: "ctrl+space"}, 1
	case b < 0x1b:
		return key{name: "ctrl+" + string('a'+rune(b)-1)}, 1
	case b < 0x20:
		return key{name: "ctrl+" + string(`\]^_`[b-0x1c])}, 1
	}
	if !utf8.FullRune(d.rest) {
		return key{}, 0
	}
	r, n := utf8.DecodeRune(d.rest)
	if r == utf8.RuneError && n == 1 {
		return key{}, 1
	}
	return key{name: "text", text: string(d.rest[:n])}, n
}

func (d *decoder) nextPasted() (key, int) {
	if i := bytes.Index(d.rest, pasteEnd); i >= 0 {
		text := string(append(d.pasted, d.rest[:i]...))
		d.pasting, d.pasted = false, nil
		return key{name: "paste", text: text}, i + len(pasteEnd)
	}
	keep := min(len(pasteEnd)-1, len(d.rest)) // the end may be split
	n := len(d.rest) - keep
	d.pasted = append(d.pasted, d.rest[:n]...)
	return key{}, n
}

func (d *decoder) escape() (key, int) {
	if bytes.HasPrefix(d.rest, pasteStart) {
		d.pasting = true
		return key{}, len(pasteStart)
	}
	if len(d.rest) < 2 {
		return key{}, 0
	}
	switch d.rest[1] {
	case '[', 'O':
		return d.csi()
	case '\r':
		return key{name: "text", text: "\n"}, 2 // meta+enter
	case 0x1b:
		return key{name: "escape"}, 1
	}
	return key{name: "meta+" + strings.ToLower(string(rune(d.rest[1])))}, 2
}

// csi decodes a control sequence; those without a meaning here become keys without a name.
func (d *decoder) csi() (key, int) {
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
		return key{name: name}, i + 1
	}
	return key{}, 0
}
