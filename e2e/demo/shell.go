package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// shell runs programs as a person at a shell does.
type shell struct {
	program, home string
}

// environment is what makes the demonstration's Orchestron one of its own.
func (s shell) environment() []string {
	return []string{
		"ORCHESTRON_HOME=" + s.home, "ORCHESTRON_CONFIG_DIR=" + filepath.Join(s.home, "config"), "ORCHESTRON_LISTEN=127.0.0.1:0",
	}
}

// show prints a command as a person would type it, and runs it.
func (s shell) show(args ...string) ([]byte, error) {
	fmt.Println("$ " + typed("orchestron", args...))
	return s.orchestron(args...)
}

func (s shell) typed(args ...string) string {
	return strings.Join(s.environment(), " ") + " " + typed(s.program, args...)
}

// typed is a command for the eye: long texts are cut.
func typed(program string, args ...string) string {
	words := []string{program}
	for _, a := range args {
		if first, _, several := strings.Cut(a, "\n"); several || len(a) > 60 {
			a = first[:min(len(first), 50)] + "…"
		}
		if strings.ContainsAny(a, " '") {
			a = `"` + a + `"`
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

// orchestron runs the program and returns what it printed.
func (s shell) orchestron(args ...string) ([]byte, error) {
	cmd := exec.Command(s.program, args...)
	cmd.Env = append(os.Environ(), s.environment()...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("orchestron %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// claude reports whether Claude Code can be used, and otherwise why not.
func (s shell) claude() (bool, string, error) {
	out, err := s.orchestron("doctor", "--json") // fails when any check does
	var found struct {
		Checks []struct{ Name, State, Detail, Remedy string }
	}
	if bad := json.Unmarshal(out, &found); bad != nil {
		return false, "", errors.Join(err, bad)
	}
	for _, c := range found.Checks {
		if c.State == "fail" && c.Name != "claude" {
			return false, "", fmt.Errorf("%s: %s\n  try: %s", c.Name, c.Detail, c.Remedy)
		}
	}
	for _, c := range found.Checks {
		if c.Name == "claude" {
			return c.State == "ok", c.Detail, nil
		}
	}
	return false, "", errors.New("orchestron doctor says nothing about claude")
}

// output runs a program in the repository.
func (d *demo) output(program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = d.repo
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s", typed(program, args...), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

func (d *demo) git(args ...string) error {
	_, err := d.output("git", args...)
	return err
}
