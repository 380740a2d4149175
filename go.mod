module github.com/echocache/echocache

go 1.26

require (
	github.com/google/go-cmp v0.7.0
	github.com/labstack/echo/v4 v4.16.0
	github.com/patrickmn/go-cache v2.1.0+incompatible
	pgregory.net/rapid v1.3.0
)
