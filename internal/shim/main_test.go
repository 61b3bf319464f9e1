package shim

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/handoff"
)

// The test binary is also the shim and the agents that the tests need.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		home := handoff.Home{Root: os.Args[2]}
		switch os.Args[1] {
		case "agent-exec":
			os.Exit(Exec(home, orchestron.AgentID(os.Args[3]), os.Stdout))
		case "compose":
			os.Exit(Compose(home, agent, 3, os.Args[3], os.Args[4:], os.Stderr))
		case "hook":
			os.Exit(Hook(home, agent, 3, "", os.Stdin, os.Stdout, os.Stderr))
		case "ask":
			hold, _ := time.ParseDuration(os.Args[3])
			os.Exit(Ask(home, agent, 3, "PermissionRequest", hold, os.Stdin, os.Stdout, os.Stderr))
		case "ask-below":
			cmd := exec.Command(os.Args[0], append([]string{"ask"}, os.Args[2:]...)...)
			cmd.Stdin = os.Stdin
			_ = cmd.Run()
		case "agent":
			os.Exit(beAgent(os.Args[2], os.Args[3:]))
		}
	}
	os.Exit(m.Run())
}

const agent = orchestron.AgentID("exec_1")

// seen is what an agent finds around it.
type seen struct {
	Args       []string
	Env        []string
	Dir        string
	PID        int
	Group      int
	Session    int
	Foreground int // process group of the terminal, 0 without one
	Ignored    string
	Blocked    string
	Autogroup  string
}

func beAgent(what string, args []string) int {
	switch what {
	case "look": // file
		return look(args[0])
	case "exit": // code
		code, _ := strconv.Atoi(args[0])
		return code
	case "die": // of a signal
		n, _ := strconv.Atoi(args[0])
		_ = unix.Kill(os.Getpid(), unix.Signal(n))
		select {}
	case "stay": // until a signal; the named ones do nothing
		return stay(args)
	case "orphan": // leaves a stubborn grandchild in a session of its own; file for its pid
		return orphan(args[0])
	case "eat": // memory until it is killed
		for kept := [][]byte{}; ; {
			kept = append(kept, make([]byte, 1<<20))
			for i := range kept[len(kept)-1] {
				kept[len(kept)-1][i] = 1
			}
		}
	}
	return 99
}

// programs leaves out of a mask the two signals that are the C library's own: whoever was started by its posix_spawn, as
// by make, has them ignored, and neither Go nor a program can change it.
func programs(mask string) string {
	n, err := strconv.ParseUint(mask, 16, 64)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%016x", n&^(1<<31|1<<32))
}

func look(file string) int {
	status, _ := os.ReadFile("/proc/self/status")
	autogroup, _ := os.ReadFile("/proc/self/autogroup")
	dir, _ := os.Getwd()
	session, _ := unix.Getsid(0)
	foreground, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	if err != nil {
		foreground = 0
	}
	field := func(name string) string {
		_, rest, _ := strings.Cut(string(status), name+":\t")
		value, _, _ := strings.Cut(rest, "\n")
		return value
	}
	data, _ := json.Marshal(seen{
		Args: os.Args, Env: os.Environ(), Dir: dir, PID: os.Getpid(), Group: unix.Getpgrp(), Session: session,
		Foreground: foreground, Ignored: programs(field("SigIgn")), Blocked: field("SigBlk"), Autogroup: string(autogroup),
	})
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return 98
	}
	return 0
}

func stay(ignored []string) int {
	all := make(chan os.Signal, 16)
	signal.Notify(all, unix.SIGHUP, unix.SIGTERM, unix.SIGINT, unix.SIGCONT)
	fmt.Println("ready")
	for sig := range all {
		name := unix.SignalName(sig.(unix.Signal))
		fmt.Println("got", name)
		if name != "SIGCONT" && !strings.Contains(strings.Join(ignored, " "), name) {
			return 40 + int(sig.(unix.Signal))
		}
	}
	return 0
}

func orphan(file string) int {
	if os.Getenv("STAGE") == "" { // the agent: starts a process that starts the orphan and ends
		child := exec.Command(os.Args[0], os.Args[1:]...)
		child.Env = append(os.Environ(), "STAGE=1")
		if err := child.Run(); err != nil {
			return 97
		}
		return 5
	}
	if os.Getenv("STAGE") == "1" {
		child := exec.Command(os.Args[0], os.Args[1:]...)
		child.Env = append(os.Environ(), "STAGE=2")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			return 96
		}
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(file); err == nil {
				return 0
			}
		}
		return 95
	}
	signal.Ignore(unix.SIGHUP, unix.SIGTERM)
	p, _ := json.Marshal(orchestron.Process{PID: os.Getpid(), Start: startOf(os.Getpid())})
	_ = os.WriteFile(file+".new", p, 0o600)
	_ = os.Rename(file+".new", file)
	time.Sleep(time.Hour)
	return 0
}

func tempHome(t *testing.T) handoff.Home {
	t.Helper()
	dir, err := os.MkdirTemp("", "o")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return handoff.Home{Root: dir}
}

// records returns what was put down for the daemon so far.
func records(t *testing.T, home handoff.Home) []handoff.Record {
	t.Helper()
	entries, _ := os.ReadDir(home.Spool())
	var out []handoff.Record
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".json" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(home.Spool(), e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		var r handoff.Record
		if err := json.Unmarshal(data, &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// until polls a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain until %s", what)
}
