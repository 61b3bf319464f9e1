package tmux

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/orchestron/orchestron"
)

// client is one control client of the server: a process (the keeper) that holds the connection open, and two pipes
// that tmux itself reads and writes. Many goroutines may ask at once; their commands go out one after the other and
// the answers come back in the same order.
type client struct {
	keeper   *exec.Cmd
	in, out  *os.File
	nonce    string        // begins our markers, so that nothing that a pane prints can look like one
	patience time.Duration // how long an answer may take
	onNote   func(*client, line)
	dead     chan struct{} // closed when the keeper has ended and every question has failed

	mu     sync.Mutex
	ending bool
	seq    int
	queue  []*question
}

// question is one command line that waits for its answer.
type question struct {
	marker string
	got    []answer
	err    error
	done   chan struct{}
}

// startClient starts a keeper. The system ends the keeper when the calling thread ends.
func startClient(keeper *exec.Cmd, patience time.Duration, onNote func(*client, line)) (*client, error) {
	inRead, inWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, inRead.Close(), inWrite.Close())
	}
	keeper.Stdin, keeper.Stdout = inRead, outWrite
	err = keeper.Start()
	_, _ = inRead.Close(), outWrite.Close()
	if err != nil {
		return nil, errors.Join(err, inWrite.Close(), outRead.Close())
	}
	c := &client{
		keeper: keeper, in: inWrite, out: outRead, nonce: "orch:" + rand.Text() + ":",
		patience: patience, onNote: onNote, dead: make(chan struct{}),
	}
	go c.live()
	return c, nil
}

// live reads until the keeper has ended, however it ended, and then fails what still waits.
func (c *client) live() {
	read := make(chan struct{})
	go func() {
		defer close(read)
		c.read()
		c.end()
	}()
	_ = c.keeper.Wait()
	// A tmux server that lost its client may keep our pipe, so its end is not waited for.
	_ = c.out.Close()
	<-read
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.queue {
		q.err = orchestron.Errorf(orchestron.Unavailable, "the connection to tmux ended; the command may have run")
		close(q.done)
	}
	c.queue = nil
	close(c.dead)
}

// read handles lines until there are no more. Longer lines than the buffer are what a pane prints; their beginning
// says all that we want.
func (c *client) read() {
	var a answers
	r := bufio.NewReaderSize(c.out, 64<<10)
	for {
		b, more, err := r.ReadLine()
		if err != nil {
			return
		}
		l := parseLine(b)
		done, note := a.feed(l)
		switch {
		case done != nil:
			c.onAnswer(*done)
		case note && c.onNote != nil:
			c.onNote(c, l)
		}
		for more && err == nil {
			_, more, err = r.ReadLine()
		}
	}
}

// onAnswer gives an answer to the first question that waits. The answers of one question end with its marker,
// because nothing else tells how many there are.
func (c *client) onAnswer(a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return
	}
	q := c.queue[0]
	if len(a.lines) != 1 || a.lines[0] != q.marker {
		q.got = append(q.got, a)
		return
	}
	c.queue = c.queue[1:]
	close(q.done)
}

// post sends a command line without waiting for the answer.
func (c *client) post(command string) (*question, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending {
		return nil, orchestron.Errorf(orchestron.Unavailable, "the connection to tmux ended; the command did not run")
	}
	c.seq++
	q := &question{marker: fmt.Sprintf("%s%d", c.nonce, c.seq), done: make(chan struct{})}
	c.queue = append(c.queue, q)
	_ = c.in.SetWriteDeadline(time.Now().Add(c.patience))
	if _, err := c.in.WriteString(command + "\ndisplay-message -p " + q.marker + "\n"); err != nil {
		c.endLocked() // fails q when the keeper has ended
	}
	return q, nil
}

// ask sends a command line and returns what tmux printed. The error is a refusal when tmux itself refused, and of
// kind Unavailable when no answer came. An answer that is overdue ends the client: the ones behind it would be late too.
func (c *client) ask(ctx context.Context, command string) ([]string, error) {
	q, err := c.post(command)
	if err != nil {
		return nil, err
	}
	late := time.NewTimer(c.patience)
	defer late.Stop()
	select {
	case <-q.done:
	case <-ctx.Done():
		return nil, orchestron.Errorf(orchestron.Unavailable, "gave up waiting for tmux; the command may have run: %w", context.Cause(ctx))
	case <-late.C:
		c.end()
		return nil, orchestron.Errorf(orchestron.Unavailable, "tmux did not answer within %s; the command may have run", c.patience)
	}
	if q.err != nil {
		return nil, q.err
	}
	var lines []string
	for _, a := range q.got {
		if a.failed {
			return nil, refusal(strings.Join(a.lines, " "))
		}
		lines = append(lines, a.lines...)
	}
	return lines, nil
}

// refusal is an error message of tmux.
type refusal string

func (r refusal) Error() string { return "tmux says: " + string(r) }

// end makes the keeper leave. A keeper that is told leaves nothing behind in the server, which one that is killed
// may do.
func (c *client) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked()
}

func (c *client) endLocked() {
	if c.ending {
		return
	}
	c.ending = true
	_ = c.in.Close()
	_ = c.keeper.Process.Signal(syscall.SIGTERM)
	time.AfterFunc(time.Second, func() { _ = c.keeper.Process.Kill() })
}

// close ends the client and waits until it has.
func (c *client) close() {
	c.end()
	<-c.dead
}

// usable reports whether questions may be put to the client.
func (c *client) usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.ending
}
