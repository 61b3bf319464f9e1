package tmux

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
)

// TestMain also is the program in the panes of these tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "receive" {
		if err := receive(os.Args[2], os.Args[3:]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 3 && os.Args[1] == "hold" {
		if err := hold(os.Args[2], os.Args[3]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// receive writes to file every byte that the terminal gives it. Words: "raw" takes the terminal out of line mode,
// "bracketed" asks for bracketed paste, "deaf" reads nothing.
func receive(file string, words []string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	for _, w := range words {
		switch w {
		case "raw":
			mode, err := unix.IoctlGetTermios(0, ioctlTermios)
			if err != nil {
				return err
			}
			mode.Iflag, mode.Lflag = 0, 0
			if err := setTermios(0, mode); err != nil {
				return err
			}
		case "bracketed":
			fmt.Print("\x1b[?2004h")
		case "deaf":
			fmt.Println("ready")
			time.Sleep(time.Hour)
		}
	}
	fmt.Println("ready")
	_, err = io.Copy(out, os.Stdin)
	return err
}

type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// testConfig is of a server of the test's own.
func testConfig(t testing.TB) Config {
	dir, err := os.MkdirTemp("", "o")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return Config{
		Socket: filepath.Join(dir, "run", "s"),
		Dir:    filepath.Join(dir, "scratch"),
		Env:    []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir},
		Log:    slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelError})),
	}
}

// start opens a server that ends with the test.
func start(t testing.TB) *Server {
	t.Helper()
	return openIt(t, testConfig(t))
}

func openIt(t testing.TB, cfg Config) *Server {
	t.Helper()
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return s
}

func spec(n int, argv ...string) Spec {
	return Spec{
		Session: fmt.Sprintf("claude_exec_%d", n), Argv: argv,
		Agent: orchestron.AgentID(fmt.Sprintf("exec_%d", n)), Generation: 1,
	}
}

// make opens a pane and fails the test when it cannot.
func makePane(t testing.TB, s *Server, sp Spec) orchestron.Pane {
	t.Helper()
	p, err := s.New(t.Context(), sp)
	if err != nil {
		t.Fatalf("New(%v): %v", sp.Argv, err)
	}
	return p
}

// receiver opens a pane with a receiver that is ready, and returns the file that it writes.
func receiver(t testing.TB, s *Server, n int, words ...string) (orchestron.Pane, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "received")
	p := makePane(t, s, spec(n, append([]string{self, "receive", file}, words...)...))
	eventually(t, "the receiver is ready", func() bool {
		screen, err := s.Screen(t.Context(), p, 0)
		return err == nil && strings.Contains(screen, "ready")
	})
	return p, file
}

// eventually waits until what is said comes true.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("still not after 30 s: %s", what)
}

// wantKind fails the test unless err is of the kind.
func wantKind(t testing.TB, what string, err error, kind orchestron.Kind) {
	t.Helper()
	if err == nil || orchestron.KindOf(err) != kind {
		t.Errorf("%s: error %v, want one of kind %s", what, err, kind)
	}
}
