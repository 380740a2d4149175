package middleware_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// failure is one of the ways in which caches in front of an application are known to fail. Each has a subtest here, or
// names the test that executes it.
type failure struct {
	number int
	name   string
	test   func(*testing.T) // nil: it is executed by elsewhere
	where  string
}

func catalogue() []failure {
	return []failure{
		{1, "an error is returned through middleware that has wrapped the writer", nil, "TestComposition"},
		{2, "the handler writes nothing", nothingWritten, ""},
		{3, "the handler panics, with others waiting", panicWithWaiters, ""},
		{4, "the client whose request fills the page leaves", leaderLeaves, ""},
		{5, "the client whose request fills the page reads slowly", leaderIsSlow, ""},
		{6, "compression outside and inside", nil, "TestComposition"},
		{7, "a client without gzip after one with it", nil, "TestComposition"},
		{8, "two Set-Cookie lines", twoCookies, ""},
		{9, "redirects, empty answers, parts and HEAD are replayed as they were", replayed, "TestHead"},
		{10, "spellings of the query and of the path", spellings, ""},
		{11, "two hosts, two methods", hostsAndMethods, ""},
		{12, "two header lines are not one line with a comma", headerLines, ""},
		{13, "an answer varies on more than the one before", varyGrows, ""},
		{14, "an answer varies on everything", nil, "TestPersonalAnswersAreNeverStored"},
		{15, "an entry is damaged, cut short, or somebody else's", damagedEntries, ""},
		{16, "the store is slow, refuses, or cannot be reached", storeTroubles, ""},
		{17, "an eviction while a page is being filled", evictionDuringFill, ""},
		{18, "an eviction while the store is down", nil, "TestEvictUnconfirmed"},
		{19, "a refused write evicts nothing, all others do", nil, "TestEvictByStatus"},
		{20, "tags with characters that separate tags elsewhere", delimiters, ""},
		{21, "times to live of nothing, less than nothing, less than a second, and for ever", timesToLive, "TestConfigMistakes"},
		{22, "a body over the limit; streams", overTheLimit, "TestServerSentEvents"},
		{23, "no route, or none for this method", nil, "TestRoutersOwnAnswers"},
		{24, "outer middleware changes the headers of a replayed answer", headersChanged, ""},
		{25, "two caches on one route", nil, "TestTwoCachesOnOneRoute"},
		{26, "shutdown while pages are being filled", nil, "TestClose"},
	}
}

// TestCatalogue runs what has no test of its own, and insists that the others have one.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	var source []byte
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, text...)
	}
	for i, f := range catalogue() {
		if f.number != i+1 {
			t.Errorf("case %d stands at %d", f.number, i+1)
		}
		if f.test == nil && f.where == "" {
			t.Errorf("case %d, %s: nothing executes it", f.number, f.name)
		}
		if f.where != "" && !bytes.Contains(source, []byte("\nfunc "+f.where+"(t *testing.T)")) {
			t.Errorf("case %d, %s: there is no %s", f.number, f.name, f.where)
		}
		if f.test != nil {
			t.Run(strings.ReplaceAll(f.name, " ", "_"), f.test)
		}
	}
}
