// Package guard keeps web pages of other sites away from a listener.
package guard

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Hosts lets a request through only when it was meant for this listener and does not come from another site's page.
// The Host must be a loopback name with the listener's port, or one of hosts exactly. An Origin, when there is one,
// must name such a host too, and Sec-Fetch-Site must not speak of another site; both hold for every method, so that
// streams and upgrades are covered. Everything else is answered with 403. Put it before authentication and routing.
// Requests over a unix socket pass: no page reaches one. hosts is asked on every request.
func Hosts(hosts func() []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if reason := foreign(r, hosts()); reason != "" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, forbidden, reason) // the client has gone if this fails
			return
		}
		next.ServeHTTP(w, r)
	})
}

// forbidden is an error that clients of MCP and of other routes understand.
const forbidden = `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"kind":"forbidden","message":%q}}`

// foreign says why a request must not pass, and "" when it may.
func foreign(r *http.Request, hosts []string) string {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if _, unix := local.(*net.UnixAddr); unix {
		return ""
	}
	if local != nil {
		if _, port, err := net.SplitHostPort(local.String()); err == nil {
			hosts = append(slices.Clip(hosts), loopback(port)...)
		}
	}
	if !known(hosts, r.Host) {
		return "this Host is not served here; the configuration names the hosts that are"
	}
	for _, origin := range r.Header.Values("Origin") {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || !known(hosts, u.Host) {
			return "requests from this Origin are not accepted"
		}
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return "requests from another site are not accepted"
		}
	}
	return ""
}

// loopback lists the Host values that name a loopback listener. Without a port they mean port 80.
func loopback(port string) []string {
	names := []string{"127.0.0.1:" + port, "localhost:" + port, "[::1]:" + port}
	if port == "80" {
		names = append(names, "127.0.0.1", "localhost", "[::1]")
	}
	return names
}

func known(hosts []string, host string) bool {
	return host != "" && slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) })
}
