package agent

const help = `A scripted agent that behaves like Claude Code in a terminal, for testing orchestrations without a model.

Usage:
  orchestron testkit agent [flags] [prompt]

It takes Claude Code's flags --settings, --session-id, --resume, --model, --permission-mode, --mcp-config, --name,
--append-system-prompt[-file], --dangerously-skip-permissions, --strict-mcp-config, --allowedTools and
--disallowedTools, and uses CLAUDE_CONFIG_DIR, EDITOR and VISUAL as Claude Code does. Further:

  --script FILE   JSON: {"start_delay":"1s", "turn_delay":"200ms", "answer":"@@say for prompts without directives"}

Lines of a prompt tell it what to do, in order:

  @@say TEXT               answer it; \n is a newline, {{result}} the last tool result
  @@delay 200ms            work for that long
  @@hold [DURATION]        the same; without a duration until it is interrupted
  @@write PATH TEXT        write a file in the working directory
  @@run ARGV...            run a command, without a shell; its output is part of the answer
  @@mcp TOOL {json}        call a tool of the MCP server in --mcp-config; its text is part of the answer
  @@tool NAME {json}       pretend to use a tool
  @@permission NAME {json} ask for permission to use a tool, and wait for the answer
  @@call NAME {json}       @@tool in the mode bypassPermissions, else @@permission
  @@usage in=N out=N       say what each reply from here on costs
  @@background [2s] [TEXT] leave a task running behind the turn; its end starts a turn
  @@error CODE [TEXT]      end the turn as if the model API had failed
  @@exit                   end the agent after this turn
  @@crash [CODE]           end it at once, without cleaning up
  @@kill SIGNAL            send itself a signal
  @@stall [DURATION]       hang: read no key, answer nothing
  @@alloc 300M             take memory
  @@ignore-hup             live on without a terminal

A prompt without such lines is answered "echo: <its first 60 characters> sha256=<sum> bytes=<length>". Each accepted
prompt is also written, exactly, to testkit-prompts.jsonl in the configuration directory.

Examples:
  orchestron testkit agent '@@write hello.txt Hello' --permission-mode manual
  orchestron testkit agent $'@@run git add -A\n@@run git commit -qm "by the agent"\n@@say done'
`
