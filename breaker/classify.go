package breaker

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/echocache/echocache/store"
)

// What gobreaker is told. It is never asked to judge an error itself.
var (
	errFailed  = errors.New("breaker: failed")
	errIgnored = errors.New("breaker: ignored")
)

// outcome returns what gobreaker is told of a call of this class.
func outcome(c Class) error {
	switch c {
	case Failure:
		return errFailed
	case Ignored:
		return errIgnored
	default:
		return nil
	}
}

// overdue is the cause with which a context ends when a budget of ours ran out.
type overdue struct{}

func (overdue) Error() string { return "the backend did not answer in time" }
func (overdue) Unwrap() error { return context.DeadlineExceeded }

// errBusy is the answer to a call for which there is no place.
var errBusy = errors.New("too many calls are waiting for the backend")

// judge classifies the error of a call. ctx is the caller's, budget the one derived from it that the backend saw.
func (b *Breaker) judge(ctx, budget context.Context, err error) Class {
	switch {
	case err == nil:
		return Success
	case errors.Is(err, errBusy):
		return Ignored // it says how much there is to do, and each of those who wait has its own outcome
	case errors.Is(err, overdue{}):
		return Failure
	case ctx.Err() != nil && !errors.Is(context.Cause(budget), overdue{}) && ended(err):
		return Ignored // the caller's own cancellation or deadline
	}
	if b.config.Classify != nil {
		if c := b.config.Classify(err); c != Unclassified {
			return c
		}
	}
	return classify(err)
}

// ended reports whether err is what a call returns when its context ends.
func ended(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

// cut reports whether err is what a connection returns that somebody else has ended.
func cut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// words are the first words of a Redis server's errors that say how it is; the others are about the command.
var words = map[string]Class{
	"READONLY": Failure, "LOADING": Failure, "CLUSTERDOWN": Failure, "MASTERDOWN": Failure, "NOREPLICAS": Failure,
	"BUSY": Failure, "TRYAGAIN": Failure,
	// It answers, and hits and evictions go on.
	"OOM": Success, "WRONGTYPE": Success,
}

// classify judges an error by what it is, and where only the text tells by the first word of it or of an error that it
// wraps. Unclassified is what nothing is known about.
func classify(err error) Class {
	if err == nil {
		return Unclassified
	}
	var network net.Error
	if ended(err) || errors.As(err, &network) || cut(err) {
		return Failure
	}
	word, _, _ := strings.Cut(err.Error(), " ")
	if c, ok := words[strings.TrimSuffix(word, ":")]; ok {
		return c
	}
	switch err := err.(type) { //nolint:errorlint // it is what As and Is do: one step down
	case interface{ Unwrap() error }:
		return classify(err.Unwrap())
	case interface{ Unwrap() []error }:
		for _, e := range err.Unwrap() {
			if c := classify(e); c != Unclassified {
				return c
			}
		}
	}
	return Unclassified
}

// orFailure is the class of a look-up: who neither answers nor says why does not do its work.
func (c Class) orFailure() Class {
	if c == Unclassified {
		return Failure
	}
	return c
}

// of is the class of a store with this verdict: who has judged a record has done its work, unless its error says
// otherwise.
func (c Class) of(v store.Verdict) Class {
	if c == Unclassified && v != store.Unknown {
		return Success
	}
	return c.orFailure()
}
