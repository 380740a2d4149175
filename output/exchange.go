package output

import "net/http"

// Exchange is one request and its answer as a door sees them. A door is what ties the cache to a web framework;
// applications do not need one. Its methods are called by [Mount.Serve], in the goroutine that called it.
type Exchange interface {
	// Route returns the pattern of the matched route, or "" if none matched.
	Route() string
	// Scheme returns "http" or "https", as the handler would compute it. forwarded is false if no header of the
	// request could be a proxy's word on it (Forwarded, X-Forwarded-…, X-Url-Scheme).
	Scheme(forwarded bool) string
	// User returns the user's id, or "" for nobody. It is called only if [Door.Identified] is set.
	User() string
	// Param returns a parameter of the route as it stands in the URL, still escaped, and whether the route has it.
	Param(name string) (string, bool)
	// Value returns a named value, and whether there is one of this name.
	Value(name string) (string, bool)
	// Scratch lends memory that nobody else uses until Serve returns.
	Scratch() *Scratch
	// Next runs what is inside the cache with request r, untouched.
	Next(r *http.Request) error
	// Fill runs what is inside the cache with f.Request, its answer going to f.Writer, while everything else
	// that is one client's is hidden. Whatever happens, a panic included, the door puts the framework's own
	// request and response back before it returns.
	Fill(f *Fill) error
	// Again returns what serves the request once more, in another goroutine and when this exchange is over, and the
	// request as that wants to see it: as the server has delivered it, with everything of its own. Its context's end does
	// not count, only its values do. It is called before Fill hides anything.
	Again() (http.Handler, *http.Request)
	// ErrorStatus returns the status code with which the framework would answer an error that Fill has returned.
	ErrorStatus(err error) int
	// Unhide undoes what the door itself hid for Fill, before it returns: an inner cache has taken over.
	Unhide()
	// Reveal is the other side of it, called on the exchange of the inner cache: User, Value and Scheme read r from
	// now on. What they read before shows only what the outer key holds, and a signed-in user would be nobody (I-4).
	Reveal(r *http.Request)
}

// Door describes a door to [Cache.Mount].
type Door struct {
	Identified    bool     // the door can tell who is asking
	Values        []string // the names that Exchange.Value knows
	IgnoreCookies []string // cookies that mean nothing to the application; nil = those of the known analytics scripts
}

// defaultIgnoreCookies are the cookies of widespread analytics scripts, which set them for the browser's side only. A
// name may end in "*".
var defaultIgnoreCookies = []string{
	"_ga", "_ga_*", "_gid", "_gat", "_gat_*", "_gcl_*", "_dc_gtm_*", // Google Analytics, Tag Manager
	"__utm*",       // Urchin, its predecessor
	"_fbp", "_fbc", // Meta pixel
	"_pk_*", "_pk.*", // Matomo
	"_hj*",           // Hotjar
	"_clck", "_clsk", // Microsoft Clarity
	"mp_*",     // Mixpanel
	"amp_*",    // Amplitude
	"ajs_*",    // Segment
	"_uetsid*", // Microsoft Advertising
	"_uetvid*",
	"_scid*", "_tt_*", "_ttp", "_pin_*", "_rdt_uuid", // Snap, TikTok, Pinterest, Reddit
	"OptanonConsent", "OptanonAlertBoxClosed", "CookieConsent", // consent banners
}
