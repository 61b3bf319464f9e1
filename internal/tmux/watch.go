package tmux

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/orchestron/orchestron"
)

// ears are those who want to hear that a pane printed something. tmux tells the watch client about panes in its own
// session only, so the window of a pane that somebody listens to has a second place in the hidden session.
type ears struct {
	mu    sync.Mutex
	panes map[string]*heard // by pane id

	link sync.Mutex // held while a window gets or loses its second place
}

// heard is a pane that somebody listens to, or has just stopped listening to.
type heard struct {
	pane   orchestron.Pane
	ears   map[chan struct{}]bool
	window string // that has a second place
}

// Changes returns a channel that gets a value when p printed something since the last one was taken, and one value
// at the start. It is never closed. The function that is returned with it ends this; call it.
func (s *Server) Changes(p orchestron.Pane) (<-chan struct{}, func()) {
	ear := make(chan struct{}, 1)
	if !paneID.MatchString(p.ID) || p.Server != s.process {
		ear <- struct{}{}
		return ear, func() {}
	}
	s.ears.mu.Lock()
	if s.ears.panes == nil {
		s.ears.panes = map[string]*heard{}
	}
	h := s.ears.panes[p.ID]
	if h == nil {
		h = &heard{pane: p, ears: map[chan struct{}]bool{}}
		s.ears.panes[p.ID] = h
	}
	h.ears[ear] = true
	s.ears.mu.Unlock()

	s.settle(s.ctx, p.ID)
	s.ears.wake(p.ID)
	return ear, sync.OnceFunc(func() {
		s.ears.mu.Lock()
		delete(h.ears, ear)
		s.ears.mu.Unlock()
		s.settle(s.ctx, p.ID)
	})
}

// wake tells everybody who listens to the pane.
func (e *ears) wake(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if h := e.panes[id]; h != nil {
		h.wake()
	}
}

func (h *heard) wake() {
	for ear := range h.ears {
		select {
		case ear <- struct{}{}:
		default:
		}
	}
}

// onNote hears the watch client. It must not wait for tmux.
func (s *Server) onNote(c *client, l line) {
	switch l.kind {
	case outputLine:
		s.ears.wake(string(l.pane))
	case pauseLine:
		id := string(l.pane)
		s.ears.wake(id)
		if paneID.MatchString(id) {
			_, _ = c.post("refresh-client -A " + id + ":continue")
		}
	case textLine, beginLine, endLine, errorLine, otherLine:
	}
}

// settle gives the pane's window a second place when somebody listens, and takes it away when nobody does.
func (s *Server) settle(ctx context.Context, id string) {
	s.ears.link.Lock()
	defer s.ears.link.Unlock()
	s.ears.mu.Lock()
	h := s.ears.panes[id]
	wanted := h != nil && len(h.ears) > 0
	if h != nil && !wanted {
		delete(s.ears.panes, id)
	}
	s.ears.mu.Unlock()
	switch {
	case h == nil:
	case wanted && h.window == "":
		if err := s.place(ctx, h); err != nil {
			s.cfg.Log.Warn("listening to a pane", "pane", id, "err", err)
		}
	case !wanted && h.window != "":
		_, _ = s.ask(ctx, "unlink-window -t ="+hidden+":"+h.window) // fails when the window is gone, which is as good
	}
}

func (s *Server) place(ctx context.Context, h *heard) error {
	id := h.pane.ID
	lines, err := s.onPane(ctx, h.pane, pane{
		dead: true,
		then: fmt.Sprintf("link-window -d -s %[1]s -t =%[2]s: ; display-message -p -t %[1]s '#{window_id}'", id, hidden),
	})
	if err == nil {
		h.window = strings.Join(lines, "")
	}
	return err
}

// relink makes the second places what they should be after the watch client, the hidden session or the daemon
// was replaced. unlink-window never ends a window.
func (s *Server) relink(ctx context.Context) error {
	s.ears.link.Lock()
	defer s.ears.link.Unlock()
	lines, err := s.ask(ctx, "list-windows -t ="+hidden+": -F '#{window_linked} #{window_id}'")
	if err != nil {
		return err
	}
	for _, l := range lines {
		if id, ok := strings.CutPrefix(l, "1 "); ok {
			_, _ = s.ask(ctx, "unlink-window -t ="+hidden+":"+id)
		}
	}
	s.ears.mu.Lock()
	panes := make([]*heard, 0, len(s.ears.panes))
	for _, h := range s.ears.panes {
		panes = append(panes, h)
	}
	s.ears.mu.Unlock()
	for _, h := range panes {
		h.window = ""
		switch err := s.place(ctx, h); {
		case orchestron.KindOf(err) == orchestron.Unavailable:
			return err
		case err != nil:
			s.cfg.Log.Warn("listening to a pane again", "pane", h.pane.ID, "err", err)
		}
		s.ears.wake(h.pane.ID)
	}
	return nil
}
