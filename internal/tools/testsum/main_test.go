package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCounts(t *testing.T) {
	t.Parallel()
	const began = `{"Action":"start","Package":"p"}` + "\n"
	tests := []struct {
		name   string
		events string
		want   string
		status int
	}{
		{
			name: "a test that passes",
			events: began + `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}`,
			want: "1 passed, 0 failed",
		},
		{
			name: "a parent counts through its subtests, whose names may hold slashes",
			events: began + `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/a/b"}
{"Action":"pass","Package":"p","Test":"TestA/a/b"}
{"Action":"run","Package":"p","Test":"TestA/c"}
{"Action":"fail","Package":"p","Test":"TestA/c"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`,
			want: "1 passed, 1 failed", status: 1,
		},
		{
			name: "a parent that fails by itself",
			events: began + `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/b"}
{"Action":"pass","Package":"p","Test":"TestA/b"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`,
			want: "1 passed, 1 failed", status: 1,
		},
		{
			name: "the same name in two packages at once",
			events: began + `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"q","Test":"TestA"}
{"Action":"pass","Package":"q","Test":"TestA"}
{"Action":"pass","Package":"q"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}`,
			want: "2 passed, 0 failed",
		},
		{
			name: "skipped is not passed",
			events: began + `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}`,
			want: "0 passed, 0 failed, 1 skipped",
		},
		{
			name: "a package without test files is no skipped test",
			events: began + `{"Action":"skip","Package":"p"}
{"Action":"run","Package":"q","Test":"TestA"}
{"Action":"pass","Package":"q","Test":"TestA"}
{"Action":"pass","Package":"q"}`,
			want: "1 passed, 0 failed",
		},
		{
			name: "a build that fails, under two packages",
			events: `{"ImportPath":"d","Action":"build-output","Output":"d.go:1: no\n"}
{"ImportPath":"d","Action":"build-fail"}
{"Action":"fail","Package":"p","FailedBuild":"d"}
{"Action":"fail","Package":"q","FailedBuild":"d"}`,
			want: "0 passed, 2 failed", status: 1,
		},
		{
			name:   "a build that fails and nothing more",
			events: `{"ImportPath":"d","Action":"build-fail"}`,
			want:   "0 passed, 1 failed", status: 1,
		},
		{
			name: "a package that fails though its tests pass",
			events: began + `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`,
			want: "1 passed, 1 failed", status: 1,
		},
		{
			name: "a test that never ends takes its package with it, once",
			events: began + `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/b"}
{"Action":"output","Package":"p","Test":"TestA/b","Output":"panic: no\n"}
{"Action":"fail","Package":"p"}`,
			want: "0 passed, 1 failed", status: 1,
		},
		{
			name: "a stream that is cut off",
			events: began + `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestA"}`,
			want: "1 passed, 1 failed", status: 1,
		},
		{
			name:   "nothing at all",
			events: "", want: "0 passed, 0 failed", status: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out, problems bytes.Buffer
			status := run([]string{"-count"}, strings.NewReader(tt.events), &out, &problems)
			if got := out.String(); got != tt.want+"\n" || status != tt.status || problems.Len() > 0 {
				t.Errorf("printed %q, status %d, problems %q; want %q, %d, none", got, status, &problems, tt.want, tt.status)
			}
		})
	}
}

func TestListsSkippedTestsWithTheirReason(t *testing.T) {
	t.Parallel()
	const events = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:9: no redis-server\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}`
	var out, problems bytes.Buffer
	run(nil, strings.NewReader(events), &out, &problems)
	if want := "\n  p TestA: a_test.go:9: no redis-server\n"; !strings.Contains(out.String(), want) {
		t.Errorf("printed %q, want it to hold %q", &out, want)
	}
}

// TestReadsTheRealRunner keeps the reader honest: the events above were written by hand, these by the go command.
func TestReadsTheRealRunner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := map[string]string{
		"go.mod":               "module m\n\ngo 1.26\n",
		"good/good_test.go":    "package good\n\nimport \"testing\"\n\nfunc TestGood(t *testing.T) { t.Run(\"sub\", func(t *testing.T) {}) }\nfunc TestSkip(t *testing.T) { t.Skip(\"too dark\") }\n",
		"bad/bad_test.go":      "package bad\n\nimport \"testing\"\n\nfunc TestBad(t *testing.T) { t.Run(\"sub\", func(t *testing.T) { t.Error(\"went wrong\") }) }\n",
		"panics/p_test.go":     "package panics\n\nimport \"testing\"\n\nfunc TestPanic(t *testing.T) { panic(\"oh no\") }\n",
		"broken/broken.go":     "package broken\n\nvar x int = \"a\"\n",
		"broken/b_test.go":     "package broken\n\nimport \"testing\"\n\nfunc TestNever(t *testing.T) {}\n",
		"vetted/v_test.go":     "package vetted\n\nimport \"testing\"\n\nfunc TestNever(t *testing.T) { t.Errorf(\"%d\", \"a\") }\n",
		"untested/untested.go": "package untested\n",
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	events, err := cmd.Output()
	if err == nil {
		t.Fatal("go test passed, want it to fail")
	}
	var out, problems bytes.Buffer
	status := run(nil, bytes.NewReader(events), &out, &problems)
	if status != 1 || problems.Len() > 0 {
		t.Errorf("status %d, problems %q; want 1, none", status, &problems)
	}
	for _, want := range []string{
		"went wrong", "panic: oh no", "too dark", "m/broken (could not be built)", "m/vetted (could not be built)",
		"m/untested\t[no test files]", "\n1 passed, 4 failed, 1 skipped\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report does not hold %q", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}
