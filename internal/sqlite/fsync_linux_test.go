package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
)

func TestFailingDiskIsFatal(t *testing.T) {
	for _, file := range []string{"-wal", ""} { // the commit fails, or the move of the log into the file
		t.Run("orchestron.db"+file, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "orchestron.db")
			cmd, out := child(t, "fsync"+file, path)
			var said []string
			for lines := bufio.NewScanner(out); lines.Scan(); {
				said = append(said, lines.Text())
			}
			if err := cmd.Wait(); err != nil {
				t.Fatalf("the child: %v, after it said %q", err, said)
			}
			if len(said) == 1 && strings.HasPrefix(said[0], "skip") {
				t.Skip(said[0])
			}
			want := "fatal: unavailable; then: unavailable; close: unavailable"
			if got := strings.Join(said, "\n"); got != want {
				t.Errorf("the child said %q, want %q", got, want)
			}
			db := openAt(t, path)
			if db.lock.clean {
				t.Error("the stop looks clean")
			}
			if got := events(t, db); len(got) == 0 {
				t.Error("what was acknowledged before is lost")
			}
		})
	}
}

// failFsync is the program of the child: it writes until the disk fails, which it does from the third change on for
// the file with the ending, and tells what came of it.
func failFsync(path, ending string) {
	db, err := Open(context.Background(), path, quiet())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	write := func() error {
		return db.Write(context.Background(), func(tx *Tx) error {
			return tx.AddEvent(&orchestron.Event{Actor: strings.Repeat("x", 1<<20)})
		})
	}
	for i := range 100 {
		if i == 2 {
			if err := breakFsync(path + ending); err != nil {
				fmt.Println("skip: system calls cannot be made to fail here:", err)
				os.Exit(0)
			}
		}
		err = write()
		if i < 2 && err != nil {
			fmt.Println("write:", err)
		}
		select {
		case <-db.Fatal():
			if err == nil { // the log could not be moved after this change was acknowledged, which it stays
				err = write()
			}
			fmt.Printf("fatal: %s; then: %s; close: %s\n",
				orchestron.KindOf(err), orchestron.KindOf(write()), orchestron.KindOf(db.Close()))
			os.Exit(0)
		default:
		}
	}
	fmt.Println("never fatal:", err)
	os.Exit(1)
}

// breakFsync makes every later fsync of a file fail in this process, as on a disk that has died.
func breakFsync(path string) error {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the system call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_FSYNC, Jt: 2},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_FDATASYNC, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16}, // its first argument
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err != nil || target != path {
			continue
		}
		fd, err := strconv.ParseUint(entry.Name(), 10, 32)
		if err != nil {
			return err
		}
		program = append(program,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(fd), Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EIO)})
	}
	program = append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&filter)))
	runtime.KeepAlive(program)
	if errno != 0 {
		return errno
	}
	return nil
}
