package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// step is a command of the session and the answer that is shown below it.
type step struct{ command, answer string }

// readSession finds the commands in a doc comment: indented lines that begin with "$ ". What follows is the answer, up
// to the next command or the next line that begins with "# ".
func readSession(doc string) []step {
	var session []step
	open := false
	for line := range strings.Lines(doc) {
		line = strings.TrimRight(line, "\n")
		text, indented := strings.CutPrefix(line, "\t")
		command, isCommand := strings.CutPrefix(text, "$ ")
		switch {
		case line != "" && !indented, strings.HasPrefix(text, "# "):
			open = false
		case isCommand:
			session, open = append(session, step{command: command}), true
		case open:
			session[len(session)-1].answer += text + "\n"
		}
	}
	for i := range session {
		session[i].answer = strings.TrimRight(session[i].answer, "\n")
	}
	return session
}

// curl is one call of curl, as far as the session uses it.
type curl struct {
	method  string
	header  http.Header
	data    *string
	urls    []string
	include bool   // -i
	discard bool   // -o /dev/null
	format  string // -w
}

// parseCurl takes a command apart. What it does not know is an error: the session must not show what is not tested.
func parseCurl(command string) (*curl, error) {
	words, err := shellWords(command)
	if err != nil {
		return nil, err
	}
	if len(words) == 0 || words[0] != "curl" {
		return nil, fmt.Errorf("not a call of curl: %q", command)
	}
	c := &curl{header: http.Header{"Accept": {"*/*"}, "User-Agent": {"curl"}}}
	next := func() (string, bool) {
		if len(words) == 0 {
			return "", false
		}
		word := words[0]
		words = words[1:]
		return word, true
	}
	next()
	for word, ok := next(); ok; word, ok = next() {
		if err := c.option(word, next); err != nil {
			return nil, err
		}
	}
	if len(c.urls) == 0 {
		return nil, fmt.Errorf("no URL: %q", command)
	}
	return c, nil
}

func (c *curl) option(word string, next func() (string, bool)) error {
	if !strings.HasPrefix(word, "-") {
		urls, err := expandRange(word)
		c.urls = append(c.urls, urls...)
		return err
	}
	switch word {
	case "-i":
		c.include = true
		return nil
	case "-s":
		return nil
	}
	value, ok := next()
	if !ok {
		return fmt.Errorf("%s: the argument is missing", word)
	}
	switch word {
	case "-X":
		c.method = value
	case "-H":
		name, content, ok := strings.Cut(value, ": ")
		if !ok {
			return fmt.Errorf("-H %q: not a header", value)
		}
		c.header.Set(name, content)
	case "-d":
		c.data = &value
	case "-o":
		if value != "/dev/null" {
			return fmt.Errorf("-o %s: only /dev/null", value)
		}
		c.discard = true
	case "-w":
		c.format = value
	default:
		return fmt.Errorf("option %s is not known here", word)
	}
	return nil
}

// run sends the requests and returns what curl would print.
func (c *curl) run(ctx context.Context, client *http.Client) (string, error) {
	var out strings.Builder
	for _, url := range c.urls {
		text, err := c.get(ctx, client, url)
		if err != nil {
			return "", err
		}
		out.WriteString(text)
	}
	return out.String(), nil
}

func (c *curl) get(ctx context.Context, client *http.Client, url string) (string, error) {
	method, header := c.method, c.header.Clone()
	var body io.Reader
	if c.data != nil {
		body = strings.NewReader(*c.data)
		if method == "" {
			method = http.MethodPost
		}
		if header.Get("Content-Type") == "" {
			header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return "", err
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if c.include && !c.discard {
		fmt.Fprintf(&out, "%s %s\n", response.Proto, response.Status)
		for name, lines := range response.Header {
			for _, line := range lines {
				fmt.Fprintf(&out, "%s: %s\n", name, line)
			}
		}
		out.WriteByte('\n')
	}
	if !c.discard {
		out.Write(content)
	}
	out.WriteString(c.written(response))
	return out.String(), nil
}

var writeOut = regexp.MustCompile(`%\{http_code\}|%header\{[^}]*\}|\\n`)

// written is what -w prints.
func (c *curl) written(response *http.Response) string {
	return writeOut.ReplaceAllStringFunc(c.format, func(variable string) string {
		switch variable {
		case `\n`:
			return "\n"
		case "%{http_code}":
			return strconv.Itoa(response.StatusCode)
		default:
			return response.Header.Get(strings.TrimSuffix(strings.TrimPrefix(variable, "%header{"), "}"))
		}
	})
}

var numberRange = regexp.MustCompile(`\[(\d+)-(\d+)\]`)

// expandRange does what curl does with a range of numbers in a URL.
func expandRange(url string) ([]string, error) {
	found := numberRange.FindStringSubmatch(url)
	if found == nil {
		return []string{url}, nil
	}
	low, err := strconv.Atoi(found[1])
	if err != nil {
		return nil, err
	}
	high, err := strconv.Atoi(found[2])
	if err != nil {
		return nil, err
	}
	var urls []string
	for n := low; n <= high; n++ {
		urls = append(urls, strings.Replace(url, found[0], strconv.Itoa(n), 1))
	}
	return urls, nil
}

// shellWords splits a command as a shell does, with single and double quotes. Whatever else a shell would act upon is
// an error.
func shellWords(command string) ([]string, error) {
	var words []string
	var word strings.Builder
	quote, began := rune(0), false
	for _, r := range command {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, began = r, true
		case r == ' ':
			if began {
				words = append(words, word.String())
			}
			word.Reset()
			began = false
		case strings.ContainsRune("|&;<>$`\\*?()[]{}#~", r):
			return nil, fmt.Errorf("%q must be in quotes: %s", r, command)
		default:
			word.WriteRune(r)
			began = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote is not closed: %s", command)
	}
	if began {
		words = append(words, word.String())
	}
	return words, nil
}

// compare returns "" if an answer is as the session shows it, else what differs. Of the headers each one shown must be
// there; everything else must be shown, with … for what is left out.
func compare(want, got string) string {
	got = strings.TrimRight(got, "\n")
	if !strings.HasPrefix(want, "HTTP/") {
		return differs("the answer", want, got)
	}
	wantHead, wantBody, _ := strings.Cut(want, "\n\n")
	gotHead, gotBody, _ := strings.Cut(got, "\n\n")
	wantLines, gotLines := strings.Split(wantHead, "\n"), strings.Split(gotHead, "\n")
	if problem := differs("the status", wantLines[0], gotLines[0]); problem != "" {
		return problem
	}
	for _, line := range wantLines[1:] {
		if !slices.ContainsFunc(gotLines[1:], func(g string) bool { return matches(line, g) }) {
			return "no such header: " + line
		}
	}
	return differs("the body", wantBody, gotBody)
}

func differs(what, want, got string) string {
	if matches(want, got) {
		return ""
	}
	return what + " should be\n" + want
}

// matches reports whether text is as the pattern says, in which … stands for anything.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "…")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile(`(?s)\A` + strings.Join(parts, ".*") + `\z`).MatchString(text)
}

// What finds differences must find them: each row is an answer that a broken shop could give.
func TestCompareFindsDifferences(t *testing.T) {
	t.Parallel()
	const shown = "HTTP/1.1 200 OK\nCache-Status: shop; hit; ttl=…\n\n{\"id\":7,…}"
	const right = "HTTP/1.1 200 OK\nDate: today\nCache-Status: shop; hit; ttl=300\n\n{\"id\":7,\"name\":\"x\"}\n"
	for name, row := range map[string]struct {
		shown, got string
		same       bool
	}{
		"the same":         {shown, right, true},
		"another status":   {shown, strings.Replace(right, "200 OK", "404 Not Found", 1), false},
		"another header":   {shown, strings.Replace(right, "hit", "fwd=uri-miss", 1), false},
		"no header":        {shown, strings.Replace(right, "Cache-Status", "Cache", 1), false},
		"another body":     {shown, strings.Replace(right, "7,", "8,", 1), false},
		"more body":        {shown, right + "x", false},
		"an unwanted body": {"HTTP/1.1 200 OK", right, false},
		"no body":          {shown, "HTTP/1.1 200 OK\nCache-Status: shop; hit; ttl=300\n\n", false},
		"short, the same":  {"200 a\n200 …", "200 a\n200 b\n", true},
		"short, one less":  {"200 a\n200 b", "200 a\n", false},
		"short, one other": {"200 a\n200 b", "200 a\n200 c\n", false},
	} {
		if problem := compare(row.shown, row.got); (problem == "") != row.same {
			t.Errorf("%s: compare says %q", name, problem)
		}
	}
	for _, command := range []string{
		"curl", "wget http://x", "curl -k http://x", "curl -X", "curl http://x | jq", "curl 'http://x", "curl http://x/[1-2]",
	} {
		if _, err := parseCurl(command); err == nil {
			t.Errorf("%s: understood, although it must not be", command)
		}
	}
}
