package agent

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// options is what the command line says.
type options struct {
	help, version  bool
	settings       string // a file or JSON
	sources        string // of settings: user, project, local
	sessionID      string
	resume         string
	model          string
	permissionMode string
	mcpConfigs     []string // files or JSON
	appended       string   // to the system prompt
	appendedFile   string
	name           string
	script         string
	prompt         string
	hasPrompt      bool
	ignored        []string // flags that change nothing here
}

// flagKind says what follows a flag.
type flagKind int

const (
	alone flagKind = iota
	oneValue
	manyValues // all that follow up to the next flag
)

func kindOf(flag string) (flagKind, bool) {
	switch flag {
	case "--help", "-h", "--version", "-v", "--dangerously-skip-permissions", "--allow-dangerously-skip-permissions",
		"--strict-mcp-config", "--verbose":
		return alone, true
	case "--settings", "--session-id", "--resume", "-r", "--model", "--permission-mode", "--append-system-prompt",
		"--append-system-prompt-file", "--name", "-n", "--effort", "--script", "--setting-sources":
		return oneValue, true
	case "--mcp-config", "--allowedTools", "--allowed-tools", "--disallowedTools", "--disallowed-tools", "--add-dir":
		return manyValues, true
	}
	return alone, false
}

// parse reads a command line as Claude Code does: flags that take many values swallow a prompt that follows them,
// and an unknown flag is an error.
func parse(args []string) (options, error) {
	o := options{sources: "user,project,local"}
	var rest []string
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			rest = append(rest, args...)
			break
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			rest = append(rest, arg)
			continue
		}
		flag, value, inline := strings.Cut(arg, "=")
		kind, known := kindOf(flag)
		if !known {
			return o, fmt.Errorf("unknown option '%s'", flag)
		}
		var values []string
		if inline {
			values = []string{value}
		} else {
			values, args = take(kind, args)
		}
		if kind != alone && len(values) == 0 {
			return o, fmt.Errorf("option '%s' argument missing", flag)
		}
		o.set(flag, values)
	}
	if len(rest) > 1 {
		return o, fmt.Errorf("too many arguments. Expected 1 argument but got %d", len(rest))
	}
	if len(rest) == 1 {
		o.prompt, o.hasPrompt = rest[0], true
	}
	return o, o.check()
}

func take(kind flagKind, args []string) (values, rest []string) {
	n := 0
	switch kind {
	case alone:
	case oneValue:
		n = min(1, len(args))
	case manyValues:
		for n < len(args) && !strings.HasPrefix(args[n], "-") {
			n++
		}
	}
	return args[:n], args[n:]
}

func (o *options) set(flag string, values []string) {
	switch flag {
	case "--help", "-h":
		o.help = true
	case "--version", "-v":
		o.version = true
	case "--dangerously-skip-permissions":
		o.permissionMode = "bypassPermissions"
	case "--settings":
		o.settings = values[0]
	case "--setting-sources":
		o.sources = values[0]
	case "--session-id":
		o.sessionID = values[0]
	case "--resume", "-r":
		o.resume = values[0]
	case "--model":
		o.model = values[0]
	case "--permission-mode":
		o.permissionMode = values[0]
	case "--append-system-prompt":
		o.appended = values[0]
	case "--append-system-prompt-file":
		o.appendedFile = values[0]
	case "--name", "-n":
		o.name = values[0]
	case "--mcp-config":
		o.mcpConfigs = append(o.mcpConfigs, values...)
	case "--script":
		o.script = values[0]
	default:
		o.ignored = append(o.ignored, flag)
	}
}

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func (o *options) check() error {
	modes := []string{"acceptEdits", "auto", "bypassPermissions", "manual", "dontAsk", "plan"}
	switch {
	case o.permissionMode == "":
		o.permissionMode = "auto"
	case o.permissionMode == "default":
		o.permissionMode = "manual"
	case !slices.Contains(modes, o.permissionMode):
		return fmt.Errorf("option '--permission-mode <mode>' argument '%s' is invalid. Allowed choices are %s",
			o.permissionMode, strings.Join(modes, ", "))
	}
	if o.sessionID != "" && !uuidForm.MatchString(o.sessionID) {
		return errors.New("Invalid session ID. Must be a valid UUID.") //nolint:staticcheck // Claude Code's words
	}
	if o.appendedFile != "" {
		data, err := os.ReadFile(o.appendedFile)
		if err != nil {
			return fmt.Errorf("cannot read --append-system-prompt-file: %w", err)
		}
		o.appended = string(data)
	}
	return nil
}

// mode is the permission mode as hooks and transcripts spell it.
func (o *options) mode() string {
	if o.permissionMode == "manual" {
		return "default"
	}
	return o.permissionMode
}

// fileOrJSON is the value of a flag that takes either.
func fileOrJSON(value string) ([]byte, error) {
	if strings.HasPrefix(strings.TrimSpace(value), "{") {
		return []byte(value), nil
	}
	return os.ReadFile(value)
}
