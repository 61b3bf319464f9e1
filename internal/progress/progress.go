// Package progress tells a client how far its call has come: not too often, never backwards, and not too seldom.
package progress

import (
	"sync"
	"time"

	"github.com/orchestron/orchestron"
)

const (
	progressEvery = 100 * time.Millisecond // the closest that two notifications follow each other
	keepAlive     = 5 * time.Second        // the longest that a long call is silent
)

// Teller tells of one call. It is safe for concurrent use.
type Teller struct {
	notify func(orchestron.Progress)
	start  sync.Once
	latest chan orchestron.Progress // at most one; a newer takes its place
	quit   chan struct{}
	done   chan struct{}
}

// New begins to tell of a call; whoever calls it must call Stop. Without notify nobody is told. A long call is told of
// although it says nothing.
func New(notify func(orchestron.Progress), long bool) *Teller {
	if notify == nil {
		return &Teller{}
	}
	p := &Teller{notify: notify, latest: make(chan orchestron.Progress, 1), quit: make(chan struct{}), done: make(chan struct{})}
	if long {
		p.start.Do(func() { go p.run() })
	}
	return p
}

// Report is an operation's way to tell; it never blocks.
func (p *Teller) Report(at orchestron.Progress) {
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

// Stop returns when the last notification is out.
func (p *Teller) Stop() {
	if p.notify == nil {
		return
	}
	p.start.Do(func() { close(p.done) })
	close(p.quit)
	<-p.done
}

func (p *Teller) run() {
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
