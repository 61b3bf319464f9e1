package mcpapi

import (
	"context"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
)

const (
	progressEvery = 100 * time.Millisecond // the closest that two notifications follow each other
	keepAlive     = 5 * time.Second        // the longest that a long call is silent
)

// progress tells a client how far its call has come, when it asked to be told.
type progress struct {
	notify func(orchestron.Progress)
	start  sync.Once
	latest chan orchestron.Progress // at most one; a newer takes its place
	quit   chan struct{}
	done   chan struct{}
}

// newProgress begins to report a call. The caller must stop it. A long call is reported although it says nothing.
func newProgress(ctx context.Context, req *mcp.CallToolRequest, long bool) *progress {
	token := req.Params.GetProgressToken()
	if token == nil {
		return &progress{}
	}
	p := &progress{latest: make(chan orchestron.Progress, 1), quit: make(chan struct{}), done: make(chan struct{})}
	p.notify = func(at orchestron.Progress) {
		// A client that cannot be told is told nothing; its call ends with its connection.
		_ = req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: token, Progress: at.Done, Total: at.Total, Message: at.Message,
		})
	}
	if long {
		p.start.Do(func() { go p.run() })
	}
	return p
}

// report is an operation's way to tell; it never blocks.
func (p *progress) report(at orchestron.Progress) {
	if p.notify == nil {
		return
	}
	p.start.Do(func() { go p.run() })
	for {
		select {
		case p.latest <- at:
			return
		default:
		}
		select {
		case <-p.latest:
		default:
		}
	}
}

// stop returns when the last notification is out.
func (p *progress) stop() {
	if p.notify == nil {
		return
	}
	p.start.Do(func() { close(p.done) })
	close(p.quit)
	<-p.done
}

func (p *progress) run() {
	defer close(p.done)
	silence := time.NewTicker(keepAlive)
	defer silence.Stop()
	var last orchestron.Progress
	for {
		select {
		case <-p.quit:
			return
		case at := <-p.latest:
			if at.Done <= last.Done {
				at.Done = last.Done + 0.001 // the protocol demands that progress grows
			}
			last = at
		case <-silence.C:
			last.Done += 0.001
		}
		p.notify(last)
		silence.Reset(keepAlive)
		select {
		case <-p.quit:
			return
		case <-time.After(progressEvery):
		}
	}
}
