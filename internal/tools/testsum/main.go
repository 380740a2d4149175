// Command testsum reads the stream of `go test -json` from its standard input, of one module or of several one after
// the other, prints what a person needs of it, and closes with one line that counts:
//
//	$ go test -json ./... | testsum
//	ok  	github.com/echocache/echocache/store	0.412s
//	212 passed, 0 failed, 3 skipped
//
// It exits with status 1 if a test failed, a package could not be built, a test or a package began and never ended, or
// no test ran at all. It does not run tests and knows nothing of coverage or benchmarks.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main with its surroundings as arguments, and returns the exit status.
func run(args []string, in io.Reader, out, problems io.Writer) int {
	flags := flag.NewFlagSet("testsum", flag.ContinueOnError)
	flags.SetOutput(problems)
	quiet := flags.Bool("count", false, "print the closing line only")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	report := out
	if *quiet {
		report = io.Discard
	}
	s := newSummary(report)
	if err := s.read(in); err != nil {
		_, _ = fmt.Fprintln(problems, "testsum:", err)
		return 2
	}
	s.close()
	_, _ = fmt.Fprintln(out, s.line())
	if s.failed > 0 || s.passed+s.skipped == 0 {
		return 1
	}
	return 0
}
