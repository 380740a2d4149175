package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/store"
)

// What the handlers keep of the database. Values have the tags of the pages that show them: one eviction forgets both.
// They are kept longer than pages, which are remade from them.

// valueTTL is how long a value is kept.
func (s *shop) valueTTL() time.Duration { return 12 * s.pageTTL }

// productKey is the key of one product, whether it is asked for alone or among others.
func productKey(id int64) string { return store.Key("product", id) }

// product returns a product, or store.ErrNotFound.
func (s *shop) product(c echo.Context, id int64) (product, error) {
	o := store.Options{TTL: s.valueTTL(), Tags: []string{productTag(id)}, Negative: 10 * time.Second}
	return echocache.GetOrSet(c, productKey(id), o, func(ctx context.Context) (product, error) {
		s.logger.InfoContext(ctx, "products loaded", "ids", []int64{id})
		p, found, err := s.db.product(ctx, id)
		if err == nil && !found {
			err = store.ErrNotFound
		}
		return p, err
	})
}

// products returns those products that exist. What is kept is not loaded, and the rest by one query.
func (s *shop) products(c echo.Context, ids []int64) (map[int64]product, error) {
	load := func(ctx context.Context, ids []int64) (map[int64]product, error) {
		s.logger.InfoContext(ctx, "products loaded", "ids", ids)
		for _, id := range ids {
			store.Current(ctx).Of(productKey(id)).Tag(productTag(id)) // each its own
		}
		return s.db.products(ctx, ids)
	}
	o := store.Options{TTL: s.valueTTL(), Negative: 10 * time.Second}
	return store.GetOrSetMany(c.Request().Context(), s.cache.Outputs().Store(), ids, productKey, o, load)
}

// listing is a page of the catalogue: which products, and how many there are on all pages.
type listing struct {
	IDs   []int64
	Total int64
}

// listing keeps only numbers, so a change of one product costs one query for the order and one for that product.
func (s *shop) listing(c echo.Context, q listQuery) (listing, error) {
	key := store.Key("listing", q.category, q.page, q.order)
	return echocache.GetOrSet(c, key, store.For(s.valueTTL(), "catalog"), func(ctx context.Context) (listing, error) {
		return s.db.listing(ctx, q)
	})
}

// listing returns a page of the catalogue.
func (d *database) listing(ctx context.Context, q listQuery) (l listing, err error) {
	const chosen = " FROM products WHERE ?1 IN ('', category)"
	err = d.view(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, "SELECT count(*)"+chosen, q.category).Scan(&l.Total); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT id"+chosen+" ORDER BY "+q.order+" LIMIT ?2 OFFSET ?3",
			q.category, pageSize, (q.page-1)*pageSize)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id int64
			if err := rows.Scan(&id); err != nil {
				return err
			}
			l.IDs = append(l.IDs, id)
		}
		return rows.Err()
	})
	return l, err
}

// products returns those products that exist, in one query.
func (d *database) products(ctx context.Context, ids []int64) (map[int64]product, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	found := make(map[int64]product, len(ids))
	err = d.view(ctx, func(ctx context.Context, tx *sql.Tx) error {
		ps, err := products(ctx, tx,
			"SELECT "+productColumns+" FROM products WHERE id IN (SELECT value FROM json_each(?))", string(list))
		for _, p := range ps {
			found[p.ID] = p
		}
		return err
	})
	return found, err
}
