package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/orchestron/orchestron/internal/terminal"
	"github.com/orchestron/orchestron/testkit/hook"
	"github.com/orchestron/orchestron/testkit/mcpclient"
	"github.com/orchestron/orchestron/testkit/record"
)

// version is the Claude Code whose interfaces the agent imitates.
const version = "2.1.329"

// session is a running agent. One goroutine, its loop, owns everything here; turns, hooks and the editor run beside
// it and hand it functions through do.
type session struct {
	opt    options
	script script
	id     string
	config string
	cwd    string
	env    []string
	began  time.Time

	tty    *terminal.Terminal
	screen *terminal.Screen
	keys   terminal.Decoder
	chords bindings
	box    composer
	hooks  *hook.Runner
	log    *record.Transcript
	old    []record.Said // of the conversation that is resumed, until it is shown
	state  *record.StateFile
	mcp    *mcpclient.Servers

	posts   chan func()
	signals chan os.Signal
	ended   chan struct{}   // closed when the loop is over
	ctx     context.Context //nolint:containedctx // of everything beside the loop
	cancel  context.CancelFunc
	group   sync.WaitGroup

	jobs      []func()      // hooks of prompts, one after the other
	working   bool          // a job runs
	asked     []*submission // prompts whose hook has not answered
	queue     []string      // prompts for the next turn
	turn      *turn
	dialog    *dialog
	tasks     []task // in the background
	editing   bool
	later     []terminal.Key // that came in one piece with the key that opened the editor
	ctrlC     time.Time      // of the last one, when it may be the first of two
	notice    string         // in the bottom line
	ignoreHup bool
	blind     bool // the terminal is gone
	ballast   []byte
	exit      *int
	reason    string // of the exit
	fault     error  // a file that could not be written
}

// do runs f in the loop and returns when it is done, or when the loop is over and f did not run.
func (s *session) do(f func()) {
	done := make(chan struct{})
	select {
	case s.posts <- func() { f(); close(done) }:
		<-done
	case <-s.ended:
	}
}

// run is the loop. It returns the exit code.
func (s *session) run() int {
	s.tty.Raw()
	s.screen.Enter()
	s.start()
	next := time.Duration(0)
	s.tty.Want <- next
	for s.exit == nil {
		s.update()
		select {
		case c := <-s.tty.Got:
			next = s.input(c)
			if !s.editing && !s.blind && s.exit == nil {
				s.tty.Want <- next
			}
		case f := <-s.posts:
			f()
		case sig := <-s.signals:
			s.signal(sig)
		}
	}
	return s.stop()
}

// start shows what there is and begins the session.
func (s *session) start() {
	s.screen.Print("Claude Code v" + version + " (scripted by Orchestron's testkit)\n" + s.cwd + "\n")
	source := "startup"
	if s.opt.resume != "" {
		source = "resume"
	}
	s.job(func() {
		fields := map[string]any{"source": source, "model": s.opt.model}
		s.hooks.Run(s.ctx, "SessionStart", source, s.hookInput("SessionStart", "", fields))
	})
	if s.opt.hasPrompt && strings.TrimSpace(s.opt.prompt) != "" {
		s.submit(s.opt.prompt, true)
	}
}

// job runs f beside the loop, after the jobs before it.
func (s *session) job(f func()) {
	s.jobs = append(s.jobs, f)
	s.nextJob()
}

func (s *session) nextJob() {
	if s.working || len(s.jobs) == 0 {
		return
	}
	f := s.jobs[0]
	s.jobs = s.jobs[1:]
	s.working = true
	s.group.Go(func() {
		f()
		s.do(func() {
			s.working = false
			s.nextJob()
		})
	})
}

// hookInput is what hooks of an event are told.
func (s *session) hookInput(event, promptID string, fields map[string]any) map[string]any {
	in := map[string]any{
		"session_id": s.id, "transcript_path": s.log.Path, "cwd": s.cwd, "hook_event_name": event,
	}
	if event != "SessionStart" && event != "SessionEnd" {
		in["permission_mode"] = s.opt.mode()
	}
	if promptID != "" {
		in["prompt_id"] = promptID
	}
	if s.opt.name != "" {
		in["session_title"] = s.opt.name
	}
	for k, v := range fields {
		in[k] = v
	}
	return in
}

// submission is a prompt on its way through the UserPromptSubmit hook.
type submission struct {
	text   string
	human  bool            // and not the agent itself gave it
	id     string          // of the prompt, or of the turn that runs meanwhile
	ctx    context.Context //nolint:containedctx // its end withdraws the prompt
	cancel context.CancelFunc
}

// submit takes a prompt from the input box, the command line or a task: its hook is asked, then its turn begins, or it
// is queued for the turn after the running one.
func (s *session) submit(text string, human bool) {
	p := &submission{text: text, human: human, id: record.UUID()}
	p.ctx, p.cancel = context.WithCancel(s.ctx)
	s.asked = append(s.asked, p)
	s.job(func() {
		s.do(func() {
			if s.turn != nil {
				p.id = s.turn.id // as Claude Code does: a queued prompt counts to the running turn
			}
		})
		v := s.hooks.Run(p.ctx, "UserPromptSubmit", "", s.hookInput("UserPromptSubmit", p.id, map[string]any{"prompt": text}))
		s.do(func() { s.answered(p, v) })
	})
}

// answered goes on with a prompt whose hook has answered.
func (s *session) answered(p *submission, v hook.Verdict) {
	s.asked = slices.DeleteFunc(s.asked, func(other *submission) bool { return other == p })
	withdrawn := p.ctx.Err() != nil
	p.cancel()
	text, human := p.text, p.human
	if (withdrawn || v.Blocked) && human {
		s.box.giveBack(text)
	}
	switch {
	case withdrawn:
		return
	case v.Blocked:
		s.record(s.log.Add("system", map[string]any{
			"subtype": "informational", "content": v.BlockedText(text), "level": "warning", "preventContinuation": true,
		}))
		s.screen.Print("● " + strings.ReplaceAll(v.BlockedText(text), "\n", "\n  ") + "\n")
		return
	}
	if human {
		s.fail(record.Accept(s.config, s.id, text))
	}
	if s.turn != nil {
		s.queue = append(s.queue, text)
		return
	}
	s.startTurn(p.id, []string{text}, human)
}

func (s *session) startTurn(id string, texts []string, human bool) {
	t := newTurn(s, id, texts, human)
	s.turn = t
	s.group.Go(func() {
		err := t.run()
		s.do(func() { s.turnEnded(t, err) })
	})
}

// turnEnded cleans up behind a turn and begins the next one when prompts are queued.
func (s *session) turnEnded(t *turn, err error) {
	t.cancel()
	s.turn, s.dialog = nil, nil
	switch {
	case errors.Is(err, context.Canceled) && !t.output && t.human && len(s.queue) == 0:
		s.log.Leaf = t.before // the conversation goes on as if it had not been
		s.box.giveBack(strings.Join(t.texts, "\n"))
	case errors.Is(err, context.Canceled):
		t.show()
		s.record(s.log.Add("user", t.interruptLine(err)))
		s.screen.Print("  ⎿  Interrupted · What should Claude do instead?\n")
	case err == nil:
		t.show()
		s.screen.Print(fmt.Sprintf("✻ Worked for %ds · done %s\n", int(time.Since(t.began).Seconds()), time.Now().Format("3:04 PM")))
	default:
		t.show()
		s.screen.Print("● " + err.Error() + "\n")
	}
	if t.exits {
		s.quit(0, "prompt_input_exit")
		return
	}
	if len(s.queue) > 0 {
		texts := s.queue
		s.queue = nil
		s.startTurn(record.UUID(), texts, true)
	}
}

// signal does what a signal asks for.
func (s *session) signal(sig os.Signal) {
	switch sig {
	case syscall.SIGWINCH:
		if !s.editing {
			s.screen.Resize(s.tty.Size())
		}
	case syscall.SIGHUP:
		if !s.ignoreHup {
			s.quit(129, "other")
		}
	case syscall.SIGINT:
		if !s.editing { // it was meant for the editor, which has the terminal
			s.quit(130, "other")
		}
	case syscall.SIGTERM:
		s.quit(143, "other")
	}
}

func (s *session) quit(code int, reason string) {
	if s.exit == nil {
		s.exit, s.reason = &code, reason
	}
}

// stop ends everything beside the loop, tells the hooks, and gives the terminal back.
func (s *session) stop() int {
	close(s.ended)
	s.cancel()
	s.group.Wait()
	s.hooks.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s.hooks.Run(ctx, "SessionEnd", s.reason, s.hookInput("SessionEnd", "", map[string]any{"reason": s.reason}))
	s.log.Close(s.opt.model, s.began)
	s.state.Remove()
	s.mcp.Close()
	last := ""
	if s.log.Written() {
		last = "\nResume this session with:\nclaude --resume " + s.id
	}
	if s.fault != nil {
		last += "\n" + s.fault.Error()
	}
	s.screen.Leave(last)
	s.tty.Close()
	s.tty.Restore()
	return *s.exit
}

// fail remembers that a file could not be written. An agent that cannot keep its records must not go on.
func (s *session) fail(err error) {
	if err != nil {
		s.fault = err
		s.quit(1, "other")
	}
}

// record is fail for a line of the transcript.
func (s *session) record(id string, err error) string {
	s.fail(err)
	return id
}
