package fakes_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/internal/fakes"
)

func TestAfter(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{-time.Second, 0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			before := time.Now()
			select {
			case at := <-fakes.After(d):
				if want := before.Add(max(d, 0)); !at.Equal(want) || !time.Now().Equal(want) {
					t.Errorf("%v: at %v, want %v", d, at, want)
				}
			case <-t.Context().Done():
				t.Error("the test is over")
			}
		})
	}
}
