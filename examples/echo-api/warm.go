package main

import (
	"context"
	"net/http"
	"strconv"

	"github.com/echocache/echocache/output"
)

// warm fills the cache with what most visitors see first: the first page of the catalogue in all languages, and the
// products on it. The host is part of every key, so host must be the one that visitors use.
func (s *shop) warm(ctx context.Context, host string) error {
	first, err := s.db.listing(ctx, listQuery{page: 1, order: orderings[""]})
	if err != nil {
		return err
	}
	var requests []*http.Request
	add := func(path, language string) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+path, http.NoBody)
		if err == nil {
			r.Header.Set(acceptLanguage, language)
			requests = append(requests, r)
		}
		return err
	}
	for _, language := range languages {
		if err := add("/products", language.String()); err != nil {
			return err
		}
	}
	for _, id := range first.IDs {
		if err := add("/products/"+strconv.FormatInt(id, 10), ""); err != nil {
			return err
		}
	}
	report, err := output.Warm(ctx, s.echo, requests, output.WarmConfig{
		Progress: func(p output.WarmProgress) {
			if p.Done%10 == 0 || p.Done == p.Total {
				s.logger.Info("warming", "done", p.Done, "of", p.Total)
			}
		},
	})
	s.logger.Info("the cache is warm", "report", report.String())
	return err
}
