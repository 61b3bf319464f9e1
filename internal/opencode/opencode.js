// Tells Orchestron what OpenCode does, in the words of Claude Code's hooks. It runs inside OpenCode, which loads it as a
// plugin; the driver puts before it the path of the orchestron program, as the constant self, that of the file in which
// model calls are recorded, as the constant record, and for how long somebody else may answer a permission question, as the
// constant hold ("" when nobody does).
import { spawn } from "node:child_process"
import { appendFileSync, readFileSync } from "node:fs"

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

// ask runs the hook that waits for an answer to a permission question, while the dialog is on the screen. asked is called
// when the question is handed over, and answered with what the hook writes, or "".
function ask(question, asked, answered) {
  const hook = spawn(self, ["hook", "PermissionRequest", hold], { stdio: ["pipe", "pipe", "ignore"] })
  let text = ""
  hook.stdout.on("data", (data) => (text += data))
  hook.on("error", () => asked())
  hook.on("close", () => {
    asked()
    answered(text)
  })
  hook.stdin.on("error", () => {}) // it ended before it read all
  hook.stdin.end(JSON.stringify(question), asked)
  return hook
}

const said = (parts) => parts.filter((p) => p.type === "text" && !p.synthetic).map((p) => p.text).join("\n")

// recorded returns what the record holds: the numbers of messages by their ids.
function recorded() {
  const known = new Map()
  try {
    const text = readFileSync(record, "utf8")
    if (text && !text.endsWith("\n")) appendFileSync(record, "\n") // the last line was cut off
    for (const line of text.split("\n")) {
      const { id, tokens } = JSON.parse(line)
      known.set(id, JSON.stringify(tokens))
    }
  } catch {} // there is no record yet, or it ended; what is written twice is counted once
  return known
}

// hopeless is after how many attempts, or for how long a pause, OpenCode is not left to try again by itself.
const hopeless = { attempts: 5, pause: 60000 }

export const Orchestron = async ({ client }) => {
  const children = new Map() // sessions of subagents, and whose they are
  const topOf = (id) => (children.has(id) ? topOf(children.get(id)) : id)
  const failed = new Map() // errors by session, until it is idle
  const running = new Set() // sessions with a prompt
  const refused = new Map() // what OpenCode would try again for ever, by session
  const windows = new Map() // how many tokens models have room for
  const written = recorded()
  const asking = new Map() // the ends of hooks that wait for answers, by the ids of the questions
  let last = Promise.resolve() // hooks run one after the other
  const inOrder = (work) => (last = last.then(work, work))
  let ready = false
  const start = () => {
    if (ready) return
    ready = true
    inOrder(() => tell({ hook_event_name: "SessionStart", source: "startup" }))
  }
  setTimeout(start, 20000).unref?.() // in case that the sign below is not there

  // note records a model call once its message is complete.
  const note = (m) => {
    const took = m.tokens && Object.values({ ...m.tokens, ...m.tokens.cache }).some((n) => n > 0)
    const numbers = JSON.stringify(m.tokens)
    if (m.role !== "assistant" || !m.time.completed || !took || written.get(m.id) === numbers) return
    const call = {
      id: m.id, session: m.sessionID, child: children.has(m.sessionID), at: m.time.completed, model: m.modelID,
      window: windows.get(m.providerID + "/" + m.modelID), tokens: m.tokens,
    }
    appendFileSync(record, JSON.stringify(call) + "\n", { mode: 0o600 })
    written.set(m.id, numbers)
  }

  // permission hands a question over. The first answer counts: that of the hook, or that of the terminal.
  const permission = (p) => {
    const question = { hook_event_name: "PermissionRequest", tool_name: p.permission, tool_input: { ...p.metadata, patterns: p.patterns } }
    if (!hold) return tell(question)
    return new Promise((asked) => {
      let gone
      const over = new Promise((done) => (gone = done))
      const answered = (text) => {
        asking.delete(p.id)
        gone()
        if (text) reply(p, JSON.parse(text).hookSpecificOutput.decision)
      }
      const hook = ask(question, asked, answered)
      asking.set(p.id, { hook, over })
    })
  }
  const reply = ({ id }, { behavior, message }) =>
    client._client.post({
      url: "/permission/{requestID}/reply", path: { requestID: id }, headers: { "Content-Type": "application/json" },
      body: behavior === "allow" ? { reply: "once" } : { reply: "reject", message },
    })
  // settled ends the hook of a question that was answered in the terminal.
  const settled = async (id) => {
    const waits = asking.get(id)
    if (!waits) return
    waits.hook.kill("SIGTERM")
    await waits.over
  }

  const ended = async (id) => {
    const error = failed.get(id)
    const refusal = refused.get(id)
    failed.delete(id)
    refused.delete(id)
    running.delete(id)
    if (refusal) return tell({ hook_event_name: "StopFailure", session_id: id, error: refusal.message, refusal })
    if (error?.name === "MessageAbortedError") return tell({ hook_event_name: "Interrupt", session_id: id })
    if (error) {
      const { message, statusCode, responseBody } = error.data || {}
      const answer = { status: statusCode, body: responseBody, name: error.name }
      return tell({ hook_event_name: "StopFailure", session_id: id, error: message || error.name, refusal: answer })
    }
    const { data } = await client.session.messages({ path: { id } })
    for (const m of data || []) note(m.info) // one that was complete when OpenCode was killed
    const answer = (data || []).findLast((m) => m.info.role === "assistant")
    return tell({ hook_event_name: "Stop", session_id: id, last_assistant_message: answer ? said(answer.parts) : "" })
  }

  return {
    "chat.message": async ({ sessionID }, { parts }) => {
      if (children.has(sessionID)) return
      start()
      const no = await inOrder(() => tell({ hook_event_name: "UserPromptSubmit", session_id: sessionID, prompt: said(parts) }))
      if (no) throw new Error(no)
      running.add(sessionID)
    },
    "chat.params": async ({ model }) => {
      if (model.limit?.context) windows.set(model.providerID + "/" + model.id, model.limit.context)
    },
    event: async ({ event: { type, properties: p } }) => {
      switch (type) {
        case "reference.updated": // the last thing that happens before the input box is there
          return start()
        case "session.created":
          if (p.info.parentID) children.set(p.info.id, p.info.parentID)
          return
        case "message.updated":
          return note(p.info)
        case "session.status": {
          const { type, attempt, message, next } = p.status
          const top = topOf(p.sessionID) // who waits for it
          if (type !== "retry" || !running.has(top) || refused.has(top)) return
          const pause = next - Date.now()
          if (attempt < hopeless.attempts && pause < hopeless.pause) return
          refused.set(top, { message, until: pause < hopeless.pause ? 0 : next })
          client.session.abort({ path: { id: top } })
          return
        }
        case "session.error":
          if (p.sessionID) failed.set(p.sessionID, p.error)
          return
        case "session.idle": // comes twice after an error
          inOrder(() => running.has(p.sessionID) && ended(p.sessionID))
          return
        case "permission.asked":
          inOrder(() => permission(p))
          return
        case "question.asked":
          inOrder(() => tell({ hook_event_name: "PermissionRequest", tool_name: "AskUserQuestion", tool_input: { questions: p.questions } }))
          return
        case "permission.replied":
          inOrder(() => settled(p.requestID || p.permissionID))
          inOrder(() => tell({ hook_event_name: "PostToolUse" }))
          return
        case "question.replied":
        case "question.rejected":
          inOrder(() => tell({ hook_event_name: "PostToolUse" }))
      }
    },
  }
}
