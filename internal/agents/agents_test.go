package agents

import (
	"testing"

	"github.com/orchestron/orchestron"
)

func TestCanTake(t *testing.T) {
	for _, status := range []orchestron.Status{
		orchestron.Starting, orchestron.Idle, orchestron.Busy, orchestron.Waiting, orchestron.Limited, orchestron.Stopped,
		orchestron.Failed, orchestron.Lost,
	} {
		for _, urgent := range []bool{false, true} {
			want := status == orchestron.Idle || urgent && status == orchestron.Busy
			if got := canTake(orchestron.Agent{Status: status}, orchestron.Message{Urgent: urgent}); got != want {
				t.Errorf("canTake(%s, urgent %v) = %v, want %v", status, urgent, got, want)
			}
		}
	}
}
