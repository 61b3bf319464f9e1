package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
)

const cleanMark = "clean\n"

// lock is a file that one process holds. It tells the others who holds it, and afterwards whether the holder stopped
// cleanly.
type lock struct {
	file  *os.File
	clean bool // the holder before us stopped cleanly
}

// lingering is how long a lock is waited for whose holder has ended. A process that the holder had just forked when it was
// killed holds it, too, until it runs its own program.
const lingering = 2 * time.Second

// takeLock takes the lock, or fails with a Conflict as long as another process runs that holds it.
func takeLock(path string) (*lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the database's lock: %w", err)
	}
	text, err := lockFile(file)
	if err == nil {
		err = writeMark(file, strconv.Itoa(os.Getpid())+"\n")
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &lock{file: file, clean: text == cleanMark}, nil
}

// lockFile locks the file and returns what the last holder left in it.
func lockFile(file *os.File) (string, error) {
	fd := int(file.Fd())
	lockErr := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	text, err := io.ReadAll(io.NewSectionReader(file, 0, 64))
	for end := time.Now().Add(lingering); errors.Is(lockErr, unix.EWOULDBLOCK) && ended(text) && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
		lockErr = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		text, err = io.ReadAll(io.NewSectionReader(file, 0, 64))
	}
	if errors.Is(lockErr, unix.EWOULDBLOCK) {
		holder := "another process"
		if pid := strings.TrimSpace(string(text)); pid != "" && string(text) != cleanMark {
			holder = "process " + pid
		}
		return "", orchestron.Errorf(orchestron.Conflict, "%s holds %s: Orchestron runs already", holder, file.Name()).
			Try("use the one that runs, or stop it first")
	}
	if lockErr != nil {
		return "", fmt.Errorf("locking %s: %w", file.Name(), lockErr)
	}
	return string(text), err
}

// ended reports whether the process that a lock names as its holder runs no more.
func ended(text []byte) bool {
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return err == nil && pid > 0 && errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}

// release gives the lock up and leaves word of how we stopped.
func (l *lock) release(clean bool) error {
	var err error
	if clean {
		err = writeMark(l.file, cleanMark)
	}
	return errors.Join(err, l.file.Close())
}

// writeMark replaces the content durably: a stop of the machine must not make an unclean stop look clean. It cuts off
// what is left at the end and not before, so that it works on a full disk.
func writeMark(file *os.File, text string) error {
	if _, err := file.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	if err := file.Truncate(int64(len(text))); err != nil {
		return err
	}
	return file.Sync()
}
