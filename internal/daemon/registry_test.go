package daemon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestKeepWritesLast lets a change and the end come together: what changed last must be written.
func TestKeepWritesLast(t *testing.T) {
	for range 50 { // either may be seen first
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			change := make(chan struct{})
			value, written := 0, -1
			done := make(chan struct{})
			go func() {
				defer close(done)
				keep(ctx, func() <-chan struct{} { return change }, func() error { written = value; return nil })
			}()
			synctest.Wait()
			value = 1
			close(change)
			stop()
			<-done
			if written != value {
				t.Errorf("the last write holds %d, want %d", written, value)
			}
		})
	}
}

// TestKeepTriesAgain fails a write while nothing changes.
func TestKeepTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		writes, never, done := 0, make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			keep(ctx, func() <-chan struct{} { return never }, func() error {
				if writes++; writes == 1 {
					return errors.New("the disk is full")
				}
				return nil
			})
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		if writes != 2 {
			t.Errorf("%d writes in a minute after one failed, want 2", writes)
		}
		stop()
		<-done
	})
}
