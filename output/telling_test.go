package output_test

import (
	"go/scanner"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/echocache/echocache/output"
)

// I-4 and the rest of what a request's headers decide: none of those that judge knows is passed over. The names are read from
// the source, so that a new one cannot be forgotten.
func TestI4_NoHeaderThatSaysSomethingIsPassedOver(t *testing.T) {
	t.Parallel()
	known := 0
	for _, name := range append(literals(t, "refuse.go"), literals(t, "telling.go")...) {
		passed, says := output.Judged(name, "text/event-stream")
		if says {
			known++
		}
		if passed && says {
			t.Errorf("%s is passed over", name)
		}
	}
	if known < 30 {
		t.Errorf("only %d names were found that say something", known)
	}
	for _, name := range []string{"User-Agent", "Accept-Language", "Accept-Encoding", "Cookie", "Referer", "Cache-Control", "Connection", ""} {
		if passed, says := output.Judged(name, "text/event-stream"); !passed || says {
			t.Errorf("%q is read for nothing", name)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(
			rapid.StringMatching(`X-Forwarded-[A-Z][a-z]{0,80}`), rapid.StringMatching(`[A-Z][a-zA-Z-]{0,70}`), rapid.String(),
		).Draw(t, "name")
		if passed, says := output.Judged(name, "text/event-stream"); passed && says {
			t.Fatalf("%q is passed over", name)
		}
	})
}

// literals returns the texts that stand in a file of the package.
func literals(t *testing.T, file string) (found []string) {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	var s scanner.Scanner
	s.Init(files.AddFile(file, -1, len(source)), source, nil, 0)
	for {
		_, is, text := s.Scan()
		if is == token.EOF {
			return found
		}
		if is != token.STRING {
			continue
		}
		if text, err = strconv.Unquote(text); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, "/") { // not an import
			found = append(found, text)
		}
	}
}
