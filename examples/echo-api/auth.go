package main

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// tokens stand in for real ones: sessions in a store, or signed tokens.
var tokens = map[string]string{
	"alice-token": "alice",
	"bob-token":   "bob",
}

const userKey = "user"

// identify notes who is asking. It refuses nobody: a page for everyone does not care, and a token that means nothing is
// nobody's. It must be mounted outside the cache, because a hit does not run what is inside.
func identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		scheme, token, _ := strings.Cut(c.Request().Header.Get(echo.HeaderAuthorization), " ")
		if user := tokens[token]; user != "" && strings.EqualFold(scheme, "Bearer") {
			c.Set(userKey, user)
		}
		return next(c)
	}
}

// requireUser refuses whoever is not signed in. It must be mounted outside the cache, for the same reason.
func requireUser(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if userOf(c) == "" {
			c.Response().Header().Set(echo.HeaderWWWAuthenticate, "Bearer")
			return echo.NewHTTPError(http.StatusUnauthorized, "sign in with a bearer token")
		}
		return next(c)
	}
}

// userOf returns who is asking, or "" for nobody. The cache asks it as well.
func userOf(c echo.Context) string {
	user, _ := c.Get(userKey).(string)
	return user
}
