package signal

import (
	"sync"
	"testing"
)

func TestRaiseWakesAll(t *testing.T) {
	var s Signal
	s.Raise() // nobody waits
	var woken sync.WaitGroup
	var ready sync.WaitGroup
	for range 10 {
		ready.Add(1)
		woken.Go(func() {
			ch := s.Wait()
			ready.Done()
			<-ch
		})
	}
	ready.Wait()
	s.Raise()
	woken.Wait()
	select {
	case <-s.Wait():
		t.Error("a channel taken after the raise is closed already")
	default:
	}
}
