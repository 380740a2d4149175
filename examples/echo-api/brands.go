package main

import (
	"context"
	"database/sql"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
)

const (
	// brandProducts bounds what a brand's page shows. Total counts all.
	brandProducts = 200
	// taggedProducts bounds how many products a page names in its tags: it may have 64, some of them the cache's own,
	// and with more it would not be kept at all.
	taggedProducts = 50
)

type brandPage struct {
	Brand    string    `json:"brand"`
	Total    int64     `json:"total"`
	Products []product `json:"products"`
}

// getBrand shows a brand's products. The tag of the brand is all that the page needs, since every change of a product
// evicts its brand, old and new; so a long page does without the tags of its products. A short page has them, too:
// whatever evicts a product, by whatever way, then takes it off this page.
func (s *shop) getBrand(c echo.Context) error {
	brand, ok := pathParam(c, "brand")
	if !ok || len(brand) > maxName {
		return errNoBrand
	}
	// First of all, so that a 404 has the tag as well: the first product of this brand evicts it.
	echocache.Tag(c, brandTag(brand))
	page, err := s.db.brand(c.Request().Context(), brand)
	switch {
	case err != nil:
		return err
	case page.Total == 0:
		return errNoBrand
	}
	if len(page.Products) <= taggedProducts {
		for _, p := range page.Products {
			echocache.Tag(c, productTag(p.ID))
		}
	}
	return c.JSON(http.StatusOK, page)
}

// pathParam returns a parameter of the route without its escapes. Echo takes parameters from the path as it was
// escaped, but only where the request's differs from Go's own way to escape it; else they are plain already, and a
// name like "50%41" must not be unescaped twice.
func pathParam(c echo.Context, name string) (string, bool) {
	text := c.Param(name)
	if c.Request().URL.RawPath == "" {
		return text, true
	}
	plain, err := url.PathUnescape(text)
	return plain, err == nil
}

// brand returns the first products of a brand and how many it has.
func (d *database) brand(ctx context.Context, name string) (brandPage, error) {
	page := brandPage{Brand: name}
	err := d.view(ctx, func(ctx context.Context, tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT count(*) FROM products WHERE brand = ?", name).Scan(&page.Total)
		if err != nil {
			return err
		}
		page.Products, err = products(ctx, tx,
			"SELECT "+productColumns+" FROM products WHERE brand = ? ORDER BY id LIMIT ?", name, brandProducts)
		return err
	})
	return page, err
}
