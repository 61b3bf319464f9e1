// Command demo leads a team of three through a small job in a git repository, as a person at the shell would, and
// shows each command. It fails when any step fails.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/orchestron/orchestron/internal/agents"
)

func main() {
	program := flag.String("program", "bin/orchestron", "the orchestron program")
	home := flag.String("home", defaultHome(), "where the demonstration keeps its state; made anew each time")
	driver := flag.String("driver", "", "claude or scripted; found out when empty")
	flag.Parse()
	d := demo{program: *program, home: *home, driver: *driver}
	if err := d.run(); err != nil {
		fmt.Fprintln(os.Stderr, "\nthe demonstration failed:", err)
		os.Exit(1)
	}
}

func defaultHome() string {
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "orchestron-demo")
	}
	return filepath.Join(os.TempDir(), "orchestron-demo")
}

// demo is one run of the demonstration.
type demo struct {
	program, home, driver string
	repo                  string
}

// member is one of the team, and what it is asked.
type member struct {
	role, name       string
	prompt, scripted string // for a real agent, and for the scripted one
	id               string
}

func team() []member {
	return []member{
		{
			role: "architect", name: "Ada, architect",
			prompt:   "Write DESIGN.md in this repository: in five lines, a shell script greet.sh that prints 'Hello, NAME!' for its first argument and 'Hello, world!' without one. Commit it with git. Then say in one sentence what you decided.",
			scripted: "Design the greeter.\n@@write DESIGN.md greet.sh NAME prints Hello, NAME! and without a name Hello, world!\n@@run git add DESIGN.md\n@@run git commit -q -m \"architect: design the greeter\"\n@@say I designed greet.sh: one optional argument, one line of output.",
		},
		{
			role: "backend_developer", name: "Ben, developer",
			prompt:   "Read DESIGN.md and write greet.sh as it says. Make it executable, try it, and commit it with git. Then say in one sentence what you did.",
			scripted: "Build what DESIGN.md says.\n@@write greet.sh echo \"Hello, ${1:-world}!\"\n@@run chmod +x greet.sh\n@@run git add greet.sh\n@@run git commit -q -m \"developer: write greet.sh\"\n@@say I wrote greet.sh as the design says and committed it.",
		},
		{
			role: "testing_specialist", name: "Tess, tester",
			prompt:   "Run greet.sh with and without an argument, write what you saw to TESTED.md, and commit it with git. Then say in one sentence whether it does what DESIGN.md says.",
			scripted: "Test greet.sh.\n@@run bash greet.sh Orchestron\n@@write TESTED.md greet.sh Orchestron printed Hello, Orchestron!\n@@run git add TESTED.md\n@@run git commit -q -m \"tester: try greet.sh\"\n@@say greet.sh greets by name and does what DESIGN.md says.",
		},
	}
}

func (d *demo) run() error {
	if err := d.fresh(); err != nil {
		return err
	}
	if err := d.choose(); err != nil {
		return err
	}
	members := team()
	fmt.Println("\n# Three agents are started, each in its own terminal, all in one repository.")
	for i := range members {
		if err := d.spawn(&members[i]); err != nil {
			return err
		}
	}
	for _, m := range members {
		if err := d.ask(m); err != nil {
			return err
		}
	}
	if _, err := d.show("list"); err != nil {
		return err
	}
	if err := d.check(); err != nil {
		return err
	}
	d.farewell(members)
	return nil
}

// fresh ends an earlier demonstration and makes an empty home and repository.
func (d *demo) fresh() error {
	if _, err := os.Stat(d.home); err == nil {
		if _, err := d.orchestron("down", "--agents"); err != nil {
			return fmt.Errorf("ending the demonstration before this one: %w", err)
		}
		if err := os.RemoveAll(d.home); err != nil {
			return err
		}
	}
	d.repo = filepath.Join(d.home, "repository")
	if err := errors.Join(os.MkdirAll(d.home, 0o700), os.Mkdir(d.repo, 0o755)); err != nil {
		return err
	}
	fmt.Printf("# A git repository: %s\n", d.repo)
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"},
		{"config", "user.name", "Orchestron demo"},
		{"config", "user.email", "demo@localhost"},
		{"commit", "-q", "--allow-empty", "-m", "an empty repository"},
	} {
		if out, err := exec.Command("git", append([]string{"-C", d.repo}, args...)...).CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, out)
		}
	}
	return nil
}

// choose takes an installed and usable claude, otherwise the scripted agent, and says so.
func (d *demo) choose() error {
	if d.driver != "" {
		return nil
	}
	out, err := d.orchestron("doctor", "--json", "--check", "claude")
	d.driver = "claude"
	if err == nil {
		fmt.Println("# Claude Code is installed and usable: real agents do the work.")
		return nil
	}
	d.driver = "scripted"
	fmt.Println("# Claude Code cannot be used here, so scripted agents play the team: everything is real but the model.")
	fmt.Printf("#   %s\n", why(out, err))
	return nil
}

// why says in one line what doctor found.
func why(out []byte, err error) string {
	var found struct {
		Checks []struct{ Name, Detail, Remedy string }
	}
	if json.Unmarshal(out, &found) == nil && len(found.Checks) > 0 {
		return strings.TrimSpace(found.Checks[0].Detail + "; " + found.Checks[0].Remedy)
	}
	return err.Error()
}

func (d *demo) spawn(m *member) error {
	out, err := d.show("spawn", m.role, "--name", m.name, "--driver", d.driver, "--dir", d.repo, "--shared", "--wait", "--json")
	if err != nil {
		return err
	}
	var v agents.View
	if err := json.Unmarshal(out, &v); err != nil {
		return fmt.Errorf("reading the answer of spawn: %w", err)
	}
	m.id = string(v.ID)
	fmt.Printf("%s is %s: %s (%s)\n", v.Name, v.ID, v.Status, v.Evidence.Detail)
	return nil
}

func (d *demo) ask(m member) error {
	prompt := m.prompt
	if d.driver == "scripted" {
		prompt = m.scripted
	}
	fmt.Printf("\n# %s is asked: %s\n", m.name, strings.SplitN(prompt, "\n", 2)[0])
	began := time.Now()
	out, err := d.show("send", m.id, prompt, "--wait", "--timeout", "10m")
	if err != nil {
		return err
	}
	fmt.Printf("%s answers after %.1f s:\n  %s\n", m.name, time.Since(began).Seconds(), strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", "\n  "))
	return nil
}

// check looks whether the job was done.
func (d *demo) check() error {
	out, err := exec.Command("git", "-C", d.repo, "log", "--oneline").CombinedOutput()
	if err != nil {
		return fmt.Errorf("git log: %w: %s", err, out)
	}
	fmt.Printf("\n# What the team left in the repository:\n%s", out)
	if n := strings.Count(string(out), "\n"); n < 4 {
		return fmt.Errorf("the repository has %d commits, want one of each of the three agents", n-1)
	}
	hello, err := exec.Command("bash", filepath.Join(d.repo, "greet.sh"), "Orchestron").CombinedOutput()
	if err != nil || strings.TrimSpace(string(hello)) != "Hello, Orchestron!" {
		return fmt.Errorf("greet.sh Orchestron prints %q: %w", hello, err)
	}
	fmt.Printf("greet.sh Orchestron prints: %s", hello)
	return nil
}

func (d *demo) farewell(members []member) {
	fmt.Printf(`
# The agents still run. Look at one, talk to it, end them all:
export ORCHESTRON_HOME=%s ORCHESTRON_LISTEN=127.0.0.1:0
%s attach %s        # detach again with C-b d
%s send %s "and now?" --wait
%s down --agents
`, d.home, d.program, members[0].id, d.program, members[1].id, d.program)
}

// show prints a command as a person would type it, and runs it.
func (d *demo) show(args ...string) ([]byte, error) {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = a
		if strings.ContainsAny(a, " \n,'\"") {
			first, rest, cut := strings.Cut(a, "\n")
			if quoted[i] = fmt.Sprintf("%q", first); cut && rest != "" {
				quoted[i] = fmt.Sprintf("%q…", first)
			}
		}
	}
	fmt.Println("$ orchestron " + strings.Join(quoted, " "))
	out, err := d.orchestron(args...)
	if args[0] == "list" && err == nil {
		fmt.Print(string(out))
	}
	return out, err
}

func (d *demo) orchestron(args ...string) ([]byte, error) {
	cmd := exec.Command(d.program, args...)
	cmd.Env = append(os.Environ(), "ORCHESTRON_HOME="+d.home, "ORCHESTRON_LISTEN=127.0.0.1:0")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("orchestron %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}
