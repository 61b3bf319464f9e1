package coordinate

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinateapi"
)

const maxRounds = 3

// consensus: everybody proposes alone, then all vote until a proposal has the quorum, or the rounds are over.
func consensus(r *coordinateapi.Run, w world) {
	proposals := only(r, coordinateapi.Proposal)
	switch {
	case len(proposals) == 0:
		for _, id := range r.Participants {
			add(r, w, coordinateapi.Step{Part: coordinateapi.Proposal, Agent: id, Prompt: proposalPrompt(r)})
		}
		return
	case open(proposals):
		return
	case answered(proposals) == 0:
		end(r, w, coordinateapi.Failed, "nobody proposed anything: "+troubles(proposals))
		return
	}
	if len(r.Options) == 0 {
		r.Options = options(proposals)
	}
	round := 0
	for _, s := range r.Steps {
		round = max(round, s.Round)
	}
	votes := inRound(r, round)
	if open(votes) || reask(r, w, round, votes) {
		return
	}
	d := count(r, w, round, votes)
	if d.Decided || d.Quorum > d.Voters || round == maxRounds {
		decide(r, w, d)
		return
	}
	ask(r, w, round+1, votes)
}

// options is the different proposals.
func options(proposals []coordinateapi.Step) []coordinateapi.Option {
	var all []coordinateapi.Option
	for _, s := range proposals {
		if s.State != coordinateapi.Answered {
			continue
		}
		text := strings.TrimSpace(s.Answer)
		i := slices.IndexFunc(all, func(o coordinateapi.Option) bool { return o.Text == text })
		if i < 0 {
			i, all = len(all), append(all, coordinateapi.Option{Text: text})
		}
		all[i].By = append(all[i].By, s.N)
	}
	return all
}

func inRound(r *coordinateapi.Run, round int) []coordinateapi.Step {
	var votes []coordinateapi.Step
	for _, s := range only(r, coordinateapi.Vote, coordinateapi.Revote) {
		if s.Round == round {
			votes = append(votes, s)
		}
	}
	return votes
}

// ask begins a round. From the second on only proposals that got votes are left.
func ask(r *coordinateapi.Run, w world, round int, last []coordinateapi.Step) {
	left := map[int]bool{}
	for _, s := range last {
		if option, _, ok := voted(s); ok {
			left[option] = true
		}
	}
	for _, id := range r.Participants {
		if !w.alive[id] {
			continue
		}
		ballot := shuffled(r, round, id, left)
		add(r, w, coordinateapi.Step{
			Part: coordinateapi.Vote, Round: round, Agent: id, Ballot: ballot, Prompt: votePrompt(r, round, ballot, last),
		})
	}
}

// shuffled is the options in an order of the voter's own, always the same for the same voter and round.
func shuffled(r *coordinateapi.Run, round int, id orchestron.AgentID, left map[int]bool) []int {
	var ballot []int
	for i := range r.Options {
		if len(left) == 0 || left[i] {
			ballot = append(ballot, i)
		}
	}
	rank := func(i int) string {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %s %d", r.ID, round, id, i))
		return string(sum[:])
	}
	slices.SortFunc(ballot, func(a, b int) int { return strings.Compare(rank(a), rank(b)) })
	return ballot
}

// reask asks those again, once, whose vote cannot be read, and reports whether there were any.
func reask(r *coordinateapi.Run, w world, round int, votes []coordinateapi.Step) bool {
	asked := false
	for _, s := range votes {
		_, _, ok := voted(s)
		again := slices.ContainsFunc(votes, func(o coordinateapi.Step) bool { return o.Agent == s.Agent && o.Part == coordinateapi.Revote })
		if ok || again || s.State != coordinateapi.Answered || !w.alive[s.Agent] {
			continue
		}
		asked = true
		add(r, w, coordinateapi.Step{
			Part: coordinateapi.Revote, Round: round, Agent: s.Agent, Ballot: s.Ballot, Prompt: revotePrompt(len(s.Ballot)),
		})
	}
	return asked
}

// count counts a round; before the first, that everybody wants what it proposed. Only participants that live count.
func count(r *coordinateapi.Run, w world, round int, votes []coordinateapi.Step) coordinateapi.Decision {
	d := coordinateapi.Decision{Rounds: round, Quorum: r.Quorum, Dissent: []coordinateapi.Dissent{}}
	for _, id := range r.Participants {
		if w.alive[id] {
			d.Voters++
		} else {
			d.Absent = append(d.Absent, id)
		}
	}
	if d.Quorum == 0 {
		d.Quorum = d.Voters/2 + 1
	}
	got := make([]coordinateapi.Dissent, len(r.Options))
	for i, option := range r.Options {
		got[i] = coordinateapi.Dissent{Text: option.Text, Reasons: []string{}}
		for _, n := range option.By {
			if round == 0 && w.alive[r.Steps[n-1].Agent] {
				got[i].Votes++
			}
		}
	}
	for _, s := range votes {
		option, why, ok := voted(s)
		if !ok || !w.alive[s.Agent] || !slices.Contains(r.Participants, s.Agent) {
			continue
		}
		got[option].Votes++
		if why != "" {
			got[option].Reasons = append(got[option].Reasons, cut(why, reasons))
		}
	}
	slices.SortStableFunc(got, func(a, b coordinateapi.Dissent) int { return b.Votes - a.Votes })
	d.Votes = got[0].Votes
	d.Decided = d.Votes > 0 && d.Votes >= d.Quorum && (len(got) == 1 || got[1].Votes < d.Votes)
	if d.Decided {
		d.Choice, got = got[0].Text, got[1:]
	}
	for _, other := range got {
		if other.Votes > 0 {
			d.Dissent = append(d.Dissent, other)
		}
	}
	return d
}

// decide ends the run with what the last count says.
func decide(r *coordinateapi.Run, w world, d coordinateapi.Decision) {
	r.Decision = &d
	var b strings.Builder
	if d.Decided {
		fmt.Fprintf(&b, "Decided with %d of %d votes (%d needed) after %s:\n\n%s\n", d.Votes, d.Voters, d.Quorum, rounds(d.Rounds), fence(d.Choice, len(d.Choice)))
	} else {
		fmt.Fprintf(&b, "No proposal got the %d votes needed after %s.\n", d.Quorum, rounds(d.Rounds))
	}
	for _, id := range d.Absent {
		fmt.Fprintf(&b, "\n%s was not alive at the count: what it voted does not count.\n", id)
	}
	for _, other := range d.Dissent {
		fmt.Fprintf(&b, "\n## Dissent, %d of %d\n\n%s\n", other.Votes, d.Voters, fence(other.Text, len(other.Text)))
		for _, why := range other.Reasons {
			fmt.Fprintf(&b, "\n> %s\n", strings.ReplaceAll(why, "\n", "\n> "))
		}
	}
	r.Report = strings.TrimSpace(b.String())
	switch {
	case d.Decided:
		finish(r, w, "")
	case d.Quorum > d.Voters:
		finish(r, w, fmt.Sprintf("%d participants live, fewer than the quorum of %d", d.Voters, d.Quorum))
	default:
		finish(r, w, fmt.Sprintf("no proposal got %d votes in %s", d.Quorum, rounds(d.Rounds)))
	}
}

func rounds(n int) string {
	switch n {
	case 0:
		return "the proposals"
	case 1:
		return "1 round"
	}
	return fmt.Sprintf("%d rounds", n)
}
