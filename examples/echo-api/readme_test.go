package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The session in the README, command by command, against a shop on a port of its own.
func TestREADMECurlSession(t *testing.T) {
	t.Parallel()
	runSession(t, readmeSession(t, "<!-- curl session"), 6)
}

// The one with a database that is down, on a clock that goes when everybody waits.
func TestREADMEDatabaseDownSession(t *testing.T) {
	t.Parallel()
	session := readmeSession(t, "<!-- database down")
	if len(session) < 6 {
		t.Fatalf("the session has %d commands: was it moved?", len(session))
	}
	environment, found := strings.CutSuffix(session[0].command, " go run ./examples/echo-api")
	seconds, slept := strings.CutPrefix(session[1].command, "sleep ")
	seconds, _, _ = strings.Cut(seconds, " #")
	patience, err := time.ParseDuration(seconds + "s")
	if !found || !slept || err != nil {
		t.Fatalf("it begins with %q and %q", session[0].command, session[1].command)
	}
	c, err := readConfig(func(name string) string {
		for set := range strings.FieldsSeq(environment) {
			if value, is := strings.CutPrefix(set, name+"="); is {
				return value
			}
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s, err := newShop(t.Context(), c, quiet())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.warm(t.Context(), "127.0.0.1:8080"); err != nil || !c.Warm {
			t.Fatalf("%v, warm: %v", err, c.Warm)
		}
		s.db.fail(c.FailRate)
		time.Sleep(patience)
		play(t, session[2:], "127.0.0.1:8080", &http.Client{Transport: direct{s.echo}})
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
}

// direct answers without a network.
type direct struct{ h http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	got := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), r.Body)
	got.Header = r.Header
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, got)
	return w.Result(), nil
}

// readmeSession returns the session below a mark in the README.
func readmeSession(t *testing.T, mark string) []step {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), mark)
	_, after, opened := strings.Cut(after, "```sh\n")
	block, _, closed := strings.Cut(after, "```")
	if !found || !opened || !closed {
		t.Fatalf("the README shows no session below %s", mark)
	}
	// A session in a doc comment is indented; this one is not.
	var indented strings.Builder
	for line := range strings.Lines(block) {
		indented.WriteString("\t" + line)
	}
	return readSession(indented.String())
}

// runSession runs a session of at least so many commands.
func runSession(t *testing.T, session []step, atLeast int) {
	t.Helper()
	if len(session) < atLeast {
		t.Fatalf("the session has %d commands: was it moved?", len(session))
	}
	play(t, session, startShop(t), &http.Client{Transport: plainTransport(t)})
}

// play runs the commands of a session, one after the other.
func play(t *testing.T, session []step, address string, client *http.Client) {
	t.Helper()
	for _, step := range session {
		// Not run as subtests: each command depends on those before it.
		call, err := parseCurl(strings.ReplaceAll(step.command, "127.0.0.1:8080", address))
		if err != nil {
			t.Fatalf("%s\n%v", step.command, err)
		}
		got, err := call.run(t.Context(), client)
		if err != nil {
			t.Fatalf("%s\n%v", step.command, err)
		}
		if problem := compare(step.answer, got); problem != "" {
			t.Errorf("$ %s\n%s\n--- the answer was ---\n%s", step.command, problem, got)
		}
	}
}
