package output

// Reason words: why a request bypassed the cache, or why an answer was not stored. They stand in Cache-Status's
// detail, in Stats and in events, and do not change.
const (
	// A request bypassed.
	reasonOff          = "off"             // SetEnabled(false), or Close
	reasonPolicyOff    = "policy-off"      // the route's policy is Off()
	reasonNoRoute      = "no-route"        // no route matched
	reasonMethod       = "method"          // neither GET nor HEAD
	reasonBody         = "body"            // a GET with a body
	reasonUpgrade      = "upgrade"         // WebSocket and the like
	reasonEventStream  = "event-stream"    // the client asks for server-sent events
	reasonRange        = "range"           // a part is asked for
	reasonPrecondition = "precondition"    // If-Match or If-Unmodified-Since
	reasonOverride     = "method-override" // a header that may change the method
	reasonSignedIn     = "signed-in"       // a known user, and the policy is for nobody in particular
	reasonNoUser       = "no-user"         // PerUser, and nobody is signed in
	reasonIdentity     = "identity-unknown"
	reasonNoValue      = "no-value"     // a VaryValue is empty
	reasonBadEscape    = "bad-escape"   // a parameter that a tag needs cannot be unescaped
	reasonTag          = "tag"          // a tag cannot be made, or may not be used
	reasonKeyTooLong   = "key-too-long" // longer than 8 KiB
	reasonScheme       = "scheme"       // the handler would see another scheme than the key says
	reasonUncacheable  = "uncacheable"  // the answer was not worth keeping a moment ago
	reasonDeadline     = "deadline"     // waited long enough, or the handler took too long
	reasonBackend      = "backend"      // the backend could not be asked

	// An answer was not stored.
	reasonError     = "error"          // the handler returned an error
	reasonPanic     = "panic"          // or panicked
	reasonNoAnswer  = "no-answer"      // or wrote nothing
	reasonStatus    = "status"         // a status code that the policy does not keep
	reasonHead      = "head"           // the answer to a HEAD has no body to keep
	reasonSetCookie = "set-cookie"     //
	reasonPrivate   = "private"        // Cache-Control: private
	reasonNoStore   = "no-store"       // Cache-Control: no-store, or Entry.NoStore
	reasonVary      = "vary"           // Vary names something undeclared
	reasonTrailer   = "trailer"        //
	reasonShort     = "short-body"     // not as long as its Content-Length
	reasonTooLarge  = "too-large"      // more than MaxBytes
	reasonStreamed  = "streamed"       // flushed
	reasonHijacked  = "hijacked"       //
	reasonAround    = "written-around" // the handler wrote past the recorder
	reasonTags      = "too-many-tags"  //
	reasonExpired   = "expired"        // the handler set a time to live that is over
	reasonFenced    = "fenced"         // an eviction came in between
	reasonRefused   = "refused"        // the backend did not keep it
	reasonNested    = "nested"         // an inner policy decides
	reasonOverload  = "overload"       // MaxFills

	// A stale page was not refreshed.
	reasonUnreached = "unreached" // the request came to no Output of the page's policy
	reasonOtherKey  = "other-key" // or to it, but asked for another page, or as another user
)

// reasons is the list of all of them, for the counters.
var reasons = []string{
	reasonOff, reasonPolicyOff, reasonNoRoute, reasonMethod, reasonBody, reasonUpgrade, reasonEventStream, reasonRange,
	reasonPrecondition, reasonOverride, reasonSignedIn, reasonNoUser, reasonIdentity, reasonNoValue, reasonBadEscape,
	reasonTag, reasonKeyTooLong, reasonScheme, reasonUncacheable, reasonDeadline, reasonBackend, reasonError,
	reasonPanic, reasonNoAnswer, reasonStatus, reasonHead, reasonSetCookie, reasonPrivate, reasonNoStore, reasonVary,
	reasonTrailer, reasonShort, reasonTooLarge, reasonStreamed, reasonHijacked, reasonAround, reasonTags,
	reasonExpired, reasonFenced, reasonRefused, reasonNested, reasonOverload, reasonUnreached, reasonOtherKey,
}

// lasting reports whether a reason says something of the page itself, so that the next request would most likely
// meet it again. Such a key is not worth waiting for, for a moment.
func lasting(reason string) bool {
	switch reason {
	case reasonSetCookie, reasonPrivate, reasonNoStore, reasonVary, reasonTrailer, reasonTooLarge, reasonStreamed,
		reasonHijacked, reasonAround, reasonStatus, reasonNoAnswer, reasonTags, reasonTag, reasonExpired:
		return true
	default:
		return false
	}
}
