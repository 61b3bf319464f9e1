package console

import (
	"context"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
)

// Text returns what an argument stands for: itself, a file for @file, stdin for -. @@ is an @ that names no file.
// What is not UTF-8 is refused: JSON cannot carry it byte for byte.
func (a *App) Text(cmd *cobra.Command, arg string) (string, error) {
	text, err := a.textOf(cmd, arg)
	if err != nil {
		return "", err
	}
	return valid(text)
}

// valid returns a text that is UTF-8. Texts that are too long are left to the daemon: they may be cut within a
// character.
func valid(text string) (string, error) {
	if len(text) <= orchestron.MaxMessage && !utf8.ValidString(text) {
		return "", orchestron.Errorf(orchestron.Invalid, "the text is not UTF-8").Try("convert it, or name the file for the agent to read")
	}
	return text, nil
}

func (a *App) textOf(cmd *cobra.Command, arg string) (string, error) {
	switch {
	case arg == "-":
		return readAll(cmd.Context(), a.Stdin)
	case strings.HasPrefix(arg, "@@"):
		return arg[1:], nil
	case !strings.HasPrefix(arg, "@"):
		return arg, nil
	}
	f, err := os.Open(arg[1:])
	if err != nil {
		return "", Usage(cmd, "%v", err).Try("to send text that begins with @ write @@")
	}
	defer f.Close()
	return readAll(cmd.Context(), f)
}

// Typed reports whether a person at a terminal would have to type what a command reads from stdin.
func (a *App) Typed() bool {
	f, ok := a.Stdin.(*os.File)
	return ok && screenOf(f, a.Environ).Columns > 0
}

// readAll reads a text, and one byte more than is allowed so that the daemon refuses it. A read that waits for a
// person cannot be ended: when ctx ends first it is left behind, and ends with the process.
func readAll(ctx context.Context, r io.Reader) (string, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := io.ReadAll(io.LimitReader(r, orchestron.MaxMessage+1))
		done <- result{data, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case got := <-done:
		if got.err != nil {
			return "", orchestron.Errorf(orchestron.Invalid, "reading the text: %w", got.err)
		}
		return string(got.data), nil
	}
}
