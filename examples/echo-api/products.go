package main

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/store"
)

// product is a product as the API shows it.
type product struct {
	ID         int64  `json:"id"`
	Name       string `json:"name"`
	Brand      string `json:"brand"`
	Category   string `json:"category"`
	PriceCents int64  `json:"price_cents"`
	UpdatedAt  string `json:"updated_at"` // RFC 3339, UTC
}

// The tags of pages that show a product, or products of a brand. The templates in routes.go spell them the same way.
func productTag(id int64) string   { return "product:" + strconv.FormatInt(id, 10) }
func brandTag(brand string) string { return "brand:" + brand }

// getProduct shows one product. The page has its tag product:{id} from the policy, so a 404 has it as well: whoever
// creates a product of this number evicts it.
func (s *shop) getProduct(c echo.Context) error {
	id, ok := parseID(c.Param("id"))
	if !ok {
		return errNoProduct
	}
	p, err := s.product(c, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return errNoProduct
	case err != nil:
		return err
	}
	echocache.Tag(c, brandTag(p.Brand)) // only the handler knows it
	return c.JSON(http.StatusOK, p)
}

// createProduct evicts, besides what its route says, the page of the new number, which may be a kept 404, and the
// brand's.
func (s *shop) createProduct(c echo.Context) error {
	in, err := readProduct(c, 0)
	if err != nil {
		return err
	}
	// Before the database is asked, and the number even with an error: a transaction whose end nobody knows may have
	// happened, and evicting too much costs a fill.
	echocache.Evict(c, brandTag(in.Brand))
	p, err := s.db.createProduct(c.Request().Context(), in)
	if p.ID != 0 {
		echocache.Evict(c, productTag(p.ID))
	}
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/products/"+strconv.FormatInt(p.ID, 10))
	return c.JSON(http.StatusCreated, p)
}

// updateProduct replaces a product. A new brand gains it and the old one loses it: both brands' pages change.
func (s *shop) updateProduct(c echo.Context) error {
	id, ok := parseID(c.Param("id"))
	if !ok {
		return errNoProduct
	}
	in, err := readProduct(c, id)
	if err != nil {
		return err
	}
	echocache.Evict(c, brandTag(in.Brand))
	old, p, err := s.db.updateProduct(c.Request().Context(), id, in)
	return s.changed(c, old, err, func() error { return c.JSON(http.StatusOK, p) })
}

func (s *shop) deleteProduct(c echo.Context) error {
	id, ok := parseID(c.Param("id"))
	if !ok {
		return errNoProduct
	}
	old, err := s.db.deleteProduct(c.Request().Context(), id)
	return s.changed(c, old, err, func() error { return c.NoContent(http.StatusNoContent) })
}

// changed evicts the brand that a product had before a change, and answers.
func (s *shop) changed(c echo.Context, old product, err error, answer func() error) error {
	if old.ID != 0 {
		echocache.Evict(c, brandTag(old.Brand))
	}
	switch {
	case err != nil:
		return err
	case old.ID == 0:
		return errNoProduct
	}
	return answer()
}

// parseID accepts the one spelling of a number that the shop itself uses. "07" and "+7" would be further pages of
// product 7, under other tags, that no change of it evicts.
func parseID(text string) (int64, bool) {
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && id > 0 && strconv.FormatInt(id, 10) == text
}
