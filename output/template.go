package output

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/echocache/echocache/store"
)

// Template is a tag with names in braces, taken apart once, at registration.
type Template struct {
	source string
	parts  []part
}

// part is a literal, or a name to be filled in.
type part struct {
	text string
	name bool
}

// ErrUnknownName is returned for a name in a tag that is nothing to this route: neither one of its parameters nor a
// value, nor the user. It is a mistake in the program, not in a request.
var ErrUnknownName = errors.New("no route parameter, value or user of this name")

// Other reasons why a tag cannot be made for a request.
var (
	errInvalid    = errors.New("filled in, it is not a tag that an application may use") // what is filled in may be a user's id
	errEmptyValue = errors.New("the value is empty")
	errBadEscape  = errors.New("the route parameter has an invalid escape")
)

// userName is the name in braces that stands for the user's id.
const userName = "user"

// ParseTemplates takes tags apart and validates them: balanced braces, names that are not empty, literal text that
// an application may use.
func ParseTemplates(tags ...string) ([]Template, error) {
	ts := make([]Template, 0, len(tags))
	for _, tag := range tags {
		t, err := parseTemplate(tag)
		if err != nil {
			return nil, fmt.Errorf("output: tag %q: %w", tag, err)
		}
		ts = append(ts, t)
	}
	return ts, nil
}

func parseTemplate(tag string) (Template, error) {
	t := Template{source: tag}
	rest := tag
	for rest != "" {
		open := strings.IndexAny(rest, "{}")
		if open < 0 {
			t.parts = append(t.parts, part{text: rest})
			break
		}
		if rest[open] == '}' {
			return t, errors.New("a closing brace without an opening one")
		}
		if open > 0 {
			t.parts = append(t.parts, part{text: rest[:open]})
		}
		name, after, closed := strings.Cut(rest[open+1:], "}")
		switch {
		case !closed:
			return t, errors.New("an opening brace is never closed")
		case name == "" || strings.ContainsAny(name, "{ "):
			return t, fmt.Errorf("%q is not a name", "{"+name+"}")
		}
		t.parts = append(t.parts, part{text: name, name: true})
		rest = after
	}
	// With every name filled in by one letter the tag must be one that an application may use; so a template
	// cannot begin like a reserved tag, and one that begins with a name is judged again when it is filled in.
	sample := strings.Builder{}
	for _, p := range t.parts {
		if p.name {
			sample.WriteByte('x')
		} else {
			sample.WriteString(p.text)
		}
	}
	if err := store.CheckTag(sample.String()); err != nil {
		return t, errors.New(strings.TrimPrefix(err.Error(), "store: "))
	}
	return t, nil
}

// Names returns the names in the template's braces.
func (t Template) Names() []string {
	var names []string
	for _, p := range t.parts {
		if p.name {
			names = append(names, p.text)
		}
	}
	return names
}

// String returns the template as it was written.
func (t Template) String() string { return t.source }

// Scope gives the values of the names in a template, for one request.
type Scope struct {
	// Param returns a route parameter as it stands in the URL, still escaped, and whether the route has it.
	Param func(name string) (string, bool)
	// Value returns a value of Config.Values, and whether there is one of this name.
	Value func(name string) (string, bool)
	// User is the user's id, "" = nobody; Identified says whether the application can tell at all.
	User       string
	Identified bool
}

// Expand fills in the template. A route parameter goes before a value, a value before the user.
func (t Template) Expand(s Scope) (string, error) {
	if len(t.parts) == 1 && !t.parts[0].name {
		return t.source, nil
	}
	var b strings.Builder
	for _, p := range t.parts {
		text := p.text
		if p.name {
			var err error
			if text, err = s.lookUp(p.text); err != nil {
				return "", fmt.Errorf("tag %q: {%s}: %w", t.source, p.text, err)
			}
		}
		b.WriteString(text)
	}
	tag := b.String()
	if store.CheckTag(tag) != nil {
		return "", fmt.Errorf("tag %q: %w", t.source, errInvalid)
	}
	return tag, nil
}

func (s Scope) lookUp(name string) (string, error) {
	text, known := "", false
	if s.Param != nil {
		var raw string
		if raw, known = s.Param(name); known {
			var err error
			if text, err = url.PathUnescape(raw); err != nil {
				return "", errBadEscape
			}
		}
	}
	if !known && s.Value != nil {
		text, known = s.Value(name)
	}
	if !known && name == userName && s.Identified {
		text, known = s.User, true
	}
	switch {
	case !known:
		return "", ErrUnknownName
	case text == "":
		return "", errEmptyValue
	}
	return text, nil
}
