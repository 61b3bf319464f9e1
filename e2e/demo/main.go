// Command demo leads a team of three through a small job in a git repository, as a person at the shell would, and
// shows each command. It fails when any step fails.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	program := flag.String("program", "bin/orchestron", "the orchestron program")
	home := flag.String("home", defaultHome(), "where the demonstration keeps everything; made anew each time")
	driver := flag.String("driver", "", "claude or scripted; found out when empty")
	end := flag.Bool("end", false, "end the agents at the end")
	flag.Parse()
	d := demo{shell: shell{program: *program, home: *home}, driver: *driver, repo: filepath.Join(*home, "repository")}
	err := d.run()
	if err == nil && *end {
		_, err = d.show("down", "--agents")
	}
	if err != nil {
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
	shell
	driver, repo string
	canned       func(member) string // what is added to a prompt because no model reads it; nil when one does
}

func (d *demo) run() error {
	if err := d.fresh(); err != nil {
		return err
	}
	if err := d.choose(); err != nil {
		return err
	}
	members := team()
	fmt.Println("\n# Three agents are started, each in its own terminal, all in this repository.")
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
	fmt.Println("\n# The team:")
	if out, err := d.show("list"); err != nil {
		return err
	} else {
		fmt.Print(string(out))
	}
	if err := d.check(members); err != nil {
		return err
	}
	d.farewell(members)
	return nil
}

const mark = ".orchestron-demo" // the file that says that a directory is ours to remove

// fresh ends an earlier demonstration and makes an empty home and repository.
func (d *demo) fresh() error {
	if entries, err := os.ReadDir(d.home); err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(d.home, mark)); err != nil {
			return fmt.Errorf("%s is not empty and not from a demonstration; name another directory with -home", d.home)
		}
		fmt.Println("# An earlier demonstration is ended.")
		if _, err := d.show("down", "--agents"); err != nil {
			return err
		}
		if err := os.RemoveAll(d.home); err != nil {
			return err
		}
	}
	err := errors.Join(os.MkdirAll(d.repo, 0o700), os.Chmod(d.home, 0o700), os.WriteFile(filepath.Join(d.home, mark), nil, 0o600))
	if err != nil {
		return err
	}
	fmt.Printf("# A git repository: %s\n", d.repo)
	return errors.Join(
		d.git("init", "-q"),
		d.git("config", "user.name", "Orchestron demo"),
		d.git("config", "user.email", "demo@localhost"),
		d.git("config", "commit.gpgsign", "false"),
		d.git("commit", "-q", "--allow-empty", "-m", "an empty repository"),
	)
}

// choose takes an installed and usable claude, otherwise the scripted agent, and says so.
func (d *demo) choose() error {
	if d.driver == "" {
		d.driver = "claude"
		usable, why, err := d.claude()
		if err != nil {
			return err
		}
		if !usable {
			d.driver = "scripted"
			fmt.Printf("# Claude Code cannot be used here (%s),\n# so scripted agents play the team: everything is real but the model.\n", why)
		}
	}
	switch {
	case d.driver == "scripted":
		d.canned = member.directives
	case scriptedAPI(os.Getenv("ANTHROPIC_BASE_URL")):
		d.canned = func(m member) string { return m.calls(d.repo) }
		fmt.Println("# Claude Code is here; the scripted model API answers for the model.")
	default:
		fmt.Println("# Claude Code is here and does the work. It may take some minutes.")
	}
	return nil
}

// scriptedAPI reports whether orchestron testkit api is at the address.
func scriptedAPI(url string) bool {
	if url == "" {
		return false
	}
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get(strings.TrimRight(url, "/") + "/testkit/requests")
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

func (d *demo) spawn(m *member) error {
	out, err := d.show("spawn", m.role, "--name", m.name, "--driver", d.driver, "--dir", d.repo, "--shared", "--wait")
	if err != nil {
		return err
	}
	m.id = strings.TrimSpace(string(out))
	fmt.Println(m.id)
	return nil
}

// ask gives an agent its prompt, shows its answer, and commits what it made.
func (d *demo) ask(m member) error {
	fmt.Printf("\n# %s gets its prompt:\n#   %s\n", m.name, strings.ReplaceAll(m.task, ". ", ".\n#   "))
	prompt := m.task
	if d.canned != nil {
		prompt += "\n" + d.canned(m)
	}
	began := time.Now()
	out, err := d.show("send", m.id, prompt, "--wait", "--timeout", "10m")
	if err != nil {
		return fmt.Errorf("%w\nlook at it: %s", err, d.typed("attach", m.id))
	}
	fmt.Printf("%s\n# (after %.1f s)\n", strings.TrimSpace(string(out)), time.Since(began).Seconds())
	if _, err := os.Stat(filepath.Join(d.repo, m.file)); err != nil {
		return fmt.Errorf("%s answered and did not write its file: %w", m.name, err)
	}
	return errors.Join(d.git("add", m.file), d.git("commit", "-q", "--author", m.name+" <"+m.id+"@orchestron>", "-m", m.file))
}

// check looks whether the job was done.
func (d *demo) check(members []member) error {
	log, err := d.output("git", "log", "--reverse", "--format=%h  %an: %s")
	if err != nil {
		return err
	}
	fmt.Printf("\n# What it left in the repository, committed after each answer:\n%s", log)
	for _, m := range members {
		if !strings.Contains(log, m.name+": "+m.file) {
			return fmt.Errorf("there is no commit of %s by %s", m.file, m.name)
		}
	}
	fmt.Println("\n# The tester's script tests the developer's:")
	fmt.Println("$ sh test_greet.sh")
	said, err := d.output("sh", "test_greet.sh")
	fmt.Print(said)
	if err != nil {
		return err
	}
	said, err = d.output("sh", "greet.sh", "Orchestron")
	if err == nil && strings.TrimSpace(said) != "Hello, Orchestron!" {
		err = fmt.Errorf("greet.sh Orchestron printed %q, want a greeting of Orchestron", said)
	}
	return err
}

func (d *demo) farewell(members []member) {
	fmt.Printf(`
# All steps succeeded, and the agents still run. In another terminal, look at them, talk to them, end them:
export %s
%s attach %s                         # leave it again with C-b d
%s send %s 'And now?' --wait
%s output %s
%s down --agents
`, strings.Join(d.environment(), " "), d.program, members[0].id, d.program, members[1].id, d.program, members[1].id, d.program)
}
