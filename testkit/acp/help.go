package acp

const help = `A scripted agent that speaks the Agent Client Protocol on standard input and output, for testing without a model.

Usage:
  orchestron testkit acp [--no-load] [--no-http] [--no-model] [--late] [--login ID]

  --no-load     it cannot go on with an earlier session
  --no-http     it takes MCP servers over standard input and output only
  --no-model    it does not let its model be set
  --late        it tells an earlier session only after it has opened it
  --login ID    it opens no session before that login

Lines of a prompt tell it what to do, in order:

  @@say TEXT               say it; \n is a newline, {{result}} the last tool result
  @@think TEXT             think it
  @@delay 200ms            work for that long
  @@hold [DURATION]        the same; without a duration until it is cancelled
  @@call NAME {json}       ask for permission to use a tool, and wait for the answer; in the mode auto it does not ask
  @@bulk N                 let the next call have an argument "bulk" with N characters
  @@write PATH TEXT        write a file in the working directory
  @@mcp TOOL {json}        call a tool of an MCP server; its text is part of the answer
  @@plan TEXT              tell its plan, a step of each word
  @@usage in=N out=N       tell that the turn took so much
  @@stop REASON            end the turn for that reason
  @@error CODE [TEXT]      end the turn with an error
  @@crash [CODE]           end at once
  @@kill SIGNAL            send itself a signal

What it says comes in small pieces. A prompt without such lines is answered "echo: <its first 60 characters>
sha256=<sum> bytes=<length>". Each prompt is also written, exactly, to testkit-prompts.jsonl in HOME/.testkit-acp, where its
sessions are, too.
`
