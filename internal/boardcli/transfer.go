package boardcli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/console"
)

const exportLines = 1000 // that one call gives

func (r *room) export() *cobra.Command {
	cmd := &cobra.Command{
		Use: "export [FILE|-]", Short: "Write a board as JSON Lines",
		Long: "Write a board as JSON Lines: its sprints, tasks, contexts and history. It is written to FILE in one go, or to stdout.\n" +
			"orchestron import reads it again, here or elsewhere.",
		Example: "orchestron export board.jsonl\norchestron export --all | gzip > boards.jsonl.gz",
		Args:    console.Between("FILE"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		Annotations: map[string]string{"all": "--all"},
	}
	cmd.Flags().Bool("all", false, "all boards, not only this one")
	onBoard(cmd)
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		if len(pos) == 0 || pos[0] == "-" {
			_, err := r.exportTo(ctx, cmd, in, r.Stdout)
			return err
		}
		file, lines, err := r.exportFile(ctx, cmd, in, pos[0])
		if err != nil {
			return err
		}
		raw, err := json.Marshal(map[string]any{"path": file, "lines": lines})
		if err != nil {
			return err
		}
		return r.Show(raw, func() error {
			r.Say("%s", console.Count(lines, "line"))
			return r.Print(file)
		})
	})
}

// exportTo writes an export and returns how many lines it has.
func (r *room) exportTo(ctx context.Context, cmd *cobra.Command, in console.Args, w io.Writer) (int, error) {
	in["limit"] = exportLines
	total := 0
	for {
		got, _, err := ask[boardapi.ExportOut](ctx, r, cmd, "orchestron_export", in)
		if err != nil {
			return total, err
		}
		var b strings.Builder
		for _, line := range got.Lines {
			b.Write(line)
			b.WriteString("\n")
		}
		text := b.String()
		if w == r.Stdout && r.Out.Columns > 0 {
			text = console.HarmlessJSON(text)
		}
		if _, err := io.WriteString(w, text); err != nil {
			return total, err
		}
		total += len(got.Lines)
		if got.Cursor == "" {
			return total, nil
		}
		in["cursor"] = got.Cursor
	}
}

// exportFile puts an export in the place of a file when all of it is there, and returns the file's whole name.
func (r *room) exportFile(ctx context.Context, cmd *cobra.Command, in console.Args, name string) (file string, lines int, err error) {
	if file, err = filepath.Abs(name); err != nil {
		return "", 0, err
	}
	if link, err := filepath.EvalSymlinks(file); err == nil {
		file = link
	}
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() {
		return "", 0, console.Usage(cmd, "%s is no file", file).Try("name a file, or - for stdout")
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", 0, console.Usage(cmd, "%v", err)
	}
	temp, err := os.CreateTemp(filepath.Dir(file), ".orchestron-export-*")
	if err != nil {
		return "", 0, console.Usage(cmd, "%v", err)
	}
	defer os.Remove(temp.Name()) // it is there only when something went wrong
	lines, err = r.exportTo(ctx, cmd, in, temp)
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return "", 0, onDisk(err)
	}
	if err := os.Rename(temp.Name(), file); err != nil {
		return "", 0, onDisk(err)
	}
	return file, lines, nil
}

// onDisk says that a file could not be written, when that is what went wrong.
func onDisk(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return orchestron.Errorf(orchestron.Unavailable, "writing the file: %w", err)
	}
	return err
}

func (r *room) load() *cobra.Command {
	cmd := &cobra.Command{
		Use: "import [FILE]", Short: "Take in boards that were exported, or those of another Orchestron",
		Long: "Take in boards that were exported, or those of another Orchestron's database: all of it, or nothing. Without FILE, the\n" +
			"file that the variable ORCHESTRON_DB names, as in .orchestron/orchestron.db.",
		Example: "orchestron import board.jsonl\norchestron import board.jsonl --renumber --project .\norchestron import ~/old/.orchestron/orchestron.db",
		Args:    console.Between("FILE"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		Annotations: map[string]string{"path": "FILE", "renumber": "--renumber"},
	}
	cmd.Flags().Bool("renumber", false, "give every task and context a new id")
	onBoard(cmd)
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		name := console.Env(r.Environ, "ORCHESTRON_DB")
		if len(pos) > 0 {
			name = pos[0]
		}
		if name == "" {
			return console.Usage(cmd, "there is no file to import").Try("name one, or set ORCHESTRON_DB")
		}
		if in["path"], err = filepath.Abs(name); err != nil {
			return err
		}
		got, raw, err := ask[boardapi.ImportOut](ctx, r, cmd, "orchestron_import", in)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error {
			return r.Print(fmt.Sprintf("%s, %s, %s and %s from %s", console.Count(got.Tasks, "task"), console.Count(got.Sprints, "sprint"),
				console.Count(got.Contexts, "context"), console.Count(got.Changes, "change"), console.Cell(in["path"].(string))) + "\n" +
				"on the board of " + console.Cell(strings.Join(got.Projects, ", ")))
		})
	})
}
