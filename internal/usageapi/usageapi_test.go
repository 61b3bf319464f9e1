package usageapi

import (
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestMoney(t *testing.T) {
	for m, want := range map[Money]string{
		0: "0", 1: "0.000000000001", 4_000_000: "0.000004", dollar: "1", 12*dollar + dollar/2: "12.5", -dollar / 4: "-0.25",
		mostMoney: "9223372.036854775807",
	} {
		if m.String() != want {
			t.Errorf("%d is written %s, want %s", int64(m), m, want)
		}
	}
	for m, want := range map[Money]int64{0: 0, 1: 1, 1_000_000: 1, 1_000_001: 2, mostMoney: math.MaxInt64/1_000_000 + 1} {
		if m.Micro() != want {
			t.Errorf("%s is %d millionths, want %d", m, m.Micro(), want)
		}
	}
	if got := mostMoney.Plus(1); got != mostMoney {
		t.Errorf("the most and more is %s", got)
	}
	if got := Money(75_000_000).Times(1_000_000_000_000); got != mostMoney {
		t.Errorf("what is too much is %s", got)
	}
	for _, text := range []string{`"1"`, `1e30`, `0.0000000000001`, `null`, `x`} {
		var m Money
		if err := m.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s is read as %s", text, m)
		}
	}
}

func TestMoneyKeepsItsValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Money(rapid.Int64().Draw(t, "money"))
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var again Money
		if err := json.Unmarshal(data, &again); err != nil || again != m {
			t.Errorf("%d became %s and %d, %v", m, data, again, err)
		}
	})
}
