package state

import (
	"testing"
	"time"

	"github.com/orchestron/orchestron"
)

func TestApply(t *testing.T) {
	now := time.Now()
	at := now.Add
	hook, file := orchestron.FromHook, orchestron.FromStateFile
	refused := &orchestron.Refusal{Reason: orchestron.UsageLimit, Until: at(time.Hour)}
	tests := []struct {
		name string
		from orchestron.Status
		fact orchestron.Fact
		want orchestron.Status
	}{
		{"ready ends the start", orchestron.Starting, orchestron.Fact{Kind: orchestron.FactReady, Source: hook, At: at(1)}, orchestron.Idle},
		{"ready ends a dialog at the start", orchestron.Waiting, orchestron.Fact{Kind: orchestron.FactReady, Source: hook, At: at(1)}, orchestron.Idle},
		{"a session that begins anew is still idle", orchestron.Idle, orchestron.Fact{Kind: orchestron.FactReady, Source: hook, At: at(1)}, orchestron.Idle},
		{"an accepted prompt makes busy", orchestron.Idle, orchestron.Fact{Kind: orchestron.FactSubmitted, Source: hook, At: at(1)}, orchestron.Busy},
		{"a dialog makes waiting", orchestron.Busy, orchestron.Fact{Kind: orchestron.FactAsked, Source: hook, At: at(1), Question: &orchestron.Question{}}, orchestron.Waiting},
		{"a tool that ran ends the dialog", orchestron.Waiting, orchestron.Fact{Kind: orchestron.FactWorking, Source: hook, At: at(1)}, orchestron.Busy},
		{"a tool that ran says nothing new of an idle agent", orchestron.Idle, orchestron.Fact{Kind: orchestron.FactWorking, Source: hook, At: at(1)}, orchestron.Idle},
		{"the end of the turn makes idle", orchestron.Busy, orchestron.Fact{Kind: orchestron.FactTurnEnded, Source: hook, At: at(1)}, orchestron.Idle},
		{"background work keeps busy", orchestron.Busy, orchestron.Fact{Kind: orchestron.FactTurnEnded, Source: hook, At: at(1), Background: 1}, orchestron.Busy},
		{"a failed turn makes idle", orchestron.Busy, orchestron.Fact{Kind: orchestron.FactTurnFailed, Source: hook, At: at(1)}, orchestron.Idle},
		{"a refusal limits", orchestron.Busy, orchestron.Fact{Kind: orchestron.FactTurnFailed, Source: hook, At: at(1), Refusal: refused}, orchestron.Limited},
		{"a refusal limits also what was idle already", orchestron.Idle, orchestron.Fact{Kind: orchestron.FactTurnFailed, Source: hook, At: at(1), Refusal: refused}, orchestron.Limited},
		{"a limited program is at its prompt", orchestron.Limited, orchestron.Fact{Kind: orchestron.FactStatus, Status: orchestron.Idle, Source: file, At: at(1)}, orchestron.Limited},
		{"a limited program's screen says the same", orchestron.Limited, orchestron.Fact{Kind: orchestron.FactStatus, Status: orchestron.Idle, Source: orchestron.FromScreen, At: at(1)}, orchestron.Limited},
		{"a person works with it", orchestron.Limited, orchestron.Fact{Kind: orchestron.FactSubmitted, Source: hook, At: at(1)}, orchestron.Busy},
		{"Orchestron releases it", orchestron.Limited, orchestron.Fact{Kind: orchestron.FactStatus, Status: orchestron.Idle, Source: orchestron.FromDaemon, At: at(1)}, orchestron.Idle},
		{"the program's newer word counts", orchestron.Busy, orchestron.Fact{Kind: orchestron.FactStatus, Status: orchestron.Idle, Source: file, At: at(1)}, orchestron.Idle},
		{"the program's older word does not", orchestron.Busy, orchestron.Fact{Kind: orchestron.FactStatus, Status: orchestron.Idle, Source: file, At: at(-1)}, orchestron.Busy},
		{"an old line of the transcript does not", orchestron.Busy, orchestron.Fact{Kind: orchestron.FactTurnFailed, Source: orchestron.FromTranscript, At: at(-1)}, orchestron.Busy},
		{"a stopped agent stays stopped", orchestron.Stopped, orchestron.Fact{Kind: orchestron.FactSubmitted, Source: hook, At: at(1)}, orchestron.Stopped},
		{"a lost agent stays lost", orchestron.Lost, orchestron.Fact{Kind: orchestron.FactReady, Source: hook, At: at(1)}, orchestron.Lost},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := orchestron.Agent{Status: tt.from, Evidence: orchestron.Evidence{Source: hook, At: now}}
			if tt.from == orchestron.Limited {
				a.Refusal = refused
			}
			changed := Apply(&a, tt.fact)
			if a.Status != tt.want {
				t.Errorf("apply(%s, %s) makes %s, want %s", tt.from, tt.fact.Kind, a.Status, tt.want)
			}
			if a.Status != tt.from && (!changed || a.Evidence.Source != tt.fact.Source || !a.Evidence.At.Equal(tt.fact.At)) {
				t.Errorf("apply(%s, %s) leaves the evidence %+v", tt.from, tt.fact.Kind, a.Evidence)
			}
			if (a.Refusal != nil) != (a.Status == orchestron.Limited) {
				t.Errorf("apply(%s, %s) leaves the refusal %v at %s", tt.from, tt.fact.Kind, a.Refusal, a.Status)
			}
			if (a.Question != nil) != (a.Status == orchestron.Waiting) {
				t.Errorf("apply(%s, %s) leaves the question %v at %s", tt.from, tt.fact.Kind, a.Question, a.Status)
			}
		})
	}
}

// TestApplyWithinOneMillisecond holds that a dialog that is answered and a turn that ends within the millisecond in which
// programs count leave the agent idle, and that the same word again changes nothing.
func TestApplyWithinOneMillisecond(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_123)
	file, transcript := orchestron.FromStateFile, orchestron.FromTranscript
	says := func(s orchestron.Status) orchestron.Fact {
		return orchestron.Fact{Kind: orchestron.FactStatus, Status: s, Source: file, At: at}
	}
	ended := orchestron.Fact{Kind: orchestron.FactTurnFailed, Source: transcript, At: at, Text: "interrupted"}
	tests := []struct {
		name string
		from orchestron.Status
		by   orchestron.Source
		fact orchestron.Fact
		want orchestron.Status
		news bool
	}{
		{"the file is overwritten", orchestron.Busy, file, says(orchestron.Idle), orchestron.Idle, true},
		{"the file says the same", orchestron.Busy, file, says(orchestron.Busy), orchestron.Busy, false},
		{"the turn ends in the transcript", orchestron.Busy, file, ended, orchestron.Idle, true},
		{"the dialog ends with the turn", orchestron.Waiting, file, ended, orchestron.Idle, true},
		{"the transcript tells the end again", orchestron.Idle, file, ended, orchestron.Idle, false},
		{"the file is behind the transcript", orchestron.Idle, transcript, says(orchestron.Busy), orchestron.Idle, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := orchestron.Agent{Status: tt.from, Evidence: orchestron.Evidence{Source: tt.by, At: at}}
			if news := Apply(&a, tt.fact); news != tt.news || a.Status != tt.want {
				t.Errorf("Apply = %t and makes %s, want %t and %s", news, a.Status, tt.news, tt.want)
			}
		})
	}
}
