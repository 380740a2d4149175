package arch_test

import (
	"fmt"
	"regexp"
	"strings"
)

// block is the text between a fence that says Go and the next fence.
type block struct {
	file string
	line int // of its first line, from 1
	text string
}

// snippet is one block, or several that are compiled together.
type snippet struct {
	blocks []block
	skip   string // why it is not compiled
}

func (s snippet) name() string {
	return fmt.Sprintf("%s:%d", s.blocks[0].file, s.blocks[0].line)
}

var (
	fence     = regexp.MustCompile("^\\s*```+(\\S*)")
	directive = regexp.MustCompile(`^<!--\s*snippet:\s*(.*?)\s*-->$`)
	skipped   = regexp.MustCompile(`^skip \((.+)\)$`)
)

// readSnippets finds the snippets of a Markdown text. It fails on a directive that it does not know or that no block
// of Go follows: a misspelt one would otherwise be a snippet that nobody compiles.
func readSnippets(file, text string) ([]snippet, error) {
	r := reader{file: file}
	for i, line := range strings.Split(text, "\n") {
		if err := r.take(i+1, line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
	}
	if r.fenced || r.order != "" {
		return nil, fmt.Errorf("%s: ends within a block, or after a directive", file)
	}
	return r.found, nil
}

// reader is the state between two lines of a Markdown text.
type reader struct {
	file   string
	found  []snippet
	fenced bool   // within a block, of whatever language
	open   *block // the block of Go that is being read
	order  string // the directive that awaits its block
}

func (r *reader) take(n int, line string) error {
	mark := fence.FindStringSubmatch(line)
	order := directive.FindStringSubmatch(strings.TrimSpace(line))
	switch {
	case r.fenced && mark != nil:
		return r.end()
	case r.fenced:
		if r.open != nil {
			r.open.text += line + "\n"
		}
	case mark != nil && mark[1] == "go":
		r.fenced, r.open = true, &block{file: r.file, line: n + 1}
	case order != nil && r.order == "":
		r.order = order[1]
	case r.order != "" && strings.TrimSpace(line) != "":
		return fmt.Errorf("the directive %q before it belongs to no block of Go", r.order)
	case mark != nil:
		r.fenced = true
	}
	return nil
}

// end closes a block and does with it what its directive says.
func (r *reader) end() error {
	b, order := r.open, r.order
	r.fenced, r.open, r.order = false, nil, ""
	if b == nil {
		return nil
	}
	switch reason := skipped.FindStringSubmatch(order); {
	case order == "":
		r.found = append(r.found, snippet{blocks: []block{*b}})
	case reason != nil:
		r.found = append(r.found, snippet{blocks: []block{*b}, skip: reason[1]})
	case order == "continues" && len(r.found) > 0 && r.found[len(r.found)-1].skip == "":
		last := &r.found[len(r.found)-1]
		last.blocks = append(last.blocks, *b)
	default:
		return fmt.Errorf(`the directive %q is neither "continues" after a block that is compiled nor "skip (reason)"`, order)
	}
	return nil
}
