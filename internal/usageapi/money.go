package usageapi

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// Money is an amount in trillionths of a dollar, so that the price of one token is a whole number. Sums that would not
// fit stay at the largest amount, nine million dollars.
type Money int64

const (
	dollar     = 1_000_000_000_000
	microUnit  = 1_000_000
	mostMoney  = Money(math.MaxInt64)
	moneyScale = 12 // digits behind the point
)

// Times is the price of n things at m each. Neither is negative.
func (m Money) Times(n int64) Money {
	high, low := bits.Mul64(uint64(m), uint64(n))
	if high != 0 || low > math.MaxInt64 {
		return mostMoney
	}
	return Money(low)
}

// Plus adds amounts that are not negative, and takes away one that is.
func (m Money) Plus(other Money) Money {
	if other > 0 && m > mostMoney-other {
		return mostMoney
	}
	return m + other
}

// Micro is the amount in millionths of a dollar, rounded up: what is spent is never said to be less.
func (m Money) Micro() int64 {
	if m <= 0 {
		return int64(m) / microUnit
	}
	return int64((m-1)/microUnit) + 1
}

// String is the exact amount in dollars, as 0.0123.
func (m Money) String() string {
	whole, rest := int64(m)/dollar, int64(m)%dollar
	sign := ""
	if m < 0 {
		sign, whole, rest = "-", -whole, -rest
	}
	if rest == 0 {
		return sign + strconv.FormatInt(whole, 10)
	}
	return sign + strings.TrimRight(fmt.Sprintf("%d.%0*d", whole, moneyScale, rest), "0")
}

// MarshalJSON writes the exact amount in dollars as a number.
func (m Money) MarshalJSON() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalJSON reads an amount in dollars. Digits too small for a Money are refused.
func (m *Money) UnmarshalJSON(data []byte) error {
	amount, ok := new(big.Rat).SetString(string(data))
	if !ok || len(data) > 40 {
		return fmt.Errorf("%q is no amount of money", data)
	}
	amount.Mul(amount, big.NewRat(dollar, 1))
	if !amount.IsInt() || !amount.Num().IsInt64() {
		return fmt.Errorf("%s is no amount of money", data)
	}
	*m = Money(amount.Num().Int64())
	return nil
}
