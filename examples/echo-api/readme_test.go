package main

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

// The session in the README, command by command, against a shop on a port of its own.
func TestREADMECurlSession(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "<!-- curl session")
	_, after, opened := strings.Cut(after, "```sh\n")
	block, _, closed := strings.Cut(after, "```")
	if !found || !opened || !closed {
		t.Fatal("the README shows no session")
	}
	// A session in a doc comment is indented; this one is not.
	var indented strings.Builder
	for line := range strings.Lines(block) {
		indented.WriteString("\t" + line)
	}
	runSession(t, readSession(indented.String()), 6)
}

// runSession runs a session of at least so many commands.
func runSession(t *testing.T, session []step, atLeast int) {
	t.Helper()
	if len(session) < atLeast {
		t.Fatalf("the session has %d commands: was it moved?", len(session))
	}
	address := startShop(t)
	for _, step := range session {
		// Not run as subtests: each command depends on those before it.
		call, err := parseCurl(strings.ReplaceAll(step.command, "127.0.0.1:8080", address))
		if err != nil {
			t.Fatalf("%s\n%v", step.command, err)
		}
		got, err := call.run(t.Context(), &http.Client{Transport: plainTransport(t)})
		if err != nil {
			t.Fatalf("%s\n%v", step.command, err)
		}
		if problem := compare(step.answer, got); problem != "" {
			t.Errorf("$ %s\n%s\n--- the answer was ---\n%s", step.command, problem, got)
		}
	}
}
