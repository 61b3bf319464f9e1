package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
)

// member is one of the team and what it is asked.
type member struct {
	role, name string
	task       string // what it is asked
	file       string // what it shall write
	content    string // what it writes when no model thinks of something
	says       string // what it answers then
	id         string
}

func team() []member {
	return []member{
		{
			role: "architect", name: "Ada",
			task: "Write the file DESIGN.md in this directory. It describes in at most five lines the shell script greet.sh, " +
				"which prints 'Hello, NAME!' for its first argument NAME, and 'Hello, world!' without one. " +
				"Write only this file and run no commands. Then say in one sentence what you decided.",
			file: "DESIGN.md", content: "greet.sh NAME prints Hello, NAME!\nWithout a name it prints Hello, world!\n",
			says: "greet.sh takes one optional argument and prints one line.",
		},
		{
			role: "backend_developer", name: "Ben",
			task: "Read DESIGN.md in this directory and write the POSIX shell script greet.sh as it says. " +
				"Write only this file and run no commands. Then say in one sentence what you did.",
			file: "greet.sh", content: "echo \"Hello, ${1:-world}!\"\n",
			says: "I wrote greet.sh: one line of shell with a default for the name.",
		},
		{
			role: "testing_specialist", name: "Tess",
			task: "Read DESIGN.md in this directory and write the POSIX shell script test_greet.sh. " +
				"It runs sh greet.sh with and without an argument, prints ok when both outputs are right, and otherwise says what is wrong and exits with 1. " +
				"Write only this file and run no commands. Then say in one sentence what it tests.",
			file: "test_greet.sh", content: "set -e\n[ \"$(sh greet.sh Ada)\" = 'Hello, Ada!' ] || { echo 'wrong with a name'; exit 1; }\n" +
				"[ \"$(sh greet.sh)\" = 'Hello, world!' ] || { echo 'wrong without a name'; exit 1; }\necho ok\n",
			says: "test_greet.sh tests greet.sh with a name and without one.",
		},
	}
}

// directives is what the scripted agent does; see docs/testkit.md.
func (m member) directives() string {
	return "@@write " + m.file + " " + strings.ReplaceAll(m.content, "\n", `\n`) + "\n@@say " + m.says
}

// calls is what the scripted model API lets Claude Code do; see docs/testkit.md.
func (m member) calls(dir string) string {
	in, _ := json.Marshal(map[string]string{"file_path": filepath.Join(dir, m.file), "content": m.content}) // strings always become JSON
	return "@@call Write " + string(in) + "\n@@say " + m.says
}
