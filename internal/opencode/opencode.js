// Tells Orchestron what OpenCode does, in the words of Claude Code's hooks. It runs inside OpenCode, which loads it as a
// plugin; the driver puts the path of the orchestron program before it, as the constant self.
import { spawn } from "node:child_process"

// tell runs orchestron hook. It resolves to the reason for which a prompt is refused, or to nothing.
function tell(said) {
  return new Promise((done) => {
    const hook = spawn(self, ["hook"], { stdio: ["pipe", "ignore", "pipe"] })
    let why = ""
    hook.stderr.on("data", (data) => (why += data))
    hook.on("error", () => done())
    hook.on("close", (code) => done(code === 2 ? why.trim() || "refused" : undefined))
    hook.stdin.on("error", () => {}) // it ended before it read all
    hook.stdin.end(JSON.stringify(said))
  })
}

const said = (parts) => parts.filter((p) => p.type === "text" && !p.synthetic).map((p) => p.text).join("\n")

export const Orchestron = async ({ client }) => {
  const children = new Set() // sessions of subagents
  const failed = new Map() // errors by session, until it is idle
  const running = new Set() // sessions with a prompt
  let last = Promise.resolve() // hooks run one after the other
  const inOrder = (work) => (last = last.then(work, work))
  let ready = false
  const start = () => {
    if (ready) return
    ready = true
    inOrder(() => tell({ hook_event_name: "SessionStart", source: "startup" }))
  }
  setTimeout(start, 20000).unref?.() // in case that the sign below is not there

  const ended = async (id) => {
    const error = failed.get(id)
    failed.delete(id)
    running.delete(id)
    if (error?.name === "MessageAbortedError") return tell({ hook_event_name: "Interrupt", session_id: id })
    if (error) return tell({ hook_event_name: "StopFailure", session_id: id, error: error.data?.message || error.name })
    const { data } = await client.session.messages({ path: { id } })
    const answer = (data || []).findLast((m) => m.info.role === "assistant")
    return tell({ hook_event_name: "Stop", session_id: id, last_assistant_message: answer ? said(answer.parts) : "" })
  }

  return {
    "chat.message": async ({ sessionID }, { parts }) => {
      if (children.has(sessionID)) return
      start()
      const refused = await inOrder(() => tell({ hook_event_name: "UserPromptSubmit", session_id: sessionID, prompt: said(parts) }))
      if (refused) throw new Error(refused)
      running.add(sessionID)
    },
    event: async ({ event: { type, properties: p } }) => {
      switch (type) {
        case "reference.updated": // the last thing that happens before the input box is there
          return start()
        case "session.created":
          if (p.info.parentID) children.add(p.info.id)
          return
        case "session.error":
          if (p.sessionID) failed.set(p.sessionID, p.error)
          return
        case "session.idle": // comes twice after an error
          inOrder(() => running.has(p.sessionID) && ended(p.sessionID))
          return
        case "permission.asked":
          inOrder(() => tell({ hook_event_name: "PermissionRequest", tool_name: p.permission, tool_input: p.metadata || p.patterns }))
          return
        case "question.asked":
          inOrder(() => tell({ hook_event_name: "PermissionRequest", tool_name: "AskUserQuestion", tool_input: { questions: p.questions } }))
          return
        case "permission.replied":
        case "question.replied":
        case "question.rejected":
          inOrder(() => tell({ hook_event_name: "PostToolUse" }))
      }
    },
  }
}
