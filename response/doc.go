// Package response says what browsers and CDNs may keep of an answer: Cache-Control, Vary, entity tags, and the
// conditional requests that go with them.
//
//	assets := response.Public(24 * time.Hour).Immutable()
//	w.Header().Set("Cache-Control", assets.CacheControl())
//	response.AddVary(w.Header(), assets.Varies()...)
//
// For Echo, Response of package middleware does this and the rest. The package keeps no answers itself: what a server
// keeps is decided in package output.
package response
