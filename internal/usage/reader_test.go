package usage

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/orchestron/orchestron/internal/claudefile"
	"github.com/orchestron/orchestron/internal/usageapi"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // never changed

// called is a line that tells of a call.
func called(id string, second int, input, output int64) string {
	return fmt.Sprintf(`{"type":"assistant","timestamp":%q,"sessionId":"s","requestId":"req_%s","message":{"id":"msg_%s","model":"claude-opus-5-5",`+
		`"usage":{"input_tokens":%d,"output_tokens":%d}}}`+"\n", noon.Add(time.Duration(second)*time.Second).Format(time.RFC3339), id, id, input, output)
}

func put(t testing.TB, path string, texts ...string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Join(texts, "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func add(t testing.TB, path string, texts ...string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(strings.Join(texts, "")); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// follow reads to the end.
func follow(t testing.TB, c *usageapi.Cursor) []string {
	t.Helper()
	var keys []string
	for {
		b, err := read(*c, claudefile.ParseUsage)
		if err != nil {
			t.Fatal(err)
		}
		*c = b.cursor
		for _, e := range b.calls {
			keys = append(keys, strings.Fields(e.Key)[0])
		}
		if !b.more {
			return keys
		}
	}
}

func wantKeys(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestReadGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.jsonl")
	c := usageapi.Cursor{Path: path}
	wantKeys(t, "no file", follow(t, &c))
	one, two := called("1", 1, 1, 1), called("2", 2, 1, 1)
	put(t, path, one, two[:40])
	wantKeys(t, "a part of a line", follow(t, &c), "msg_1")
	add(t, path, two[40:])
	wantKeys(t, "the rest", follow(t, &c), "msg_2")
	wantKeys(t, "nothing new", follow(t, &c))
}

// TestReadBeginsAgain: another file in the place of one that was read, whether by its number, its length or its content.
func TestReadBeginsAgain(t *testing.T) {
	first, second := called("1", 1, 1, 1), called("2", 2, 1, 1)
	for name, replace := range map[string]func(path string){
		"rotated":   func(path string) { put(t, path+".new", first, second); must(t, os.Rename(path+".new", path)) },
		"truncated": func(path string) { put(t, path, second) },
		"rewritten": func(path string) { put(t, path, second, first, first) }, // the same file, and longer
	} {
		path := filepath.Join(t.TempDir(), "s.jsonl")
		put(t, path, first, first)
		c := usageapi.Cursor{Path: path, File: 7, Agent: "exec_1"}
		wantKeys(t, name+" before", follow(t, &c), "msg_1", "msg_1")
		replace(path)
		got := map[string]bool{}
		for _, key := range follow(t, &c) {
			got[key] = true
		}
		if !got["msg_2"] || c.File != 7 || c.Agent != "exec_1" {
			t.Errorf("%s: read %v up to %+v", name, got, c)
		}
	}
}

// TestReadBeginsAgainBehindACut: a program takes a line out of the middle of its transcript and writes on: what it wrote
// is not missed because the file is as long as before.
func TestReadBeginsAgainBehindACut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.jsonl")
	beginning := strings.Repeat(`{"type":"user","text":"long ago"}`+"\n", 100)
	put(t, path, beginning, called("1", 1, 1, 1), called("2", 2, 1, 1), called("3", 3, 1, 1))
	c := usageapi.Cursor{Path: path}
	wantKeys(t, "before", follow(t, &c), "msg_1", "msg_2", "msg_3")
	put(t, path, beginning, called("1", 1, 1, 1), called("4", 4, 1, 1), called("5", 5, 1, 1), called("6", 6, 1, 1))
	got := follow(t, &c)
	for _, want := range []string{"msg_4", "msg_5", "msg_6"} {
		if !slices.Contains(got, want) {
			t.Errorf("read %v, want %s among them", got, want)
		}
	}
}

// TestOwnTranscriptIsWatched however many sub-agents there are.
func TestOwnTranscriptIsWatched(t *testing.T) {
	paths := []string{"a.jsonl"}
	for i := range 3 * mostWatched {
		paths = append(paths, fmt.Sprintf("a/subagents/agent-%03d.jsonl", i))
	}
	got := recentOf(paths, "a.jsonl")
	if len(got) != mostWatched || got[0] != "a.jsonl" || got[mostWatched-1] != paths[len(paths)-1] {
		t.Errorf("of %d transcripts %d are watched, the first is %s", len(paths), len(got), got[0])
	}
	if got := recentOf(paths[:5], "a.jsonl"); len(got) != 5 {
		t.Errorf("of 5 transcripts %d are watched", len(got))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestReadSkips: a line that is too long, also while it is being written, and one that makes no sense.
func TestReadSkips(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.jsonl")
	put(t, path, called("1", 1, 1, 1), `{"type":"assistant","message":{"id":"m","usage":{"input_tokens":-1}}}`+"\n")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	chunk := bytes.Repeat([]byte("x"), 1<<20)
	for range 65 {
		_, err := f.Write(chunk)
		must(t, err)
	}
	c := usageapi.Cursor{Path: path}
	wantKeys(t, "before", follow(t, &c), "msg_1")
	if !c.Skipping || c.Offset < 65<<20 {
		t.Errorf("the cursor is %+v; want it behind what is too long already", c)
	}
	for range 3 {
		_, err := f.Write(chunk)
		must(t, err)
	}
	must(t, f.Close())
	wantKeys(t, "more of it", follow(t, &c))
	add(t, path, "\n", called("2", 2, 1, 1))
	wantKeys(t, "behind it", follow(t, &c), "msg_2")
	if c.Skipped != 2 || c.Skipping {
		t.Errorf("%d lines were skipped, want 2", c.Skipped)
	}
}

func TestReadDoesNotWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	must(t, syscall.Mkfifo(path, 0o600))
	for _, path := range []string{path, t.TempDir()} {
		if b, err := read(usageapi.Cursor{Path: path}, claudefile.ParseUsage); err != nil || len(b.calls) > 0 {
			t.Errorf("%s: %+v, %v; want nothing", path, b, err)
		}
	}
}

func TestPromptGoesWithItsCalls(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.jsonl")
	c := usageapi.Cursor{Path: path}
	add(t, path, called("0", 0, 1, 1), `{"type":"user","promptId":"p1"}`+"\n")
	follow(t, &c)
	add(t, path, called("1", 1, 1, 1), `{"type":"user","promptId":"p2"}`+"\n", `{"type":"user"}`+"\n", called("2", 2, 1, 1))
	b, err := read(c, claudefile.ParseUsage)
	must(t, err)
	if len(b.calls) != 2 || b.calls[0].Prompt != "p1" || b.calls[1].Prompt != "p2" {
		t.Errorf("calls: %+v; want one of p1 and one of p2", b.calls)
	}
}

// TestAnySplit: however the bytes of a transcript arrive, and whenever it is read, the same calls are found.
func TestAnySplit(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		for i := range rapid.IntRange(0, 30).Draw(t, "lines") {
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				fmt.Fprintf(&text, `{"type":"user","promptId":"p%d"}`+"\n", i)
			case 1:
				text.WriteString(rapid.StringN(0, 50, 200).Draw(t, "noise") + "\n")
			default:
				text.WriteString(called(fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "id")), i, int64(i), 1))
			}
		}
		f, err := os.CreateTemp(dir, "*.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		read1 := func(c *usageapi.Cursor) []usageapi.Entry {
			b, err := read(*c, claudefile.ParseUsage)
			if err != nil {
				t.Fatal(err)
			}
			*c = b.cursor
			return b.calls
		}
		c := usageapi.Cursor{Path: f.Name()}
		var got []usageapi.Entry
		for rest := text.String(); rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "part")
			if _, err := f.WriteString(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
			got = append(got, read1(&c)...)
		}
		whole := usageapi.Cursor{Path: f.Name()}
		if diff := cmp.Diff(read1(&whole), got); diff != "" {
			t.Errorf("read at once and in parts (-once +parts):\n%s", diff)
		}
		if whole.Offset != c.Offset || whole.State != c.State || whole.Skipped != c.Skipped {
			t.Errorf("at once up to %+v, in parts up to %+v", whole, c)
		}
	})
}
