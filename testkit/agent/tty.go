package agent

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is the terminal that the agent runs in.
type terminal struct {
	in, out *os.File
	cooked  *unix.Termios // its modes before the agent came

	want chan time.Duration // asks the reader for one chunk; 0 waits without end
	got  chan chunk
	wake *os.File // closing it ends the reader
	done sync.WaitGroup
}

// chunk is what one read brought: nothing when the time was over.
type chunk struct {
	data []byte
	err  error
}

// openTerminal starts reading in, which must be a terminal. It is left in its own mode until raw is called.
func openTerminal(in, out *os.File) (*terminal, error) {
	modes, err := unix.IoctlGetTermios(int(in.Fd()), getModes)
	if err != nil {
		return nil, fmt.Errorf("standard input is no terminal: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	t := &terminal{in: in, out: out, cooked: modes, want: make(chan time.Duration), got: make(chan chunk, 1), wake: w}
	t.done.Go(func() {
		defer func() { _ = r.Close() }()
		t.read(r)
	})
	return t, nil
}

// read serves want. Between two requests nothing reads the terminal, so that an editor can have it.
func (t *terminal) read(stop *os.File) {
	buf := make([]byte, 32<<10)
	for timeout := range t.want {
		ready, err := waitReadable(int(t.in.Fd()), int(stop.Fd()), timeout)
		if err != nil || !ready {
			t.got <- chunk{err: err}
			continue
		}
		n, err := unix.Read(int(t.in.Fd()), buf)
		if err == nil && n == 0 {
			err = errors.New("end of input")
		}
		t.got <- chunk{data: append([]byte{}, buf[:max(n, 0)]...), err: err}
	}
}

// waitReadable waits until fd can be read, or the time (if any) is over, or stop is closed.
func waitReadable(fd, stop int, timeout time.Duration) (bool, error) {
	for {
		var set unix.FdSet
		set.Set(fd)
		set.Set(stop)
		var tv *unix.Timeval
		if timeout > 0 {
			v := unix.NsecToTimeval(timeout.Nanoseconds())
			tv = &v
		}
		_, err := unix.Select(max(fd, stop)+1, &set, nil, nil, tv)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return err == nil && set.IsSet(fd), err
	}
}

// raw gives every key to the agent.
func (t *terminal) raw() {
	m := *t.cooked
	m.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	m.Oflag &^= unix.OPOST
	m.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	m.Cflag &^= unix.CSIZE | unix.PARENB
	m.Cflag |= unix.CS8
	m.Cc[unix.VMIN], m.Cc[unix.VTIME] = 1, 0
	_ = unix.IoctlSetTermios(int(t.in.Fd()), setModes, &m) // a terminal that went away says so at the next read
}

// restore gives the terminal back as it was found.
func (t *terminal) restore() { _ = unix.IoctlSetTermios(int(t.in.Fd()), setModes, t.cooked) }

// size is the terminal's width and height.
func (t *terminal) size() (width, height int) {
	ws, err := unix.IoctlGetWinsize(int(t.out.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Col == 0 || ws.Row == 0 {
		return 80, 24
	}
	return int(ws.Col), int(ws.Row)
}

// close ends the reader and waits for it.
func (t *terminal) close() {
	close(t.want)
	_ = t.wake.Close()
	t.done.Wait()
}
