package output_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/echocache/echocache/output"
)

// Which form a client prefers (RFC 9110, section 12.5.3).
func TestAcceptEncoding(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		lines []string
		gzip  bool
	}{
		"no field":                    {nil, false},
		"an empty field":              {[]string{""}, false},
		"gzip":                        {[]string{"gzip"}, true},
		"in any case":                 {[]string{"GZip"}, true},
		"by its old name":             {[]string{"x-gzip"}, true},
		"among others":                {[]string{"br, deflate , gzip"}, true},
		"in the second line":          {[]string{"br", "gzip"}, true},
		"not among others":            {[]string{"br, deflate"}, false},
		"a name that begins so":       {[]string{"gzip2"}, false},
		"anything":                    {[]string{"*"}, true},
		"anything, hardly":            {[]string{"*;q=0.001"}, true},
		"nothing":                     {[]string{"*;q=0"}, false},
		"anything but gzip":           {[]string{"*, gzip;q=0"}, false},
		"gzip and nothing else":       {[]string{"gzip, *;q=0"}, true},
		"refused":                     {[]string{"gzip;q=0"}, false},
		"refused in full":             {[]string{"gzip;q=0.000"}, false},
		"a weight":                    {[]string{"gzip;q=0.5"}, true},
		"white space and case":        {[]string{"gzip \t; Q=0.5 , br"}, true},
		"identity preferred":          {[]string{"gzip;q=0.5, identity"}, false},
		"identity preferred by a bit": {[]string{"gzip;q=0.998, identity;q=0.999"}, false},
		"as good as identity":         {[]string{"identity;q=0.5, gzip;q=0.5"}, true},
		"identity refused":            {[]string{"identity;q=0, gzip"}, true},
		"identity refused alone":      {[]string{"identity;q=0"}, false},
		"identity before the rest":    {[]string{"identity, *;q=0.1"}, false},
		"twice, once refused":         {[]string{"gzip, x-gzip;q=0"}, false},
		"a weight beyond all":         {[]string{"gzip;q=1.001"}, false},
		"a weight of four digits":     {[]string{"gzip;q=0.0001"}, false},
		"a weight of none":            {[]string{"gzip;q="}, false},
		"another parameter":           {[]string{"gzip;level=9"}, false},
		"two parameters":              {[]string{"gzip;q=1;q=1"}, false},
		"a whole weight":              {[]string{"gzip;q=1."}, true},
	} {
		if got := output.AcceptsGzip(row.lines...); got != row.gzip {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestAcceptEncodingAllocatesNothing(t *testing.T) { //nolint:paralleltest // it measures what the process allocates
	lines := []string{"br;q=0.9, X-Gzip;q=0.5, *;q=0.1", "identity;q=0.2"}
	if n := testing.AllocsPerRun(100, func() { output.AcceptsGzip(lines...) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzAcceptEncoding holds the parser against a slow one that is written another way.
func FuzzAcceptEncoding(f *testing.F) {
	f.Add("gzip;q=0.5, identity;q=0.501", "*;q=0")
	f.Add("x-gzip , gzip;Q=1.000", "")
	f.Add(",;q=1,gzip;q", "identity;q=0.")
	item := regexp.MustCompile(`^[ \t]*([^;]+?)[ \t]*(?:;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?$`)
	f.Fuzz(func(t *testing.T, one, two string) {
		weights := map[string]float64{}
		for text := range strings.SplitSeq(one+","+two, ",") {
			found := item.FindStringSubmatch(text)
			if found == nil || strings.Trim(found[1], " \t") == "" {
				continue
			}
			weight := 1.0
			if found[2] != "" {
				weight, _ = strconv.ParseFloat(strings.TrimSuffix(found[2], "."), 64)
			}
			name := strings.ToLower(found[1])
			if name == "x-gzip" {
				name = "gzip"
			}
			if old, has := weights[name]; !has || weight < old {
				weights[name] = weight
			}
		}
		gzip, named := weights["gzip"]
		if !named {
			gzip = weights["*"]
		}
		want := gzip > 0 && gzip >= weights["identity"]
		if got := output.AcceptsGzip(one, two); got != want {
			t.Errorf("%q, %q: %t, want %t (%v)", one, two, got, want, weights)
		}
	})
}
