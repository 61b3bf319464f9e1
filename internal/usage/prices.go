package usage

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/usageapi"
)

//go:embed prices.yaml
var known []byte

// Prices says what calls of models cost. It is immutable.
type Prices struct {
	lists []priceList
	mark  string
}

// priceList is a file of prices.
type priceList struct {
	Date   day     `yaml:"date"`
	Source string  `yaml:"source"`
	Models []price `yaml:"models"`
}

// price is what tokens of a model cost.
type price struct {
	Model   string `yaml:"model"` // its id, in which * stands for anything
	From    day    `yaml:"from"`
	Above   int64  `yaml:"above"`
	Input   *rate  `yaml:"input"`
	Output  *rate  `yaml:"output"`
	Read    *rate  `yaml:"cache_read"`     // as the input when left out
	Write5m *rate  `yaml:"cache_write_5m"` // likewise
	Write1h *rate  `yaml:"cache_write_1h"` // likewise
	Window  int64  `yaml:"context_window"` // how many tokens it has room for
}

// rate is what one token costs.
type rate usageapi.Money

// UnmarshalYAML reads dollars for a million tokens, exactly.
func (r *rate) UnmarshalYAML(n *yaml.Node) error {
	amount, ok := new(big.Rat).SetString(n.Value)
	if n.Kind != yaml.ScalarNode || !ok || len(n.Value) > 20 || amount.Sign() < 0 || amount.Cmp(big.NewRat(1_000_000, 1)) >= 0 {
		return fmt.Errorf("line %d: %s is no price of a million tokens in dollars", n.Line, orchestron.Quotable(n.Value))
	}
	amount.Mul(amount, big.NewRat(1_000_000, 1))
	if !amount.IsInt() {
		return fmt.Errorf("line %d: the price %s has more than six digits behind the point", n.Line, n.Value)
	}
	*r = rate(amount.Num().Int64())
	return nil
}

// day is a date, and zero when it is left out.
type day struct{ time.Time }

// UnmarshalYAML reads a date, as 2026-11-21.
func (d *day) UnmarshalYAML(n *yaml.Node) error {
	t, err := time.Parse(time.DateOnly, n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %s is no date as 2026-11-21", n.Line, orchestron.Quotable(n.Value))
	}
	d.Time = t
	return nil
}

// LoadPrices returns the prices of a file before those that are built in. A file that does not exist changes nothing;
// one that cannot be understood is Invalid, and the error says in which line.
func LoadPrices(file string) (*Prices, error) {
	builtIn, err := parsePrices(known)
	if err != nil {
		return nil, fmt.Errorf("the prices that are built in: %w", err)
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return &Prices{lists: []priceList{builtIn}, mark: markOf(known)}, nil
	}
	var own priceList
	if err == nil {
		own, err = parsePrices(data)
	}
	if err != nil {
		return nil, orchestron.Errorf(orchestron.Invalid, "the prices in %s: %w", file, err).
			Try("correct or remove the file; without it the prices that are built in count")
	}
	if own.Source == "" {
		own.Source = file
	}
	return &Prices{lists: []priceList{own, builtIn}, mark: markOf(data, known)}, nil
}

func parsePrices(data []byte) (priceList, error) {
	var list priceList
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		return list, err
	}
	if len(doc.Content) == 0 {
		return list, errors.New("line 1: it is empty")
	}
	if err := doc.Load(&list, yaml.WithKnownFields()); err != nil {
		return list, err
	}
	if list.Date.IsZero() {
		return list, errors.New("line 1: there is no date that says when the prices were looked up")
	}
	for i, p := range list.Models {
		if err := p.check(); err != nil {
			return list, fmt.Errorf("line %d: %w", lineOf(&doc, i), err)
		}
	}
	return list, nil
}

// lineOf is where an entry of the models stands.
func lineOf(doc *yaml.Node, i int) int {
	top := doc.Content[0].Content
	for at := 0; at+1 < len(top); at += 2 {
		if top[at].Value == "models" && i < len(top[at+1].Content) {
			return top[at+1].Content[i].Line
		}
	}
	return 1
}

func (p price) check() error {
	switch {
	case p.Model == "":
		return errors.New("there is no model")
	case p.Input == nil || p.Output == nil:
		return fmt.Errorf("%s needs a price for input and one for output", p.Model)
	case p.Above < 0, p.Window < 0:
		return fmt.Errorf("%s: above and context_window are not negative", p.Model)
	}
	return nil
}

func markOf(files ...[]byte) string {
	sum := sha256.Sum256(bytes.Join(files, []byte{0}))
	return hex.EncodeToString(sum[:8])
}

// Lists says where the prices come from.
func (p *Prices) Lists() []usageapi.List {
	var all []usageapi.List
	for _, l := range p.lists {
		all = append(all, usageapi.List{Date: l.Date.Format(time.DateOnly), Source: l.Source})
	}
	return all
}

// Cost is what a call cost, and false when its model has no price.
func (p *Prices) Cost(e usageapi.Entry) (usageapi.Money, bool) {
	model := plain(e.Model)
	for _, l := range p.lists {
		for _, price := range l.Models {
			if price.fits(model, e) {
				return price.of(e.Tokens), true
			}
		}
	}
	return 0, false
}

// Window is how many tokens a model has room for, and 0 when that is not known.
func (p *Prices) Window(model string) int64 {
	model, _, _ = strings.Cut(plain(model), "+")
	for _, l := range p.lists {
		for _, price := range l.Models {
			if price.Window > 0 && price.names(model) {
				return price.Window
			}
		}
	}
	return 0
}

func (p price) fits(model string, e usageapi.Entry) bool {
	if e.At.Before(p.From.Time) || p.Above > 0 && e.Tokens.Prompt() <= p.Above {
		return false
	}
	return p.names(e.Model) || p.names(model)
}

// names reports whether a price is that of a model. A * in it stands for any text.
func (p price) names(model string) bool {
	parts := strings.Split(p.Model, "*")
	rest, begins := strings.CutPrefix(model, parts[0])
	if !begins || len(parts) == 1 {
		return begins && rest == ""
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		var found bool
		if _, rest, found = strings.Cut(rest, part); !found {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[last])
}

func (p price) of(t usageapi.Tokens) usageapi.Money {
	or := func(r *rate) usageapi.Money {
		if r == nil {
			r = p.Input
		}
		return usageapi.Money(*r)
	}
	return or(p.Input).Times(t.Input).Plus(or(p.Output).Times(t.Output)).Plus(or(p.Read).Times(t.CacheRead)).
		Plus(or(p.Write5m).Times(t.CacheWrite5m)).Plus(or(p.Write1h).Times(t.CacheWrite1h))
}

var (
	dated   = regexp.MustCompile(`[-@]20[0-9]{6}(\+|$)`)
	bedrock = regexp.MustCompile(`^(?:.*[./])?anthropic\.(claude-[a-z0-9-]+?)(?:-v[0-9]+(?::[0-9a-z:]+)?)?(\+.*)?$`)
)

// plain is the id that a model has with its maker, without its date, which changes no price. Amazon Bedrock puts it into
// ids and ARNs of its own, as us.anthropic.claude-sonnet-4-5-20250929-v1:0, and Vertex writes the date as @20250929.
func plain(id string) string {
	id = bedrock.ReplaceAllString(strings.Replace(id, "[1m]", "", 1), "$1$2")
	return dated.ReplaceAllString(id, "$1")
}
