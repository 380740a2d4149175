package output

import "strings"

// acceptsGzip reports whether the lines of an Accept-Encoding field allow gzip, and do not prefer identity to it (RFC 9110,
// section 12.5.3). It allocates nothing.
//
// x-gzip is gzip; of two weights for one coding the lesser counts, and an item that is not of the grammar does not. What is
// not named has the weight of "*". Without the field, or with an empty one, identity is all there is to be had.
func acceptsGzip(lines []string) bool {
	const unnamed = -1
	gzip, identity, rest := unnamed, unnamed, unnamed
	for _, line := range lines {
		for line != "" {
			var item string
			item, line, _ = strings.Cut(line, ",")
			coding, weight, ok := codingWeight(item)
			if !ok {
				continue
			}
			var of *int
			switch {
			case strings.EqualFold(coding, "gzip"), strings.EqualFold(coding, "x-gzip"):
				of = &gzip
			case strings.EqualFold(coding, "identity"):
				of = &identity
			case coding == "*":
				of = &rest
			default:
				continue
			}
			if *of == unnamed || weight < *of {
				*of = weight
			}
		}
	}
	if gzip == unnamed {
		gzip = rest
	}
	return gzip > 0 && gzip >= identity
}

// codingWeight takes an item of Accept-Encoding apart. The weight is in thousandths.
func codingWeight(item string) (coding string, weight int, ok bool) {
	coding, parameter, weighted := strings.Cut(item, ";")
	coding = strings.Trim(coding, " \t")
	if !weighted {
		return coding, 1000, coding != ""
	}
	parameter = strings.Trim(parameter, " \t")
	if len(parameter) < 3 || parameter[0]|0x20 != 'q' || parameter[1] != '=' {
		return "", 0, false
	}
	weight, ok = thousandths(parameter[2:])
	return coding, weight, ok && coding != ""
}

// thousandths reads a qvalue (RFC 9110, section 12.4.2): 0 or 1, and at most three digits behind the point.
func thousandths(s string) (int, bool) {
	if s[0] != '0' && s[0] != '1' || len(s) > 5 || len(s) > 1 && s[1] != '.' {
		return 0, false
	}
	n := int(s[0]-'0') * 1000
	for i, unit := 2, 100; i < len(s); i, unit = i+1, unit/10 {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n += int(s[i]-'0') * unit
	}
	return n, n <= 1000
}
