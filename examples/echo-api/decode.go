package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// maxBody bounds a request's body.
const maxBody = "64K"

// decode reads the body: one JSON value, with no field that into does not have. A misspelt optional field that is
// silently left out is a bug report in the making.
func decode(c echo.Context, into any) error {
	decoder := json.NewDecoder(c.Request().Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return badBody(err)
	}
	switch _, err := decoder.Token(); {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return echo.NewHTTPError(http.StatusBadRequest, "the body has more than one JSON value")
	default:
		return badBody(err)
	}
}

// badBody says what is wrong in the API's words, not in Go's.
func badBody(err error) error {
	if known, ok := errors.AsType[*echo.HTTPError](err); ok {
		return known // 413, from BodyLimit
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field == "" {
			return echo.NewHTTPError(http.StatusBadRequest, "the body is a JSON "+wrong.Value+": an object is expected")
		}
		return fieldsError{wrong.Field: "must not be a JSON " + wrong.Value}
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fieldsError{strings.Trim(name, `"`): "is not a field of this request"}
	}
	if errors.Is(err, io.EOF) {
		return echo.NewHTTPError(http.StatusBadRequest, "the body is empty: JSON is expected")
	}
	return echo.NewHTTPError(http.StatusBadRequest, fmt.Sprintf("the body is not JSON: %v", err))
}
