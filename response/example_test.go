package response_test

import (
	"fmt"
	"time"

	"github.com/echocache/echocache/response"
)

// A policy is a value: others are derived from it.
func ExamplePolicy() {
	assets := response.Public(24 * time.Hour)
	fmt.Println(assets.CacheControl())
	fmt.Println(assets.Immutable().CacheControl())
	fmt.Println(assets.Shared(7 * 24 * time.Hour).StaleIfError(time.Hour).CacheControl())
	fmt.Println(response.Private(time.Minute).CacheControl())
	// Output:
	// public, max-age=86400
	// public, max-age=86400, immutable
	// public, max-age=86400, s-maxage=604800, stale-if-error=3600
	// private, max-age=60
}

// A mistake is found when the policy is mounted, and says what to do.
func ExamplePolicy_Validate() {
	fmt.Println(response.Private(time.Hour).Shared(time.Minute).Validate())
	// Output:
	// response: policy: Shared(1m0s) on Private(1h0m0s): shared caches may not use it by themselves; use Public, or leave Shared out
}
