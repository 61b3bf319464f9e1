package terminal

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Terminal is the terminal that a program runs in.
type Terminal struct {
	In, Out *os.File
	cooked  *unix.Termios // its modes before it came

	Want chan time.Duration // asks the reader for one Chunk; 0 waits without end
	Got  chan Chunk
	wake *os.File // closing it ends the reader
	done sync.WaitGroup
}

// Chunk is what one read brought: nothing when the time was over.
type Chunk struct {
	Data []byte
	Err  error
}

// Open starts reading in, which must be a terminal. It is left in its own mode until Raw is called.
func Open(in, out *os.File) (*Terminal, error) {
	modes, err := unix.IoctlGetTermios(int(in.Fd()), GetModes)
	if err != nil {
		return nil, fmt.Errorf("standard input is no terminal: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	t := &Terminal{In: in, Out: out, cooked: modes, Want: make(chan time.Duration), Got: make(chan Chunk, 1), wake: w}
	t.done.Go(func() {
		defer func() { _ = r.Close() }()
		t.read(r)
	})
	return t, nil
}

// read serves Want. Between two requests nothing reads the terminal, so that an editor can have it.
func (t *Terminal) read(stop *os.File) {
	buf := make([]byte, 32<<10)
	for timeout := range t.Want {
		ready, err := waitReadable(int(t.In.Fd()), int(stop.Fd()), timeout)
		if err != nil || !ready {
			t.Got <- Chunk{Err: err}
			continue
		}
		n, err := unix.Read(int(t.In.Fd()), buf)
		if err == nil && n == 0 {
			err = errors.New("end of input")
		}
		t.Got <- Chunk{Data: append([]byte{}, buf[:max(n, 0)]...), Err: err}
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

// Raw gives every key to the program.
func (t *Terminal) Raw() {
	m := *t.cooked
	m.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	m.Oflag &^= unix.OPOST
	m.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	m.Cflag &^= unix.CSIZE | unix.PARENB
	m.Cflag |= unix.CS8
	m.Cc[unix.VMIN], m.Cc[unix.VTIME] = 1, 0
	_ = unix.IoctlSetTermios(int(t.In.Fd()), setModes, &m) // a terminal that went away says so at the next read
}

// Restore gives the terminal back as it was found.
func (t *Terminal) Restore() { _ = unix.IoctlSetTermios(int(t.In.Fd()), setModes, t.cooked) }

// Size is the terminal's width and height.
func (t *Terminal) Size() (width, height int) {
	ws, err := unix.IoctlGetWinsize(int(t.Out.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Col == 0 || ws.Row == 0 {
		return 80, 24
	}
	return int(ws.Col), int(ws.Row)
}

// Close ends the reader and waits for it.
func (t *Terminal) Close() {
	close(t.Want)
	_ = t.wake.Close()
	t.done.Wait()
}
