package testkit_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron/testkit"
)

func TestDirectives(t *testing.T) {
	got := testkit.Directives("do this\n@@say hello  world \n  @@delay 5ms\r\n@@\n@@ x\nmail a@@b\n@@exit")
	want := []testkit.Directive{{Name: "say", Rest: "hello  world"}, {Name: "delay", Rest: "5ms"}, {Name: "exit"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("directives (-want +got):\n%s", diff)
	}
}

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                         nil,
		"git add -A":               {"git", "add", "-A"},
		`git commit -m "a  b" -q`:  {"git", "commit", "-m", "a  b", "-q"},
		`echo '$(x)' "" it''s`:     {"echo", "$(x)", "", "its"},
		`sh -c 'echo "quoted"; :'`: {"sh", "-c", `echo "quoted"; :`},
	} {
		if diff := cmp.Diff(want, testkit.Words(line)); diff != "" {
			t.Errorf("Words(%q) (-want +got):\n%s", line, diff)
		}
	}
}

func TestEcho(t *testing.T) {
	got := testkit.Echo("a\nb")
	want := "echo: a b sha256=" + testkit.Sum("a\nb") + " bytes=3"
	if got != want {
		t.Errorf("Echo = %q, want %q", got, want)
	}
}

func TestSize(t *testing.T) {
	for in, want := range map[string]int{"12": 12, "3K": 3 << 10, "300M": 300 << 20, "1G": 1 << 30} {
		if got, ok := testkit.Size(in); !ok || got != want {
			t.Errorf("Size(%s) = %d, %v, want %d", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "M", "-1", "x"} {
		if _, ok := testkit.Size(in); ok {
			t.Errorf("Size(%q) was accepted", in)
		}
	}
}
