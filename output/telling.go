package output

// proxied is how the headers begin in which a proxy says what it knows of the client.
const proxied = "X-Forwarded-"

// telling are the names of headers that judge may know. Most that a browser sends it does not, and is not asked about. A map has
// another order each time, so that no branch on a name can be predicted: a name's length and first letter are looked up, and
// the one branch left nearly always falls the same way.
var telling = lengthsOf(proxied, append([]string{
	"Upgrade", "Range", "If-Match", "If-Unmodified-Since", "X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "Accept",
	"If-None-Match", "If-Modified-Since", "Forwarded", "X-Url-Scheme",
}, identities...)...)

// lengths has for the first letter of names, without its case, a bit for each of their lengths; the last one stands for all that
// are longer.
type lengths [32]uint64

// lengthsOf returns those of some names, and of all that begin with prefix.
func lengthsOf(prefix string, names ...string) *lengths {
	l := new(lengths)
	every := ^uint64(0)
	l[prefix[0]%32] = every << len(prefix)
	for _, name := range names {
		l[name[0]%32] |= 1 << min(len(name), 63)
	}
	return l
}

// may reports whether the name may be one of those. It is never wrong about one that is.
func (l *lengths) may(name string) bool {
	return name != "" && l[name[0]%32]>>min(len(name), 63)&1 != 0
}

// identities are the headers by which somebody may be known: HTTP's own, those of API keys, and of proxies that sign people in.
// Middleware outside has read them already, and what it left in a context cannot be hidden.
var identities = []string{
	"Authorization", "Proxy-Authorization",
	"X-Api-Key", "X-Auth-Token", "X-Access-Token", "X-Session-Token",
	"Remote-User", "X-Remote-User", "X-User-Id", "X-Authenticated-User", "X-Forwarded-User", "X-Forwarded-Email",
	"X-Auth-Request-User", "X-Auth-Request-Email",
	"Cf-Access-Jwt-Assertion", "X-Amzn-Oidc-Data", "X-Goog-Iap-Jwt-Assertion", "X-Ms-Client-Principal",
}
