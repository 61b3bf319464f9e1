package mcpclient

import "testing"

func TestExpand(t *testing.T) {
	env := map[string]string{"A": "1", "B": "new"}
	getenv := func(name string) string { return env[name] }
	for in, want := range map[string]string{
		"x": "x", "${A}-${B}": "1-new", "$A": "$A", "${NO}": "${NO}", "${NO:-d}${A:-d}": "d1", "${A": "${A",
	} {
		if got := expand(in, getenv); got != want {
			t.Errorf("expand(%q) = %q, want %q", in, got, want)
		}
	}
}
