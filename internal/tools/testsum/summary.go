package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is one line of `go test -json`, as far as it is read here (see `go doc test2json`).
type event struct {
	Action      string
	Package     string
	Test        string
	Output      string
	ImportPath  string // of a build that failed
	FailedBuild string // the build on whose account Package could not be tested
}

// test is a test that has begun and not ended.
type test struct {
	output      strings.Builder
	parent      bool // it has subtests
	childFailed bool
}

// testPackage is a package that has begun and not ended.
type testPackage struct {
	running map[string]*test
	failed  int
}

// summary counts leaves: a test with subtests counts through them, and for itself only if it failed although none of
// them did, or was skipped. A package that fails without a failing test (it could not be built, its TestMain gave up,
// it ran out of time) counts as one failure.
type summary struct {
	out                     io.Writer
	packages                map[string]*testPackage
	builds                  map[string]bool // failed builds; true once a package was counted on their account
	skips                   []string
	failures                []string
	passed, failed, skipped int
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, packages: map[string]*testPackage{}, builds: map[string]bool{}}
}

// read takes in the whole stream. A line that is not an event is printed as it is: it is somebody's complaint.
func (s *summary) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				s.take(e)
			} else {
				s.print("%s\n", strings.TrimRight(string(line), "\n"))
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the events: %w", err)
		}
	}
}

func (s *summary) take(e event) {
	switch {
	case e.Action == "build-output":
		s.print("%s", e.Output)
	case e.Action == "build-fail":
		s.builds[e.ImportPath] = s.builds[e.ImportPath] || false
	case e.Test == "":
		s.takePackage(e)
	default:
		s.takeTest(e)
	}
}

func (s *summary) takePackage(e event) {
	p := s.at(e.Package)
	switch e.Action {
	case "output":
		// "PASS" and "FAIL" alone repeat what the line with the package's name says.
		if e.Output != "PASS\n" && e.Output != "FAIL\n" {
			s.print("%s", e.Output)
		}
	case "pass", "skip", "fail":
		s.endPackage(e, p)
	}
}

func (s *summary) endPackage(e event, p *testPackage) {
	delete(s.packages, e.Package)
	for _, name := range slices.Sorted(maps.Keys(p.running)) {
		t := p.running[name]
		if !t.parent {
			s.fail(p, e.Package+" "+name+" (began and did not end)", t)
		}
	}
	if e.Action != "fail" || p.failed > 0 {
		return
	}
	reason := "(the package failed, none of its tests did)"
	if e.FailedBuild != "" {
		s.builds[e.FailedBuild] = true
		reason = "(could not be built)"
	}
	s.fail(p, e.Package+" "+reason, &test{})
}

func (s *summary) takeTest(e event) {
	p := s.at(e.Package)
	t := p.running[e.Test]
	if t == nil {
		t = &test{}
		p.running[e.Test] = t
		if up := p.parentOf(e.Test); up != nil {
			up.parent = true
		}
	}
	switch e.Action {
	case "output":
		t.output.WriteString(e.Output)
	case "pass", "fail", "skip":
		delete(p.running, e.Test)
		s.endTest(e, p, t)
	}
}

func (s *summary) endTest(e event, p *testPackage, t *test) {
	name := e.Package + " " + e.Test
	switch {
	case e.Action == "skip":
		s.skipped++
		s.skips = append(s.skips, name+": "+t.reason())
	case e.Action == "fail":
		if up := p.parentOf(e.Test); up != nil {
			up.childFailed = true
		}
		if !t.childFailed {
			s.fail(p, name, t)
			return
		}
		// A subtest told the story already; what the parent itself printed may still matter.
		s.print("%s", t.body())
	case !t.parent:
		s.passed++
	}
}

// parentOf returns the running test of which name is a subtest. A subtest's own name may hold slashes.
func (p *testPackage) parentOf(name string) *test {
	for {
		cut := strings.LastIndexByte(name, '/')
		if cut < 0 {
			return nil
		}
		name = name[:cut]
		if t := p.running[name]; t != nil {
			return t
		}
	}
}

func (s *summary) at(path string) *testPackage {
	p := s.packages[path]
	if p == nil {
		p = &testPackage{running: map[string]*test{}}
		s.packages[path] = p
	}
	return p
}

func (s *summary) fail(p *testPackage, name string, t *test) {
	p.failed++
	s.failed++
	s.failures = append(s.failures, name)
	s.print("--- FAIL: %s\n%s", name, t.body())
}

// close accounts for what never ended and prints the lists of what was skipped and what failed.
func (s *summary) close() {
	for _, path := range slices.Sorted(maps.Keys(s.packages)) {
		s.endPackage(event{Action: "fail", Package: path}, s.packages[path])
	}
	for _, path := range slices.Sorted(maps.Keys(s.builds)) {
		if !s.builds[path] {
			s.failed++
			s.failures = append(s.failures, path+" (could not be built)")
		}
	}
	s.list("skipped", s.skips)
	s.list("failed", s.failures)
	if s.passed+s.failed+s.skipped == 0 {
		s.print("\nno test ran\n")
	}
}

func (s *summary) list(what string, names []string) {
	if len(names) == 0 {
		return
	}
	s.print("\n%s:\n", what)
	for _, name := range names {
		s.print("  %s\n", name)
	}
}

func (s *summary) line() string {
	line := fmt.Sprintf("%d passed, %d failed", s.passed, s.failed)
	if s.skipped > 0 {
		line += fmt.Sprintf(", %d skipped", s.skipped)
	}
	return line
}

// print drops the error: there is nobody left to tell when standard output is gone, and the exit status stands.
func (s *summary) print(format string, a ...any) {
	_, _ = fmt.Fprintf(s.out, format, a...)
}

// body returns what the test printed, without the runner's own lines.
func (t *test) body() string {
	var b strings.Builder
	for line := range strings.Lines(t.output.String()) {
		trimmed := strings.TrimLeft(line, " ")
		if strings.HasPrefix(trimmed, "=== ") || strings.HasPrefix(trimmed, "--- ") {
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

// reason returns why a test was skipped, on one line.
func (t *test) reason() string {
	if said := strings.Join(strings.Fields(t.body()), " "); said != "" {
		return said
	}
	return "(no reason given)"
}
