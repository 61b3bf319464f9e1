package agent

import "testing"

func TestGetenv(t *testing.T) {
	env := []string{"A=1", "B=old", "B=new"}
	for name, want := range map[string]string{"A": "1", "B": "new", "C": ""} {
		if got := getenv(env, name); got != want {
			t.Errorf("getenv(%s) = %q, want %q", name, got, want)
		}
	}
}
