package main

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"
)

// Both are *echo.HTTPError: an error of this type, and of a status that the policy names in StatusFor, is kept by the
// cache like any other answer.
var (
	errNoProduct = echo.NewHTTPError(http.StatusNotFound, "no such product")
	errNoBrand   = echo.NewHTTPError(http.StatusNotFound, "no such brand")
)

// fieldsError is a request that was understood and cannot be accepted: what is wrong with which field.
type fieldsError map[string]string

func (f fieldsError) Error() string { return "the request is not valid" }

// verdict returns f as an error, or nil if nothing is wrong.
func (f fieldsError) verdict() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// failure is the body of every answer that is not a success.
type failure struct {
	Error  string      `json:"error"`
	Fields fieldsError `json:"fields,omitempty"`
}

// errorHandler returns Echo's central error handler: every error becomes JSON. What went wrong inside is logged, not
// told.
func errorHandler(logger *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return // the answer has begun; there is no taking it back
		}
		status, body := explain(err)
		if status >= http.StatusInternalServerError && c.Request().Context().Err() == nil {
			logger.ErrorContext(c.Request().Context(), "request failed",
				"method", c.Request().Method, "route", c.Path(), "error", err)
		}
		if c.Request().Method == http.MethodHead {
			err = c.NoContent(status)
		} else {
			err = c.JSON(status, body)
		}
		if err != nil {
			logger.DebugContext(c.Request().Context(), "error not delivered", "route", c.Path(), "error", err)
		}
	}
}

func explain(err error) (int, failure) {
	if fields, ok := errors.AsType[fieldsError](err); ok {
		return http.StatusBadRequest, failure{fields.Error(), fields}
	}
	known, ok := errors.AsType[*echo.HTTPError](err)
	if !ok {
		return http.StatusInternalServerError, failure{Error: "internal error"}
	}
	if text, ok := known.Message.(string); ok {
		return known.Code, failure{Error: text}
	}
	return known.Code, failure{Error: http.StatusText(known.Code)}
}
