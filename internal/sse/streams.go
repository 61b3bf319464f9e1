package sse

import "sync"

// Streams waits for streams. The zero value is ready.
type Streams struct {
	wait sync.WaitGroup

	mu     sync.Mutex
	all    map[*Stream]bool
	closed bool
}

// Keep waits for a stream, and calls gone when its client is gone. After Close that is at once.
func (s *Streams) Keep(stream *Stream, gone func()) {
	s.mu.Lock()
	closed := s.closed
	if !closed {
		if s.all == nil {
			s.all = map[*Stream]bool{}
		}
		s.all[stream] = true
		s.wait.Go(func() {
			stream.Wait()
			s.mu.Lock()
			delete(s.all, stream)
			s.mu.Unlock()
			gone()
		})
	}
	s.mu.Unlock()
	if closed {
		stream.Close()
		gone()
	}
}

// Close ends all streams and waits for them.
func (s *Streams) Close() {
	s.mu.Lock()
	s.closed = true
	for stream := range s.all {
		s.wait.Go(stream.Close)
	}
	s.mu.Unlock()
	s.wait.Wait()
}
