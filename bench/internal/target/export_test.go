package target

import "net/http"

// Counted makes a target of a handler that wants its origin counted.
func Counted(serve func(run func(), w http.ResponseWriter, r *http.Request)) *Target {
	o := &origin{}
	return &Target{
		Name: "fake", Cached: true, Keeps: true, origin: o,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(func() { o.runs.Add(1) }, w, r) }),
	}
}
