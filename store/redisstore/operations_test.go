package redisstore_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

// tested returns the shell commands of docs/OPERATIONS.md below the mark "<!-- tested: what -->".
func tested(t *testing.T, what string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "OPERATIONS.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "<!-- tested: "+what+" -->\n```sh\n")
	commands, _, ended := strings.Cut(after, "\n```\n")
	if !found || !ended {
		t.Fatalf("docs/OPERATIONS.md has no commands marked %q", what)
	}
	return commands
}

// The commands that operators are told do what they are told for.
func TestI1_CommandsForOperators(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	if _, err := exec.LookPath("redis-cli"); err != nil {
		if os.Getenv("REQUIRE_REDIS") == "1" {
			t.Fatal("NOT TESTED: redis-cli is not there: install redis-tools")
		}
		t.Skip("NOT TESTED: redis-cli is not there: install redis-tools")
	}
	_, port, err := net.SplitHostPort(server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	run := func(what string) {
		t.Helper()
		commands := strings.ReplaceAll(tested(t, what), "-p 6379", "-p "+port)
		out, err := exec.CommandContext(t.Context(), "sh", "-c", commands).CombinedOutput()
		if err != nil || strings.Contains(string(out), "ERR") {
			t.Fatalf("%s: %v: %s", what, err, out)
		}
	}
	client := patientClient(t, server)
	s := open(t, client, redisstore.Config{Namespace: "shop"})
	near := process(t, client, "shop", 1)
	put(t, near, "seven", "v", "catalog", "product:7")
	put(t, near, "eight", "v", "product:8")
	fill := miss(t, s, "under way")

	run("evict one tag, on a namespace with one shard")
	miss(t, s, "seven")
	hit(t, s, "eight", "v")
	offer(t, s, store.Fenced, "under way", "v", fill, "product:7")

	put(t, s, "seven", "w", "product:7")
	hit(t, s, "seven", "w")
	run("forget everything")
	miss(t, s, "seven")
	miss(t, s, "eight")
	put(t, s, "eight", "w", "product:8")
	hit(t, s, "eight", "w")
}
