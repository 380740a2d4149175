package faults_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// What the rows rely on: the load notices what a user would.
func TestLoadNotices(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		code       int
		wrong      bool
	}{
		{"the page", "page 1 version 3", http.StatusOK, false},
		{"a page that a write under way has changed", "page 1 version 4", http.StatusOK, false},
		{"an evicted page", "page 1 version 2", http.StatusOK, true},
		{"another page", "page 2 version 3", http.StatusOK, true},
		{"an empty page", "", http.StatusOK, true},
		{"an error", "page 1 version 3", http.StatusServiceUnavailable, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := &load{site: &site{}, began: time.Now()}
			l.site.floors[1].Store(3)
			l.handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.code)
				fmt.Fprint(w, tt.body)
			})
			l.ask(1)
			if got := l.answers[0].wrong; (got != "") != tt.wrong {
				t.Errorf("wrong = %q", got)
			}
		})
	}
}
