package middleware_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// failure is one of the ways in which caches in front of an application are known to fail, and the tests that execute it.
type failure struct {
	number int
	name   string
	tests  []string
}

func catalogue() []failure {
	return []failure{
		{1, "an error is returned through middleware that has wrapped the writer", []string{"TestComposition"}},
		{2, "the handler writes nothing", []string{"TestNothingWritten"}},
		{3, "the handler panics, with others waiting", []string{"TestPanicWithWaiters"}},
		{4, "the client whose request fills the page leaves", []string{"TestLeaderLeaves"}},
		{5, "the client whose request fills the page reads slowly", []string{"TestLeaderIsSlow"}},
		{6, "compression outside and inside", []string{"TestComposition"}},
		{7, "a client without gzip after one with it", []string{"TestComposition"}},
		{8, "two Set-Cookie lines", []string{"TestTwoCookies"}},
		{9, "redirects, empty answers, parts and HEAD are replayed as they were", []string{"TestReplayed", "TestHead"}},
		{10, "spellings of the query and of the path", []string{"TestSpellings"}},
		{11, "two hosts, two methods", []string{"TestHostsAndMethods"}},
		{12, "two header lines are not one line with a comma", []string{"TestHeaderLines"}},
		{13, "an answer varies on more than the one before", []string{"TestVaryGrows"}},
		{14, "an answer varies on everything", []string{"TestPersonalAnswersAreNeverStored"}},
		{15, "an entry is damaged, cut short, or somebody else's", []string{"TestDamagedEntries"}},
		{16, "the store is slow, refuses, or cannot be reached", []string{"TestStoreTroubles"}},
		{17, "an eviction while a page is being filled", []string{"TestEvictionDuringFill"}},
		{18, "an eviction while the store is down", []string{"TestEvictUnconfirmed"}},
		{19, "a refused write evicts nothing, all others do", []string{"TestEvictByStatus"}},
		{20, "tags with characters that separate tags elsewhere", []string{"TestDelimiters"}},
		{21, "times to live of nothing, less than nothing, less than a second, and for ever", []string{"TestTimesToLive", "TestConfigMistakes"}},
		{22, "a body over the limit; streams", []string{"TestOverTheLimit", "TestServerSentEvents"}},
		{23, "no route, or none for this method", []string{"TestRoutersOwnAnswers"}},
		{24, "outer middleware changes the headers of a replayed answer", []string{"TestHeadersChanged"}},
		{25, "two caches on one route", []string{"TestTwoCachesOnOneRoute"}},
		{26, "shutdown while pages are being filled", []string{"TestClose"}},
	}
}

// TestCatalogue insists that every one of them is executed by a test that exists.
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
		if f.number != i+1 || len(f.tests) == 0 {
			t.Errorf("case %d, %s: %d tests, at %d", f.number, f.name, len(f.tests), i+1)
		}
		for _, name := range f.tests {
			if !bytes.Contains(source, []byte("\nfunc "+name+"(t *testing.T)")) {
				t.Errorf("case %d, %s: there is no %s", f.number, f.name, name)
			}
		}
	}
}
